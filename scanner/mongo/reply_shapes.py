"""Shapes of replies, recognised once and reused: the wanted fields, without a walk and a decoder.

Theory of operation. Servers answer the questions of the metadata alike but for numbers and names. So a reply
that was checked and decoded in full becomes a shape: all its bytes but those inside of a value of a fixed
width and those of a text. A later reply to a request as long, which is as long and has the same bytes in
these places, has the same elements at every level, and each ends where the other one's does. Then it is as
well formed, and the wanted values stand where they stood. Of a truth value all bits but the lowest
count, too. A reply that fits no shape goes the general way.

Names of other lengths make another shape: the request's length says how long the name is that the answer
repeats. What is kept is bounded, and a connection may teach only so many, so that a server with a new shape
in each reply costs little more than one without.
"""

from __future__ import annotations

from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from scanner.mongo import lookalikes
from scanner.mongo.bson_check import elements
from scanner.mongo.requests import Command
from scanner.mongo.values import OF_COUNTS, OF_PART, OF_SIZES, OF_USE, documents, sub

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.mongo.facts import Document

    Path = tuple[str, ...]
    Values = tuple[Any, ...]

KEPT: Final = 4096  # lengths of requests and replies
ALIKE: Final = 2  # shapes of the same lengths
LESSONS: Final = 100  # shapes that one connection may teach
MAX_BYTES: Final = 1024  # a longer reply teaches none
MAX_ELEMENTS: Final = 80
ROWS: Final = 10  # of `$indexStats` in a shape

_DOUBLE, _STRING, _DOCUMENT, _ARRAY, _BINARY, _OBJECT_ID, _BOOL, _DATE, _INT32, _TIMESTAMP, _INT64 = (
    *(0x01, 0x02, 0x03, 0x04, 0x05, 0x07, 0x08, 0x09, 0x10, 0x11, 0x12),
)
_ANY_VALUE: Final = {
    _DOUBLE: bytes(8),
    _OBJECT_ID: bytes(12),
    _BOOL: b"\xfe",
    _DATE: bytes(8),
    _INT32: bytes(4),
    _TIMESTAMP: bytes(8),
    _INT64: bytes(8),
}
_PLAIN_BINARIES: Final = (0, 4, 5)  # bytes, a UUID, a digest
_FORMATS: Final = {_DOUBLE: "d", _OBJECT_ID: "12s", _BOOL: "?", _DATE: "q", _INT32: "i", _INT64: "q"}
_BATCH: Final = ("cursor", "firstBatch")
_FIRST: Final = (*_BATCH, "0")
_IN_ROW: Final = len(_FIRST)  # where the path of a field of a row has the field's name
_STORAGE: Final = (*_FIRST, "storageStats")
_OF_IDS: Final = ((*_FIRST, "t"), (*_FIRST, "_id"))
_OWN: Final = tuple((*_FIRST, name) for name in OF_PART)
_USE: Final = tuple((*_FIRST, *path) for path in OF_USE)
_KINDS_IN_ROW: Final = {
    ("name",): (_STRING,),
    ("key",): (_DOCUMENT,),
    ("accesses",): (_DOCUMENT,),
    ("accesses", "ops"): (_DOUBLE, _INT32, _INT64),
    ("accesses", "since"): (_DATE,),
}
_SHARD: Final = (*_FIRST, "shard")
# What a wanted value may be, where that is no number: a date or an id read as one would be a wrong one.
_NUMBERS: Final = (_DOUBLE, _BOOL, _INT32, _INT64)
_NO_NUMBERS: Final[dict[Path, tuple[int, ...]]] = {
    _OF_IDS[0]: (_DATE,),
    _OF_IDS[1]: (_OBJECT_ID,),
    _SHARD: (_STRING,),
    **{(*_BATCH, str(row), "accesses", "since"): (_DATE,) for row in range(ROWS)},
}
_OF_SHAPE: Final = (("ok",), ("cursor", "id"))  # whether it succeeded, and is all, are no values of their own
_MORE: Final = _OF_SHAPE[1]  # zero where the batch is all
_INDEX_SIZES: Final = "indexSizes"  # of old servers: a document, whose names are read
# The fields that are read of an answer, in the order in which they are given. What stands elsewhere is
# checked and passed over.
_WANTED: Final[dict[Command, tuple[Path, ...]]] = {
    Command.DB_STATS: tuple((name,) for name in OF_COUNTS),
    Command.INDEX_STATS: tuple(
        (*_BATCH, str(row), "accesses", name) for row in range(ROWS) for name in ("ops", "since")
    ),
    Command.COLL_STATS_STAGE: (*_OWN, *((*_STORAGE, name) for name in OF_SIZES), *_USE),
    Command.NEWEST_DATE: _OF_IDS,
    Command.OLDEST_DATE: _OF_IDS,
    Command.NEWEST_ID: _OF_IDS,
    Command.OLDEST_ID: _OF_IDS,
}
# Where there is no document `storageStats`, its fields stand beside where it would be.
_BESIDE: Final = (*_OWN, *((*_FIRST, name) for name in OF_SIZES), *_USE)


class _NoShapeError(Exception):
    """Of this reply no shape is made."""


class Shape(NamedTuple):
    """One shape: which bits of a document count, as a number, and which value they have; how the wanted
    values are read, and in which order they are given."""

    counts: int
    bits: int
    unpack: Callable[[Any, int], Values]
    order: Callable[[Values], Values]


class _Maker:
    """Finds in a reply that was checked before which bytes count, and where the wanted values stand."""

    def __init__(self, wanted: frozenset[Path], *, of_indexes: bool = False) -> None:
        self._wanted = wanted
        self._of_indexes = of_indexes
        self.indexes: dict[str, tuple[list[str], list[str]]] = {}  # by row: names of the index, of its fields
        self._left = MAX_ELEMENTS
        self._passed = 0  # bytes since the last value
        self.mask: list[bytes] = []
        self.format = ["<"]
        self.found: list[Path] = []
        self.documents: set[Path] = set()

    def _add(self, mask: bytes) -> None:
        self.mask.append(mask)
        self._passed += len(mask)

    def _same(self, length: int) -> None:
        self._add(b"\xff" * length)

    def document(self, data: bytes, path: Path) -> None:
        """A document or an array: its length, its elements, its end."""
        self.documents.add(path)
        self._same(4)
        seen = set()
        for kind, key, _, value, after in elements(data):
            self._left -= 1
            if self._left < 0 or key in seen or key == b"$ref":
                raise _NoShapeError
            seen.add(key)
            self._same(len(key) + 2)
            self._value(kind, data[value:after], (*path, key.decode("utf-8", "replace")))
        self._same(1)

    def _value(self, kind: int, value: bytes, path: Path) -> None:
        wanted = path in self._wanted
        if path[-1] == _INDEX_SIZES or (path == _MORE and (kind not in _NUMBERS or any(value))):
            raise _NoShapeError
        if self._of_indexes and path[:2] == _BATCH and self._of_index(kind, value, path):
            return
        if kind in (_DOCUMENT, _ARRAY) and not wanted:
            self.document(value, path)
        elif kind == _STRING and (not wanted or path == _SHARD):
            self._same(4)
            self._keep(wanted, path, f"{len(value) - 5}s", bytes(len(value) - 5))
            self._same(1)
        elif kind == _BINARY and not wanted and value[4] in _PLAIN_BINARIES:
            self._same(5)
            self._add(bytes(len(value) - 5))
        elif path in _OF_SHAPE and kind in _FORMATS:
            self._same(len(value))
        elif kind in _ANY_VALUE and (not wanted or kind in _NO_NUMBERS.get(path, _NUMBERS)):
            self._keep(wanted, path, _FORMATS.get(kind, ""), _ANY_VALUE[kind])
        else:
            raise _NoShapeError

    def _of_index(self, kind: int, value: bytes, path: Path) -> bool:
        """The names of an index and of its fields are part of the shape."""
        within = path[_IN_ROW:]
        if within in _KINDS_IN_ROW and kind not in _KINDS_IN_ROW[within]:
            raise _NoShapeError
        is_field = len(within) == 2 and within[0] == "key"
        if within == ("name",):
            self._index(path)[0].append(value[4:-1].decode("utf-8", "surrogateescape"))
        elif is_field and "\ufffd" not in within[1]:
            self._index(path)[1].append(within[1])
        elif is_field:
            raise _NoShapeError
        else:
            return False
        self._same(len(value))
        return True

    def _index(self, path: Path) -> tuple[list[str], list[str]]:
        return self.indexes.setdefault(path[_IN_ROW - 1], ([], []))

    def _keep(self, wanted: bool, path: Path, form: str, mask: bytes) -> None:
        if not wanted:
            self._add(mask)
            return
        self.format.append(f"{self._passed}x{form}")
        self.found.append(path)
        self.mask.append(mask)
        self._passed = 0


def make(command: Command, data: bytes) -> Shape | None:
    """The shape of a reply that was checked, decoded, and found to be a success; None if it makes none."""
    wanted = _WANTED[command]
    statistics = command is Command.COLL_STATS_STAGE
    of_indexes = command is Command.INDEX_STATS
    maker = _Maker(frozenset(wanted + _BESIDE if statistics else wanted), of_indexes=of_indexes)
    try:
        maker.document(data, ())
    except _NoShapeError:
        return None
    if statistics and _STORAGE not in maker.documents:
        wanted = _BESIDE
    if not maker.found:
        return None
    mask = int.from_bytes(b"".join(maker.mask), "little")
    places = [maker.found.index(path) if path in maker.found else len(maker.found) for path in wanted]
    order: Callable[[Values], Values] = itemgetter(*places)
    if of_indexes and not _in_all_rows(maker):
        return None
    if of_indexes:
        order = _with_names(order, maker.indexes)
    elif _SHARD in maker.found:
        order = _with_text(order)
    return Shape(
        mask, int.from_bytes(data, "little") & mask, Struct("".join(maker.format)).unpack_from, order
    )


def _in_all_rows(maker: _Maker) -> bool:
    """Whether each row names an index, so that the place of a row is that of its values."""
    rows = [path[-1] for path in maker.documents if len(path) == _IN_ROW and path[:2] == _BATCH]
    if not sorted(rows) == sorted(maker.indexes) == sorted(map(str, range(len(rows)))):
        return False
    return all(
        names and {(*_BATCH, row, "key"), (*_BATCH, row, "accesses")} <= maker.documents
        for row, (names, _) in maker.indexes.items()
    )


def _with_names(
    order: Callable[[Values], Values], indexes: dict[str, tuple[list[str], list[str]]]
) -> Callable[[Values], Values]:
    """What `counters.rows_of` gives: each index's names, and its values in the same order."""
    known = [(indexes[str(row)][0][0], tuple(indexes[str(row)][1])) for row in range(len(indexes))]

    def named(values: Values) -> Values:
        told = order(values)
        rows: list[Any] = []
        for row, (name, fields) in enumerate(known):
            rows += name, fields, told[2 * row], told[2 * row + 1]
        return tuple(rows)

    return named


def _with_text(order: Callable[[Values], Values]) -> Callable[[Values], Values]:
    """The same order, where a shard is named."""

    def named(values: Values) -> Values:
        own, shard, *others = order(values)
        return own, shard.decode("utf-8", "replace"), *others

    return named


class ReplyShapes:
    """The shapes that are known by now, of all servers."""

    def __init__(self) -> None:
        self._known: dict[tuple[Command, int, int], list[Shape]] = {}

    def read(
        self, command: Command, asked: int, data: bytes | bytearray, begin: int, end: int
    ) -> Values | None:
        """The wanted fields of the document in this part of `data`, or None when its shape is not known.

        `asked` is the length of the request (bytes). A field that is not there is None, a date is in
        milliseconds, an ObjectId is bytes.
        """
        shapes = self._known.get((command, asked, end - begin))
        if shapes is None:
            return None
        bits = int.from_bytes(data[begin:end], "little")
        for shape in shapes:
            if bits & shape.counts == shape.bits:
                return shape.order((*shape.unpack(data, begin), None))
        return None

    def learn(self, command: Command, asked: int, data: bytes, document: Document) -> bool:
        """Keep the shape of a successful reply that was read the general way. True if it was tried."""
        if command not in _WANTED or len(data) > MAX_BYTES:
            return False
        if command is not Command.DB_STATS:
            batch = sub(document, "cursor", "firstBatch")
            most = ROWS if command is Command.INDEX_STATS else 1
            if not isinstance(batch, list) or not 1 <= len(batch) <= most:
                return False
            if command is Command.COLL_STATS_STAGE and lookalikes.invented(documents(batch)):
                return False  # such an answer is looked at each time
        shape = make(command, data)
        if shape is not None:
            alike = self._known.setdefault((command, asked, len(data)), [])
            alike.insert(0, shape)
            del alike[ALIKE:]
            if len(self._known) > KEPT:
                del self._known[next(iter(self._known))]
        return True


SHAPES: Final = ReplyShapes()
