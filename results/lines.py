"""From an observation to its lines of JSON, and back. What makes a line short enough is `results/cut.py`.

The first line says what most readers want: verdict, severity, totals, the gravest databases. Where it does
not hold all that was read, a line for each database follows, with its collections; all are written at once.
"""

from __future__ import annotations

import codecs
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from results import cut
from results.record import (
    DATABASE,
    OBSERVATION,
    Address,
    Database,
    DatabaseLine,
    Exposure,
    Hint,
    Line,
    Observation,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_OBSERVATION = 8 * 1024
"""Bytes of an observation's line with its newline: what a syslog receiver takes at the least (RFC 5425)."""
MAX_LINE = 16 * 1024
"""Bytes of any line with its newline."""
GRAVEST = 5  # databases named in an observation's line where lines of their own follow
HINTS_NAMED = 10
_ROOM = MAX_LINE - 128  # bytes of a database's line but its numbers, and what its lists are written in


class RecordError(ValueError):
    """A line that is none of ours, or an observation that cannot become lines; says why."""


_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_decode = _decoder.decode


def to_lines(observation: Observation, *, read_before: bool = False) -> list[bytes]:
    """The lines of an observation: printable ASCII, each ending in a newline, none longer than its limit.

    The first is the observation's own, of at most `MAX_OBSERVATION` bytes; all others are of databases, at
    most `MAX_LINE`. What the first cannot hold besides databases and hints is cut in a fixed order and named
    in its `truncated`; text that is not Unicode and numbers that are not countable are replaced, and named
    there too. Raises `RecordError` when our own code built something that is no observation at all.
    `read_before`: all that came from a server in it was read in another record already, or is of a form that
    any line can hold, and need not be read back.
    """
    try:
        return _lines(observation, check=not read_before)
    except (UnicodeEncodeError, msgspec.ValidationError):
        pass
    document, notes = cut.mend(msgspec.to_builtins(observation))
    document["truncated"] = [*notes, *document.get("truncated", ())]
    try:
        return _lines(msgspec.convert(document, Observation), check=True)
    except msgspec.ValidationError as error:
        raise RecordError(f"this is no observation: {error}") from error


def _lines(observation: Observation, *, check: bool) -> list[bytes]:
    exposure = observation.exposure
    if exposure is None or not _has_collections(exposure):
        line = _encode_ascii(observation)
        if len(line) < MAX_OBSERVATION:
            # A line that no reader takes would make the whole journal unreadable, and the values come from
            # servers: so each line is read once before it is written.
            if check:
                _decode(line)
            return [line + b"\n"]
    rest: list[bytes] = []
    if exposure is not None and exposure.databases:
        rest = _database_lines(observation, exposure)
        observation = replace(observation, exposure=_brief(exposure, len(rest)))
    first = _encode_ascii(observation)
    if len(first) >= MAX_OBSERVATION:
        document = msgspec.to_builtins(observation)
        for database in document["exposure"]["databases"] if rest else ():
            database.pop("notes", None)  # they stand in its own line
        first = cut.shorten(document, _encode_ascii, MAX_OBSERVATION - 1)
    if check:
        for line in (first, *rest):
            _decode(line)
    return [first + b"\n", *[line + b"\n" for line in rest]]


def _has_collections(exposure: Exposure) -> bool:
    return any(database.collections for database in exposure.databases)


def _brief(exposure: Exposure, lines: int) -> Exposure:
    """What stands in the first line where others follow."""
    databases = gravest(exposure)[:GRAVEST]
    return replace(
        exposure,
        databases=[replace(found, collections=[], shards={}, gridfs=[]) for found in databases],
        hints=exposure.hints[:HINTS_NAMED],
        database_lines=lines,
    )


def gravest(exposure: Exposure) -> list[Database]:
    """The databases: those of an extortionist's note, then what hints at personal data, then by size."""
    names = {database.name for database in exposure.databases}
    noted = {_database_in(name, names) for name in exposure.ransom.names}
    hinted = {_database_in(hint.name, names) for hint in exposure.hints}

    def gravity(database: Database) -> tuple[bool, bool, bool, int, int]:
        held = database.size_bytes or 0, database.documents or 0
        return (database.name in noted, not database.system, database.name in hinted, *held)

    return sorted(exposure.databases, key=gravity, reverse=True)


def _database_in(name: str, databases: set[str]) -> str:
    """The database of a name that is one, or a namespace in one."""
    return name if name in databases else name.partition(".")[0]


# Lines of databases.


def _database_lines(observation: Observation, exposure: Exposure) -> list[bytes]:
    bodies: list[tuple[int, bytes]] = []
    head = _head(observation)
    told = _hints_by_database(exposure)
    for number, database in enumerate(exposure.databases, start=1):
        hints = told.get(number, [])
        body = _body(database, hints)
        if len(head) + len(body) < _ROOM:
            bodies.append((number, body))
        else:
            bodies += [(number, _body(*part)) for part in _parts(database, hints, len(head))]
    total = len(bodies)
    lines = []
    for line, (number, body) in enumerate(bodies, start=1):
        data = head + b'"line":%d,"lines":%d,"number":%d,%b}' % (line, total, number, body)
        if len(data) >= MAX_LINE:
            data = cut.shorten(msgspec.json.decode(data), _encode_ascii, MAX_LINE - 1)
        lines.append(data)
    return lines


def _head(observation: Observation) -> bytes:
    """How all lines of an observation's databases begin, as far as their numbers."""
    first = DatabaseLine(
        event_id=observation.event_id,
        finding_id=observation.finding_id,
        run_id=observation.run_id,
        observed_at=observation.observed_at,
        target=Address(ip=observation.target.ip, port=observation.target.port),
        line=1,
        lines=1,
        number=1,
        database=Database(name=""),
    )
    line = _encode_ascii(first)
    return line[: line.rindex(b'"line":')]


def _body(database: Database, hints: list[Hint]) -> bytes:
    """The last two members of a line."""
    body = b'"database":' + _encode(database)
    return printable(body + b',"hints":' + _encode(hints) if hints else body)


def _parts(database: Database, hints: list[Hint], head: int) -> Iterator[tuple[Database, list[Hint]]]:
    """A database that is too long for a line in parts that are not: what its lists hold, in order."""
    bare = replace(database, notes=[], collections=[], shards={}, gridfs=[])
    room = _ROOM - head - len(_body(bare, []))
    part = _Part()
    for name, item in _items(database, hints):
        size = len(_encode_ascii(item)) + 1
        if part.size and part.size + size > room:
            yield part.of(bare)
            part = _Part()
        part.size += size
        part.held[name].append(item)
    yield part.of(bare)


def _items(database: Database, hints: list[Hint]) -> Iterator[tuple[str, Any]]:
    for note in database.notes:
        yield "notes", note
    for shard in database.shards.items():
        yield "shards", shard
    for bucket in database.gridfs:
        yield "gridfs", bucket
    for hint in hints:
        yield "hints", hint
    for collection in database.collections:
        yield "collections", collection


class _Part:
    """What one line of several takes of a database's lists, and how many bytes that is."""

    def __init__(self) -> None:
        self.size = 0
        self.held: defaultdict[str, list[Any]] = defaultdict(list)

    def of(self, bare: Database) -> tuple[Database, list[Hint]]:
        """The part, with the figures of the whole."""
        held = self.held
        lists = {name: held[name] for name in ("notes", "gridfs", "collections")}
        return replace(bare, shards=dict(held["shards"]), **lists), held["hints"]


def _hints_by_database(exposure: Exposure) -> dict[int, list[Hint]]:
    """Hints by their database's number, in the order in which they come, which is that of the databases.

    One whose database is not found stays with the one before it.
    """
    found: dict[int, list[Hint]] = {}
    if not exposure.hints:
        return found
    databases, at = exposure.databases, 0
    # MongoDB takes no dot in the name of a database. Who has `a` and `a.b` is told by names of collections.
    dotted = any("." in database.name for database in databases)
    for hint in exposure.hints:
        for number in range(at, len(databases)):
            name = databases[number].name
            if (hint.name == name or hint.name.startswith(f"{name}.")) and (
                not dotted or _names(databases[number], hint.name)
            ):
                at = number
                break
        found.setdefault(at + 1, []).append(hint)
    return found


def _names(database: Database, namespace: str) -> bool:
    rest = namespace[len(database.name) + 1 :]
    return not rest or any(collection.name == rest for collection in database.collections)


# Text.


def json_line(record: Any) -> bytes:
    """Any struct as one line: printable ASCII, with its newline."""
    return _encode_ascii(record) + b"\n"


def _encode_ascii(record: Any) -> bytes:
    return printable(_encode(record))


def printable(data: bytes) -> bytes:
    """JSON, UTF-8, as printable ASCII of the same meaning."""
    if not data.isascii():
        data = data.decode().encode("ascii", "mongosweep.json")
    # DEL is ASCII, and JSON lets it stand as it is; a terminal does not.
    return data.replace(b"\x7f", b"\\u007f") if b"\x7f" in data else data


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    # A server may send 50 MB of such names: no step for each character here.
    units = error.object[error.start : error.end].encode("utf-16-be").hex("u", 2)
    return "\\u" + units.replace("u", "\\u"), error.end


codecs.register_error("mongosweep.json", _escape)


# Back.


def from_line(line: bytes) -> Line:
    """Read one line; fields that this version does not know are passed over.

    Raises `RecordError` when it is none of ours, or one of a newer schema.
    """
    try:
        return _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        newer = re.search(rb'"schema":\s*"(mongosweep\.[a-z]+/[0-9]{1,6})"', line[:200])
        if newer and newer[1].decode() not in (OBSERVATION, DATABASE):
            known = f"{OBSERVATION} and {DATABASE}"
            raise RecordError(f"written as {newer[1].decode()}, this version reads {known}") from error
        raise RecordError(f"not an observation: {error}") from error
    except RecursionError as error:
        raise RecordError("not an observation: nested too deeply") from error


def put_together(lines: Iterable[Line]) -> Iterator[Observation]:
    """Observations with all their databases, from lines in the order of writing.

    Lines that lack their observation are passed over. An observation some of whose lines are missing holds
    the databases that are there, and says in its `truncated` how many lines are not.
    """
    assembly = Assembly()
    for line in lines:
        yield from assembly.take(line)
    yield from assembly.rest()


class Assembly:
    """The same of lines that come one by one: an observation is given once all of its lines are there."""

    def __init__(self) -> None:
        self._observation: Observation | None = None
        self._parts: list[DatabaseLine] = []

    def take(self, line: Line) -> list[Observation]:
        """What is whole with this line, or will not be any more."""
        if isinstance(line, Observation):
            given = self.rest()
            self._observation = line
        elif self._observation is not None and line.event_id == self._observation.event_id:
            self._parts.append(line)
            given = []
        else:
            return []
        return given + self.rest() if self._is_whole() else given

    def rest(self) -> list[Observation]:
        """The one whose lines are not all there, after the last line."""
        given = [] if self._observation is None else [_whole(self._observation, self._parts)]
        self._observation, self._parts = None, []
        return given

    def _is_whole(self) -> bool:
        exposure = self._observation.exposure if self._observation is not None else None
        lines = (exposure.database_lines if exposure is not None else None) or 0
        return lines <= len(self._parts) and lines <= len({part.line for part in self._parts})


def _whole(observation: Observation, parts: list[DatabaseLine]) -> Observation:
    exposure = observation.exposure
    if exposure is None or exposure.database_lines is None:
        return observation
    by_line = {part.line: part for part in parts}
    missing = exposure.database_lines - len(by_line)
    notes = [note for part in parts for note in part.truncated]
    if missing > 0:
        notes.append(f"databases: {missing} of {exposure.database_lines} lines are missing")
    if not parts:
        return replace(observation, truncated=[*observation.truncated, *notes])
    databases: dict[int, Database] = {}
    hints: list[Hint] = []
    for _, part in sorted(by_line.items()):
        begun = databases.get(part.number)
        databases[part.number] = part.database if begun is None else _joined(begun, part.database)
        hints += part.hints
    whole = replace(exposure, databases=list(databases.values()), hints=hints, database_lines=None)
    return replace(observation, exposure=whole, truncated=[*observation.truncated, *notes])


def _joined(begun: Database, part: Database) -> Database:
    return replace(
        begun,
        notes=begun.notes + part.notes,
        shards={**begun.shards, **part.shards},
        gridfs=begun.gridfs + part.gridfs,
        collections=begun.collections + part.collections,
    )
