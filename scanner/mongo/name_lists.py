"""A list of collections in the two forms in which all servers give it, read without a walk and a decoder.

Theory of operation. Names and types, and in the long form UUIDs, are looked for where they stand in such a
list; from them the list is written anew, with each length as it must be. Only when that is, byte for byte,
what the server sent, it is believed. Anything else goes the general way: a cursor to read on in, options, a
name with a zero byte.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import TYPE_CHECKING, Final

from scanner.mongo.answers import Outcome, outcome
from scanner.mongo.bson_check import BsonError, decode

if TYPE_CHECKING:
    from scanner.mongo.inventory import Named

MOST: Final = 1000  # names; as many as are asked for at once

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


def _succeeded(rest: bytes | bytearray) -> bool:
    """Whether what follows the cursor says that all is well: it is a document but for its length."""
    if rest == _OK:
        return True
    try:
        document = decode(_LENGTH.pack(4 + len(rest)) + rest)
    except BsonError:
        return False
    return outcome(document) is Outcome.SUCCESS and "cursor" not in document
