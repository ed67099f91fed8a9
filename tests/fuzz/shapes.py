"""Fuzz target `shapes`: replies teach their shape, and bent ones are read by it and by the general way.

So are bent lists of names, which have a few forms.
"""

from __future__ import annotations

from typing import Final

import bson
from bson import Int64

from scanner.mongo.bson_check import decode
from scanner.mongo.name_lists import read_databases, read_names, read_sizes
from scanner.mongo.reply_shapes import ReplyShapes
from scanner.mongo.requests import Command
from tests.fuzz.oracle import must
from tests.fuzz.source import NOT_BSON, Source
from tests.support.shape_oracle import (
    databases_in_full,
    lengthened,
    names_in_full,
    on_a_set,
    plain_sizes,
    read_in_full,
    recorded_replies,
    sizes_in_full,
    told,
)

COMMANDS: Final = (
    Command.DB_STATS,
    Command.COLL_STATS_STAGE,
    Command.NEWEST_DATE,
    Command.OLDEST_DATE,
    Command.NEWEST_ID,
    Command.OLDEST_ID,
    Command.INDEX_STATS,
)
REPLIES: Final = recorded_replies()
ASKED: Final = 300  # bytes of a request
OF_NAMES: Final = 248  # a choice from here on is a list of names
OF_DATABASES: Final = 252  # and from here on one of databases
MOST: Final = 40  # readings of one input


def run(data: bytes) -> None:
    """One input: replies that are learned from, and after each some that are bent from it."""
    source = Source(data, decoded=True)
    shapes = ReplyShapes()
    for _ in range(MOST):
        if not source.left:
            return
        choice = source.byte()
        if choice >= OF_DATABASES:
            _compare_databases(bent(source, _databases(source)))
            continue
        if choice >= OF_NAMES:
            _compare_names(bent(source, _listing(source)))
            continue
        command, reply = _reply(source, choice)
        if read_in_full(command, reply) is not None:
            shapes.learn(command, ASKED, reply, decode(reply))
            _compare(shapes, command, reply)
        _compare(shapes, command, bent(source, reply))


def _reply(source: Source, choice: int) -> tuple[Command, bytes]:
    if choice < 160:
        command, reply = REPLIES[source.below(len(REPLIES))]
        return command, on_a_set(reply) if choice & 1 else reply
    command = COMMANDS[choice % len(COMMANDS)]
    document = source.document()
    if command is not Command.DB_STATS:
        document = {"cursor": {"firstBatch": [document], "id": 0, "ns": source.text()}}
    try:
        return command, bson.encode(document | {"ok": 1.0})
    except NOT_BSON:
        return command, bson.encode({"ok": 1.0})


def _listing(source: Source) -> bytes:
    names = [
        {"name": source.text().encode("utf-8", "replace").decode(), "type": "collection"}
        for _ in range(source.below(6))
    ]
    cursor = {"id": Int64(0), "ns": "shop.$cmd.listCollections", "firstBatch": names}
    return bson.encode({"cursor": cursor, "ok": 1.0})


def _databases(source: Source) -> bytes:
    names = [source.text().encode("utf-8", "replace").decode() for _ in range(source.below(6))]
    if source.byte() & 1:
        return bson.encode({"databases": [{"name": name} for name in names], "ok": 1.0})
    entries = [{"name": name, "sizeOnDisk": Int64(source.signed()), "empty": False} for name in names]
    return bson.encode({"databases": entries, "totalSize": Int64(source.signed()), "ok": 1.0})


def _compare_databases(reply: bytes) -> None:
    names = read_databases(reply, 0, len(reply))
    must(names in (None, databases_in_full(reply)), "two readings of one list of databases", reply.hex())
    sizes = plain_sizes(read_sizes(reply, 0, len(reply)))
    must(sizes in (None, sizes_in_full(reply)), "two readings of one list with sizes", reply.hex())


def _compare_names(reply: bytes) -> None:
    names = read_names(reply, 0, len(reply))
    if names is None:
        return
    full = names_in_full(reply)
    must(names == full, "two readings of one list of names", names, full)


def bent(source: Source, reply: bytes) -> bytes:
    """A reply with one thing wrong."""
    at = source.below(256 * len(reply)) % len(reply)
    match source.byte() % 5:
        case 0:
            return reply[:at] + bytes([source.byte()]) + reply[at + 1 :]
        case 1:
            return lengthened(reply, min(at, len(reply) - 4), source.signed())
        case 2:
            return reply[:at] + source.block() + reply[at:]
        case 3:
            return reply[:at] + reply[at + 1 + source.below(8) :]
        case _:
            return reply[:at] + source.block() + reply[at + 4 :]


def _compare(shapes: ReplyShapes, command: Command, reply: bytes) -> None:
    fields = shapes.read(command, ASKED, reply, 0, len(reply))
    if fields is None:
        return
    full = read_in_full(command, reply)
    must(full is not None, "read by its shape, and refused or failed the general way", reply.hex())
    must(told(fields) == told(full), "two readings of one reply", fields, full)
