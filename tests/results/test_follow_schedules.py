"""A reader of a growing journal loses no line and doubles none, wherever its writer stands."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.chain import Chain, ChainFile, ChainLink
from results.follow import GrowingJournal
from results.journal import JournalWriter
from results.reading import segment_name
from tests.support.stepping import Actor, SteppingFileSystem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINES = [b'{"n":%d}\n' % number for number in range(6)]
APPENDS, SYNCS, READS = 0, 1, 2
MOST_STEPS = 400


class Stopping(GrowingJournal):
    """Stands still before each of its looks at the disk."""

    def __init__(
        self, directory: Path, park: Callable[[], None], somebody_writes: Callable[[], bool]
    ) -> None:
        super().__init__(directory, somebody_writes=somebody_writes)
        self.park = park

    def _ask_who_writes(self) -> bool:
        self.park()
        return super()._ask_who_writes()

    def _ask_for_link(self) -> ChainLink | None:
        self.park()
        return super()._ask_for_link()

    def _open(self) -> bool:
        self.park()
        return super()._open()

    def _take(self) -> tuple[bytes, int]:
        self.park()
        return super()._take()

    def _is_last(self, link: ChainLink | None) -> bool:
        self.park()
        return super()._is_last(link)


class Hasty(Stopping):
    """A wrong one, to show that the schedules find it: takes the next segment for the end of this one."""

    def _ask_for_link(self) -> ChainLink | None:
        followed = (self._directory / segment_name(self.cursor.segment + 1)).exists()
        self.park()
        return ChainLink(kind="segment", name="", lines=0, bytes=0, sha256="") if followed else None

    def _judge_rest(self, link: ChainLink | None, *, writing: bool) -> None:
        pass


class Stage:
    """One writer of two threads, which rotates after each line, and one reader; each moves when told."""

    def __init__(self, directory: Path, reader: type[Stopping] = Stopping) -> None:
        directory.mkdir()
        self.read = b""
        self.writing = True
        fs = SteppingFileSystem(lambda: self.syncing.park())
        chain = ChainFile(directory, Chain(run_id="run-1", genesis="0" * 64), fs)
        self.appending = Actor(self._append)
        self.syncing = Actor(lambda _: self._sync())
        self._fs, self._directory, self._chain = fs, directory, chain
        self._inside = False
        self.journal: JournalWriter | None = None
        self._reader_kind = reader
        self.reading = Actor(self._read)

    def _append(self, park: Callable[[], None]) -> None:
        for line in LINES:
            park()
            while self.journal is None:
                park()
            self._inside, self._fs.park = True, park
            self.journal.append(line)
            self._inside, self._fs.park = False, self.syncing.park

    def _sync(self) -> None:
        self.journal = JournalWriter(self._directory, self._fs, self._chain, rotate_bytes=1)
        while not self.appending.ended:
            self.syncing.park()
            self.journal.sync()
        self.journal.close()

    def _read(self, park: Callable[[], None]) -> None:
        with closing(self._reader_kind(self._directory, park, lambda: self.writing)) as journal:
            while not journal.at_end:
                self.read += journal.read()

    def move(self, who: int) -> None:
        """One step of one thread. Whoever appends holds the lock of the two: it is let finish first."""
        if who == READS:
            self.reading.step()
        elif who == APPENDS:
            self.appending.step()
        else:
            while self._inside:
                self.appending.step()
            self._fs.park = self.syncing.park
            self.syncing.step()

    def to_the_end(self) -> bytes:
        """All that the reader gives out once everybody could finish."""
        for _ in range(MOST_STEPS):
            if self.syncing.ended:
                break
            self.move(SYNCS)
            self.move(APPENDS)
        assert self.syncing.ended
        self.writing = False
        for _ in range(MOST_STEPS):
            if not self.reading.step():
                break
        assert self.reading.ended
        return self.read


@settings(max_examples=150, deadline=None)
@given(schedule=st.lists(st.sampled_from([APPENDS, SYNCS, SYNCS, READS, READS]), max_size=250))
def test_no_line_is_lost_or_doubled_in_any_order_of_steps(
    tmp_path_factory: pytest.TempPathFactory, schedule: list[int]
) -> None:
    stage = Stage(tmp_path_factory.mktemp("stage") / "run")
    for who in schedule:
        stage.move(who)
    assert stage.to_the_end() == b"".join(LINES)


def two_visits(place: Path, reader: type[Stopping], first: int, looks: int, second: int) -> bytes:
    """The writer goes so far, then the reader looks so often, then the writer goes on, then the reader."""
    stage = Stage(place, reader)
    turns = [SYNCS, SYNCS, APPENDS, SYNCS]
    for at in range(first):
        stage.move(turns[at % len(turns)])
    for _ in range(looks):
        stage.move(READS)
    for at in range(first, first + second):
        stage.move(turns[at % len(turns)])
    for _ in range(30):
        stage.move(READS)
    return stage.to_the_end()


def visits(step: int) -> list[tuple[int, int, int]]:
    return [
        (first, looks, second)
        for first in range(4, 90, step)
        for looks in range(1, 12)
        for second in range(0, 90 - first, 3 * step)
    ]


def test_the_writer_may_go_on_between_any_two_looks(tmp_path: Path) -> None:
    for number, (first, looks, second) in enumerate(visits(10)):
        read = two_visits(tmp_path / str(number), Stopping, first, looks, second)
        assert read == b"".join(LINES), (first, looks, second)


@pytest.mark.exhaustive
@pytest.mark.long
@pytest.mark.slow
def test_the_writer_may_go_on_between_any_two_looks_from_every_third_step(tmp_path: Path) -> None:
    for number, (first, looks, second) in enumerate(visits(3)):
        read = two_visits(tmp_path / str(number), Stopping, first, looks, second)
        assert read == b"".join(LINES), (first, looks, second)


def test_a_reader_that_takes_the_next_segment_for_the_end_is_found_out(tmp_path: Path) -> None:
    for number, (first, looks, second) in enumerate(visits(6)):
        if two_visits(tmp_path / str(number), Hasty, first, looks, second) != b"".join(LINES):
            return
    raise AssertionError("the schedules do not tell a wrong reader from a right one")
