"""`mongosweep ledger`: the file is made again, old runs go, and what is odd is said on stderr."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from results.ledger.database import LEDGER_FILE
from results.ledger.store import Ledger
from scanner.cli import main
from tests.results.examples import open_server
from tests.support.ledgers import RunOnDisk, dump

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two runs in `runs`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    runs = tmp_path / "runs"
    first = RunOnDisk(runs, "first", "2025-03-01T04:00:00.000Z", organisation="Example").begin()
    first.see(open_server("192.0.2.7", run_id="first", observed_at="2025-03-01T04:10:00.000Z")).end()
    RunOnDisk(runs, "second", "2025-03-02T04:00:00.000Z", organisation="Elsewhere").begin().end()
    return tmp_path


def test_a_rebuild_says_what_it_read_and_passed_over(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "rebuild"]) == 0
    out, err = capsys.readouterr()
    assert out == "1 run, 1 observation, 1 exposure: runs/ledger.sqlite\n"
    assert err.startswith("second: it is of another organisation, 'Elsewhere'")
    before = dump(here / "runs")
    assert main(["ledger", "rebuild", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["observations"] == 1
    assert dump(here / "runs") == before


def test_the_configuration_says_whose_runs_are_taken_in(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "mongosweep.toml").write_text('[organisation]\nname = "Elsewhere"\n', encoding="utf-8")
    assert main(["ledger", "rebuild"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("1 run, 0 observations")
    assert err.startswith("first: ")


def test_a_damaged_ledger_is_said_to_be_set_aside(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "runs" / LEDGER_FILE).write_text("not a ledger\n" * 50)
    assert main(["ledger", "rebuild"]) == 0
    assert "the ledger was damaged; it is runs/ledger.sqlite.damaged-" in capsys.readouterr().err


def test_pruning_lists_removes_and_keeps(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    third = RunOnDisk(here / "runs", "third", "2025-03-03T04:00:00.000Z", organisation="Example").begin()
    third.end()
    assert main(["ledger", "prune", "--keep", "90d", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "third: would be removed"
    assert lines[1].startswith("first: stays: mx_")
    assert third.path.is_dir()
    assert main(["ledger", "prune", "--keep", "12w"]) == 0
    assert capsys.readouterr().out.startswith("third: removed\n")
    assert not third.path.exists()
    with Ledger.open(here / "runs") as ledger:
        assert [run.run_id for run in ledger.runs()] == ["first", "third"]


@pytest.mark.parametrize("age", ["90", "d", "-1d", "1y", "9999999d", "٣d"])
def test_an_age_that_is_none(here: Path, capsys: pytest.CaptureFixture[str], age: str) -> None:
    assert main(["ledger", "prune", f"--keep={age}"]) == 2
    assert "such as 36h" in capsys.readouterr().err


def test_no_such_directory(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "rebuild", "-o", "nowhere"]) == 2
    assert "nowhere: no such directory" in capsys.readouterr().err
    assert not (here / "nowhere").exists()
