"""What a worker keeps of its own runs, and what it removes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from results.files import DirectoryBusyError
from scanner.fleet.messages import Ended
from scanner.fleet.spool import KEPT, KEPT_SECONDS, LOCK, MOST, Entry, clean
from tests.support.shards import shard_of

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.fleet.messages import Shard

NOW = 1_800_000_000.0


def shard(number: int, run_id: str = "R1") -> Shard:
    return shard_of("127.92.0.0:27", run_id=run_id, name=f"paris_{number}")


def left(spool: Path, number: int, age: float, *, finished: bool, run_id: str = "R1") -> Path:
    """What an attempt left that was begun so many seconds ago."""
    given = shard(number, run_id)
    with Entry.take(spool, given) as entry:
        entry.begin_anew(given)
        if finished:
            ended = Ended(
                run_id=run_id,
                name=given.name,
                attempt=1,
                state="complete",
                reasons=[],
                planned=1,
                outcomes={"refused": 1},
            )
            entry.keep(ended)
    os.utime(entry.path / LOCK, (NOW - age, NOW - age))
    return entry.path


def test_the_newest_that_are_finished_are_kept(tmp_path: Path) -> None:
    finished = [left(tmp_path, number, 10.0 * number, finished=True) for number in range(KEPT + 3)]
    begun = left(tmp_path, 900, KEPT_SECONDS - 60, finished=False)
    clean(tmp_path, NOW)
    assert [path.exists() for path in finished] == [True] * KEPT + [False] * 3
    assert begun.exists(), "somebody may go on with it"


def test_nothing_is_kept_for_more_than_a_day(tmp_path: Path) -> None:
    old = [
        left(tmp_path, 1, KEPT_SECONDS + 1, finished=True, run_id="R0"),
        left(tmp_path, 2, KEPT_SECONDS + 1, finished=False, run_id="R0"),
    ]
    new = left(tmp_path, 3, 5, finished=True)
    clean(tmp_path, NOW)
    assert not any(path.exists() for path in old)
    assert not (tmp_path / "R0").exists(), "nor its run's folder"
    assert new.exists()


def test_what_nobody_ends_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gives ever more shards and stops them fills no disk."""
    monkeypatch.setattr("scanner.fleet.spool.MOST", 5)
    assert MOST >= KEPT
    for number in range(9):
        left(tmp_path, number, number, finished=False)
    clean(tmp_path, NOW)
    assert sorted(path.name for path in (tmp_path / "R1").iterdir()) == [f"paris_{n}" for n in range(5)]


def test_what_a_process_has_is_not_removed(tmp_path: Path) -> None:
    path = left(tmp_path, 1, 9 * KEPT_SECONDS, finished=False)
    with Entry.take(tmp_path, shard(1)):
        os.utime(path / LOCK, (0, 0))
        clean(tmp_path, NOW)
        assert path.exists()
        with pytest.raises(DirectoryBusyError):
            Entry.take(tmp_path, shard(1))
    os.utime(path / LOCK, (0, 0))
    clean(tmp_path, NOW)
    assert not path.exists()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """Files and folders without a lock, and links, are none of a worker."""
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "R1" / "theirs").mkdir(parents=True)
    (tmp_path / "elsewhere").symlink_to(tmp_path / "R1")
    clean(tmp_path, NOW)
    clean(tmp_path / "gone", NOW)
    assert (tmp_path / "notes.txt").exists()
    assert (tmp_path / "R1" / "theirs").exists()
    assert (tmp_path / "elsewhere").exists()


def test_what_was_kept_of_the_end_and_is_damaged(tmp_path: Path) -> None:
    path = left(tmp_path, 1, 1, finished=True)
    with Entry.take(tmp_path, shard(1)) as entry:
        assert entry.ended() is not None
        (path / "ended.json").write_text("{")
        assert entry.ended() is None
        (path / "shard.json").write_text("{")
        assert entry.manifest(shard(1)) is None
