"""What a reader of a growing journal makes of a crash, a late start, damage, and another process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from results.chain import CHAIN_FILE, Chain, ChainFile, ChainLink
from results.files import CorruptError
from results.follow import CHUNK, Cursor, GrowingJournal
from results.journal import JournalWriter
from results.lock import LOCK_FILE, Lock
from results.reading import TornTail, segment_name
from results.sinks.stdout import LOOK_INTERVAL, Follower
from tests.results.examples import START, observation
from tests.results.runs import create
from tests.support.faulty_files import Call, Wrapping
from tests.support.lines import line_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LINES = [b'{"n":%d}\n' % number for number in range(6)]


def chain_of(directory: Path) -> ChainFile:
    chain = ChainFile(directory, Chain(run_id="run-1", genesis="0" * 64), Wrapping())
    chain.save()
    return chain


def sealed(chain: ChainFile, number: int, size: int, torn_bytes: int = 0) -> None:
    chain.add(
        ChainLink(
            kind="segment",
            name=segment_name(number),
            lines=1,
            bytes=size,
            sha256="0",
            ended="crashed" if torn_bytes else "sealed",
            torn_bytes=torn_bytes,
        )
    )


class Reading:
    """A journal of a directory, whose writer lives as long as the test says."""

    def __init__(self, directory: Path, cursor: Cursor | None = None) -> None:
        self.writing = True
        self.torn: list[TornTail] = []
        self.journal = GrowingJournal(
            directory, cursor or Cursor(), somebody_writes=lambda: self.writing, warn=self.torn.append
        )

    def all(self) -> bytes:
        """Everything that is there now."""
        found = b""
        while data := self.journal.read():
            found += data
        return found


class Follow(Protocol):
    """Begins to read a journal."""

    def __call__(self, directory: Path, cursor: Cursor | None = None) -> Reading: ...


@pytest.fixture
def follow() -> Iterator[Follow]:
    with ExitStack() as stack:

        def begin(directory: Path, cursor: Cursor | None = None) -> Reading:
            reading = Reading(directory, cursor)
            stack.callback(reading.journal.close)
            return reading

        yield begin


def test_a_torn_line_is_waited_for_and_told_once_nobody_writes(tmp_path: Path, follow: Follow) -> None:
    segment = tmp_path / segment_name(1)
    reading = follow(tmp_path)
    assert (reading.all(), reading.journal.at_end) == (b"", False)
    segment.write_bytes(LINES[0] + LINES[1][:3])
    assert (reading.all(), reading.journal.at_end) == (LINES[0], False)
    assert reading.journal.cursor == Cursor(1, len(LINES[0]))
    segment.write_bytes(LINES[0] + LINES[1] + LINES[2][:4])
    assert reading.all() == LINES[1]
    reading.writing = False
    assert (reading.all(), reading.all(), reading.journal.at_end) == (b"", b"", True)
    assert [(tail.offset, tail.length) for tail in reading.torn] == [(len(LINES[0] + LINES[1]), 4)]


def test_a_torn_tail_is_passed_over_when_the_run_is_taken_up_again(tmp_path: Path, follow: Follow) -> None:
    """With lines in it that a hole of a power loss cut off from the others."""
    chain, hole = chain_of(tmp_path), bytes(600) + b"\n" + LINES[1]
    (tmp_path / segment_name(1)).write_bytes(LINES[0] + hole)
    reading = follow(tmp_path)
    reading.writing = False
    assert reading.all() == LINES[0]
    reading.writing = True
    sealed(chain, 1, len(LINES[0] + hole), torn_bytes=len(hole))
    (tmp_path / segment_name(2)).write_bytes(LINES[2])
    assert reading.all() == LINES[2]
    assert len(reading.torn) == 1


def test_a_death_between_two_segments_leaves_both_to_be_read(tmp_path: Path, follow: Follow) -> None:
    chain_of(tmp_path)
    (tmp_path / segment_name(1)).write_bytes(LINES[0])
    (tmp_path / segment_name(2)).write_bytes(LINES[1])
    reading = follow(tmp_path)
    assert reading.all() == LINES[0], "as long as somebody writes, more may come to the first"
    reading.writing = False
    assert (reading.all(), reading.journal.at_end) == (LINES[1], True)


def test_a_reader_may_start_anywhere_and_late(tmp_path: Path, follow: Follow) -> None:
    chain = chain_of(tmp_path)
    for number in (1, 2):
        (tmp_path / segment_name(number)).write_bytes(LINES[0] + LINES[1])
        sealed(chain, number, len(LINES[0] + LINES[1]))
    (tmp_path / segment_name(3)).write_bytes(LINES[2])
    assert follow(tmp_path).all() == (LINES[0] + LINES[1]) * 2 + LINES[2]
    middle = follow(tmp_path, Cursor(2, len(LINES[0])))
    assert middle.all() == LINES[1] + LINES[2]
    assert middle.journal.cursor == Cursor(3, len(LINES[2]))


def test_a_cursor_behind_what_a_loss_of_power_left_is_at_the_end(tmp_path: Path, follow: Follow) -> None:
    chain = chain_of(tmp_path)
    (tmp_path / segment_name(1)).write_bytes(LINES[0])
    reading = follow(tmp_path, Cursor(1, 500))
    reading.writing = False
    assert (reading.all(), reading.journal.at_end) == (b"", True)
    sealed(chain, 1, len(LINES[0]))
    (tmp_path / segment_name(2)).write_bytes(LINES[1])
    assert reading.all() == LINES[1]


def test_a_slow_reader_holds_one_chunk_and_no_more(tmp_path: Path, follow: Follow) -> None:
    (tmp_path / segment_name(1)).write_bytes(b"".join(LINES) * 20_000)
    reading = follow(tmp_path)
    assert 0 < len(reading.journal.read()) <= CHUNK


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (LINES[0], "cut to"),
        (LINES[0] + LINES[1] + bytes(10), "no line"),
        (LINES[0] + LINES[1] + b"x" * CHUNK, "no line"),
    ],
    ids=["cut", "a hole", "a line without end"],
)
def test_damage_while_somebody_writes_is_loud(
    tmp_path: Path, follow: Follow, content: bytes, says: str
) -> None:
    segment = tmp_path / segment_name(1)
    segment.write_bytes(LINES[0] + LINES[1])
    reading = follow(tmp_path)
    reading.all()
    segment.write_bytes(content)
    with pytest.raises(CorruptError, match=says):
        reading.all()


@pytest.mark.parametrize("size", [-3, 3])
def test_a_segment_of_another_length_than_its_seal_is_loud(tmp_path: Path, follow: Follow, size: int) -> None:
    (tmp_path / segment_name(1)).write_bytes(LINES[0])
    sealed(chain_of(tmp_path), 1, len(LINES[0]) + size)
    with pytest.raises(CorruptError, match=CHAIN_FILE):
        follow(tmp_path).all()


def test_a_missing_segment_is_loud(tmp_path: Path, follow: Follow) -> None:
    chain = chain_of(tmp_path)
    (tmp_path / segment_name(3)).write_bytes(LINES[0])
    with pytest.raises(CorruptError, match="this segment is missing"):
        follow(tmp_path, Cursor(2)).all() or follow(tmp_path, Cursor(1)).all()
    (tmp_path / segment_name(1)).write_bytes(LINES[0])
    sealed(chain, 1, len(LINES[0]))
    with pytest.raises(CorruptError, match="this segment is missing"):
        follow(tmp_path).all()


def test_the_lock_of_the_run_tells_who_writes(tmp_path: Path) -> None:
    run = create(tmp_path)
    line = line_of(observation())
    run.journal().append(line)
    with closing(GrowingJournal(run.path)) as journal:
        assert (journal.read(), journal.read(), journal.at_end) == (line, b"", False)
        run.close()
        assert (journal.read(), journal.at_end) == (b"", True)
        with type(run).open(run.path, START) as again:
            again.journal().append(line)
            assert (journal.read(), journal.at_end) == (line, False)
        assert (journal.read(), journal.at_end) == (b"", True)


WRITER = """
import sys, threading, time
from pathlib import Path
from results.chain import Chain, ChainFile
from results.files import REAL
from results.journal import JournalWriter
from results.lock import Lock
directory, count = Path(sys.argv[1]), int(sys.argv[2])
lock = Lock.acquire(directory)
chain = ChainFile(directory, Chain(run_id="run-1", genesis="0" * 64), REAL)
chain.save()
journal = JournalWriter(directory, REAL, chain, rotate_bytes=2000)
done = threading.Event()
def sync():
    while not done.is_set():
        journal.sync()
syncing = threading.Thread(target=sync)
syncing.start()
print("writing", flush=True)
for number in range(count):
    journal.append(b'{"n":%d}\\n' % number)
    while number - journal.durable > 500:
        time.sleep(0.001)
done.set()
syncing.join()
journal.close()
"""


@pytest.mark.parametrize("killed", [False, True], ids=["to its end", "killed"])
def test_another_process_may_follow(tmp_path: Path, follow: Follow, killed: bool) -> None:
    count = 10**9 if killed else 20_000
    with subprocess.Popen(
        [sys.executable, "-B", "-c", WRITER, str(tmp_path), str(count)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with closing(GrowingJournal(tmp_path, warn=lambda _: None)) as journal:
            found = b""
            while not journal.at_end:
                found += journal.read()
                if killed and journal.cursor.segment > 20:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
    written = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("observations-*")))
    assert journal.cursor.segment > 20
    assert found == written[: written.rfind(b"\n") + 1]
    lines = found.splitlines(keepends=True)
    assert lines == [b'{"n":%d}\n' % number for number in range(len(lines))]
    assert killed or len(lines) == count


def test_a_lock_that_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / LOCK_FILE)
    with pytest.raises(Exception, match="no plain file"):
        Lock.acquire(tmp_path)
    assert GrowingJournal(tmp_path).read() == b""


class _Slow(Wrapping):
    """A disk that is slow once a new segment is there: meanwhile `then` is called."""

    then: Callable[[], None] | None = None

    def after(self, call: Call) -> None:
        opened = [
            each.path for each in self.calls if each.method == "open" and "observations" in each.path.name
        ]
        if call.method == "fsync_dir" and len(opened) == 2 and self.then is not None:
            then, self.then = self.then, None
            then()


def test_stdout_has_the_lines_that_come_while_a_segment_is_exchanged(tmp_path: Path) -> None:
    """The next segment is there, and the line goes to the one before it still."""
    reading, writing = os.pipe()
    fs = _Slow()
    chain = ChainFile(tmp_path, Chain(run_id="run-1", genesis="0" * 64), fs)
    journal = JournalWriter(tmp_path, fs, chain, rotate_bytes=1)
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "wb", buffering=0) as stream:
        follower = Follower(tmp_path, journal.path, stream)
        follower.start()

        def append_late() -> None:
            time.sleep(10 * LOOK_INTERVAL)  # however often the reader looks at the two segments
            journal.append(LINES[1])

        fs.then = append_late
        journal.append(LINES[0])
        journal.sync()
        journal.append(LINES[2])
        journal.close()
        follower.finish(20)
        stream.close()
        assert reader.read() == b"".join(LINES[:3])
    assert follower.lost == ""


def test_stdout_says_when_the_journal_could_not_be_read(tmp_path: Path) -> None:
    (tmp_path / segment_name(1)).write_bytes(LINES[0] + bytes(50))
    with Path(os.devnull).open("wb", buffering=0) as stream:
        follower = Follower(tmp_path, tmp_path / segment_name(1), stream)
        follower.run()
    assert "the journal could not be read" in follower.lost
    assert "0001.jsonl" in follower.lost
