"""The agreement between the dialogue and whatever asks for metadata once the verdict is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from scanner.mongo.facts import Depth, Facts, Limits, Reply

if TYPE_CHECKING:
    from scanner.mongo.commands import Request


class Plan(Protocol):
    """What to ask of an open server, and what becomes of the answers."""

    def next_requests(self, room: int) -> list[Request]:
        """At most `room` more requests to put in flight; [] with nothing in flight means finished."""

    def answered(self, request: Request, reply: Reply) -> None:
        """One answer to one request; `reply.error` when the connection ended or the reply was no good."""


PlanFactory = Callable[[Facts, Limits, Depth], Plan]
