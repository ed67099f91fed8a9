"""Shapes of replies, recognised once and reused: the wanted fields, without a walk and a decoder.

Theory of operation. Servers answer the questions of the metadata alike but for numbers and names. So of a
reply that was checked and decoded in full, a pattern is made: its keys and types as they stand, any number of
the same type, any text, any length of a document. A later reply that the pattern matches from its first byte
to its last has the same elements at every level; what a pattern cannot say, that each length is the distance
to its end, is compared as numbers. Then it is as well formed as the walk in `bson_check` demands, and the
wanted values are read where they stand. A reply that fits no shape goes the general way.

What is kept is bounded: a few shapes a question, the one that fitted last first. A connection may teach only
a few, so that a server with a new shape in each reply costs little more than one without.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from bson import ObjectId

from scanner.mongo import lookalikes
from scanner.mongo.bson_check import elements
from scanner.mongo.requests import Command
from scanner.mongo.values import EPOCH, sub

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from scanner.mongo.facts import Document

KEPT: Final = 8  # shapes of one question
LESSONS: Final = 6  # shapes that one connection may teach
MAX_BYTES: Final = 4096  # a longer reply teaches none
MAX_ELEMENTS: Final = 80

_DOUBLE, _STRING, _DOCUMENT, _ARRAY, _BINARY, _OBJECT_ID, _BOOL, _DATE, _INT32, _TIMESTAMP, _INT64 = (
    *(0x01, 0x02, 0x03, 0x04, 0x05, 0x07, 0x08, 0x09, 0x10, 0x11, 0x12),
)
_ANY_VALUE: Final = {
    _DOUBLE: b".{8}",
    _OBJECT_ID: b".{12}",
    _BOOL: b"[\\x00\\x01]",
    _DATE: b".{8}",
    _INT32: b".{4}",
    _TIMESTAMP: b".{8}",
    _INT64: b".{8}",
}
_PLAIN_BINARIES: Final = (0, 4, 5)  # bytes, a UUID, a digest
_FORMATS: Final = {_DOUBLE: "d", _OBJECT_ID: "12s", _BOOL: "?", _DATE: "q", _INT32: "i", _INT64: "q"}
_FIRST: Final = ("cursor", "firstBatch", "0")
_STORAGE: Final = (*_FIRST, "storageStats")
_SIZES: Final = ("size", "count", "storageSize", "totalIndexSize", "capped", "indexSizes")
_OF_IDS: Final = frozenset([(*_FIRST, "t"), (*_FIRST, "_id")])
# Where the fields that are read of an answer stand. What stands elsewhere is checked and passed over.
_WANTED: Final[dict[Command, frozenset[tuple[str, ...]]]] = {
    Command.DB_STATS: frozenset(
        (name,)
        for name in (
            *("objects", "collections", "indexSize", "nsSizeMB", "numExtents", "fileSize"),
            *("storageSize", "totalSize"),
        )
    ),
    Command.COLL_STATS_STAGE: frozenset(
        [(*_FIRST, name) for name in (*_SIZES, "shard")] + [(*_STORAGE, name) for name in _SIZES]
    ),
    Command.NEWEST_DATE: _OF_IDS,
    Command.OLDEST_DATE: _OF_IDS,
    Command.NEWEST_ID: _OF_IDS,
    Command.OLDEST_ID: _OF_IDS,
}


class _NoShapeError(Exception):
    """Of this reply no shape is made."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One shape: the pattern, its groups that are lengths and values, and what each length must be.

    `spans`: of each length, the group that it stands in, the group behind whose end it ends, and what is to
    be added to the distance. `outer`: the keys of the values, and what makes one of them. `inner`: keys of
    the values in `storageStats`, which follow. `texts`: groups that are text, and their keys.
    """

    match: Any
    groups: tuple[int, ...]
    unpack: Any
    spans: tuple[tuple[int, int, int], ...]
    outer: tuple[tuple[str, Callable[[Any], object] | None], ...]
    inner: tuple[str, ...]
    texts: tuple[tuple[int, str], ...]

    def read(self, data: bytes | bytearray, begin: int, end: int) -> Document | None:
        """The wanted fields of the document that fills this part of `data`; None if it has another shape."""
        found = self.match(data, begin, end)
        if found is None:
            return None
        read = self.unpack(b"".join(found.group(*self.groups)))
        regs = found.regs
        number = 0
        for length, last, more in self.spans:
            if read[number] != regs[last][1] - regs[length][0] + more:
                return None
            number += 1
        document: Document = {}
        for key, convert in self.outer:
            value = read[number]
            number += 1
            if convert is not None and (value := convert(value)) is None:
                return None
            document[key] = value
        if self.inner:
            document[_STORAGE[-1]] = dict(zip(self.inner, read[number:], strict=True))
        for group, key in self.texts:
            document[key] = found[group].decode("utf-8", "replace")
        return document


def _moment(milliseconds: int) -> datetime | None:
    """A date, or None for one of which the decoder makes something else."""
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None


_CONVERT: Final[dict[int, Callable[[Any], object]]] = {_DATE: _moment, _OBJECT_ID: ObjectId}


class _Maker:
    """Makes the pattern of one reply that was checked before, and all that belongs to it."""

    def __init__(self, wanted: frozenset[tuple[str, ...]]) -> None:
        self._wanted = wanted
        self._left = MAX_ELEMENTS
        self.pattern: list[bytes] = []
        self.group = 0
        self.lengths: list[tuple[int, int, int]] = []
        self.values: list[tuple[int, tuple[str, ...], int]] = []
        self.texts: list[tuple[int, tuple[str, ...]]] = []
        self.documents: set[tuple[str, ...]] = set()

    def _new_group(self) -> int:
        self.group += 1
        return self.group

    def document(self, data: bytes, path: tuple[str, ...]) -> None:
        """A document or an array: its length, its elements, its end."""
        self.documents.add(path)
        length = self._new_group()
        self.pattern.append(b"(.{4})")
        seen = set()
        for kind, key, _, value, after in elements(data):
            self._left -= 1
            if self._left < 0 or key in seen or key == b"$ref":
                raise _NoShapeError
            seen.add(key)
            self.pattern.append(re.escape(bytes([kind]) + key + b"\0"))
            self._value(kind, data[value:after], (*path, key.decode("utf-8", "replace")))
        self.pattern.append(b"\\x00()")
        self.lengths.append((length, self._new_group(), 0))

    def _value(self, kind: int, value: bytes, path: tuple[str, ...]) -> None:
        wanted = path in self._wanted
        if kind in (_DOCUMENT, _ARRAY) and not wanted:
            self.document(value, path)
        elif kind == _STRING and (not wanted or path[-1] == "shard"):
            self.lengths.append((self._new_group(), self._new_group(), -3))
            self.pattern.append(b"(.{4})([^\\x00]*)\\x00")
            if wanted:
                self.texts.append((self.group, path))
        elif kind == _BINARY and not wanted and value[4] in _PLAIN_BINARIES:
            self.pattern.append(re.escape(value[:5]) + b".{%d}" % (len(value) - 5))
        elif kind in _ANY_VALUE and (not wanted or kind in _FORMATS):
            if path == ("ok",):
                self.pattern.append(re.escape(value))  # whether it succeeded is no value of its own
            elif wanted:
                self.values.append((self._new_group(), path, kind))
                self.pattern.append(b"(" + _ANY_VALUE[kind] + b")")
            else:
                self.pattern.append(_ANY_VALUE[kind])
        else:
            raise _NoShapeError


def make(command: Command, data: bytes) -> Shape | None:
    """The shape of a reply that was checked, decoded, and found to be a success; None if it makes none."""
    maker = _Maker(_WANTED[command])
    try:
        maker.document(data, ())
    except _NoShapeError:
        return None
    inner = {path[:-1] for _, path, _ in maker.values}
    if not inner or (_STORAGE in maker.documents and _STORAGE not in inner):
        return None  # what is there and says nothing is something else than what is not there
    lengths = maker.lengths
    values = sorted(maker.values, key=lambda value: value[1][:-1] == _STORAGE)
    return Shape(
        re.compile(b"".join(maker.pattern), re.DOTALL).fullmatch,
        (*(length for length, _, _ in lengths), *(group for group, _, _ in values)),
        Struct("<" + "i" * len(lengths) + "".join(_FORMATS[kind] for _, _, kind in values)).unpack,
        tuple(lengths),
        tuple((path[-1], _CONVERT.get(kind)) for _, path, kind in values if path[:-1] != _STORAGE),
        tuple(path[-1] for _, path, _ in values if path[:-1] == _STORAGE),
        tuple((group, path[-1]) for group, path in maker.texts),
    )


class ReplyShapes:
    """The shapes that are known by now, of all servers."""

    def __init__(self) -> None:
        self._known: dict[Command, list[Shape]] = {command: [] for command in _WANTED}

    def read(self, command: Command, data: bytes | bytearray, begin: int, end: int) -> Document | None:
        """The wanted fields of a reply's document, or None when its shape is not known.

        Of an answer with a cursor it is the one document of its batch.
        """
        known = self._known.get(command)
        if not known:
            return None
        document = known[0].read(data, begin, end)
        if document is not None:
            return document
        for place in range(1, len(known)):
            document = known[place].read(data, begin, end)
            if document is not None:
                known.insert(0, known.pop(place))
                return document
        return None

    def learn(self, command: Command, data: bytes, document: Document) -> bool:
        """Keep the shape of a successful reply that was read the general way. True if it was tried."""
        known = self._known.get(command)
        if known is None or len(data) > MAX_BYTES:
            return False
        if command is not Command.DB_STATS:
            batch = sub(document, "cursor", "firstBatch")
            if not isinstance(batch, list) or len(batch) != 1:
                return False
            if command is Command.COLL_STATS_STAGE and lookalikes.invented(batch):
                return False  # such an answer is looked at each time
        shape = make(command, data)
        if shape is not None:
            known.insert(0, shape)
            del known[KEPT:]
        return True


SHAPES: Final = ReplyShapes()
