"""Metadata that never ends or leads elsewhere: cursors, counts and dates of an otherwise open server."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bson import DatetimeMS, Int64, ObjectId

from results.verdict import Verdict
from scanner.lab.hostile.base import base_profile, hostile
from scanner.lab.others import Changed

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.lab.personality import Personality
    from scanner.lab.wire import ClientMessage, Document

    Change = Callable[[ClientMessage, Document], Document]


def personalities() -> list[Personality]:
    """All cases of this file. Each is open, and says so honestly."""
    cases: list[tuple[str, str, Change]] = [
        ("endless_cursor", "listCollections that always has one more batch", _endless),
        ("empty_batches", "listCollections whose batches are empty and never the last", _empty_batches),
        ("foreign_cursor", "a cursor that names another database", _foreign),
        ("odd_cursor", "a cursor that is no cursor", _odd),
        ("million_collections", "a first batch of 100,000 collections", _crowd),
        ("collections_48mb", "a first batch of collections that fills 48 MB", _longest),
        ("odd_counts", "counts and sizes that are none", _odd_counts),
        ("far_ids", "newest ids and dates that cannot be", _far_ids),
        ("denied_inside", "open, but each statistic is refused", _denied),
    ]
    return [
        hostile(name, text, Changed(base_profile(), change).talk, Verdict.OPEN)
        for name, text, change in cases
    ]


def _batch(request: ClientMessage, entries: list[Document], number: int) -> Document:
    key = "nextBatch" if request.command == "getMore" else "firstBatch"
    namespace = f"{request.database}.$cmd.listCollections"
    return {"cursor": {"id": Int64(number), "ns": namespace, key: entries}, "ok": 1.0}


def _endless(request: ClientMessage, document: Document) -> Document:
    if request.command in ("listCollections", "getMore"):
        entries: list[Document] = [{"name": f"c{number}", "type": "collection"} for number in range(100)]
        return _batch(request, entries, 77)
    return document


def _empty_batches(request: ClientMessage, document: Document) -> Document:
    return _batch(request, [], 78) if request.command in ("listCollections", "getMore") else document


def _foreign(request: ClientMessage, document: Document) -> Document:
    if request.command != "listCollections":
        return document
    body = {"id": Int64(79), "ns": "admin.system.users", "firstBatch": [{"name": "a", "type": "collection"}]}
    return {"cursor": body, "ok": 1.0}


def _odd(request: ClientMessage, document: Document) -> Document:
    if request.command == "listCollections":
        return {"cursor": {"id": "80", "ns": 5, "firstBatch": {"0": {"name": "x"}}}, "ok": 1.0}
    return document


def _crowd(request: ClientMessage, document: Document) -> Document:
    if request.command == "listCollections":
        names = (f"collection_{number:06d}" for number in range(100_000))
        return _batch(request, [{"name": each, "type": "collection"} for each in names], 0)
    return document


def _longest(request: ClientMessage, document: Document) -> Document:
    """20,000 names of 2,300 bytes: nearly the longest message there is."""
    if request.command != "listCollections" or request.database != "shop":
        return document
    names = (f"{number:05d}" + "n" * 2_295 for number in range(20_000))
    return _batch(request, [{"name": each, "type": "collection"} for each in names], 0)


def _odd_counts(request: ClientMessage, document: Document) -> Document:
    if request.command == "aggregate":
        stats = {"size": -5, "count": math.nan, "storageSize": 1e308, "totalIndexSize": "x", "capped": 3}
        entry: Document = {"ns": 7, "count": -1, "storageStats": stats, "t": "never"}
        return {"cursor": {"id": Int64(0), "ns": "x.y", "firstBatch": [entry]}, "ok": 1.0}
    if request.command in ("count", "dbStats", "collStats"):
        return {"n": -9, "objects": math.inf, "dataSize": "x", "storageSize": -1, "ok": 1.0}
    return document


def _far_ids(request: ClientMessage, document: Document) -> Document:
    if request.command in ("aggregate", "find"):
        entry: Document = {"t": DatetimeMS(2**62), "_id": ObjectId("ffffffffffffffffffffffff"), "count": 5}
        return {"cursor": {"id": Int64(0), "ns": "x.y", "firstBatch": [entry]}, "ok": 1.0}
    return document


def _denied(request: ClientMessage, document: Document) -> Document:
    if request.command in ("listCollections", "aggregate", "dbStats", "collStats", "count", "find"):
        text = f"not authorized on {request.database} to execute command"
        return {"ok": 0.0, "errmsg": text, "code": 13, "codeName": "Unauthorized"}
    return document
