"""A sink without a receiver: a fake that answers as it is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from results.events.event import Event, parse
from results.sinks.sink import Answer, Item, Limits

if TYPE_CHECKING:
    from collections.abc import Sequence


class Scripted:
    """It keeps what it was sent, and ends each sending in the same way; TimeoutError is no end at all."""

    name, kind, place, limits = "soc", "scripted", "nowhere", Limits()

    def __init__(self, end: Answer | Exception, *, form: bytes | Exception | None = b"x") -> None:
        self.end, self.form = end, form
        self.sent: list[Item] = []
        self.closed = False

    def render(self, event: Event, line: bytes) -> bytes | None:
        assert parse(line) == event
        if isinstance(self.form, Exception):
            raise self.form
        return self.form

    async def send(self, items: Sequence[Item]) -> Answer:
        self.sent += items
        if isinstance(self.end, TimeoutError):
            await asyncio.sleep(3600)
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    async def close(self) -> None:
        self.closed = True
