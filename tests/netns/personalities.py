"""Personalities of the lab on one address of a namespace, or on all of them."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from scanner.lab.estate import find
from scanner.lab.server import LabServer

if TYPE_CHECKING:
    from scanner.lab.personality import Personality


class Everywhere(LabServer):
    """One personality on every address of a family, with room for many half-open connections."""

    def __init__(
        self, personality: Personality, family: socket.AddressFamily, port: int, backlog: int
    ) -> None:
        super().__init__(personality, "::" if family == socket.AF_INET6 else "0.0.0.0", port)
        self._backlog = backlog

    def prepare(self, listening: socket.socket) -> None:
        """Keep the two families apart."""
        if listening.family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)

    async def start(self) -> Everywhere:
        """Bind, with a longer queue than servers have."""
        await super().start()
        assert self._socket is not None
        self._socket.listen(self._backlog)
        return self


def personalities(host: str, name: str, port: int, backlog: int) -> list[LabServer]:
    """Servers, not started yet, for the personality of this name; `host` "*": on every address."""
    if host != "*":
        return [LabServer(find(name), host, port)]
    families = (socket.AF_INET, socket.AF_INET6)
    return [Everywhere(find(name), family, port, backlog) for family in families]
