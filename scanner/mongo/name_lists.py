"""Lists of collections and databases in the forms in which all servers give them, read without a walk and a
decoder.

Theory of operation. Names and what stands beside them (types, in the long form UUIDs; sizes) are looked for
where they stand in such a list; from them the list is written anew, with each length as it must be. Only when
that is, byte for byte, what the server sent, it is believed. Anything else goes the general way: a cursor to
read on in, options, a name with a zero byte.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import TYPE_CHECKING, Final

from scanner.mongo.answers import Outcome, outcome
from scanner.mongo.bson_check import BsonError, decode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scanner.mongo.facts import Document
    from scanner.mongo.inventory import Named

MOST: Final = 1000  # names; as many as are asked for at once
SHORT: Final = 256  # bytes of a name in a list of databases without sizes
LONG: Final = 64 * 1024  # bytes of a list of databases; of a longer one not all may be kept

_LENGTH: Final = Struct("<i")
_HEAD: Final = re.compile(
    rb"(.{4})\x03cursor\0(.{4})\x12id\0\0{8}\x02ns\0(.{4})([^\0]*)\0\x04firstBatch\0(.{4})", re.DOTALL
)
_ENTRY: Final = re.compile(rb"\x02name\0.{4}([^\0]+)\0\x02type\0.{4}([^\0]+)\0\0", re.DOTALL)
_BEFORE_UUID: Final = b"\x03options\0\x05\0\0\0\0\x03info\0\x2b\0\0\0\x08readOnly\0\0\x05uuid\0\x10\0\0\0\x04"
_INDEX: Final = b"\x10v\0\2\0\0\0\x03key\0\x0e\0\0\0\x10_id\0\1\0\0\0\0\x02name\0\5\0\0\0_id_\0"
_ID_INDEX: Final = b"\0\x03idIndex\0" + _LENGTH.pack(5 + len(_INDEX)) + _INDEX + b"\0\0"
_IN_FULL: Final = re.compile(
    rb"\x02name\0.{4}([^\0]+)\0\x02type\0.{4}([^\0]+)\0"
    + re.escape(_BEFORE_UUID)
    + rb"(.{16})"
    + rb"(?:"
    + re.escape(_ID_INDEX)
    + rb"|\0\x03idIndex\0.{4}"
    + re.escape(_INDEX)
    + rb"\x02ns\0.{4}([^\0]+)\0\0\0)",
    re.DOTALL,
)
_KEYS: Final = [b"\x03%d\0" % place for place in range(MOST)]
_NAME: Final = Struct("<i6si").pack  # length of an entry, key of its name, length of its name
_KEY: Final = b"\x02name\0"
_OK: Final = b"\x01ok\0" + Struct("<d").pack(1) + b"\0"

_CLUSTER: Final = (
    rb"\x03\$clusterTime\0\x58\0\0\0\x11clusterTime\0.{8}\x03signature\0\x33\0\0\0"
    rb"\x05hash\0\x14\0\0\0\0.{20}\x12keyId\0.{8}\0\0"
)
_OPERATION: Final = rb"\x11operationTime\0.{8}"
OF_SET_BYTES: Final = 125
_OF_SET: Final = b"(?:" + _CLUSTER + _OPERATION + b"|" + _OPERATION + _CLUSTER + b")\0"
OF_SET: Final = re.compile(_OF_SET, re.DOTALL).fullmatch
"""What members of a set add to any reply, with its end."""

_DATABASES: Final = re.compile(rb".{4}\x04databases\0(.{4})", re.DOTALL).match
_DATABASE: Final = re.compile(rb"\x02name\0.{4}([^\0]{1,%d})\0\0" % SHORT, re.DOTALL).findall
_SIZED: Final = re.compile(
    rb"\x02name\0.{4}([^\0]+)\0(([\x01\x12])sizeOnDisk\0(.{8})\x08empty\0([\0\1])\0)", re.DOTALL
).findall
_TOTAL: Final = re.compile(
    rb"\0([\x01\x12])totalSize\0(.{8})(?:[\x01\x12]totalSizeMb\0.{8})?"
    + re.escape(_OK[:-1])
    + b"(?:\0|"
    + _OF_SET
    + b")",
    re.DOTALL,
).fullmatch
_NUMBERS: Final = {b"\x01": Struct("<d").unpack, b"\x12": Struct("<q").unpack}


def _rest(kind: bytes) -> tuple[bytes, int]:
    """What follows a name, and how long an entry is besides its name (bytes)."""
    rest = b"\0\x02type\0" + _LENGTH.pack(len(kind) + 1) + kind + b"\0\0"
    return rest, 4 + len(_KEY) + 4 + len(rest)


_TYPES_IN_FULL: Final = {
    kind: (rest[:-1] + _BEFORE_UUID, more - 1 + len(_BEFORE_UUID) + 16)
    for kind in (b"collection", b"view", b"timeseries")
    for rest, more in (_rest(kind),)
}
_TYPES: Final = {kind: _rest(kind) for kind in (b"collection", b"view", b"timeseries")}


def read_names(data: bytes | bytearray, begin: int, end: int) -> list[Named] | None:
    """What the answer to listCollections that fills this part of `data` names: all that there are. None when
    it has another form."""
    head = _HEAD.match(data, begin, end)
    if head is None:
        return None
    whole, cursor, ns, batch = (_LENGTH.unpack(head[group])[0] for group in (1, 2, 3, 5))
    first, cursor_end = head.end(), head.start(2) + cursor
    last = cursor_end - 2  # ends of the list and of the cursor
    if (
        whole != end - begin
        or ns != len(head[4]) + 1
        or not first <= last < end - 2
        or batch != last + 1 - head.start(5)
        or data[last:cursor_end] != b"\0\0"
        or not _succeeded(data[cursor_end:end])
    ):
        return None
    if data.find(_BEFORE_UUID, first, last) >= 0:
        return _read_in_full(data, first, last)
    names: list[Named] = []
    pieces: list[bytes] = []
    for place, (name, kind) in enumerate(_ENTRY.findall(data, first, last)):
        known = _TYPES.get(kind)
        if known is None or place == MOST:
            return None
        rest, more = known
        pieces += _KEYS[place], _NAME(more + len(name), _KEY, len(name) + 1), name, rest
        names.append((name.decode("utf-8", "surrogateescape"), kind.decode(), None, b""))
    return names if b"".join(pieces) == data[first:last] else None


def _read_in_full(data: bytes | bytearray, first: int, last: int) -> list[Named] | None:
    """The long form: collections without options, each with its UUID."""
    names: list[Named] = []
    pieces: list[bytes] = []
    for place, (name, kind, uuid, ns) in enumerate(_IN_FULL.findall(data, first, last)):
        known = _TYPES_IN_FULL.get(kind)
        if known is None or place == MOST:
            return None
        rest, more = known
        index = _ID_INDEX if not ns else _named_index(ns)
        size = more + len(name) + len(index)
        pieces += _KEYS[place], _NAME(size, _KEY, len(name) + 1), name, rest, uuid, index
        names.append((name.decode("utf-8", "surrogateescape"), kind.decode(), False, uuid))
    return names if b"".join(pieces) == data[first:last] else None


def _named_index(ns: bytes) -> bytes:
    """The index on `_id` up to 4.2, which names its collection."""
    body = _INDEX + b"\x02ns\0" + _LENGTH.pack(len(ns) + 1) + ns + b"\0\0"
    return b"\0\x03idIndex\0" + _LENGTH.pack(4 + len(body)) + body + b"\0"


def read_databases(data: bytes, begin: int, end: int) -> list[str] | None:
    """The names of a list of databases that holds nothing else, in the answer that fills this part of `data`;
    None when it has another form, is empty, or holds a name of over `SHORT` bytes or that is no UTF-8."""
    place = _list_of_databases(data, begin, end)
    if place is None:
        return None
    first, last = place
    rest = last + len(_OK)
    if data[last:rest] != b"\0" + _OK[:-1] or not (data[rest:end] == b"\0" or OF_SET(data, rest, end)):
        return None
    found = _DATABASE(data, first, last)
    if not found or not _is_list(data[first:last], [(name, b"\0") for name in found]):
        return None
    try:
        return [name.decode() for name in found]
    except UnicodeDecodeError:
        return None


def read_sizes(data: bytes | bytearray, begin: int, end: int) -> tuple[float, list[Document]] | None:
    """The size of all databases and the entries of the list, in the answer to listDatabases that fills this
    part of `data`. None when it has another form."""
    place = _list_of_databases(data, begin, end) if end - begin <= LONG else None
    if place is None:
        return None
    first, last = place
    total = _TOTAL(data, last, end)
    found = _SIZED(data, first, last)
    if total is None or not _is_list(data[first:last], [(name, rest) for name, rest, *_ in found]):
        return None
    entries = [
        {
            "name": name.decode("utf-8", "surrogateescape"),
            "sizeOnDisk": _NUMBERS[kind](size)[0],
            "empty": empty == b"\1",
        }
        for name, _, kind, size, empty in found
    ]
    return _NUMBERS[total[1]](total[2])[0], entries


def _list_of_databases(data: bytes | bytearray, begin: int, end: int) -> tuple[int, int] | None:
    """Where the entries of the list begin and end with which this answer begins."""
    head = _DATABASES(data, begin, end)
    if head is None:
        return None
    first = head.end()
    last = first - 5 + _LENGTH.unpack(head[1])[0]
    whole = _LENGTH.unpack_from(data, begin)[0]
    return (first, last) if whole == end - begin and first <= last < end else None


def _is_list(data: bytes | bytearray, entries: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether `data` is an array of these entries: each a name and what follows it, up to its end."""
    pieces: list[bytes] = []
    for key, (name, rest) in zip(_KEYS, entries, strict=False):
        length = len(name)
        pieces += key, _NAME(15 + length + len(rest), _KEY, length + 1), name, b"\0", rest
    return b"".join(pieces) == data


def _succeeded(rest: bytes | bytearray) -> bool:
    """Whether what follows the cursor says that all is well: it is a document but for its length."""
    if rest == _OK:
        return True
    try:
        document = decode(_LENGTH.pack(4 + len(rest)) + rest)
    except BsonError:
        return False
    return outcome(document) is Outcome.SUCCESS and "cursor" not in document
