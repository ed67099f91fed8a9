"""Replies to the metadata's questions as real servers give them, and what the general way reads of a reply.

The general way is the walk, the decoder and plain dictionaries. What `reply_shapes` reads of the same bytes
must be that, or nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import bson
from bson import DatetimeMS, ObjectId
from bson.int64 import Int64

from scanner.mongo.answers import databases, first_batch, succeeded
from scanner.mongo.bson_check import BsonError, decode
from scanner.mongo.commands import gives_names
from scanner.mongo.counters import OF_ROW, rows_of
from scanner.mongo.facts import Reply
from scanner.mongo.requests import Command
from scanner.mongo.values import OF_COUNTS, OF_PART, OF_SIZES, OF_USE, sub
from tests.support.recordings import load, scenarios

# How the recordings name the requests that are asked of these.
_RECORDED: Final = (
    ("dbStats", Command.DB_STATS),
    ("aggregate_collStats", Command.COLL_STATS_STAGE),
    ("aggregate_indexStats", Command.INDEX_STATS),
    ("indexStats_", Command.INDEX_STATS),
    ("collStats_", Command.COLL_STATS_STAGE),
    ("newest_date", Command.NEWEST_DATE),
    ("newest_id", Command.NEWEST_ID),
)


def recorded_replies() -> list[tuple[Command, bytes]]:
    """Every recorded OP_MSG reply to such a question that is no longer than a few kilobytes, each once."""
    found: dict[tuple[Command, bytes], None] = {}
    for version, scenario in scenarios():
        for step in load(version, scenario):
            if len(step.reply) < 26 or int.from_bytes(step.reply[12:16], "little") != 2013:
                continue
            for name, command in _RECORDED:
                if step.name.startswith(name) and len(step.reply) <= 4096:
                    found[command, step.reply[21:]] = None
    return list(found)


def read_in_full(command: Command, data: bytes) -> tuple[Any, ...] | None:
    """The fields that the plan reads of a successful reply, by the general way; None where there are none."""
    try:
        document = decode(data, names=gives_names(command))
    except BsonError:
        return None
    if not succeeded(Reply(command=command, document=document)):
        return None
    if command is Command.DB_STATS:
        return tuple(document.get(key) for key in OF_COUNTS)
    batch = sub(document, "cursor", "firstBatch")
    if command is Command.INDEX_STATS:
        return tuple(_rows(batch)) if isinstance(batch, list) else None
    if not isinstance(batch, list) or len(batch) != 1 or not isinstance(part := batch[0], dict):
        return None
    if command is not Command.COLL_STATS_STAGE:
        return _stored(part.get("t"), datetime), _stored(part.get("_id"), ObjectId)
    inner = part.get("storageStats")
    stats = inner if isinstance(inner, dict) else part
    sizes = (stats.get(key) for key in OF_SIZES)
    return (*(part.get(key) for key in OF_PART), *sizes, *(sub(part, *path) for path in OF_USE))


def _rows(batch: list[Any]) -> list[Any]:
    values = rows_of(batch)
    values[OF_ROW - 1 :: OF_ROW] = [_stored(since, datetime) for since in values[OF_ROW - 1 :: OF_ROW]]
    return values


def _stored(value: Any, kind: type) -> Any:
    """A date in milliseconds and an id as bytes, where one is wanted: as a shape gives them. Of anything else
    there a shape must say nothing."""
    if value is None:
        return None
    if kind is datetime and isinstance(value, datetime | DatetimeMS):
        return int(DatetimeMS(value)) if isinstance(value, datetime) else int(value)
    return value.binary if isinstance(value, kind) and isinstance(value, ObjectId) else ("none", value)


def names_in_full(data: bytes) -> list[tuple[Any, ...]] | None:
    """By the walk and the decoder; None where it is no success, no list, or not the whole one."""
    try:
        document = decode(data, names=True)
    except BsonError:
        return None
    batch = first_batch(document)
    if not succeeded(Reply(command="listCollections", document=document)) or batch is None:
        return None
    if document["cursor"].get("id") != 0:
        return None
    return [
        (
            entry.get("name"),
            entry.get("type"),
            "validator" in entry["options"] if isinstance(entry.get("options"), dict) else None,
            bytes(sub(entry, "info", "uuid") or b""),
        )
        for entry in batch
    ]


def databases_in_full(data: bytes) -> list[Any] | None:
    """Names of databases, likewise."""
    found = _listing_in_full(data)
    return None if found is None else [entry.get("name") for entry in found["databases"]]


def sizes_in_full(data: bytes) -> object:
    """Names, sizes and emptiness of databases, and the size of all, likewise; as `plain_sizes` gives it."""
    found = _listing_in_full(data)
    return None if found is None else plain_sizes((found.get("totalSize", 0), found["databases"]))


def plain_sizes(found: tuple[Any, list[dict[str, Any]]] | None) -> object:
    """What a list of databases says, as text, so that NaN equals itself."""
    if found is None:
        return None
    keys = ("name", "sizeOnDisk", "empty")
    return repr((_plain(found[0]), [[_plain(entry.get(key)) for key in keys] for entry in found[1]]))


def _listing_in_full(data: bytes) -> dict[str, Any] | None:
    try:
        document = decode(data, names=True)
    except BsonError:
        return None
    listed = databases(Reply(command="listDatabases", document=document))
    return None if listed is None else document


def told(values: tuple[Any, ...] | None) -> str:
    """Fields as text, so that NaN equals itself, and a long number a short one."""
    return repr(values and [_plain(value) for value in values])


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, Int64) else value


def lengthened(data: bytes, at: int, more: int) -> bytes:
    """A document in which four bytes, such as a length, count more or less."""
    number = int.from_bytes(data[at : at + 4], "little", signed=True) + more
    return data[:at] + number.to_bytes(8, "little", signed=True)[:4] + data[at + 4 :]


def on_a_set(data: bytes) -> bytes:
    """A reply as a member of a replica set gives it: with the times that gossip adds."""
    gossip = {
        "$clusterTime": {
            "clusterTime": bson.Timestamp(1_795_000_000, 3),
            "signature": {"hash": bytes(20), "keyId": Int64(7)},
        },
        "operationTime": bson.Timestamp(1_795_000_000, 3),
    }
    return bson.encode(bson.decode(data) | gossip)
