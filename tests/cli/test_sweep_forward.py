"""`forward --follow` and `sweep --forward` as processes: what is sent meanwhile, and how each ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scanner.cli import forwarding, main
from scanner.cli.forwarding import Forwarding
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from scanner.setup.sink_settings import secret_variable
from tests.cli.programs import ROOT, mongosweep
from tests.support.ledgers import RunOnDisk
from tests.support.receivers.beside import beside
from tests.support.receivers.hec import TOKEN, HecReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = secret_variable("soc")
OPEN = "127.97.2.1"
ANY, LOCKED = find("open_8_0"), find("auth_7_1")
SCOPE = f'[[allow]]\ncidr = "{OPEN}"\nowner = "web platform"\nkind = "lab"\n[sweep]\nports = [{{port}}]\n'
FILE = '[[sink]]\nkind = "file"\npath = "{path}"\n'
SPLUNK = '[[sink]]\nkind = "splunk"\nname = "soc"\nurl = "{url}"\n'


def environment(home: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MONGOSWEEP_")}
    return ours | {"PYTHONPATH": str(ROOT), "HOME": str(home), SECRET: TOKEN}


def begin(*words: str, cwd: Path) -> subprocess.Popen[str]:
    """A program in a group of its own, with pipes for what it says."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "scanner", *words],
        cwd=cwd,
        env=environment(cwd),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def until(holds: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def events(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def forward_of(parent: int) -> int | None:
    """The process that forwards beside this one."""
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):  # it may end between the calls
                fields = (place / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[1]) == parent and b"--while-stdin" in (place / "cmdline").read_bytes():
                    return int(place.name)
    return None


def test_it_sends_what_comes_until_it_is_told_to_end_and_shows_no_secret(tmp_path: Path) -> None:
    receiver = HecReceiver()
    with beside(receiver):
        (tmp_path / "mongosweep.toml").write_text(SPLUNK.format(url=receiver.origin), encoding="utf-8")
        run = RunOnDisk(tmp_path / "runs", "run-1", "2026-03-01T04:00:00.000Z").begin()
        process = begin("forward", "--follow", cwd=tmp_path)
        until(lambda: receiver.count == 1)
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        run.end()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert [taken["event"]["kind"] for taken in receiver.taken] == ["started", "ended"]
    assert process.returncode == 0
    assert (out, err) == ("", f"soc (splunk {receiver.origin}): 2 sent\n")
    assert TOKEN.encode() not in line + (out + err).encode()


@pytest.mark.exhaustive
def test_a_receiver_that_is_down_does_not_hold_up_the_end(tmp_path: Path, port: int) -> None:
    text = SPLUNK.format(url=f"http://127.0.0.1:{port}") + "[forward]\npatience = 600\n"
    (tmp_path / "mongosweep.toml").write_text(text, encoding="utf-8")
    RunOnDisk(tmp_path / "runs", "run-1", "2026-03-01T04:00:00.000Z").begin().end()
    process = begin("forward", cwd=tmp_path)
    assert process.stderr is not None
    assert "no connection" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert err.startswith(f"soc (splunk http://127.0.0.1:{port}): 0 sent, 2 waiting: no connection")


@pytest.fixture
def home(tmp_path: Path, port: int) -> Path:
    """A folder with a configuration that names an address, and a file for events."""
    (tmp_path / "mongosweep.toml").write_text(
        SCOPE.format(port=port) + FILE.format(path=tmp_path / "findings.jsonl"), encoding="utf-8"
    )
    return tmp_path


def test_a_sweep_sends_meanwhile_what_forward_would_send_after_it(
    home: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LabThread({(OPEN, port): ANY}):
        done = mongosweep("sweep", "--forward", cwd=home)
    assert done.returncode == 1
    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines() if '"verdict"' in line] == [
        "open"
    ]
    assert done.stderr.endswith(f"forward: file (file {home / 'findings.jsonl'}): 3 sent\n")
    meanwhile = events(home / "findings.jsonl")
    assert [event["kind"] for event in meanwhile] == ["started", "opened", "ended"]
    (manifest,) = (home / "runs").glob("2*/manifest.json")
    assert b"sink" not in manifest.read_bytes(), "another sink is no reason against a resume"
    (home / "findings.jsonl").unlink()
    monkeypatch.chdir(home)
    assert main(["forward", "-q", "--restart", "file"]) == 0
    assert events(home / "findings.jsonl") == meanwhile


@pytest.mark.exhaustive
def test_a_quiet_sweep_that_finds_nothing_says_nothing_and_sends_that(home: Path) -> None:
    quiet = mongosweep("sweep", "--forward", "-q", cwd=home)
    assert (quiet.returncode, quiet.stderr) == (0, "")
    last = events(home / "findings.jsonl")[-1]
    assert (last["kind"], last["state"], last["open"]) == ("ended", "complete", 0)


@pytest.mark.exhaustive
def test_a_sweep_that_is_interrupted_is_told_so(home: Path) -> None:
    """The terminal sends Ctrl-C to the whole group: what forwards must live to send how the sweep ended."""
    text = (home / "mongosweep.toml").read_text(encoding="utf-8")
    (home / "mongosweep.toml").write_text(
        text.replace(f'"{OPEN}"', '"127.97.2.0/24"').replace("[sweep]\n", "[sweep]\nrate = 1\n"),
        encoding="utf-8",
    )
    process = begin("sweep", "--forward", "--all", cwd=home)
    until(lambda: [event["kind"] for event in events(home / "findings.jsonl")] == ["started"])
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 3
    last = events(home / "findings.jsonl")[-1]
    assert (last["kind"], last["state"]) == ("ended", "interrupted")


@pytest.fixture
def told() -> list[str]:
    """What is said to the user."""
    return []


@pytest.fixture
def process(home: Path, told: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Forwarding, int]]:
    """A forward beside nothing, under way, and its number."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    RunOnDisk(home / "runs", "run-1", "2026-03-01T04:00:00.000Z").begin().end()
    made = Forwarding("mongosweep.toml", Path("runs"), told.append)
    until(lambda: len(events(home / "findings.jsonl")) == 2)
    number = forward_of(os.getpid())
    assert number is not None
    yield made, number
    made.finish()


def test_it_waits_for_the_folder_that_a_first_sweep_makes(
    home: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))
    refused, first = (Forwarding("mongosweep.toml", Path("runs"), told.append) for _ in range(2))
    time.sleep(1.5)  # it has looked by then, or looks later
    refused.finish()
    assert told == []
    assert not (home / "runs").exists()
    RunOnDisk(home / "runs", "run-1", "2026-03-01T04:00:00.000Z").begin().end()
    until(lambda: len(events(home / "findings.jsonl")) == 2)
    first.finish()
    assert told == [f"forward: file (file {home / 'findings.jsonl'}): 2 sent"]


def test_one_that_dies_costs_a_line(process: tuple[Forwarding, int], told: list[str]) -> None:
    made, number = process
    os.kill(number, signal.SIGKILL)
    made.finish()
    assert told == ["forwarding ended early, with signal 9; mongosweep forward sends what waits"]


def test_one_that_hangs_is_ended(
    process: tuple[Forwarding, int], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, number = process
    for name in ("LAST_PATIENCE", "MARGIN", "FAREWELL"):
        monkeypatch.setattr(forwarding, name, 0.1)
    os.kill(number, signal.SIGSTOP)
    made.finish()
    assert told == ["forwarding ended early, with signal 9; mongosweep forward sends what waits"]
    assert forward_of(os.getpid()) is None


@pytest.mark.exhaustive
def test_one_beside_another_leaves_the_sinks_to_that(
    process: tuple[Forwarding, int], told: list[str], home: Path
) -> None:
    second = Forwarding("mongosweep.toml", Path("runs"), told.append)
    assert second._process is not None
    second._process.wait(60)
    second.finish()
    (said,) = told
    assert said.startswith("forward: file (")
    assert "another forward sends to file already" in said


def test_one_that_cannot_be_started_costs_a_line(
    home: Path, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "PROGRAM", (str(home / "no-python"),))
    made = Forwarding("mongosweep.toml", home / "runs", told.append)
    made.finish()
    assert told == [
        "nothing is forwarded meanwhile: No such file or directory; mongosweep forward sends what waits"
    ]


def open_files_of(number: int) -> set[Path]:
    """What a process has open; it may close one of them meanwhile."""
    found = set()
    for each in Path(f"/proc/{number}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(each.readlink())
    return found


def test_it_ends_with_the_process_that_started_it(home: Path) -> None:
    """Also when that is killed. What it holds of the sweep's streams is nothing: a reader sees their end."""
    RunOnDisk(home / "runs", "run-1", "2026-03-01T04:00:00.000Z").begin().end()
    program = (
        "from pathlib import Path; from scanner.cli.forwarding import Forwarding\n"
        "Forwarding('mongosweep.toml', Path('runs'), print); input()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        cwd=home,
        env=environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until(lambda: len(events(home / "findings.jsonl")) == 2)
    number = forward_of(parent.pid)
    assert number is not None
    streams = {Path(f"/proc/{parent.pid}/fd/{each}").readlink() for each in (1, 2)}
    assert not streams & open_files_of(number)
    parent.kill()
    assert parent.communicate(timeout=30) == (b"", b"")
    until(lambda: not Path(f"/proc/{number}").exists())
