"""The form of a handshake: what those with the same fields have in common, and where their own values are.

A form is a pattern made of one that was checked and decoded. It matches all bytes of another whose elements
are the same at every level, and whose values have the same widths, but for the names of the set and of its
members. What it cannot say is whether the lengths before these fit: whoever uses it asks that.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from scanner.mongo.bson_check import elements

if TYPE_CHECKING:
    from collections.abc import Callable

    Path = tuple[str, ...]
    List = tuple[int, int, tuple[int, ...]]

MAX_ELEMENTS: Final = 120
LONGEST: Final = 300  # bytes of a text of its own
STRING, DOCUMENT, ARRAY, BINARY, OBJECT_ID, BOOL, DATE = 0x02, 0x03, 0x04, 0x05, 0x07, 0x08, 0x09
_WIDTHS: Final = {0x01: 8, OBJECT_ID: 12, BOOL: 1, DATE: 8, 0x10: 4, 0x11: 8, 0x12: 8}

# Values of a server's own in a handshake: those that are read, by the type that they must have, in the order
# of `facts.Own`; and lists of texts.
READ: Final[dict[Path, int]] = {
    ("setName",): STRING,
    ("me",): STRING,
    ("primary",): STRING,
    ("localTime",): DATE,
    ("lastWrite", "lastWriteDate"): DATE,
    ("topologyVersion", "processId"): OBJECT_ID,
}
LISTS: Final = ("hosts", "passives", "arbiters")
# And those that nobody reads, with all that is in them.
UNREAD: Final = frozenset(
    {
        *(("setVersion",), ("electionId",), ("connectionId",), ("operationTime",), ("$clusterTime",)),
        *(("topologyVersion", "counter"), ("lastWrite", "opTime"), ("lastWrite", "majorityOpTime")),
        *(("lastWrite", "majorityWriteDate"), ("$configServerState", "opTime")),
    }
)


class NoFormError(Exception):
    """Of this handshake no form is made."""


class Form(NamedTuple):
    """Handshakes with the same fields: what they all match, and which group of it holds what.

    `said` takes from all groups and None the values that count for the kind, `own` those of `READ`.
    `texts`: a length and its text. `lists`: in the order of `LISTS` a list's length, how
    long it is without its texts, and these; None where there is no such list.
    """

    number: int
    match: Callable[[bytes, int, int], re.Match[bytes] | None]
    said: Callable[[tuple[bytes | None, ...]], Any]
    own: Callable[[tuple[bytes | None, ...]], tuple[bytes | None, ...]]
    texts: tuple[tuple[int, int], ...]
    lists: tuple[List | None, ...]


class Maker:
    """Makes the pattern of a handshake that was checked before."""

    def __init__(self) -> None:
        self._left = MAX_ELEMENTS
        self._groups = 0
        self._open = False  # a group of values that count
        self._parts: list[bytes] = []
        self.said: list[int] = []
        self.texts: list[tuple[int, int]] = []
        self.lists: dict[str, List] = {}
        self.own: dict[Path, int] = {}

    def form(self, number: int, data: bytes) -> Form:
        """The form of the document `data`. Raises `NoFormError`."""
        self._parts.append(b".{4}")  # the frame's length says how long it is
        self._elements(data, ())
        self._close()
        if not self.said:
            raise NoFormError
        return Form(
            number,
            re.compile(b"".join(self._parts), re.DOTALL).fullmatch,
            itemgetter(*self.said),
            itemgetter(*[self.own.get(path, self._groups) for path in READ]),
            tuple(self.texts),
            tuple([self.lists.get(name) for name in LISTS]),
        )

    def _close(self) -> None:
        if self._open:
            self._parts.append(b")")
            self._open = False

    def _same(self, data: bytes) -> None:
        self._parts.append(re.escape(data))

    def _counts(self, width: int) -> None:
        if not self._open:
            self._parts.append(b"(")
            self._open = True
            self.said.append(self._groups)
            self._groups += 1
        self._parts.append(b".{%d}" % width)

    def _group(self, pattern: bytes) -> int:
        self._close()
        self._parts.append(b"(" + pattern + b")")
        self._groups += 1
        return self._groups - 1

    def _elements(self, data: bytes, path: Path, *, unread: bool = False) -> None:
        seen = set()
        for kind, key, _, value, after in elements(data):
            self._left -= 1
            if self._left < 0 or key in seen:
                raise NoFormError
            seen.add(key)
            self._same(bytes([kind]) + key + b"\0")
            inner = (*path, key.decode("utf-8", "replace"))
            self._value(kind, data[value:after], inner, unread=unread or inner in UNREAD)
        self._same(b"\0")

    def _value(self, kind: int, value: bytes, path: Path, *, unread: bool) -> None:
        if kind == ARRAY and len(path) == 1 and path[0] in LISTS:
            self._list(value, path)
        elif path in READ and kind != READ[path]:
            raise NoFormError
        elif path in READ and kind == STRING:
            self.own[path] = self._text(value)
        elif path in READ:
            self.own[path] = self._group(b".{%d}" % len(value))
        elif kind in (DOCUMENT, ARRAY):
            self._same(value[:4])
            self._elements(value, path, unread=unread)
        elif not unread:
            if kind in _WIDTHS:
                self._counts(_WIDTHS[kind])
            else:
                self._same(value)
        elif kind in _WIDTHS:
            self._close()
            self._parts.append(b"[\0\1]" if kind == BOOL else b".{%d}" % _WIDTHS[kind])
        elif kind == BINARY and value[4] == 0:
            self._close()
            self._same(value[:5])
            self._parts.append(b".{%d}" % (len(value) - 5))
        else:
            raise NoFormError

    def _text(self, value: bytes) -> int:
        if len(value) - 5 >= LONGEST or b"\0" in value[4:-1]:
            raise NoFormError
        length, text = self._group(b".{4}"), self._group(rb"[^\0]{0,%d}" % (LONGEST - 1))
        self._same(b"\0")
        self.texts.append((length, text))
        return text

    def _list(self, value: bytes, path: Path) -> None:
        """Texts of which each may be as long as it likes."""
        length, bare, texts = self._group(b".{4}"), len(value), []
        for kind, key, _, begin, end in elements(value):
            self._left -= 1
            if kind != STRING or self._left < 0:
                raise NoFormError
            self._same(bytes([kind]) + key + b"\0")
            texts.append(self._text(value[begin:end]))
            bare -= end - begin - 5
        self._same(b"\0")
        self.lists[path[0]] = length, bare, tuple(texts)
