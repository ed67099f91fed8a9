"""Reads a fuzzer's bytes as choices: numbers, pieces, and documents of any shape. It never runs out."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any, Final

from bson import DBRef, Decimal128, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.binary import Binary
from bson.code import Code
from bson.datetime_ms import DatetimeMS
from bson.errors import BSONError
from bson.int64 import Int64

NOT_BSON: Final = (BSONError, ValueError, TypeError, OverflowError)
"""What bson raises for a document that no BSON can hold."""
MAX_DEPTH: Final = 6
MAX_ENTRIES: Final = 40

# Keys that some reader looks at, and one that nobody does.
KEYS: Final = (
    *(
        "ok",
        "code",
        "codeName",
        "errmsg",
        "$err",
        "databases",
        "name",
        "type",
        "sizeOnDisk",
        "empty",
        "cursor",
    ),
    *("id", "ns", "firstBatch", "nextBatch", "count", "n", "size", "storageSize", "storageStats"),
    *("capped", "indexSizes", "_id_", "totalIndexSize", "totalSize", "indexSize", "fileSize", "objects"),
    *(
        "numExtents",
        "nsSizeMB",
        "shard",
        "t",
        "_id",
        "ismaster",
        "isWritablePrimary",
        "maxWireVersion",
        "minWireVersion",
    ),
    *("msg", "setName", "arbiterOnly", "isreplicaset", "hosts", "me", "lastWrite", "lastWriteDate"),
    *("localTime", "topologyVersion", "processId", "version", "versionArray", "gitVersion", "modules"),
    *("maxBsonObjectSize", "maxMessageSizeBytes", "openssl", "buildEnvironment", "allocator", "ferretdb"),
    *("psmdbVersion", "helloOk", "logicalSessionTimeoutMinutes", "connectionId", "totalSizeMb", "options"),
    "nobody's",
)
TEXTS: Final = (
    *("", "admin", "local", "config", "shop", "a.b", "README", "READ__ME_TO_RECOVER_YOUR_DATA", "patients"),
    *("system.views", "system.buckets.w", "system.profile", "oplog.$main", "x$y", "view", "timeseries"),
    *("collection", "isdbgrid", "7.0.14", "4.0.3", "2.6.0-rc1", "9.99.0", "not authorized", "\udcff\udc80"),
    *("shop.$cmd.listCollections", "admin.$cmd.listCollections", "a.b.$cmd.listCollections", "\ufffd"),
    *("command requires authentication", "not master", "node is recovering", "unrecognized pipeline stage"),
    *("must run from localhost when running db without auth", "percona", "ferretdb", "enterprise", "\x00"),
    "\u202eevil\x1b[31m",
)
NUMBERS: Final = (
    *(0, 1, -1, 2, 3, 4, 6, 7, 13, 17, 21, 26, 50, 59, 91, 115, 166, 252, 322, 352, 391, 8000, 10107, 13435),
    *(13436, 10057, 10058, 40324, 498870, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, -(2**63), 2**53, 48_000_000),
)
FLOATS: Final = (0.0, 1.0, -0.0, 0.5, 1e308, -1.0, float("nan"), float("inf"), float("-inf"), 13.0, 2.0**63)
DATES: Final = (
    datetime(2026, 11, 24, 12, tzinfo=UTC),
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2009, 2, 11, tzinfo=UTC),
    datetime(2026, 11, 24, 12),  # noqa: DTZ001 - one without a zone is the point
)
ODDITIES: Final = (
    MinKey(),
    MaxKey(),
    Decimal128("1"),
    Decimal128("NaN"),
    Timestamp(4294967295, 4294967295),
    Regex("(a+)+$"),
    Code("x"),
    Code("x", {"ok": 1}),
    Binary(b"\x00\xff", 4),
    DBRef("c", 1, "d"),
    DatetimeMS(2**62),
    DatetimeMS(-(2**62)),
)


class Source:
    """Bytes taken from the front. Past the end every number is 0 and every piece is empty.

    `decoded`: documents are as our decoder gives them, without JavaScript.
    """

    def __init__(self, data: bytes, *, decoded: bool = False) -> None:
        self._data = data
        self._at = 0
        self._decoded = decoded

    @property
    def left(self) -> int:
        """Bytes not taken yet."""
        return len(self._data) - self._at

    def byte(self) -> int:
        """The next byte, or 0."""
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1, from one byte or two; 0 when there is no such number."""
        value = self.byte() if limit <= 256 else self.byte() | self.byte() << 8
        return value % max(1, limit)

    def signed(self) -> int:
        """A signed 32-bit number."""
        raw = self.piece(4).ljust(4, b"\0")
        return int(struct.unpack("<i", raw)[0])

    def piece(self, length: int) -> bytes:
        """At most `length` bytes."""
        piece = self._data[self._at : self._at + length]
        self._at += len(piece)
        return piece

    def block(self) -> bytes:
        """Bytes with their length before them (16 bits)."""
        return self.piece(self.below(65536))

    def rest(self) -> bytes:
        """All that is left."""
        return self.piece(self.left)

    def text(self) -> str:
        """A string: one of the known ones, or bytes read as a server's name is read."""
        choice = self.byte()
        if choice < len(TEXTS):
            return TEXTS[choice]
        return self.piece(choice - len(TEXTS)).decode("utf-8", "surrogateescape")

    def number(self) -> int:
        """An int that BSON can hold: a telling one, or any."""
        choice = self.byte()
        if choice < len(NUMBERS):
            return NUMBERS[choice]
        return int.from_bytes(self.piece(8), "little", signed=True) if choice & 1 else choice

    def document(self, depth: int = 0) -> dict[str, Any]:
        """A document of known and unknown keys."""
        found: dict[str, Any] = {}
        for _ in range(self.below(MAX_ENTRIES)):
            if not self.left:
                break
            choice = self.byte()
            key = KEYS[choice] if choice < len(KEYS) else self.text().replace("\x00", "")
            found[key] = self.value(depth + 1)
        return found

    def value(self, depth: int = 0) -> Any:
        """Any value that a BSON decoder can give, of any type."""
        kind = self.below(12)
        if kind in (8, 9) and depth < MAX_DEPTH:
            if kind == 8:
                return self.document(depth)
            return [self.value(depth + 1) for _ in range(self.below(MAX_ENTRIES)) if self.left]
        return self._scalar(kind)

    def _scalar(self, kind: int) -> Any:
        match kind:
            case 1:
                return FLOATS[self.below(len(FLOATS))]
            case 2:
                return self.text()
            case 3:
                return bool(self.byte() & 1)
            case 4:
                return None
            case 5:
                return ObjectId(self.piece(12).ljust(12, b"\xaa"))
            case 6:
                return DATES[self.below(len(DATES))]
            case 7:
                odd = ODDITIES[self.below(len(ODDITIES))]
                return None if self._decoded and isinstance(odd, Code) else odd
            case 10:
                return Int64(self.number())
            case 11:
                return self.piece(self.byte())
            case _:
                return self.number()
