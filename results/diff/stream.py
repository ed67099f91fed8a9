"""Reading a journal of a million lines for a comparison: of each line only what decides is decoded, and of
what is open its spot in the file is kept, and 16 bytes of what is not.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from results.files import CorruptError, open_to_read
from results.ledger.visits import Group, visit_of
from results.lines import MAX_LINE, RecordError, from_line
from results.reading import log_warning, read_lines, segments_of
from results.record import DATABASE, OBSERVATION, DatabaseLine
from results.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from results.ledger.visit import Visit
    from results.reading import TornTail


class _Head(Struct, tag_field="schema", tag=OBSERVATION, gc=False):
    finding_id: str
    verdict: Verdict


class _Part(Struct, tag_field="schema", tag=DATABASE, gc=False):
    finding_id: str


class _Software(Struct, gc=False):
    version: str = ""


class _Rest(Struct, tag_field="schema", tag=OBSERVATION, gc=False):
    """What may differ while an exposure's own text is the same."""

    severity: str
    server: _Software | None = None


_OPEN, _OPEN_NO_DATA = (verdict for verdict in Verdict if verdict.is_open)
_head = msgspec.json.Decoder(_Head | _Part).decode
_rest = msgspec.json.Decoder(_Rest).decode


class Spot(NamedTuple):
    """Where an observation's line begins, and a hash of what it says that matters to a comparison.

    The hash is Python's own, so it holds within one process.
    """

    segment: int
    offset: int
    said: int


class NotOpen:
    """Where the lines of what is not open begin, by a hash of the finding_id: 16 bytes a line."""

    def __init__(self) -> None:
        self.keys = array("q")
        self.spots = array("q")

    def find(self, wanted: Iterable[str]) -> dict[str, Spot]:
        """The last line of each that is wanted and has one."""
        by_hash = {hash(key): key for key in wanted}
        return {
            by_hash[key]: Spot(spot >> _OFFSET_BITS, spot & (1 << _OFFSET_BITS) - 1, 0)
            for key, spot in zip(self.keys, self.spots, strict=True)
            if key in by_hash
        }


_OFFSET_BITS = 40
"""A segment is shorter than 2 GiB, and there are fewer than 8 million of them."""


class Seen(NamedTuple):
    """One open server of the stream."""

    finding_id: str
    spot: Spot


def observations(
    path: Path, not_open: NotOpen, warn: Callable[[TornTail], None] = log_warning
) -> Iterator[Seen]:
    """What is open in a run directory or a file, in the order of writing, each after the lines of its
    databases; the others go into `not_open`. Raises as `results.reading.read_records` does.
    """
    add_key, add_spot = not_open.keys.append, not_open.spots.append
    begun: Seen | None = None
    for number, (segment, seal) in enumerate(segments_of(path), start=1):
        offset = 0
        for line in read_lines(segment, warn, seal):
            try:
                head = _head(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                raise _damage(segment, offset, line) from None
            if head.__class__ is _Part:
                if begun is not None and begun.finding_id == head.finding_id:
                    said = hash((begun.spot.said, line[line.index(b'"line":') :]))
                    begun = begun._replace(spot=begun.spot._replace(said=said))
            else:
                if begun is not None:
                    yield begun
                    begun = None
                verdict = head.verdict
                if verdict is _OPEN or verdict is _OPEN_NO_DATA:  # a million times: no call
                    begun = Seen(head.finding_id, Spot(number, offset, _said(line)))
                else:
                    add_key(hash(head.finding_id))
                    add_spot(number << _OFFSET_BITS | offset)
            offset += len(line)
    if begun is not None:
        yield begun


def _said(line: bytes) -> int:
    """A hash of an open server's exposure, version and severity. No name can hold a key of the line: a quote
    mark within a name stands behind a backslash."""
    begin = line.find(b',"exposure":{')
    end = line.rfind(b',"timing":{')
    rest = _rest(line)
    version = rest.server.version if rest.server else ""
    return hash((line[begin : end if end > begin else None] if begin >= 0 else b"", rest.severity, version))


def _damage(segment: Path, offset: int, line: bytes) -> CorruptError:
    try:
        from_line(line)
    except RecordError as error:
        return CorruptError(segment, f"the line at byte {offset} is damaged: {error}")
    return CorruptError(segment, f"the line at byte {offset} is damaged")


class Reader:
    """Whole observations of one run, read again by their spots. Use it as a context manager."""

    def __init__(self, path: Path, vantage: str) -> None:
        self._paths = {number: segment for number, (segment, _) in enumerate(segments_of(path), start=1)}
        self._vantage = vantage
        self._files: dict[int, BinaryIO] = {}

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()

    def visit(self, spot: Spot) -> Visit:
        """What the ledger would keep of the observation that begins there."""
        file = self._files.get(spot.segment)
        if file is None:
            file = self._files[spot.segment] = open_to_read(self._paths[spot.segment], "segment")
        file.seek(spot.offset)
        line = file.readline(MAX_LINE)
        read = from_line(line)
        assert not isinstance(read, DatabaseLine)
        group = Group(spot.segment, spot.offset, line, read, [])
        while not group.whole and (line := file.readline(MAX_LINE)).endswith(b"\n"):
            part = from_line(line)
            if not isinstance(part, DatabaseLine) or part.event_id != read.event_id:
                break
            group.databases.append(part)
        return visit_of(group, self._vantage)
