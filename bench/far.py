"""Two servers 50 ms away: one with a thousand databases, one with a slow database. Each line is a delay line.

    python -m bench.far PORT

The address that a client connects to says which of the two it gets: an odd one the large server. Answers to
one connection come in order, as MongoDB's do, so a slow one holds up what was asked behind it there.
"""

from __future__ import annotations

import asyncio
import struct
import sys
from typing import Any

import bson

ROUND_TRIP = 0.05  # seconds between a question's arrival and its answer's departure: both ways in one
DATABASES = 1000
SLOW = 2.0  # seconds that the statistics of one database take
_HEADER = struct.Struct("<iiii")
_HELLO: dict[str, Any] = {
    "ismaster": True,
    "maxWireVersion": 21,
    "minWireVersion": 0,
    "maxBsonObjectSize": 16777216,
    "ok": 1.0,
}
_BUILD: dict[str, Any] = {"version": "7.1.0", "versionArray": [7, 1, 0, 0], "gitVersion": "0" * 40, "ok": 1.0}
_STATS: dict[str, Any] = {"collections": 2, "objects": 10, "dataSize": 4096, "storageSize": 8192, "ok": 1.0}
_EMPTY: dict[str, Any] = {"cursor": {"id": 0, "ns": "x.y", "firstBatch": []}, "ok": 1.0}


def names(large: bool) -> list[str]:
    """The databases of the two servers."""
    return [f"tenant_{number:04}" for number in range(DATABASES)] if large else ["a", "b", "slow", "c", "d"]


def answer(request: dict[str, Any], large: bool) -> dict[str, Any]:
    """What a MongoDB says to one command."""
    command = next(iter(request)).lower()
    if command in ("ismaster", "hello"):
        return {**_HELLO, "helloOk": True}
    if command == "listdatabases":
        more = {} if request.get("nameOnly") else {"sizeOnDisk": 8192, "empty": False}
        return {"databases": [{"name": name, **more} for name in names(large)], "ok": 1.0}
    if command == "listcollections":
        batch = [{"name": name, "type": "collection"} for name in ("users", "orders")]
        namespace = f"{request['$db']}.$cmd.listCollections"
        return {"cursor": {"id": 0, "ns": namespace, "firstBatch": batch}, "ok": 1.0}
    return {"buildinfo": _BUILD, "dbstats": _STATS}.get(command, _EMPTY)


class Line(asyncio.Protocol):
    """One connection behind a delay."""

    def __init__(self) -> None:
        self.held = b""
        self.free_at = 0.0  # when the server is through with what it was asked
        self.loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Which server is asked."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.large = int(transport.get_extra_info("sockname")[0].split(".")[3]) % 2 == 1

    def data_received(self, data: bytes) -> None:
        """Answer what is whole, later."""
        self.held += data
        while len(self.held) >= 16 and len(self.held) >= (length := _HEADER.unpack_from(self.held)[0]):
            message, self.held = self.held[:length], self.held[length:]
            self.later(message)

    def later(self, message: bytes) -> None:
        """Send the reply to one request when its time has come."""
        _, request_id, _, opcode = _HEADER.unpack_from(message)
        request = bson.decode(message[21:] if opcode == 2013 else message[message.index(0, 20) + 9 :])
        self.free_at = max(self.free_at, self.loop.time())
        if request.get("dbStats") and request.get("$db") == "slow":
            self.free_at += SLOW
        body = bson.encode(answer(request, self.large))
        if opcode == 2013:
            reply = _HEADER.pack(21 + len(body), 1, request_id, 2013) + bytes(5) + body
        else:
            reply = _HEADER.pack(36 + len(body), 1, request_id, 1) + struct.pack("<iqii", 8, 0, 0, 1) + body
        self.loop.call_at(self.free_at + ROUND_TRIP, self.send, reply)

    def send(self, reply: bytes) -> None:
        """It has come."""
        if not self.transport.is_closing():
            self.transport.write(reply)


async def serve(port: int) -> None:
    """Until killed."""
    server = await asyncio.get_running_loop().create_server(Line, "0.0.0.0", port)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
