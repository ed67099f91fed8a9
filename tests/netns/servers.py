"""Servers for a namespace, as a process of their own: `python -m tests.netns.servers [--port=N] WHAT…`

`HOST=NAME` puts the lab's personality NAME on one address; `*=NAME` lets it answer on every address that the
namespace has; `HOST=mute` and `*=mute` accept in the kernel and never speak; `*=quick` is a server that wants
a password and costs little, for loads. Port 27017 everywhere, which is free in a new namespace; elsewhere say
another. Prints `ready` and ends when its input does.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, cast

import bson
import uvloop

if TYPE_CHECKING:
    from scanner.lab.server import LabServer

PORT = 27017
BACKLOG = 16384


def _reply(document: dict[str, Any], *, message: bool) -> bytes:
    """A reply without its request id: OP_MSG, or OP_REPLY for the old handshake."""
    body = bson.encode(document)
    body = struct.pack("<IB", 0, 0) + body if message else struct.pack("<IqII", 8, 0, 0, 1) + body
    return struct.pack("<iiii", 16 + len(body), 7, 0, 2013 if message else 1) + body


_HELLO = {
    "ismaster": True,
    "maxWireVersion": 21,
    "minWireVersion": 0,
    "maxBsonObjectSize": 16777216,
    "ok": 1.0,
}
_LOCKED = {"ok": 0.0, "errmsg": "Command requires authentication", "code": 13, "codeName": "Unauthorized"}
_OLD_HELLO = _reply(_HELLO, message=False)
_NEW = {name: _reply(said, message=True) for name, said in (("hello", _HELLO), ("other", _LOCKED))}


class Quick(asyncio.Protocol):
    """Answers each whole message from prepared bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)  # of uvloop, which has classes of its own
        self.held = b""

    def data_received(self, data: bytes) -> None:
        """Take messages off the front."""
        self.held += data
        while len(self.held) >= 16:
            length, identity, _, opcode = struct.unpack_from("<iiii", self.held)
            if not 16 < length <= 1 << 20:
                self.transport.abort()
                return
            if len(self.held) < length:
                return
            message, self.held = self.held[:length], self.held[length:]
            greets = b"\x10hello\0" in message[:40] or b"ismaster\0" in message.lower()[:60]
            reply = _OLD_HELLO if opcode == 2004 else _NEW["hello" if greets else "other"]
            self.transport.write(reply[:8] + struct.pack("<i", identity) + reply[12:])


def mute(host: str, port: int) -> socket.socket:
    """A listener that nobody reads: the kernel completes the handshakes."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("0.0.0.0" if host == "*" else host, port))
    sock.listen(BACKLOG)
    return sock


async def main(places: list[str]) -> None:
    """Serve until standard input ends."""
    servers: list[LabServer] = []
    silent = []
    loop = asyncio.get_running_loop()
    port = PORT
    for place in places:
        host, _, name = place.partition("=")
        if host == "--port":
            port = int(name)
        elif name == "mute":
            silent.append(mute(host, port))
        elif name == "quick":
            await loop.create_server(Quick, "0.0.0.0", port, backlog=BACKLOG)
        else:
            # The lab takes longer to import than everything else here.
            from tests.netns.personalities import personalities

            servers += personalities(host, name, port, BACKLOG)
    for server in servers:
        await server.start()
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    await loop.run_in_executor(None, sys.stdin.read)
    for server in servers:
        await server.stop()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
