"""Open servers in numbers, as a process of their own: a long list of databases, and all else comes slowly.

`python -m tests.support.slow_servers PORT NAMES DELAY COLLECTIONS IDLE` listens on every address of this
host, and each address is a server. The opening is answered at once, with NAMES databases; every further one
DELAY seconds after the answer before it. COLLECTIONS is how many names a database has. A connection on which
nothing was asked for IDLE seconds is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections import deque
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any

import bson

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = Struct("<iiii")
OP_QUERY, OP_MSG, OP_REPLY = 2004, 2013, 1
OPENING = frozenset({"isMaster", "buildInfo", "listDatabases"})
_HELLO = {"ismaster": True, "maxWireVersion": 21, "minWireVersion": 0, "ok": 1.0}
_BUILD = {"version": "7.0.5", "gitVersion": "7809d71e84e314b497f282ea8aa06d7ded3eb205", "ok": 1.0}
_STATS = {"db": "x", "objects": 7, "storageSize": 4096, "indexSize": 4096, "totalSize": 8192, "ok": 1.0}


@contextlib.contextmanager
def slow_servers(
    port: int, names: int, delay: float, collections: int = 3, idle: float = 3600.0
) -> Iterator[None]:
    """Such servers while the context lasts."""
    words = [str(port), str(names), str(delay), str(collections), str(idle)]
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.slow_servers", *words],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


def _message(request: int, body: bytes, *, query: bool) -> bytes:
    if query:
        head = HEADER.pack(36 + len(body), 1, request, OP_REPLY) + Struct("<iqii").pack(8, 0, 0, 1)
    else:
        head = HEADER.pack(21 + len(body), 1, request, OP_MSG) + bytes(5)
    return head + body


class _Server(asyncio.Protocol):
    """One connection."""

    def __init__(self, bodies: dict[str, bytes], delay: float, idle: float) -> None:
        self._bodies = bodies
        self._delay = delay
        self._idle = idle
        self._patience: asyncio.TimerHandle | None = None
        self._buffer = b""
        self._waiting: deque[bytes] = deque()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = asyncio.get_running_loop().call_later(self._idle, self._hang_up)
        self._buffer += data
        while len(self._buffer) >= 16:
            length, request, _, opcode = HEADER.unpack_from(self._buffer)
            if len(self._buffer) < length:
                return
            message, self._buffer = self._buffer[:length], self._buffer[length:]
            query = opcode == OP_QUERY
            command = "isMaster" if query else message[26 : message.index(0, 26)].decode()
            answer = _message(request, self._bodies[command], query=query)
            if command in OPENING:
                self._write(answer)
            else:
                self._waiting.append(answer)
                if len(self._waiting) == 1:
                    asyncio.get_running_loop().call_later(self._delay, self._next)

    def _next(self) -> None:
        self._write(self._waiting.popleft())
        if self._waiting and self._transport is not None:
            asyncio.get_running_loop().call_later(self._delay, self._next)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


def _bodies(names: int, collections: int) -> dict[str, bytes]:
    listed: list[dict[str, Any]] = [{"name": f"d{number:06}"} for number in range(names)]
    batch = [{"name": f"c{number}", "type": "collection"} for number in range(collections)]
    documents: dict[str, dict[str, Any]] = {
        "isMaster": _HELLO,
        "buildInfo": _BUILD,
        "listDatabases": {"databases": listed, "ok": 1.0},
        "dbStats": _STATS,
        "listCollections": {
            "cursor": {"id": 0, "ns": "x.$cmd.listCollections", "firstBatch": batch},
            "ok": 1.0,
        },
        "aggregate": {"ok": 0.0, "code": 59, "codeName": "CommandNotFound", "errmsg": "no such command"},
        "collStats": {"count": 3, "size": 300, "storageSize": 4096, "ok": 1.0},
        "find": {"cursor": {"id": 0, "ns": "x.c", "firstBatch": []}, "ok": 1.0},
    }
    return {command: bson.encode(document) for command, document in documents.items()}


async def _serve(port: int, names: int, delay: float, collections: int, idle: float) -> None:
    bodies = _bodies(names, collections)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(bodies, delay, idle), "0.0.0.0", port, backlog=4096)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    port, names, delay, collections, idle = sys.argv[1:]
    asyncio.run(_serve(int(port), int(names), float(delay), int(collections), float(idle)))
