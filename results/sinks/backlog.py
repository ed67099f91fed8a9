"""What a sink has not got yet: counted from its cursor on, a piece at a time, whatever the lines say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from results.durations import as_text, instant
from results.events.event import ChangeEvent, EventError, RunEvent, parse
from results.events.log import EVENTS_FILE
from results.files import CorruptError, explain, open_to_read, remedy_for
from results.reading import segment_number
from results.record import Observation
from results.sinks.source import runs_in
from results.sinks.state import JournalCursor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from results.sinks.state import SinkCursor

_PIECE: Final = 1 << 20
_NO_EVENT: Final = b'{"schema":"mongosweep.database/'  # quotes in a name are written \", so it is in no name


class Backlog(NamedTuple):
    """So many events in so many bytes of lines; the oldest is of `oldest_at` (RFC 3339, "" not known)."""

    events: int = 0
    bytes: int = 0
    oldest_at: str = ""


def backlog_of(output: Path, cursor: SinkCursor, *, every: bool) -> Backlog:
    """What stands behind a cursor, in whole lines. Raises `CorruptError` for what cannot be read.

    Whether the cursor fits the files is not asked: a file that is shorter has nothing for it.
    """
    events = size = 0
    times = []
    for path, kind, offset in _files(output, cursor, every=every):
        for number, lines in enumerate(_pieces(path, kind, offset)):
            events += lines.count(b"\n") - lines.count(_NO_EVENT)
            size += len(lines)
            if number == 0 and (at := _first_time(lines)):
                times.append(at)
    return Backlog(events, size, min(times, default=""))


def _files(output: Path, cursor: SinkCursor, *, every: bool) -> Iterator[tuple[Path, str, int]]:
    """Each file that may have something, its kind, and where to begin."""
    yield output / EVENTS_FILE, EVENTS_FILE, cursor.offset
    for name in runs_in(output) if every else []:
        kept = cursor.runs.get(name, JournalCursor())
        numbered = [(segment_number(path.name) or 0, path) for path in (output / name).iterdir()]
        for number, path in sorted(numbered):
            if number >= kept.segment:
                yield path, "segment", kept.offset if number == kept.segment else 0


def _pieces(path: Path, kind: str, offset: int) -> Iterator[bytes]:
    try:
        with open_to_read(path, kind) as file:
            while data := os.pread(file.fileno(), _PIECE, offset):
                whole = data[: data.rfind(b"\n") + 1]
                if not whole and len(data) < _PIECE:
                    return  # not a line yet
                yield whole or data
                offset += len(whole or data)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CorruptError(path, explain(error), remedy_for(error)) from error


def _first_time(lines: bytes) -> str:
    try:
        event = parse(lines[: lines.find(b"\n")])
    except EventError:
        return ""
    if isinstance(event, Observation):
        return event.observed_at
    at = event.at if isinstance(event, RunEvent | ChangeEvent) else ""
    try:
        return as_text(instant(at))
    except (ValueError, OverflowError):  # a line that somebody edited
        return ""
