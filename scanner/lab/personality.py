"""What a simulated server is: a name, the truth that a scanner must find, and how it talks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from results.verdict import Verdict
    from scanner.lab.channel import ServerConnection
    from scanner.lab.security import Security

Talk = Callable[["ServerConnection"], Awaitable[None]]


class Group(StrEnum):
    """Which part of the estate a personality belongs to."""

    MAIN = "main"  # MongoDB, in every state that a sweep must tell apart
    OTHER = "other"  # other products, and services that are no database at all
    HOSTILE = "hostile"  # servers that try to hurt their client
    REAL = "real"  # not simulated: a database server running beside the lab


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true of a server besides its verdict. Empty or None: nothing to find.

    `databases` names all of them; `total_size` (bytes on disk), `documents` and `newest` leave out the
    server's own: admin, config and local.
    """

    product: str = ""
    version: str = ""
    topology: str = ""
    databases: tuple[str, ...] = ()
    total_size: int | None = None
    documents: int | None = None
    newest: datetime | None = None
    ransom: tuple[str, ...] = ()
    tls: bool = False


@dataclass(frozen=True, kw_only=True)
class Personality:
    """One simulated server. State that must not be shared between servers lives inside `talk`."""

    name: str
    description: str
    verdict: Verdict
    talk: Talk
    group: Group = Group.MAIN
    truth: Truth = field(default_factory=Truth)
    also: frozenset[Verdict] = frozenset()  # verdicts that are as right as `verdict`
    security: Security | None = None  # None: no TLS on this port
    receive_buffer: int | None = None  # SO_RCVBUF in bytes, for servers that do not read
    accepts: bool = True  # False: the kernel completes handshakes, nobody ever picks them up

    @property
    def acceptable(self) -> frozenset[Verdict]:
        """Every verdict that counts as right."""
        return self.also | {self.verdict}
