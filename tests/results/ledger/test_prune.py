"""Removing old runs: only what the ledger holds, and nothing that an exposure rests on."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from results.ledger.database import LEDGER_FILE, LedgerError
from results.ledger.intake import catch_up, rebuild
from results.ledger.prune import PruneReport, prune
from results.ledger.store import Ledger
from results.lock import Lock
from results.record import Reason
from results.verdict import Verdict
from tests.results.examples import observation, open_server
from tests.support.ledgers import RunOnDisk, dump

if TYPE_CHECKING:
    from pathlib import Path

    from results.record import Observation

NOW = "2026-06-01T00:00:00.000Z"
KEEP = timedelta(days=90)
LOGIN = Verdict.AUTH_REQUIRED
NEEDED = ["run-02", "run-04"]
OLD = [f"run-{number:02}" for number in range(1, 9)]
STORY = {
    # Open from the second run to the fifth; seen by nobody in the third; a password since the sixth.
    "192.0.2.7": (
        Verdict.AUTH_REQUIRED,
        Verdict.OPEN,
        None,
        Verdict.OPEN,
        Verdict.OPEN,
        Verdict.AUTH_REQUIRED,
    ),
    # Open in the second and the fourth, and never proved closed.
    "192.0.2.8": (None, Verdict.OPEN, None, Verdict.OPEN, None, Verdict.FILTERED),
}


def saw(ip: str, number: int, verdict: Verdict) -> Observation:
    run_id, at = f"run-{number:02}", f"2026-02-{number:02}T04:10:00.000Z"
    if verdict is Verdict.OPEN:
        return open_server(ip, run_id=run_id, observed_at=at)
    evidence = [Reason(code=verdict.value)]
    return observation(ip, run_id, observed_at=at, verdict=verdict, evidence=evidence)


def tell(output: Path, *, without: str = "") -> None:
    """Eight old runs, and one of May."""
    for number in range(1, 9):
        run = RunOnDisk(output, f"run-{number:02}", f"2026-02-{number:02}T04:00:00.000Z").begin()
        for ip, verdicts in STORY.items():
            verdict = verdicts[number - 1] if number <= len(verdicts) else None
            if verdict is not None and ip != without:
                run.see(saw(ip, number, verdict))
        run.end()
    RunOnDisk(output, "young", "2026-05-30T04:00:00.000Z").begin().end()


def names(report: PruneReport) -> list[str]:
    return [run.run_id for run in report.kept]


def test_what_an_exposure_that_is_not_closed_rests_on_stays(tmp_path: Path) -> None:
    tell(tmp_path)
    report = prune(tmp_path, KEEP, NOW)
    assert names(report) == NEEDED
    assert all("not closed" in kept.reason for kept in report.kept)
    assert report.removed == [run for run in OLD if run not in NEEDED]
    assert report.bytes > 0
    here = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert here == {"run-02", "run-04", "young"}


def test_what_is_closed_needs_no_run_directory(tmp_path: Path) -> None:
    tell(tmp_path, without="192.0.2.8")
    assert prune(tmp_path, KEEP, NOW).removed == OLD


def test_pruned_runs_stay_in_the_ledger_whatever_comes(tmp_path: Path) -> None:
    tell(tmp_path)
    catch_up(tmp_path)
    with Ledger.open(tmp_path) as ledger:
        before = ledger.exposures(), list(ledger.changes()), ledger.coverage("run-01") is None
    told = dump(tmp_path)
    prune(tmp_path, KEEP, NOW)
    told["runs"] = [(*row[:-2], int(row[0] in OLD and row[0] not in NEEDED), row[-1]) for row in told["runs"]]
    assert dump(tmp_path) == told
    catch_up(tmp_path)
    rebuild(tmp_path)
    assert dump(tmp_path) == told
    with Ledger.open(tmp_path) as ledger:
        assert (ledger.exposures(), list(ledger.changes()), ledger.coverage("run-01") is None) == before
        pruned = [run.run_id for run in ledger.runs() if run.pruned]
        assert pruned == [run for run in OLD if run not in NEEDED]


def test_a_damaged_ledger_gives_back_what_only_it_holds(tmp_path: Path) -> None:
    tell(tmp_path)
    prune(tmp_path, KEEP, NOW)
    told = dump(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / LEDGER_FILE)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        root = "SELECT rootpage FROM sqlite_master WHERE name = 'changes_by_time'"
        (page,) = connection.execute(root).fetchone()
    with (tmp_path / LEDGER_FILE).open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x5a" * size)
    report = catch_up(tmp_path)
    assert report.set_aside
    assert report.notes == ["6 runs without a directory were saved from it"]
    assert {key: rows for key, rows in dump(tmp_path).items() if key != "runs"} == {
        key: rows for key, rows in told.items() if key != "runs"
    }


def test_a_dry_run_removes_nothing(tmp_path: Path) -> None:
    tell(tmp_path)
    report = prune(tmp_path, KEEP, NOW, dry_run=True)
    assert len(report.removed) == 6
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 9
    with Ledger.open(tmp_path) as ledger:
        assert not any(run.pruned for run in ledger.runs())
    assert prune(tmp_path, KEEP, NOW).removed == report.removed


def test_what_is_young_stays(tmp_path: Path) -> None:
    tell(tmp_path)
    assert prune(tmp_path, timedelta(days=900), NOW).removed == []


def test_what_never_ended_or_is_not_wholly_in_the_ledger_stays(tmp_path: Path) -> None:
    RunOnDisk(tmp_path, "dead", "2026-02-01T04:00:00.000Z").begin().let_go()
    living = RunOnDisk(tmp_path, "living", "2026-02-02T04:00:00.000Z").begin()
    broken = RunOnDisk(tmp_path, "broken", "2026-02-03T04:00:00.000Z").begin()
    broken.write(b"{}\n")
    broken.end()
    report = prune(tmp_path, KEEP, NOW)
    living.let_go()
    assert report.removed == []
    assert {kept.run_id: kept.reason.partition(":")[0] for kept in report.kept} == {
        "dead": "it never ended",
        "living": "it never ended",
        "broken": "it is not in the ledger wholly",
    }


def test_a_run_of_another_organisation_is_never_removed(tmp_path: Path) -> None:
    RunOnDisk(tmp_path, "ours", "2026-02-01T04:00:00.000Z", organisation="Example").begin().end()
    RunOnDisk(tmp_path, "theirs", "2026-02-01T04:00:00.000Z", organisation="Elsewhere").begin().end()
    assert prune(tmp_path, KEEP, NOW, organisation="Example").removed == ["ours"]
    assert (tmp_path / "theirs").is_dir()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    RunOnDisk(tmp_path / "elsewhere", "run-01", "2026-02-01T04:00:00.000Z").begin().end()
    output = tmp_path / "runs"
    output.mkdir()
    (output / "run-01").symlink_to(tmp_path / "elsewhere" / "run-01")
    assert prune(output, KEEP, NOW).removed == []
    assert (tmp_path / "elsewhere" / "run-01" / "manifest.json").exists()


@pytest.mark.parametrize("broken_off", ["before the manifest", "after it"])
def test_a_removal_that_was_broken_off_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_off: str
) -> None:
    tell(tmp_path, without="192.0.2.8")

    def die(path: Path) -> None:
        raise OSError(5, "input/output error", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", die)
        if broken_off == "before the manifest":
            patched.setattr(type(tmp_path), "unlink", lambda path, **_: die(path))
        with pytest.raises(LedgerError, match="cannot be removed"):
            prune(tmp_path, KEEP, NOW)
    assert (tmp_path / OLD[0]).is_dir()
    assert catch_up(tmp_path).observations == 0
    assert prune(tmp_path, KEEP, NOW).removed == OLD
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["young"]


def test_whoever_holds_a_run_keeps_it(tmp_path: Path) -> None:
    tell(tmp_path, without="192.0.2.8")
    catch_up(tmp_path)
    lock = Lock.acquire(tmp_path / "run-03")
    report = prune(tmp_path, KEEP, NOW)
    lock.release()
    assert "run-03" not in report.removed
    assert (tmp_path / "run-03" / "manifest.json").exists()
