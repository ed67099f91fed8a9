"""Reading one run's journal into the tables: a batch at a time, with a cursor behind whole observations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.durations import instant
from results.files import CorruptError
from results.follow import Cursor, GrowingJournal
from results.ledger.visits import Grouping, visit_of
from results.lines import from_line

if TYPE_CHECKING:
    from pathlib import Path

    from results.ledger.visits import Group
    from results.ledger.writing import Writer
    from results.manifest import Manifest


class RunReader:
    """Reads a journal from a cursor on, as long as there is something."""

    def __init__(self, path: Path, cursor: Cursor, manifest: Manifest) -> None:
        self._path = path
        self._run_id = manifest.run_id
        self._vantage = manifest.vantage
        self._journal = GrowingJournal(path, cursor, warn=lambda _: None)
        self._groups = Grouping()
        self._behind = cursor
        self.taken = 0
        """Observations of the batch that was taken last, or broke off."""
        self.at_rest = False
        """Nothing more is there now."""
        self.at_end = False
        """And nobody writes."""

    @property
    def cursor(self) -> Cursor:
        """Behind the last group that was taken."""
        begun = self._groups.begun
        return self._behind if begun is None else Cursor(begun.segment, begun.offset)

    def take(self, writer: Writer, run: int, most: int) -> int:
        """Put up to about `most` observations into the tables. Raises `CorruptError` and `RecordError`; what
        was taken before stays, and the cursor is behind it."""
        self.taken = 0
        while self.taken < most:
            data = self._journal.read()
            if not data:
                self.at_rest, self.at_end = True, self._journal.at_end
                if self.at_end:
                    for group in self._groups.end():
                        self._put(writer, run, group)
                self._behind = max(self._behind, self._journal.cursor)
                break
            self._take_lines(writer, run, data)
        return self.taken

    def _take_lines(self, writer: Writer, run: int, data: bytes) -> None:
        segment, offset = self._journal.cursor
        offset -= len(data)
        for line in data.splitlines(keepends=True):
            read = from_line(line)
            if read.run_id != self._run_id:
                raise CorruptError(
                    self._path, f"a line at byte {offset:,} is of another run, {read.run_id!r}"
                )
            for group in self._groups.add(segment, offset, line, read):
                self._put(writer, run, group)
            offset += len(line)
            self._behind = Cursor(segment, offset)

    def _put(self, writer: Writer, run: int, group: Group) -> None:
        try:
            instant(group.observation.observed_at)
            writer.put_visit(run, visit_of(group, self._vantage))
        except ValueError as error:
            raise CorruptError(self._path, str(error)) from error
        self.taken += 1

    def close(self) -> None:
        self._journal.close()
