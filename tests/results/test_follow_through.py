"""The journal on stdout through a program: all lines arrive, and what befalls the program is told."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

import pytest

from results.sinks import stdout
from results.sinks.stdout import follow_journal

if TYPE_CHECKING:
    from pathlib import Path

LINES = [b'{"n":%d}' % number + b" " * 1000 + b"\n" for number in range(2000)]


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """2 MB that a program must take, more than any pipe holds."""
    monkeypatch.setattr(stdout, "silence_stdout", lambda: None)
    path = tmp_path / "observations-0001.jsonl"
    path.write_bytes(b"".join(LINES))
    return path


def through(journal: Path, program: str, patience: float = 20.0) -> stdout.Follower:
    """Copy the journal through a Python program to the end; the follower then."""
    with follow_journal(journal.parent, journal, [sys.executable, "-c", program]) as follower:
        follower.finish(0.01)
        follower.patience = patience
    assert not follower.is_alive()
    return follower


def test_every_line_goes_through_it(journal: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    follower = through(journal, "import sys\nfor line in sys.stdin: print(line.strip().upper())")
    assert (follower.lost, follower.left) == ("", False)
    assert capfdbinary.readouterr().out.splitlines() == [line.strip().upper() for line in LINES]


def test_one_that_has_enough_lost_nothing(journal: Path) -> None:
    follower = through(journal, "import sys; sys.stdin.readline()")
    assert (follower.lost, follower.left) == ("", True)


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("import sys; sys.exit('error: it broke \\x1b[2J\\nmore')", "standard output: it broke \\x1b[2J"),
        ("import os; os.kill(os.getpid(), 9)", "standard output: the conversion ended with code -9"),
        ("import sys; sys.stdin.read(); sys.exit(3)", "standard output: the conversion ended with code 3"),
        ("import os, time; os.close(0); time.sleep(60)", "standard output: the conversion hangs"),
    ],
    ids=["error", "killed", "at the end", "hangs"],
)
def test_what_befell_it_is_told(
    program: str, why: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdout, "ENDING_SECONDS", 1.0)
    assert through(journal, program).lost == why


@pytest.mark.parametrize(
    "program",
    ["import time; time.sleep(60)", "import sys, time; sys.stdin.read(); time.sleep(60)"],
    ids=["takes nothing", "does not end"],
)
def test_one_that_hangs_is_ended(program: str, journal: Path) -> None:
    began = time.monotonic()
    follower = through(journal, program, patience=0.5)
    assert follower.lost == "standard output: its reader took nothing for 0 seconds"
    assert time.monotonic() - began < 15


def test_it_knows_no_secret_and_comes_after_the_sweep(
    journal: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MONGOSWEEP_SINK_SIEM_SECRET", "hunter2")
    journal.write_bytes(b"")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    program = (
        "import os, sys, time; sys.stdin.read(); print(os.getpriority(0, 0), os.getsid(0) == os.getpid())"
    )
    program += "; print(*os.environ.items())"
    assert through(journal, program).lost == ""
    said = capfd.readouterr().out
    assert said.splitlines()[0] == f"{min(own + stdout.MEEK, 19)} True"
    assert "hunter2" not in said
