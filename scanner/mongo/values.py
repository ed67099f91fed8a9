"""Reading a hostile server's values: numbers, times, text and names, checked and capped, never raising."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bson import Int64, ObjectId
from bson.datetime_ms import DatetimeMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.mongo.facts import Document

LARGEST = 2**63 - 1
HEX_BYTES = 512
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The fields that are read of statistics, in the order in which they are given on: of dbStats, and of what
# is told of one shard's part of a collection, outside of its sizes, in them, and of its use.
OF_COUNTS = (
    "objects",
    "collections",
    "indexSize",
    "storageSize",
    "totalSize",
    "fileSize",
    "numExtents",
    "nsSizeMB",
)
OF_PART = ("count", "shard")
OF_SIZES = ("count", "size", "storageSize", "totalIndexSize", "capped", "indexSizes")
OF_USE = (("latencyStats", "reads", "ops"), ("latencyStats", "writes", "ops"))


def count(value: object) -> int | None:
    """A count or a size in bytes; None for anything that is no whole number from 0 to 2**63 - 1.

    Servers send int32, int64 and double for one field; a bool, NaN, an infinity or a negative is dropped.
    """
    if (
        value.__class__ is int or value.__class__ is Int64 or value.__class__ is float
    ) and 0 <= value <= LARGEST:  # as nearly all are
        return int(value)
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    whole = int(value)
    return whole if 0 <= whole <= LARGEST else None


def moment(value: object) -> datetime | None:
    """A BSON date as an aware UTC datetime (ms); None when it is none or lies outside the years 1 to 9999."""
    if isinstance(value, DatetimeMS):
        return after_epoch(int(value))
    if not isinstance(value, datetime):
        return None
    if value.tzinfo is UTC:  # as the decoder makes them
        return value
    if value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return None


def after_epoch(milliseconds: int) -> datetime | None:
    """A BSON date as it is stored; None where it lies outside the years 1 to 9999."""
    try:
        return EPOCH + timedelta(0, 0, 0, milliseconds)
    except OverflowError:
        return None


def time_of(identifier: object) -> datetime | None:
    """The time part of an ObjectId: its first four bytes, seconds since 1970. The rest is not looked at."""
    return time_told(None, identifier.binary) if isinstance(identifier, ObjectId) else None


def time_told(milliseconds: int | None, identifier: bytes | None) -> datetime | None:
    """The time of a BSON date as it is stored, or else in an ObjectId's bytes."""
    at = after_epoch(milliseconds) if milliseconds is not None else None
    if at is None and identifier is not None:
        return EPOCH + timedelta(0, int.from_bytes(identifier[:4], "big"))
    return at


def text(value: object, limit: int = 256) -> str:
    """A string of at most `limit` characters; "" for anything else."""
    return value[:limit] if isinstance(value, str) else ""


def number(value: object) -> int | None:
    """An int that is no bool, or None: for wire versions, where -1 and a double are no versions at all."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return int(value) if 0 <= value <= 2**31 - 1 else None


def sub(document: object, *path: str) -> Any:
    """What lies under `path` in nested documents, or None where a step is missing or no document."""
    for step in path:
        if not isinstance(document, dict):
            return None
        document = document.get(step)
    return document


def documents(value: object) -> Iterator[Document]:
    """The documents of an array; whatever is no document is passed over."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield item


def clean_name(value: object, limit: int) -> tuple[str, str]:
    """A server's name in at most `limit` characters, and its bytes as hex where the text is not all of it.

    The hex is "" for a name that stands in full. Bytes that are no UTF-8 show as U+FFFD.
    """
    if not isinstance(value, str):
        return "", ""
    if len(value) <= limit and value.isascii() and value.isprintable():
        return value, ""
    raw = value.encode("utf-8", "surrogateescape" if _escaped(value) else "replace")
    shown = raw.decode("utf-8", "replace")
    if len(shown) > limit:
        return shown[: limit - 1] + "…", raw[:HEX_BYTES].hex()
    return shown, raw[:HEX_BYTES].hex() if "\ufffd" in shown or not shown.isprintable() else ""


def _escaped(value: str) -> bool:
    return any(0xDC80 <= ord(character) <= 0xDCFF for character in value) and not any(
        0xD800 <= ord(character) <= 0xDC7F or 0xDD00 <= ord(character) <= 0xDFFF for character in value
    )
