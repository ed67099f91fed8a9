"""How far a run is, for whoever looks: written in one step, and worth nothing to the run itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.progress import PROGRESS_FILE, Progress, read_progress, remove_progress, write_progress
from results.runs import run_info
from scanner.cli.run_text import runs_listing
from tests.results.runs import create, finish
from tests.support.listings import written

if TYPE_CHECKING:
    from pathlib import Path

    from results.runs import RunInfo

PROGRESS = Progress(
    run_id="run-1",
    at="2026-11-24T12:00:00.000Z",
    planned=256,
    asked=200,
    done=128,
    open=3,
    rate=99.6,
    remaining=65.0,
)


def listed(run: RunInfo, form: str = "table") -> list[str]:
    """What `runs` shows of one run."""
    return written(runs_listing([run], "runs"), form).splitlines()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_progress(tmp_path) is None
    write_progress(tmp_path, PROGRESS)
    write_progress(tmp_path, msgspec.structs.replace(PROGRESS, done=129))
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS_FILE]
    assert (tmp_path / PROGRESS_FILE).stat().st_mode & 0o777 == 0o600
    found = read_progress(tmp_path)
    assert found is not None
    assert (found.done, found.remaining) == (129, 65.0)
    remove_progress(tmp_path)
    remove_progress(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1]", b'{"schema":"mongosweep.progress/9"}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_progress_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / PROGRESS_FILE).write_bytes(data)
    assert read_progress(tmp_path) is None


def test_what_stands_in_the_way_does_not_concern_the_run(tmp_path: Path) -> None:
    """A directory or a link under its name, or no run: nothing is raised, nothing is followed."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    run = tmp_path / "run"
    run.mkdir()
    (run / "progress.json.tmp").symlink_to(elsewhere)
    write_progress(run, PROGRESS)
    assert elsewhere.read_text() == "mine"
    (run / PROGRESS_FILE).unlink()
    (run / PROGRESS_FILE).mkdir()
    write_progress(run, PROGRESS)
    assert read_progress(run) is None
    write_progress(tmp_path / "gone", PROGRESS)
    os.mkfifo(tmp_path / PROGRESS_FILE)
    assert read_progress(tmp_path) is None  # it is not waited for


def test_runs_say_how_far_one_is_and_how_far_a_dead_one_came(tmp_path: Path) -> None:
    with create(tmp_path) as run:
        write_progress(run.path, PROGRESS)
        alive = run_info(run.path)
        assert alive.progress == PROGRESS
        assert listed(alive)[-1].strip() == (
            "128 targets have an outcome (50.0 %), 3 open, 100/s, 1 min 5 s left (at 2026-11-24T12:00:00Z)"
        )
        assert '"position"' in "".join(listed(alive, "json"))
        paused = msgspec.structs.replace(
            alive, progress=msgspec.structs.replace(PROGRESS, paused_by="a stop\x1b[2J file")
        )
        assert "PAUSED: a stop" in listed(paused)[-1]
        assert "\x1b" not in listed(paused)[-1]
    dead = run_info(run.path)
    assert listed(dead)[-1].strip() == "when it was aborted, 128 targets have an outcome (50.0 %), 3 open"


def test_progress_of_another_run_or_of_one_that_ended_is_not_told(tmp_path: Path) -> None:
    with create(tmp_path) as run:
        write_progress(run.path, msgspec.structs.replace(PROGRESS, run_id="run-2"))
        assert run_info(run.path).progress is None
        write_progress(run.path, PROGRESS)
        finish(run)
        assert run_info(run.path).progress is None
