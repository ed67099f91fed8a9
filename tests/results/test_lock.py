"""One writer for a directory: kept out while a process lives, let in when it died, not fooled by files."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from results.files import DirectoryBusyError, StorageError, StorageRefusedError
from results.lock import Lock, is_held
from results.run import RunDirectory
from tests.results.examples import START
from tests.results.runs import create

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def test_a_second_run_in_the_same_directory_is_kept_out_and_touches_nothing(tmp_path: Path) -> None:
    with create(tmp_path):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        attempts: tuple[Callable[[], RunDirectory], ...] = (
            lambda: create(tmp_path, "run-2"),
            lambda: RunDirectory.open(tmp_path / "run-1", START),
        )
        for attempt in attempts:
            with pytest.raises(DirectoryBusyError, match=r"another run holds .* \(run run-1, process \d+\)"):
                attempt()
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    create(tmp_path, "run-2").close()


@contextlib.contextmanager
def held_elsewhere(directory: Path, *, fork: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A second process that holds the lock until it is killed; with `fork` it has a child by exec."""
    child = (
        "import subprocess; c = subprocess.Popen(['sleep', '20']); print(c.pid, flush=True)" if fork else ""
    )
    program = f"""
import sys, time
from pathlib import Path
from results.lock import Lock
lock = Lock.acquire(Path({str(directory)!r}), "elsewhere \\x1b[2J")
{child}
print("held", flush=True)
time.sleep(20)
"""
    with subprocess.Popen(
        [sys.executable, "-B", "-c", program], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_lock_of_a_killed_process_is_free_and_its_children_do_not_keep_it(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path, fork=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.stdout.readline()
        try:
            assert is_held(tmp_path)
            with pytest.raises(DirectoryBusyError, match="elsewhere") as caught:
                Lock.acquire(tmp_path)
            assert "\x1b" not in str(caught.value)
            process.kill()
            process.wait()
            assert not is_held(tmp_path)
            Lock.acquire(tmp_path).release()
        finally:
            os.kill(child, 9)


def test_a_short_look_at_the_lock_keeps_no_run_from_starting(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        pauses = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            process.kill()
            process.wait()

        Lock.acquire(tmp_path, pause=pause).release()
        assert len(pauses) == 1


def test_a_lock_file_that_was_removed_or_recreated_is_noticed(tmp_path: Path) -> None:
    run = create(tmp_path)
    lock = tmp_path / "run-1" / "lock"
    lock.unlink()
    with pytest.raises(StorageError, match="removed or replaced"):
        run.check_in_place()
    lock.write_text("")
    with pytest.raises(StorageError, match="removed or replaced"):
        run.check_in_place()
    run.close()
    run.close()


def test_a_lock_on_a_file_that_lost_its_name_in_between_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_flock = fcntl.flock
    removed: list[int] = []

    def flock(descriptor: int, operation: int) -> None:
        if not removed:
            removed.append(descriptor)
            (tmp_path / "lock").unlink()
        real_flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    lock = Lock.acquire(tmp_path, pause=lambda _: None)
    assert lock.still_held()
    lock.release()


def test_a_lock_that_cannot_be_taken_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lock").symlink_to("/dev/null")
    with pytest.raises(StorageRefusedError, match="symbolic"):
        Lock.acquire(tmp_path)
    (tmp_path / "lock").unlink()
    assert not is_held(tmp_path / "nothing")

    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(StorageRefusedError, match="no locks available"):
        create(tmp_path)
