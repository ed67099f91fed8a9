"""Sizes and counts of the databases of a server whose kind is known, asked for and read without a dialogue.

Theory of operation. At depth `databases` nothing is asked after the opening but one list with sizes and the
counts of each database, all in one write. Where the first answer was read by its kind (`first_answers`) and
the names are ordinary, that write follows from the names alone. If then all replies come together, each in
its turn and of a known shape, and tell what one expects of a database, the record follows from their numbers.

Whatever else comes, a part of the replies or an end of the connection included, is for the dialogue: it is
made from the same first answer (`Dialogue.opened`), asks the same in the same bytes, and is given what came.
So one place understands servers, and this one knows only what the usual one says; tests hold both against
each other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from results.record import Database
from scanner.mongo import commands
from scanner.mongo.activity import ServerClock
from scanner.mongo.commands import Command, RefusedRequest, reply_caps
from scanner.mongo.inventory import DatabaseState, in_order, keep_counts, read_size
from scanner.mongo.listing import SYSTEM_DATABASES
from scanner.mongo.name_lists import read_sizes
from scanner.mongo.opening import OPENING_MESSAGES
from scanner.mongo.reply_shapes import SHAPES
from scanner.mongo.values import count
from scanner.mongo.wire import Expected, FrameReader, Opcode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.mongo.commands import Form, OfServer
    from scanner.mongo.facts import Document, Limits, Own

MOST: Final = 16  # databases: who has more is asked by the dialogue
_BY_MSG: Final = Opcode.OP_MSG
_NO_CLOCK: Final = ServerClock(None, None)  # it judges the times of collections, of which none is known


class Sizes(NamedTuple):
    """What was told: the databases in the order of the record, the sum of all sizes (bytes), and how much was
    said for it besides the opening."""

    databases: list[Database]
    total: int | None
    messages: int
    bytes_sent: int
    bytes_received: int


class SizesAsked:
    """What is asked of one server. `request` is the whole write; `sent` is set by who writes it."""

    __slots__ = ("_asked", "_limits", "_names", "own", "request", "sent")

    def __init__(self, own: Own, limits: Limits, names: list[str], messages: list[bytes]) -> None:
        self.own = own
        self.request = b"".join(messages)
        self.sent = False
        self._limits = limits
        self._names = names
        self._asked = list(map(len, messages))

    def read(self, data: bytes) -> Sizes | None:
        """What `data`, all that came after the first answer, says; None where the dialogue is to read it."""
        if len(self.own.data) + len(data) > self._limits.host_bytes:
            return None
        told = _Replies(self._asked, self._limits).read(data)
        if told is None:
            return None
        (total, entries), *counts = told
        found = {entry["name"]: entry for entry in entries}
        if len(found) < len(entries):
            return None
        databases = []
        for name, values in zip(self._names, counts, strict=True):
            database = _database(name, found.get(name), values, self._limits)
            if database is None:
                return None
            databases.append(database)
        return Sizes(databases, count(total), len(self._asked), len(self.request), len(data))


def ask(own: Own, limits: Limits) -> SizesAsked | None:
    """What is to be asked of a server with this first answer; None where the dialogue is to ask."""
    names = own.names
    if names is None or len(names) > min(MOST, limits.databases_kept, limits.databases_asked):
        return None
    if len(set(names)) < len(names) or not all(_is_ordinary(name, limits.name_length) for name in names):
        return None
    ordered = in_order(names)
    of_list, of_counts = _forms()
    request_id = OPENING_MESSAGES + 1
    messages = [of_list.message(request_id, "admin", "")]
    try:
        for name in ordered:
            request_id += 1
            messages.append(of_counts.message(request_id, name, ""))
    except RefusedRequest:
        return None
    return SizesAsked(own, limits, ordered, messages)


def _is_ordinary(name: str, limit: int) -> bool:
    """Whether the record shows this name as it is."""
    return len(name) <= limit and name.isascii() and name.isprintable()


@lru_cache(1)
def _forms() -> tuple[Form | OfServer, Form | OfServer]:
    """How the list with sizes, and the counts of a database, are asked for."""
    asked = commands.list_databases(name_only=False), commands.db_stats("")
    of_list, of_counts = (
        commands.form_of(request, _BY_MSG, time_limit=True, api_version=False) for request in asked
    )
    assert of_list is not None
    assert of_counts is not None
    return of_list, of_counts


class _Replies:
    """Reads the replies of one write, as `Channel` does those of known shapes."""

    __slots__ = ("_asked", "_caps", "_told")

    def __init__(self, asked: list[int], limits: Limits) -> None:
        caps = reply_caps(limits)
        self._asked = asked  # bytes of each request
        self._caps = caps[Command.LIST_DATABASES], caps[Command.DB_STATS]
        self._told: list[Any] = []

    def read(self, data: bytes) -> list[Any] | None:
        """What the list says (as `read_sizes` has it), and the fields of each dbStats; None if not all do."""
        first, rest = self._caps
        flights = [
            Expected(OPENING_MESSAGES + place, _BY_MSG, first if place == 1 else rest)
            for place in range(1, len(self._asked) + 1)
        ]
        reader = FrameReader()
        reader.begun(b"")
        reader.expect(flights, b"")
        reader.feed(data)
        reader.read_plain(self._read)
        return self._told if not reader.owes and not reader.buffered else None

    def _read(self, _: Expected, data: bytes | bytearray, begin: int, end: int) -> bool:
        told = self._told
        values: Any = None
        if not told:
            values = read_sizes(data, begin, end)
        else:
            values = SHAPES.read(Command.DB_STATS, self._asked[len(told)], data, begin, end)
        if values is None:
            return False
        told.append(values)
        return True


def _database(name: str, entry: Document | None, values: Sequence[Any], limits: Limits) -> Database | None:
    """The record of one database; None where something about it is out of the ordinary."""
    if entry is None:
        return None
    size = count(entry["sizeOnDisk"])
    documents, _, indexes, _, _, _, extents, namespace_file = values
    told = count(documents)
    if told and size and entry["empty"] is False and namespace_file is None is extents:
        return Database(
            name=name,
            size_bytes=size,
            documents=told,
            index_bytes=count(indexes),
            system=name in SYSTEM_DATABASES,
            empty=False,
        )
    state = DatabaseState(name)
    read_size(state, entry)
    if not keep_counts(state, values) or state.preallocated:
        return None
    database = state.record(limits, _NO_CLOCK)
    return None if database.notes else database
