"""Servers for a namespace, as a process of their own: `python -m tests.netns.servers WHAT…`

`HOST=NAME` puts the lab's personality NAME on one address; `*=NAME` lets it answer on every address that the
namespace has; `HOST=mute` and `*=mute` accept in the kernel and never speak. Port 27017 everywhere. Prints
`ready` and ends when its input does.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING

from scanner.lab.estate import find
from scanner.lab.server import Server

if TYPE_CHECKING:
    from scanner.lab.personality import Personality

PORT = 27017
BACKLOG = 16384


class Everywhere(Server):
    """One personality on every address, with room for many half-open connections."""

    def __init__(self, personality: Personality, family: socket.AddressFamily) -> None:
        super().__init__(personality, "::" if family == socket.AF_INET6 else "0.0.0.0", PORT)

    def prepare(self, listening: socket.socket) -> None:
        """Keep the two families apart."""
        if listening.family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)

    async def start(self) -> Everywhere:
        """Bind, with a longer queue than servers have."""
        await super().start()
        assert self._socket is not None
        self._socket.listen(BACKLOG)
        return self


def mute(host: str) -> socket.socket:
    """A listener that nobody reads: the kernel completes the handshakes."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("0.0.0.0" if host == "*" else host, PORT))
    sock.listen(BACKLOG)
    return sock


async def main(places: list[str]) -> None:
    """Serve until standard input ends."""
    servers: list[Server] = []
    silent = []
    for place in places:
        host, _, name = place.partition("=")
        if name == "mute":
            silent.append(mute(host))
        elif host == "*":
            servers += [Everywhere(find(name), family) for family in (socket.AF_INET, socket.AF_INET6)]
        else:
            servers.append(Server(find(name), host, PORT))
    for server in servers:
        await server.start()
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for server in servers:
        await server.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
