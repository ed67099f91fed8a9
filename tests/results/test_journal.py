"""What `sync` returned for is there after any crash; what fails is never claimed."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from results.chain import Chain, ChainFile, content_of, load_chain
from results.files import MOST_BYTES, REAL, FileSystem, StorageError
from results.journal import JournalWriter, Position, read_run, segments_in
from tests.results.examples import observation
from tests.support.faulty_files import Call, FailingFileSystem, Wrapping
from tests.support.lines import line_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINES = [line_of(observation(f"127.0.0.{n}")) for n in range(1, 101)]


def writer(directory: Path, fs: FileSystem = REAL, rotate_bytes: int = 1 << 26) -> JournalWriter:
    """A journal in a directory, with a chain of its own."""
    return JournalWriter(
        directory,
        fs,
        ChainFile(directory, Chain(run_id="run-1", genesis="0" * 64), fs),
        rotate_bytes=rotate_bytes,
    )


def read_all(directory: Path) -> list[bytes]:
    """The lines as they come out of the reader."""
    return [line_of(seen) for seen in read_run(directory)]


def test_lines_come_back_in_order_and_are_counted(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    assert [journal.append(line) for line in LINES[:10]] == list(range(1, 11))
    assert (journal.appended, journal.durable) == (10, 0)
    assert journal.sync() == journal.durable == 10
    assert journal.sync() == 10
    journal.append(LINES[10])
    journal.close()
    journal.close()
    assert read_all(tmp_path) == LINES[:11]
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_many_lines_are_one_write(tmp_path: Path) -> None:
    fs = Wrapping()
    journal = writer(tmp_path, fs)
    assert journal.append_many(LINES[:7]) == 7
    assert journal.append(LINES[7]) == 8
    assert [call.method for call in fs.calls].count("write") == 2
    with pytest.raises(ValueError, match="newline"):
        journal.append_many([LINES[8], b"torn"])
    journal.close()
    assert journal.position.lines == 8
    assert read_all(tmp_path) == LINES[:8]


def test_the_directory_is_synced_before_the_first_line_and_the_file_before_it_counts(tmp_path: Path) -> None:
    fs = Wrapping()
    journal = writer(tmp_path, fs)
    journal.append(LINES[0])
    journal.sync()
    assert [call.method for call in fs.calls] == ["open", "fsync_dir", "write", "fdatasync"]
    journal.sync()
    assert len(fs.calls) == 4, "nothing new, nothing to sync"


def test_every_start_has_a_segment_of_its_own(tmp_path: Path) -> None:
    for line in LINES[:3]:
        journal = writer(tmp_path)
        journal.append(line)
        journal.sync()  # and then the process dies: nothing is closed
    assert [path.name for path in segments_in(tmp_path)] == [f"observations-000{n}.jsonl" for n in (1, 2, 3)]
    (tmp_path / "observations-0001.jsonl").read_bytes()
    assert [path.read_bytes() for path in segments_in(tmp_path)] == LINES[:3]


def test_a_full_segment_is_sealed_and_the_next_begun(tmp_path: Path) -> None:
    journal = writer(tmp_path, rotate_bytes=2 * len(LINES[50]))
    for line in LINES:
        journal.append(line)
        journal.sync()
    journal.close()
    assert read_all(tmp_path) == LINES
    chain = ChainFile(tmp_path, Chain(run_id="", genesis=""), REAL)
    assert chain.chain.links == []
    assert len(segments_in(tmp_path)) > 30
    assert journal.durable == 100


def test_appending_goes_on_while_another_thread_syncs_and_rotates(tmp_path: Path) -> None:
    journal = writer(tmp_path, rotate_bytes=20 * len(LINES[0]))
    done = threading.Event()
    counts = []

    def keep_syncing() -> None:
        while not done.is_set():
            counts.append(journal.sync())

    thread = threading.Thread(target=keep_syncing)
    thread.start()
    for _ in range(20):
        for line in LINES:
            journal.append(line)
    done.set()
    thread.join()
    assert journal.sync() == 2000
    journal.close()
    assert counts == sorted(counts)
    assert read_all(tmp_path) == LINES * 20


def test_a_position_after_a_rotation_claims_no_line_that_came_meanwhile(tmp_path: Path) -> None:
    class Busy(Wrapping):
        def before(self, call: Call) -> bool:
            opened = [each.path for each in self.calls if each.method == "open"]
            if call.method == "fdatasync" and len(opened) == 2:  # the old segment's last flush
                journal.append(LINES[1])
            return True

    journal = writer(tmp_path, Busy(), rotate_bytes=1)
    journal.append(LINES[0])
    assert journal.sync() == 1
    assert journal.appended == 2
    assert (journal.position.lines, journal.position.bytes) == (0, 0)


def test_a_position_holds_until_evidence_is_missing_or_changed(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    assert journal.position.holds(tmp_path)
    journal.append(LINES[0])
    journal.append(LINES[1])
    journal.sync()
    position = journal.position
    journal.append(LINES[2])
    assert (position.lines, position.bytes) == (2, len(LINES[0] + LINES[1]))
    assert position.holds(tmp_path), "lines after it do not matter"
    data = journal.path.read_bytes()
    journal.path.write_bytes(data[: position.bytes - 1])
    assert not position.holds(tmp_path)
    journal.path.write_bytes(data.replace(b"paris", b"qaris", 1))
    assert not position.holds(tmp_path)
    assert not Position(segment="observations-0009.jsonl", lines=0, bytes=0, sha256="").holds(tmp_path)


@pytest.mark.parametrize("method", ["write", "fdatasync"])
def test_a_failure_is_final_and_nothing_touches_the_file_again(tmp_path: Path, method: str) -> None:
    fs = FailingFileSystem(method, errno.EIO, name="observations", nth=2)
    journal = writer(tmp_path, fs)
    journal.append(LINES[0])
    assert journal.sync() == 1

    def both() -> None:
        journal.append(LINES[1])
        journal.sync()

    with pytest.raises(StorageError) as caught:
        both()
    assert "observations-0001.jsonl" in caught.value.place
    assert fs.raised == 1
    calls = len(fs.calls)
    with pytest.raises(StorageError):
        journal.append(LINES[2])
    with pytest.raises(StorageError):
        journal.sync()
    journal.close()
    assert fs.calls[calls:] == [], "no write and no second fsync after a failure"
    assert journal.durable == 1
    assert read_all(tmp_path)[:1] == LINES[:1]


@pytest.mark.parametrize(
    ("method", "name"), [("open", "0002"), ("fsync_dir", ""), ("fdatasync", "0001"), ("rename", "chain")]
)
def test_a_failure_while_rotating_is_final_too(tmp_path: Path, method: str, name: str) -> None:
    nth = 2 if method == "fsync_dir" else 1
    fs = FailingFileSystem(method, errno.ENOSPC, name=name, nth=nth)
    journal = writer(tmp_path, fs, rotate_bytes=1)
    journal.append(LINES[0])
    for _ in range(2):
        with pytest.raises(StorageError, match="no space left"):
            journal.sync()
    journal.close()


def test_what_is_no_line_and_what_comes_too_late_is_our_mistake(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    with pytest.raises(ValueError, match="newline"):
        journal.append(b"{}")
    journal.close()
    with pytest.raises(ValueError, match="closed"):
        journal.append(LINES[0])
    journal.check_in_place()


def test_a_segment_that_is_removed_or_replaced_is_noticed(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    journal.check_in_place()
    moved = journal.path.rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="no such file"):
        journal.check_in_place()
    other = writer(tmp_path)
    other.path.unlink()
    other.path.write_bytes(moved.read_bytes())
    with pytest.raises(StorageError, match="another file"):
        other.check_in_place()
    with pytest.raises(StorageError):
        other.append(LINES[0])


def cut(path: Path) -> None:
    os.truncate(path, 100)


def emptied(path: Path) -> None:
    """What logrotate does with `copytruncate`."""
    os.truncate(path, 0)


def holed(path: Path) -> None:
    os.truncate(path, path.stat().st_size + 5000)


def written_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"another program\n")


def overwritten(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(len(LINES[0]) + 5)
        file.write(b"#")


def replaced_by_its_copy(path: Path) -> None:
    data = path.read_bytes()
    path.rename(path.with_name("moved"))
    path.write_bytes(data)


MEDDLING = [
    (cut, "somebody cut it at byte 100 during the run"),
    (emptied, "somebody cut it at byte 0 during the run"),
    (holed, "somebody else wrote to it from byte"),
    (written_to, "somebody else wrote to it from byte"),
    (overwritten, "somebody changed it between byte 0 and byte"),
    (replaced_by_its_copy, "another file took the place"),
]
named = pytest.mark.parametrize(("meddle", "says"), MEDDLING, ids=[each[0].__name__ for each in MEDDLING])


@named
@pytest.mark.parametrize("when", ["append", "rotate", "close"])
def test_whoever_else_touches_a_segment_ends_the_run(
    tmp_path: Path, meddle: Callable[[Path], None], says: str, when: str
) -> None:
    journal = writer(tmp_path, rotate_bytes=1 << 26 if when != "rotate" else 1000)
    journal.append_many(LINES[:2])
    if when != "rotate":
        journal.sync()
    meddle(journal.path)

    def go_on() -> None:
        if when != "close":
            journal.append(LINES[2])
            assert meddle in (overwritten, replaced_by_its_copy), "the next write tells"
            journal.sync()
        journal.close()

    with pytest.raises(StorageError, match=says) as caught:
        go_on()
    assert caught.value.exit_code == 4
    journal.close()
    with pytest.raises(StorageError, match=says):
        journal.require_sound()
    names = ChainFile(tmp_path, load_chain(tmp_path) or Chain(run_id="", genesis=""), REAL).chain.segments()
    assert "observations-0001.jsonl" not in names, "nothing seals what somebody else wrote"


def test_a_change_is_placed_between_two_flushes(tmp_path: Path) -> None:
    journal = writer(tmp_path)
    for line in LINES[:5]:
        journal.append(line)
        journal.sync()
    overwritten(journal.path)
    first, second = len(LINES[0]), len(LINES[0] + LINES[1])
    with pytest.raises(StorageError, match=f"between byte {first:,} and byte {second:,} during"):
        journal.close()


def test_a_segment_stays_readable_however_slow_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MOST_BYTES, "segment", len(LINES[0]) + 1)
    journal = writer(tmp_path)
    journal.append(LINES[0])
    with pytest.raises(StorageError, match="it is full"):
        journal.append(LINES[1])
    journal.close()


UNTIL_FULL = """
import sys
from pathlib import Path
from results.files import StorageError
from tests.results.test_journal import LINES, read_all, writer
directory = Path(sys.argv[1])
journal = writer(directory)
try:
    for line in LINES * 20:
        journal.append(line)
        journal.sync()
except StorageError as error:
    journal.close()
    assert read_all(directory) == (LINES * 20)[: journal.durable]
    print(journal.durable, journal.path.stat().st_size, error)
    sys.exit(4)
"""


def until_full(*command: str) -> tuple[int, int, str]:
    """Fill a place in a process of its own; lines durable, bytes of the segment, and the message."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4, done.stderr
    durable, size, message = done.stdout.split(maxsplit=2)
    return int(durable), int(size), message


def test_a_limit_on_file_size_is_a_short_write_and_then_an_error(tmp_path: Path) -> None:
    blocks = 5  # of 1024 bytes
    shell = f'ulimit -f {blocks} && exec "$0" "$@"'
    durable, size, message = until_full(
        "bash", "-c", shell, sys.executable, "-B", "-c", UNTIL_FULL, str(tmp_path)
    )
    assert "file too large; the limit on file sizes (ulimit -f) is too low" in message
    assert size == 1024 * blocks, "the short write was there before the error"
    assert durable == size // len(LINES[0])


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_keeps_every_line_that_was_synced(tmp_path: Path) -> None:
    # In a mount namespace of its own, so that nothing is left mounted.
    shell = 'mount -t tmpfs -o size=64k tmpfs "$3" && exec "$0" -B "$1" "$2" "$3"'
    namespace = ("unshare", "--mount", "sh", "-c")
    if subprocess.run([*namespace, 'mount -t tmpfs tmpfs "$0"', str(tmp_path)], check=False).returncode:
        pytest.skip("this machine allows no mount")
    durable, _, message = until_full(*namespace, shell, sys.executable, "-c", UNTIL_FULL, str(tmp_path))
    assert "no space left on device; free space" in message
    assert durable > 50


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
from tests.results.test_journal import LINES, writer
journal = writer(Path({str(tmp_path)!r}))
while True:
    for line in LINES:
        journal.append(line)
    print(journal.sync(), flush=True)
"""
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-B", "-c", program], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            acknowledged = [int(process.stdout.readline()) for _ in range(3)][-1]
            process.send_signal(signal.SIGKILL)
            process.wait()
        newest = segments_in(tmp_path)[-1]
        assert content_of(newest).lines >= acknowledged
    lines = read_all(tmp_path)
    assert set(lines) == set(LINES)
