"""`make demo` as a user lives it: what it shows, what it leaves, and that nothing keeps running."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from results.lock import Lock
from scanner.cli.demo import conclude
from tests.support.lines import observed
from tests.support.real import free_port

ROOT = Path(__file__).resolve().parents[2]
BASE = "127.91.0.0"
MAGAZINE = "127.91.0.1"


def begin(output: Path, port: int | None, log: Path, *, story: bool = False) -> subprocess.Popen[bytes]:
    """Start the demonstration in a process group of its own, as a terminal would."""
    story_too = [] if story else ["--no-story"]
    lab = ["--lab", "--base", BASE, *(["--port", str(port)] if port else []), "--no-real"]
    with log.open("wb") as written:
        return subprocess.Popen(
            [sys.executable, "-m", "scanner.cli.demo", "--output", str(output), *story_too, *lab],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            process_group=0,
        )


def nobody_listens(port: int) -> bool:
    """Whether the lab's first server is gone."""
    with socket.socket() as probe:
        return probe.connect_ex((MAGAZINE, port)) != 0


@pytest.mark.slow
def test_shows_the_magazine_first_and_leaves_jsonl(tmp_path: Path) -> None:
    """Exit status 0, the gravest finding on top, a record for it, and no process left."""
    port = free_port()
    demo = begin(tmp_path / "runs", port, tmp_path / "log", story=True)
    assert demo.wait(200) == 0, (tmp_path / "log").read_text()[-2000:]
    shown = (tmp_path / "log").read_text()
    first = next(line for line in shown.splitlines() if line.lstrip().startswith("critical"))
    assert f"{MAGAZINE}:{port}" in first
    assert "READ" in shown
    assert "done in" in shown
    (journal,) = (tmp_path / "runs").glob("2*/observations-0001.jsonl")
    records = observed(journal.read_text().splitlines())
    (magazine,) = [record for record in records if record["target"]["ip"] == MAGAZINE]
    assert magazine["verdict"] == "open"
    assert nobody_listens(port)
    assert "It was wiped 12 times, held to ransom 12 times and restored 12 times" in shown
    assert "Closed, by proof." in shown
    (page,) = (tmp_path / "runs").glob("story-*/report.html")
    assert str(page) in shown
    assert page.read_text().startswith("<!doctype html>")


def hold(port: int) -> socket.socket:
    """Somebody else's server on this port of the lab's first address, unless the machine runs one already."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with contextlib.suppress(OSError):
        taken.bind((MAGAZINE, port))
        taken.listen()
    return taken


@pytest.mark.slow
@pytest.mark.exhaustive
def test_takes_another_port_and_folder_where_its_own_are_taken(tmp_path: Path) -> None:
    """MongoDB's port is held and another run is at work in the folder: it says what it takes instead."""
    output = tmp_path / "runs"
    output.mkdir()
    with hold(27017), contextlib.ExitStack() as held:
        held.callback(Lock.acquire(output, "another run").release)
        demo = begin(output, None, tmp_path / "log")
        assert demo.wait(100) == 0, (tmp_path / "log").read_text()[-2000:]
    shown = (tmp_path / "log").read_text()
    said = re.search(r"port 27017 is taken on this machine; the servers stand on port (\d+)", shown)
    assert said is not None
    port = int(said[1])
    assert port != 27017
    assert f"another run is writing into {output}" in shown
    (journal,) = output.glob("demo-2/2*/observations-0001.jsonl")
    assert str(journal) in shown
    assert {json.loads(line)["target"]["port"] for line in journal.read_text().splitlines()} == {port}
    assert nobody_listens(port)


@pytest.mark.slow
def test_ctrl_c_stops_everything(tmp_path: Path) -> None:
    """Interrupted in the middle of the sweep: a run that says so, and nothing left running."""
    port = free_port()
    demo = begin(tmp_path / "runs", port, tmp_path / "log")
    until = time.monotonic() + 60
    while "found " not in (tmp_path / "log").read_text() and demo.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(demo.pid, signal.SIGINT)
    assert demo.wait(30) not in (0, 1)
    assert "interrupted" in (tmp_path / "log").read_text()
    assert nobody_listens(port)


def test_says_when_the_lab_cannot_start(tmp_path: Path) -> None:
    """A port that is taken is named, and the demonstration fails."""
    with socket.socket() as taken:
        taken.bind((MAGAZINE, 0))
        taken.listen()
        demo = begin(tmp_path / "runs", taken.getsockname()[1], tmp_path / "log")
        assert demo.wait(60) == 1
    shown = (tmp_path / "log").read_text()
    assert "the lab did not start" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize(("code", "status"), [(0, 1), (3, 3), (70, 70)])
def test_other_endings_are_not_success(
    code: int, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only a sweep that found what stands in the lab is a success."""
    assert conclude(code, tmp_path, 1.0) == status
    assert "demo: " in capsys.readouterr().err
