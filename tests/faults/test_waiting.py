"""Nothing that a user, a terminal, a pipe or a file system can delay holds up a sweep, or its end."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import termios
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.reading import read_run
from results.run import load_manifest
from scanner.setup.settings import Pause, Settings, SweepOptions
from scanner.sweep import control
from scanner.sweep.sweep import run
from targets.load import load_scope
from tests.netns.oracle import until
from tests.support.processes import command, only_run, wait_for_run
from tests.support.sweeps import FAST, Timed, scope_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.record import Observation
    from targets.scope import Scope

HALF = "127.91.0.0/25"
WHOLE = "127.91.0.0/24"


@pytest.fixture
def config(tmp_path: Path, port: int) -> Path:
    path = tmp_path / "mongosweep.toml"
    path.write_text(
        f'[[allow]]\ncidr = "{WHOLE}"\nowner = "x"\nkind = "lab"\n'
        f"[sweep]\nports = [{port}]\nrate = 300\nper_prefix_rate = 9000\n"
    )
    return path


@pytest.fixture
def stopped_terminal() -> Iterator[int]:
    """A terminal whose user pressed Ctrl-S."""
    master, slave = pty.openpty()
    termios.tcflow(slave, termios.TCOOFF)
    yield slave
    os.close(slave)
    os.close(master)


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """A pipe that takes no byte more, and that nobody reads."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    yield writing
    os.close(writing)
    os.close(reading)


def start(config: Path, stream: int, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(config, *arguments),
        stdout=subprocess.DEVNULL,
        stderr=stream,
        env=os.environ | {"TERM": "xterm"},
    )


@pytest.mark.fault("F75", "a terminal that its user stopped, a pipe that is full: both stderr")
@pytest.mark.parametrize("kind", ["stopped_terminal", "full_pipe"])
def test_a_stream_that_takes_nothing_holds_up_neither_the_sweep_nor_its_end(
    config: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    with start(config, request.getfixturevalue(kind)) as process:
        assert process.wait(timeout=60) == 0
    assert load_manifest(only_run(config))[0].state == "complete"


@pytest.mark.fault("F73", "SIGTERM while the terminal is stopped")
def test_a_stopped_terminal_keeps_no_signal_away(config: Path, stopped_terminal: int) -> None:
    with start(config, stopped_terminal, "--rate", "40", "--all") as process:
        run_dir = wait_for_run(process, config, 0.5)
        process.send_signal(signal.SIGTERM)
        at = time.time()
        assert process.wait(timeout=30) == 3
    assert load_manifest(run_dir)[0].state == "interrupted"
    assert not [line for line in read_run(run_dir) if seconds_of(line) > at + 1.0]


def seconds_of(line: Observation) -> float:
    return datetime.fromisoformat(line.observed_at).timestamp()


def hang_up_while(
    output: Path, port: int, reload: Any, **pause: Any
) -> tuple[Timed, list[Observation], float]:
    """A sweep of 256 targets that gets a SIGHUP; who watched, its lines, and when the signal came."""
    at: list[float] = []

    def hang_up() -> None:
        at.append(time.time())
        os.kill(os.getpid(), signal.SIGHUP)

    watcher = Timed(hang_up)
    settings = Settings(sweep=msgspec.structs.replace(FAST, rate=100))
    options = SweepOptions(output=output, everything=True, reload_scope=reload)
    summary = run(settings, scope_of(port, WHOLE), options, watcher)
    return watcher, list(read_run(Path(summary.run_dir))), at[0]


def withdrawn(line: Observation) -> bool:
    return int(line.target.ip.rsplit(".", 1)[1]) >= 128


@pytest.mark.fault("F40", "SIGHUP with files that take two seconds to read")
def test_nothing_is_asked_while_the_scope_is_read_again(tmp_path: Path, port: int) -> None:
    def slowly(now: float, names: bool) -> Scope:
        if not names:
            time.sleep(2.0)
        return scope_of(port, HALF)

    watcher, lines, at = hang_up_while(tmp_path, port, slowly)
    assert not [line for line in lines if withdrawn(line) and seconds_of(line) > at + 1.0]
    assert not [line for line in lines if at + 1.0 < seconds_of(line) < at + 1.9]
    assert [line for line in lines if seconds_of(line) > at + 2.0], "the others went on"
    assert any(control.READING in snapshot.paused_by for snapshot in watcher.snapshots)
    assert any("scope reloaded" in notice for notice in watcher.notices)
    assert watcher.longest_gap < 1.5


@pytest.mark.fault("F40", "SIGHUP with an allow-list of many thousand lines")
@pytest.mark.parametrize(
    "count", [20_000, pytest.param(200_000, marks=[pytest.mark.exhaustive, pytest.mark.slow])]
)
def test_a_long_list_is_not_parsed_on_the_loop(tmp_path: Path, port: int, count: int) -> None:
    path = tmp_path / "list.csv"
    others = (f"127.{100 + (n >> 16)}.{n >> 8 & 255}.{n & 255},x,lab\n" for n in range(0, 2 * count, 2))
    path.write_text("cidr,owner,kind\n" + f"{HALF},x,lab\n" + "".join(others))

    took: list[float] = []

    def parse(now: float, names: bool) -> Scope:
        began = time.monotonic()
        scope = load_scope(path, ports=[port], now=now)
        took.append(time.monotonic() - began)
        return scope

    watcher, lines, at = hang_up_while(tmp_path, port, parse)
    promised = at + 1.0 + watcher.longest_gap  # what else the machine does is not ours to promise
    assert not [line for line in lines if withdrawn(line) and seconds_of(line) > promised]
    assert sum(not withdrawn(line) for line in lines) == 128, "the others went on"
    assert watcher.longest_gap < max(2.0, took[0] / 2), "a quarter of a second, and the interpreter's lock"


@pytest.mark.fault("F40", "a second SIGHUP while the first is still read")
def test_the_last_of_two_hangups_counts(tmp_path: Path, port: int) -> None:
    calls: list[bool] = []

    def read(now: float, names: bool) -> Scope:
        calls.append(names)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.7)
            return scope_of(port, WHOLE)
        return scope_of(port, HALF)

    _, lines, at = hang_up_while(tmp_path, port, read)
    assert calls == [False, False, True]
    assert not [line for line in lines if withdrawn(line) and seconds_of(line) > at + 1.0]


def test_a_stop_file_on_a_file_system_that_hangs_pauses_and_keeps_nobody(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, looks = threading.Event(), threading.Event()

    def look(path: Path) -> bool:
        if looks.is_set():
            hangs.wait(3.0)
        return False

    monkeypatch.setattr(control, "_exists", look)
    pause = Pause(stop_file=str(tmp_path / "stop"))
    watcher, lines, at = hang_up_while_hanging(tmp_path, port, looks, pause)
    assert watcher.longest_gap < 2.0
    assert any(control.UNSEEN in snapshot.paused_by for snapshot in watcher.snapshots)
    assert not [line for line in lines if at + 2.2 < seconds_of(line) < at + 2.8]
    assert len(lines) == 256


def hang_up_while_hanging(
    output: Path, port: int, looks: threading.Event, pause: Pause
) -> tuple[Timed, list[Observation], float]:
    at: list[float] = []

    def hang() -> None:
        at.append(time.time())
        looks.set()
        threading.Timer(3.0, looks.clear).start()

    watcher = Timed(hang)
    settings = Settings(sweep=msgspec.structs.replace(FAST, rate=60), pause=pause)
    summary = run(settings, scope_of(port, WHOLE), SweepOptions(output=output, everything=True), watcher)
    return watcher, list(read_run(Path(summary.run_dir))), at[0]


@pytest.mark.fault("F16", "logrotate with copytruncate while the sweep goes on")
def test_a_segment_that_is_cut_ends_the_sweep(config: Path) -> None:
    process = subprocess.Popen(
        command(config, "--rate", "50", "--all"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    run_dir = wait_for_run(process, config, 0.5)
    segment = run_dir / "observations-0001.jsonl"
    until(lambda: segment.stat().st_size > 0)
    os.truncate(segment, 0)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 4
    assert b"observations-0001.jsonl: somebody cut it at byte 0 during the run" in said
    manifest, _ = load_manifest(run_dir)
    assert manifest.state == "failed"
    assert "somebody cut it" in manifest.reasons[0]
