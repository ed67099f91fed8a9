"""Reading a journal while it grows: the one contract of every reader that does not wait for a run's end.

What a reader may rest on, from what is on the disk alone, in whatever process it is:

1.  Lines are only ever added at the end of one segment, the one being written; each ends in a newline. What
    stands after the last newline is not a line yet.
2.  **A segment is finished when `chain.json` has its link**, and not before. It then has exactly the link's
    bytes, and its lines end `torn_bytes` before them. That the next segment exists says nothing: it is made
    before the last lines come to the one before it.
3.  Where the run's lock is free, nobody writes. A segment without a link is then finished where it ends
    *after* that was seen; what follows its last newline, or begins with a line that holds a NUL, is torn.
4.  The next segment is the next number. A finished segment without a next one, while nobody writes, is the
    end; a resumed run adds segments to it, and touches nothing that is there.
5.  Everything else is damage: a segment that shrinks while it is read, or is not as long as its link says, or
    is missing below one that is there.

So each look asks first who writes and which segments are sealed, and reads then: what comes between the two
questions is in the read. A cursor is (segment, bytes), always behind a whole line, and may be kept anywhere.

A line is given out when it is written, a second before it is fsynced. After a loss of power it may be gone;
the resumed run asks its target again, and the line comes once more, with the same `event_id`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from results.chain import CHAIN_FILE, ChainLink, load_chain
from results.files import CorruptError, explain, open_to_read
from results.lines import MAX_LINE
from results.lock import is_held
from results.reading import TornTail, log_warning, segment_name, segment_number

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CHUNK = 4 * MAX_LINE  # bytes; what is read at once, and given out at most


class Cursor(NamedTuple):
    """How far a reader is: everything in earlier segments, and the first `offset` bytes of this one."""

    segment: int = 1
    offset: int = 0


BEGINNING = Cursor()


class GrowingJournal:
    """Reads a run's journal from a cursor on, as it grows, in one thread.

    `somebody_writes` tells whether lines may still come; by default it asks the run's lock. Memory is bounded
    by `CHUNK` and one line, however far the reader is behind.
    """

    def __init__(
        self,
        directory: Path,
        cursor: Cursor = BEGINNING,
        *,
        somebody_writes: Callable[[], bool] | None = None,
        warn: Callable[[TornTail], None] = log_warning,
    ) -> None:
        self.cursor = cursor
        """Behind the last line that was given out."""
        self.at_end = False
        """Whether the last `read` found nothing more and nobody who writes: only a resumed run adds lines."""
        self._directory = directory
        self._somebody_writes = somebody_writes or (lambda: is_held(directory))
        self._warn = warn
        self._file: BinaryIO | None = None
        self._given = False  # lines of the open segment
        self._told = False  # of its torn tail

    def read(self) -> bytes:
        """The next whole lines; nothing when there is none now: look again later, or not, when `at_end`.

        Raises `CorruptError` for damage, and for a file that cannot be read.
        """
        self.at_end = False
        while True:
            if data := self._lines():
                return data
            writing = self._ask_who_writes()
            link = self._ask_for_link()
            if data := self._lines():
                return data
            if self._file is not None:
                self._judge_rest(link, writing=writing)
                if link is None and writing:
                    return b""
            if self._is_last(link):
                self.at_end = not writing
                return b""
            if self._file is not None:
                self.close()
                self.cursor = Cursor(self.cursor.segment + 1)

    def close(self) -> None:
        """Let go of the open segment; reading may go on."""
        if self._file is not None:
            self._file.close()
            self._file, self._given, self._told = None, False, False

    # --- the looks at the disk, one each -------------------------------------------------------------

    def _ask_who_writes(self) -> bool:
        return self._somebody_writes()

    def _ask_for_link(self) -> ChainLink | None:
        """The seal of the segment that is being read."""
        chain = load_chain(self._directory)
        return chain.segments().get(self._path.name) if chain is not None else None

    def _open(self) -> bool:
        """Open the cursor's segment; False when it is not there yet."""
        try:
            self._file = open_to_read(self._path, "segment")
        except FileNotFoundError:
            return False
        except OSError as error:
            raise CorruptError(self._path, explain(error)) from error
        return True

    def _take(self) -> tuple[bytes, int]:
        """Bytes behind the cursor, and how many in all. Raises `CorruptError` for a file that shrank."""
        assert self._file is not None
        try:
            data = os.pread(self._file.fileno(), CHUNK, self.cursor.offset)
            size = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise CorruptError(self._path, explain(error)) from error
        if self._given and size < self.cursor.offset:
            raise CorruptError(self._path, f"it was cut to {size:,} bytes, {self.cursor.offset:,} were read")
        return data, size - self.cursor.offset

    def _is_last(self, link: ChainLink | None) -> bool:
        """Whether there is no later segment. Raises `CorruptError` for a gap."""
        try:
            numbers = {segment_number(path.name) or 0 for path in self._directory.iterdir()}
        except OSError as error:
            raise CorruptError(self._directory, explain(error)) from error
        here = self.cursor.segment
        later = [number for number in numbers if number > here]
        if later and here + 1 not in numbers:
            raise CorruptError(self._directory / segment_name(here + 1), "this segment is missing")
        if (later or link is not None) and here not in numbers:
            raise CorruptError(self._path, "this segment is missing")
        return not later

    # --- what is made of them ------------------------------------------------------------------------

    @property
    def _path(self) -> Path:
        return self._directory / segment_name(self.cursor.segment)

    def _lines(self) -> bytes:
        """The next whole lines of the cursor's segment; nothing at their end, or when it is not there."""
        if self._file is None and not self._open():
            return b""
        data, _ = self._take()
        whole = data[: data.rfind(b"\n") + 1]
        if b"\0" in whole:  # no line holds one: a hole that a loss of power left, or damage
            whole = whole[: whole.rfind(b"\n", 0, whole.index(b"\0")) + 1]
        if whole:
            self.cursor = Cursor(self.cursor.segment, self.cursor.offset + len(whole))
            self._given = True
        return whole

    def _judge_rest(self, link: ChainLink | None, *, writing: bool) -> None:
        """What stands behind the last whole line: nothing, one that is being written, a torn tail or damage.

        A cursor behind all of it was kept over a loss of power, which took lines back: that is the end, too.
        """
        data, left = self._take()
        if link is not None:
            if left + self.cursor.offset != link.bytes or left > link.torn_bytes:
                have = left + self.cursor.offset
                raise CorruptError(
                    self._path, f"{have:,} bytes, but {link.bytes:,} were sealed ({CHAIN_FILE})"
                )
        elif writing:
            if b"\0" in data or (len(data) == CHUNK and b"\n" not in data):
                raise CorruptError(self._path, f"from byte {self.cursor.offset:,} on it is no line")
            return
        if left > 0 and not self._told:
            self._told = True
            self._warn(TornTail(self._path, self.cursor.offset, left))
