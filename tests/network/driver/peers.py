"""Servers that the driver is sent to in tests, and the scope that holds them."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any

import bson
from bson.codec_options import CodecOptions

from targets.entries import Entry
from targets.scope import Scope

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from targets.scope import Target
    from tests.support.streams import Handler

SINCE = time.time()


HELLO: dict[str, Any] = {
    "ismaster": True,
    "maxBsonObjectSize": 16777216,
    "maxMessageSizeBytes": 48000000,
    "maxWriteBatchSize": 100000,
    "minWireVersion": 0,
    "maxWireVersion": 25,
    "readOnly": False,
    "ok": 1.0,
}


def permits(scope: Scope) -> Callable[[Target], bool]:
    """The scope as it stands now."""
    return lambda target: scope.permits(target, SINCE)


def lab_scope(*ports: int) -> Scope:
    """A scope of 127.0.0.1 with these ports."""
    return Scope([Entry.of("127.0.0.1/32", owner="tests", kind="lab")], ports=ports)


async def read_message(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    """(request id, command document) of one message in OP_QUERY or OP_MSG."""
    length, request, _, opcode = struct.unpack("<iiii", await reader.readexactly(16))
    body = await reader.readexactly(length - 16)
    start = 5 if opcode == 2013 else body.index(b"\0", 4) + 9
    (size,) = struct.unpack_from("<i", body, start)
    document: dict[str, Any] = bson.decode(body[start : start + size], CodecOptions(dict))
    return request, document


def reply(request: int, document: dict[str, Any], *, by_query: bool) -> bytes:
    """A reply in the form of the question."""
    body = bson.encode(document)
    if by_query:
        body = struct.pack("<iqii", 8, 0, 0, 1) + body
        return struct.pack("<iiii", 16 + len(body), 1, request, 1) + body
    body = struct.pack("<ib", 0, 0) + body
    return struct.pack("<iiii", 16 + len(body), 1, request, 2013) + body


def scripted(answers: dict[str, dict[str, Any]], heard: list[dict[str, Any]] | None = None) -> Handler:
    """A server that answers by command name, and hello to everything that is not in `answers`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request, document = await read_message(reader)
            if heard is not None:
                heard.append(document)
            name = next(iter(document))
            legacy = "$db" not in document
            writer.write(reply(request, answers.get(name, HELLO), by_query=legacy))
            await writer.drain()

    return handle


def databases(*names: str) -> dict[str, Any]:
    """A `listDatabases` answer."""
    return {"databases": [{"name": name} for name in names], "ok": 1.0}
