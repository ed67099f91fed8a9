"""`mongosweep verify` as a program: what it says, how it ends and how it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from results.ledger.database import LEDGER_FILE
from results.runs import list_runs
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from tests.cli.programs import ROOT, mongosweep

if TYPE_CHECKING:
    from pathlib import Path

OPEN, NEAR = "127.97.1.1", "127.97.1.2"
ANY, LOCKED = find("open_8_0"), find("auth_7_1")


@pytest.fixture
def home(tmp_path: Path, port: int) -> Path:
    """A folder with a configuration, and a sweep that found an open server there."""
    (tmp_path / "mongosweep.toml").write_text(
        '[[allow]]\ncidr = "127.97.1.0/29"\nowner = "web platform"\nkind = "lab"\n'
        f"[sweep]\nports = [{port}]\nper_prefix_rate = 1000\n"
    )
    with LabThread({(OPEN, port): ANY, (NEAR, port): LOCKED}):
        done = mongosweep("sweep", cwd=tmp_path)
    assert done.returncode == 1
    assert (tmp_path / "runs" / LEDGER_FILE).exists()
    return tmp_path


def test_it_says_of_each_how_it_stands_and_what_lacks(home: Path, port: int) -> None:
    with LabThread({(OPEN, port): ANY, (NEAR, port): LOCKED}):
        still = mongosweep("verify", cwd=home)
    assert still.returncode == 1
    assert f"{OPEN}:{port}  web platform" in still.stdout
    assert "was new, is open: open at " in still.stdout
    assert "the official driver agrees (open)" in still.stdout
    assert still.stdout.endswith("\n1 open\n")
    with LabThread({(NEAR, port): LOCKED}):
        refused = mongosweep("verify", "--json", cwd=home)
    (told,) = map(json.loads, refused.stdout.splitlines())
    assert refused.returncode == 1
    assert (told["state"], told["verdict"], told["needs"][0]["code"]) == (
        "unreachable",
        "refused",
        "seen-once",
    )
    with LabThread({(OPEN, port): LOCKED}):
        closed = mongosweep("verify", OPEN, cwd=home)
    assert (closed.returncode, closed.stdout.splitlines()[-1]) == (0, "1 closed")
    nothing = mongosweep("verify", cwd=home)
    assert (nothing.returncode, nothing.stdout) == (
        0,
        "nothing to ask: no exposure is known that is not closed\n",
    )
    assert [run.purpose for run in list_runs(home / "runs")] == ["", "verify", "verify", "verify"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["mx_000000000000"], "no exposure has the id 'mx_000000000000'"),
        (["127.97.1.4"], "no exposure is known at 127.97.1.4"),
        (["nonsense"], "is neither an id nor a place"),
        (["--timeout", "1h"], "--timeout goes with --until-closed"),
        (["--until-closed", "--timeout", "soon"], "is no length of time"),
        (["-o", "nowhere"], "no such directory"),
    ],
)
def test_what_makes_no_sense_is_refused(home: Path, words: list[str], said: str) -> None:
    done = mongosweep("verify", *words, cwd=home)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(list_runs(home / "runs")) == 1


def test_signals_while_it_waits_begin_the_next_round_or_end_it(home: Path, port: int) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MONGOSWEEP_")}
    with LabThread({(OPEN, port): ANY, (NEAR, port): LOCKED}):
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "scanner", "verify", "--until-closed", "--interval", "1h"],
            cwd=home,
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "Z round 1: 1 open; next look at " in line
        process.send_signal(signal.SIGHUP)
        assert "Z round 2: 1 open; next look at " in process.stderr.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 3
    assert time.monotonic() - began < 10
    assert "was new, is open" in out
    assert "interrupted; what was found is kept" in out
    assert [run.state for run in list_runs(home / "runs")] == ["complete"] * 3


def test_no_ledger_leaves_it_alone(tmp_path: Path, home: Path) -> None:
    (home / "runs" / LEDGER_FILE).unlink()
    assert mongosweep("sweep", "--no-ledger", cwd=home).returncode == 0
    assert not (home / "runs" / LEDGER_FILE).exists()


def test_a_ledger_of_a_newer_version_changes_nothing_of_a_sweep(home: Path, port: int) -> None:
    """It is said, and the file stays as it is."""
    ledger = home / "runs" / LEDGER_FILE
    for beside in ("-wal", "-shm"):
        ledger.with_name(LEDGER_FILE + beside).unlink(missing_ok=True)
    data = bytearray(ledger.read_bytes())
    data[60:64] = (999).to_bytes(4, "big")  # user_version, in SQLite's header
    ledger.write_bytes(data)
    with LabThread({(OPEN, port): ANY}):
        done = mongosweep("sweep", cwd=home)
    assert done.returncode == 1
    assert done.stderr.count("newer version") == 2
    assert ledger.read_bytes() == data
    assert mongosweep("verify", cwd=home).returncode == 2
