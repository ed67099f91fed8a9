"""What a sweep leaves besides its run: a link, fewer old runs, and what it says on stderr meanwhile."""

from __future__ import annotations

import json
import re
import resource
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from results.progress import read_progress
from results.runs import list_runs
from scanner.cli import main
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from tests.cli.programs import mongosweep
from tests.results.examples import open_server
from tests.support.ledgers import RunOnDisk
from tests.support.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

OPEN = "127.97.10.1"
CONFIGURATION = """
[[allow]]
cidr = "127.97.10.0/24"
owner = "web platform"
kind = "lab"

[sweep]
ports = [{port}]
per_prefix_rate = 1000

[pause]
stop_file = "stop"
"""
TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ ")
LIMIT = 90_000  # bytes of a file: the journal of the whole scope has more, what is set aside first fewer


@pytest.fixture(scope="module")
def _servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    with LabThread({(OPEN, port): find("open_8_0")}):
        yield port


@pytest.fixture
def home(_servers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a configuration, and an open server in its scope."""
    monkeypatch.chdir(tmp_path)
    for name in ("CONFIG", "OUTPUT", "KEEP", "NO_LEDGER", "LOG"):
        monkeypatch.delenv(f"MONGOSWEEP_{name}", raising=False)
    (tmp_path / "mongosweep.toml").write_text(CONFIGURATION.format(port=_servers))
    return tmp_path


def test_the_link_names_the_sweep_that_ended_last(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Also one that is interrupted; and `--resume latest` goes on with it."""
    assert main(["sweep", "-q", OPEN]) == 1
    first = Path("runs/latest").readlink()
    assert main(["sweep", "-q", "--stop-after", "1s", "--rate", "20"]) == 3
    second = Path("runs/latest").readlink()
    assert second != first
    assert main(["sweep", "-q", "--resume", "latest"]) == 1
    assert Path("runs/latest").readlink() == second
    assert [run.state for run in list_runs(Path("runs"))] == ["complete", "complete"]
    capfd.readouterr()
    assert main(["show", "latest"]) == 0
    assert f"run {second}," in capfd.readouterr().err


def test_something_else_of_that_name_stays_and_is_told(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("runs").mkdir()
    Path("runs/latest").write_text("mine")
    assert main(["sweep", OPEN]) == 1
    assert "no link to the latest run: runs/latest is there, and is no link" in capfd.readouterr().err
    assert main(["sweep", "-q", OPEN]) == 1
    assert capfd.readouterr().err == ""


def test_old_runs_go_once_the_ledger_has_them(
    home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for what an open exposure rests on, and whatever is younger."""
    for day in (1, 2, 3):
        run = RunOnDisk(Path("runs"), f"run-{day}", f"2026-03-0{day}T04:00:00.000Z").begin()
        run.see(open_server(run_id=run.run_id, observed_at=f"2026-03-0{day}T04:10:00.000Z"))
        run.end(ended_at=f"2026-03-0{day}T05:00:00.000Z")
    assert main(["sweep", OPEN, "--keep", "30d", "--summary", "summary.json"]) == 1
    assert "removed the run run-2: the ledger holds what was in it" in capfd.readouterr().err
    assert json.loads(Path("summary.json").read_bytes())["removed"] == ["run-2"]
    assert [run.run_id for run in list_runs(Path("runs"))][:2] == ["run-1", "run-3"]
    monkeypatch.setenv("MONGOSWEEP_KEEP", "1s")
    assert main(["sweep", "-q", OPEN, "--no-ledger"]) == 1, "from the environment it is no contradiction"


def test_a_full_disk_names_what_goes_on(home: Path) -> None:
    """No file may be larger, as on a disk that is full."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))

    done = mongosweep("sweep", "--all", "-q", "--summary", "summary.json", cwd=home, preexec_fn=limit)
    assert done.returncode == 4, done.stderr
    (run,) = list_runs(home / "runs")
    error, then = done.stderr.splitlines()[-2:]
    assert error.startswith("error: ")
    assert then == (
        "what was found is kept; once that is mended, go on with the same command line and: --resume "
        + run.run_id
    )
    told = json.loads((home / "summary.json").read_bytes())
    assert (told["state"], told["exit_code"], told["run_id"]) == ("failed", 4, run.run_id)
    assert f"error: {told['error']}" == error
    assert not (home / "runs" / "latest").is_symlink()
    again = mongosweep("sweep", "--all", "-q", "--resume", "latest", cwd=home)
    assert (again.returncode, list_runs(home / "runs")[0].state) == (1, "complete"), again.stderr


def test_without_a_terminal_each_line_has_its_time_and_a_pause_is_told_at_once(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stop = Path("stop")
    stop.touch()

    def is_paused(run: Path) -> bool:
        progress = read_progress(run)  # which is written after the same was shown
        return progress is not None and bool(progress.paused_by)

    def let_go() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not any(map(is_paused, Path("runs").glob("2*"))):
            time.sleep(0.05)
        stop.unlink()

    waiter = threading.Thread(target=let_go)
    waiter.start()
    assert main(["sweep", "--log", "debug"]) == 1
    waiter.join()
    lines = capfd.readouterr().err.splitlines()
    said = [TIME.sub("", line, count=1) for line in lines if TIME.match(line)]
    logged = [line for line in lines if not TIME.match(line)]
    assert all(line.startswith("at='20") for line in logged), "nothing else is on stderr"
    assert said[1].endswith("PAUSED: the stop file exists")
    assert said[-2].startswith("run directory: runs/2")
    assert not any(OPEN in line for line in logged), "nothing is told of a single target"
    told = "\n".join(logged)
    for event in (
        "segment observations-0001.jsonl begins",
        "256 targets, engine connect, at most 1000 connects a second, seed ",
        "canary the sweep's own server on loopback (at the start): open",
        "paused: the stop file exists",
        "no longer paused: the stop file exists",
        "every target was asked: 256 outcomes, 0 excluded, 256 planned",
        "segment observations-0001.jsonl is sealed: ",
        "is sealed: complete, head ",
    ):
        before, found, told = told.partition(event)
        assert found, f"{event!r} does not come after {before!r}"
