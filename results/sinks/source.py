"""What one sink is to be sent, read from its cursor on: the events file, and journals where every observation
is asked for. It is read a piece at a time, whatever waits there.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from msgspec.structs import replace

from results.events.event import ChangeEvent, EventError, RunEvent, parse
from results.events.log import EVENTS_FILE, read_lines
from results.files import CorruptError, ResultsError, explain, open_to_read, remedy_for
from results.follow import Cursor, GrowingJournal
from results.latest import is_link
from results.manifest import MANIFEST_FILE
from results.reading import segment_number
from results.record import DatabaseLine, Observation
from results.sinks.state import CursorError, JournalCursor, Place, SinkCursor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PIECE = 1 << 20  # bytes that are read of the events file at once
_SETTLED = 2_000_000_000  # nanoseconds: a directory that changed just now may do so again at the same time


class Read(NamedTuple):
    """One line without its newline, what it says, and the place behind it. None: no event of its own."""

    line: bytes
    event: RunEvent | ChangeEvent | Observation | EventError | None
    place: Place


class EventSource:
    """Gives out what stands behind a cursor, each line once, first of the events file.

    `problems` are runs of which something cannot be sent, by the names of their directories: the others go
    on. `name` is the sink's, for the remedy.
    """

    def __init__(self, output: Path, cursor: SinkCursor, *, every: bool = False, name: str = "NAME") -> None:
        self.problems: dict[str, ResultsError] = {}
        self._output = output
        self._path = output / EVENTS_FILE
        self._name = name
        self._here = cursor  # how far lines were read from the events file
        self._file: BinaryIO | None = None  # the one that was checked
        self._waiting: deque[tuple[bytes, Place]] = deque()
        self._journals = _Journals(output, cursor, self.problems, name) if every else None

    def read(self, most_events: int, most_bytes: int) -> list[Read]:
        """The next lines, at most so many and, but for one, at most so many bytes; none: nothing now.

        Raises `CursorError` where the events file is not the one that the cursor was in, and `CorruptError`
        where it cannot be read.
        """
        found: list[Read] = []
        size = 0
        while len(found) < most_events and (self._waiting or self._fill()):
            line, place = self._waiting[0]
            size += len(line)
            if found and size > most_bytes:
                break
            self._waiting.popleft()
            found.append(Read(line, _event_of(line, place), place))
        return found

    def behind(self, cursor: SinkCursor, last: Mapping[str, Read]) -> SinkCursor:
        """The cursor behind these lines: the last of the events file (""), and of runs by their directory."""
        if (told := last.get("")) is not None:
            cursor = _behind(cursor, told.line, told.place.offset)
        return cursor if self._journals is None else self._journals.behind(cursor, last)

    def make_durable(self) -> None:
        """Have what was read of the events file on the medium, before a cursor says so: a loss of power must
        not leave a cursor beyond its end. Raises `CorruptError`."""
        if self._file is None:
            return
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise CorruptError(self._path, explain(error), remedy_for(error)) from error

    def close(self) -> None:
        """Let go of what is open. Safe to repeat."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._journals is not None:
            self._journals.close()

    def check(self) -> None:
        """Whether reading can go on from the cursor, and which runs are gone. Raises as `read` does."""
        self._check()
        if self._journals is not None:
            self._journals.note_gone(runs_in(self._output))

    def _fill(self) -> bool:
        """Get more lines; False where there are none now."""
        self._check()
        lines, offset = read_lines(self._output, self._here.offset, PIECE)
        if not lines:
            return self._journals is not None and self._journals.fill(self._waiting)
        if not self._is_same():  # it was replaced in between
            return self._fill()
        place = self._here.offset
        for line in lines:
            place += len(line)
            self._waiting.append((line.removesuffix(b"\n"), Place("", 0, place)))
        self._here = _behind(self._here, self._waiting[-1][0], offset)
        return True

    def _check(self) -> None:
        """Whether the file still has all that was read, and the line before the cursor is the one that was
        read: it may be another file, or have been cut and written anew."""
        try:
            if not self._is_same():
                file = open_to_read(self._path, EVENTS_FILE)
                if self._file is not None:
                    self._file.close()
                self._file = file  # held, so that no other file can have its number
            assert self._file is not None
            size = os.fstat(self._file.fileno()).st_size
            if size >= self._here.offset > 0 and not _holds(self._file, self._here):
                raise self._misplaced(f"what stands before byte {self._here.offset:,} is not what was taken")
        except FileNotFoundError:
            if self._here.offset:
                raise self._misplaced("it is gone") from None
            return
        except OSError as error:
            raise CorruptError(self._path, explain(error), remedy_for(error)) from error
        if size < self._here.offset:
            raise self._misplaced(f"it has {size:,} bytes, and {self._here.offset:,} were taken from it")

    def _is_same(self) -> bool:
        """Whether the file of that name is the one that was checked."""
        if self._file is None:
            return False
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False
        held = os.fstat(self._file.fileno())
        return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)

    def _misplaced(self, why: str) -> CursorError:
        return CursorError(self._path, f"{why}: it is not the file that was being sent", remedy(self._name))


class _Run:
    """One run's journal, as far as it was given out."""

    def __init__(self, kept: JournalCursor) -> None:
        self.given = Cursor(kept.segment, kept.offset)
        self.end: Cursor | None = self.given if kept.ended else None  # where nothing more stood
        self.journal: GrowingJournal | None = None
        self.looked = -1  # when its directory had last changed as its end was seen

    def close(self) -> None:
        if self.journal is not None:
            self.journal.close()
            self.journal = None


class _Journals:
    """The journals of all runs in an output directory, each read by the one follower of journals."""

    def __init__(
        self, output: Path, cursor: SinkCursor, problems: dict[str, ResultsError], name: str
    ) -> None:
        self._output = output
        self._problems = problems
        self._name = name
        self._runs = {run: _Run(kept) for run, kept in cursor.runs.items()}
        self._pass: Iterator[list[tuple[bytes, Place]]] | None = None

    def fill(self, waiting: deque[tuple[bytes, Place]]) -> bool:
        """Add the next lines of any run; False where there are none now."""
        for _ in range(2):  # what is left of one pass over the runs, and a whole one
            if self._pass is None:
                self._pass = self._look_at_all()
            for lines in self._pass:
                waiting.extend(lines)
                return True
            self._pass = None
        return False

    def behind(self, cursor: SinkCursor, last: Mapping[str, Read]) -> SinkCursor:
        runs = {}
        for name, run in self._runs.items():
            kept = cursor.runs.get(name, JournalCursor())
            if name in last:
                kept = JournalCursor(segment=last[name].place.segment, offset=last[name].place.offset)
            if run.end is not None and Cursor(kept.segment, kept.offset) in (run.given, run.end):
                kept = JournalCursor(segment=run.end.segment, offset=run.end.offset, ended=True)
            runs[name] = kept
        return replace(cursor, runs=runs)

    def note_gone(self, present: list[str]) -> None:
        for name in self._runs.keys() - set(present):
            self._gone(name)

    def close(self) -> None:
        for run in self._runs.values():
            run.close()

    def _look_at_all(self) -> Iterator[list[tuple[bytes, Place]]]:
        present = runs_in(self._output)
        self.note_gone(present)
        for name in present:
            run = self._runs.setdefault(name, _Run(JournalCursor()))
            while name not in self._problems and (lines := self._lines(name, run)):
                run.given = Cursor(*lines[-1][1][1:])
                run.end = None
                yield lines

    def _lines(self, name: str, run: _Run) -> list[tuple[bytes, Place]]:
        directory = self._output / name
        try:
            changed = directory.stat().st_mtime_ns
            if changed == run.looked:  # whoever resumes a run adds a segment to its directory
                return []
            if run.journal is None:
                begin = run.end or run.given
                run.journal = GrowingJournal(directory, begin, warn=lambda tail: None)
            if data := run.journal.read():
                return _placed(name, data, run.journal.cursor)
            if run.journal.at_end:
                run.end = run.journal.cursor
                run.looked = changed if time.time_ns() - changed > _SETTLED else -1
                run.close()
            else:
                run.end = None
        except (ResultsError, OSError) as error:
            run.close()
            if not (directory / MANIFEST_FILE).exists():
                self._gone(name)
            elif isinstance(error, ResultsError):
                self._problems[name] = error
            else:
                self._problems[name] = CorruptError(directory, explain(error), remedy_for(error))
        return []

    def _gone(self, name: str) -> None:
        """A run's directory is not there any more: in order where all of it was given out."""
        self._runs[name].close()
        if self._runs[name].end is not None:
            del self._runs[name]
        elif name not in self._problems:
            reason = "this run was removed before all of its observations were sent"
            self._problems[name] = CursorError(self._output / name, reason, remedy(self._name))


def problem_of(output: Path, cursor: SinkCursor, *, every: bool, name: str) -> str:
    """Why sending cannot go on from a cursor, in one line; "" where it can."""
    source = EventSource(output, cursor, every=every, name=name)
    try:
        source.check()
    except ResultsError as error:
        return str(error)
    finally:
        source.close()
    return str(next(iter(source.problems.values()), ""))


def end_of(output: Path, *, every: bool) -> SinkCursor:
    """The cursor behind all that is there now. Raises `CorruptError`."""
    cursor = SinkCursor()
    while True:
        lines, offset = read_lines(output, cursor.offset, PIECE)
        if not lines:
            break
        cursor = _behind(cursor, lines[-1].removesuffix(b"\n"), offset)
    runs = {name: _end_of_run(output / name) for name in runs_in(output)} if every else {}
    return replace(cursor, runs=runs)


def _end_of_run(directory: Path) -> JournalCursor:
    numbers = [segment_number(path.name) or 0 for path in directory.iterdir()]
    journal = GrowingJournal(directory, Cursor(max([1, *numbers])), warn=lambda tail: None)
    try:
        while journal.read():
            pass
    finally:
        journal.close()
    return JournalCursor(segment=journal.cursor.segment, offset=journal.cursor.offset, ended=journal.at_end)


def runs_in(output: Path) -> list[str]:
    """The names of the run directories, in order. Raises `CorruptError`."""
    try:
        return sorted(
            entry.name
            for entry in output.iterdir()
            if os.path.lexists(entry / MANIFEST_FILE) and not is_link(entry)
        )
    except OSError as error:
        raise CorruptError(output, explain(error), remedy_for(error)) from error


def remedy(name: str) -> str:
    """What to do about a cursor that fits nothing that is there."""
    return f"`mongosweep forward --restart {name}` sends all that is there, `--from-now {name}` what comes"


def _event_of(line: bytes, place: Place) -> RunEvent | ChangeEvent | Observation | EventError | None:
    try:
        event = parse(line)
    except EventError as error:
        return error
    if place.run and isinstance(event, DatabaseLine):
        return None
    if place.run and isinstance(event, Observation):
        return event
    if not place.run and isinstance(event, RunEvent | ChangeEvent):
        return event
    return EventError(f"no event that stands here: {type(event).__name__}")


def _placed(name: str, data: bytes, behind: Cursor) -> list[tuple[bytes, Place]]:
    """The lines of a piece of a journal, each with the place behind it."""
    offset = behind.offset - len(data)
    placed = []
    for line in data.split(b"\n")[:-1]:
        offset += len(line) + 1
        placed.append((line, Place(name, behind.segment, offset)))
    return placed


def _behind(cursor: SinkCursor, line: bytes, offset: int) -> SinkCursor:
    return replace(cursor, offset=offset, last_bytes=len(line), last_sha256=hashlib.sha256(line).hexdigest())


def _holds(file: BinaryIO, cursor: SinkCursor) -> bool:
    """Whether the line that a cursor remembers stands before it, with its newline or, of one that is far too
    long, without."""
    start = max(0, cursor.offset - cursor.last_bytes - 1)
    data = os.pread(file.fileno(), cursor.offset - start, start)
    candidates = [data[len(data) - cursor.last_bytes :]]
    if data.endswith(b"\n"):
        candidates.append(data[:-1][-cursor.last_bytes :] if cursor.last_bytes else b"")
    return any(hashlib.sha256(each).hexdigest() == cursor.last_sha256 for each in candidates)
