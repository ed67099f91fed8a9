"""Sealed segments that somebody took away, swapped or changed, and counts of runs that nobody judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.files import CorruptError, StorageError
from results.run import RunDirectory, load_manifest
from results.runs import run_info
from results.summary import Coverage
from tests.results.examples import START, observation
from tests.results.runs import LINES, crashed, create, finish
from tests.support.lines import line_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_sealed_segment_that_is_gone_or_swapped_is_noticed(tmp_path: Path) -> None:
    path = crashed(tmp_path)
    with RunDirectory.open(path, START) as run:
        run.journal().append(LINES[3])
    first, second = (path / f"observations-000{number}.jsonl" for number in (1, 2))
    hidden = path / "hidden"
    first.rename(hidden)
    with pytest.raises(CorruptError, match="this segment is missing"):
        RunDirectory.open(path, START)
    second.rename(first)
    with pytest.raises(CorruptError, match="missing"):
        RunDirectory.open(path, START)
    hidden.rename(second)
    with pytest.raises(CorruptError, match="not what was sealed"):
        RunDirectory.open(path, START)
    first.rename(hidden)
    second.rename(first)
    hidden.unlink()
    with pytest.raises(CorruptError, match=r"0002\.jsonl: this sealed segment is missing"):
        RunDirectory.open(path, START)


def test_lines_of_another_run_are_not_taken_for_this_one(tmp_path: Path) -> None:
    path = crashed(tmp_path)
    (path / "observations-0001.jsonl").write_bytes(line_of(observation("127.0.0.1", "run-2")))
    with pytest.raises(CorruptError, match=r"line 1 is of another run \(run-2\)"):
        RunDirectory.open(path, START)


@pytest.mark.parametrize("how", ["cut", "changed", "gone"])
def test_a_run_does_not_end_well_over_a_sealed_segment_that_was_touched(tmp_path: Path, how: str) -> None:
    path = crashed(tmp_path)
    run = RunDirectory.open(path, START)
    run.journal().append(LINES[3])
    first = path / "observations-0001.jsonl"
    data = first.read_bytes()
    first.unlink() if how == "gone" else first.write_bytes(data[:-9] if how == "cut" else data[::-1])
    with pytest.raises(StorageError, match=r"0001\.jsonl"):
        finish(run)
    assert load_manifest(path)[0].state == "running"
    run.close()


def test_counts_of_a_run_that_nobody_judged_are_not_shown(tmp_path: Path) -> None:
    """A resumed run still has the counts of its first end, and one that failed has none."""
    part = Coverage(planned=4, outcomes=1, not_reached=3)
    with create(tmp_path) as run:
        run.finish("interrupted", ended_at="now", coverage=part, outcomes={"open": 1}, reasons=[])
    assert (run_info(run.path).open, run_info(run.path).not_reached) == (1, 3)
    with RunDirectory.open(run.path, START) as again:
        assert (run_info(run.path).open, run_info(run.path).not_reached) == (None, None)
        again.fail(["the disk is full"], ended_at="now")
    info = run_info(run.path)
    assert (info.state, info.open, info.not_reached) == ("failed", None, None)
