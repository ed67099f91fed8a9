"""What sweeps put into the log of events: from their start on, after their death, and when they cannot."""

from __future__ import annotations

import resource
import subprocess
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.events.event import RunEvent
from results.events.log import EVENTS_FILE
from results.events.publish import bring_up
from results.run import load_manifest
from results.verdict import Verdict
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from scanner.setup.settings import CanarySettings, Settings
from scanner.sweep.remembered import take_in, tell
from tests.support.processes import command, wait_for_run
from tests.support.published import told
from tests.support.sweeps import FAST, estate, scope_of, sweep
from tests.support.verifying import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLOW = msgspec.structs.replace(FAST, rate=40)  # two seconds for 62 addresses


def kinds(output: Path) -> list[str]:
    return [event.kind for event in told(output)]


def test_a_sweep_tells_its_start_itself(tmp_path: Path, port: int) -> None:
    summary, _ = sweep(scope_of(port, "127.91.0.0/29"), tmp_path, events=True)
    (started,) = told(tmp_path)
    assert (started.kind, started.run_id) == ("started", summary.run_id)
    said: list[str] = []
    take_in(tmp_path, summary, said.append)
    tell(tmp_path, Settings(), said.append)
    assert (kinds(tmp_path), said) == (["started", "ended"], [])
    ended = told(tmp_path)[-1]
    assert isinstance(ended, RunEvent)
    assert (ended.state, ended.open, ended.exposures_open) == ("complete", 0, 0)
    assert ended.coverage == load_manifest(tmp_path / summary.run_id)[0].coverage


def test_a_sweep_that_was_not_asked_to_tells_nothing(tmp_path: Path, port: int) -> None:
    sweep(scope_of(port, "127.91.0.0/29"), tmp_path)
    assert not (tmp_path / EVENTS_FILE).exists()


def silent_canary(port: int) -> Settings:
    canary = CanarySettings(address="127.91.0.60", port=port, expect=Verdict.OPEN)
    return Settings(sweep=SLOW, canary=(canary,))


def test_a_sweep_that_cannot_end_complete_tells_so_at_once(tmp_path: Path, port: int) -> None:
    """The canary is silent at the start: nobody waits for the end to hear of it."""
    summary, watcher = sweep(scope_of(port), tmp_path, silent_canary(port), events=True)
    assert (kinds(tmp_path), watcher.notices) == (["started", "degraded"], [])
    degraded = told(tmp_path)[-1]
    assert isinstance(degraded, RunEvent)
    assert degraded.started_at <= degraded.at < load_manifest(tmp_path / summary.run_id)[0].ended_at
    assert (degraded.state, degraded.severity) == ("running", "medium")
    assert "canary 127.91.0.60" in degraded.reasons[0]
    tell(tmp_path, Settings(), watcher.notices.append)
    assert kinds(tmp_path) == ["started", "degraded", "ended"]
    assert bring_up(tmp_path).appended == 0


def test_that_it_could_not_be_told_changes_nothing_of_the_sweep(tmp_path: Path, port: int) -> None:
    (tmp_path / EVENTS_FILE).mkdir()
    summary, watcher = sweep(scope_of(port), tmp_path, silent_canary(port), events=True)
    assert summary.state == "degraded"
    assert len(watcher.notices) == 1
    assert "is a directory" in watcher.notices[0]
    tell(tmp_path, Settings(), watcher.notices.append)
    assert len(watcher.notices) == 2


def test_each_round_of_a_verification_is_told(tmp_path: Path, port: int) -> None:
    world = World(tmp_path, port, scope_of(port, "127.91.0.4/30"), servers={"127.91.0.5": find("open_8_0")})
    take_in(tmp_path, world.sweep(), world.watcher.notices.append)
    tell(tmp_path, world.settings, world.watcher.notices.append)
    world.clock.ahead += 60
    world.servers = {"127.91.0.5": find("auth_7_1")}
    world.verify()
    assert kinds(tmp_path) == ["started", "opened", "ended", "started", "closed", "ended"]
    assert [event.purpose for event in told(tmp_path) if isinstance(event, RunEvent)] == [
        "",
        "",
        "verify",
        "verify",
    ]


# --- as a process -------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path, port: int) -> Iterator[Path]:
    path = tmp_path / "mongosweep.toml"
    path.write_text(
        '[organisation]\nname = "Example"\n[[allow]]\ncidr = "127.91.0.0/24"\nowner = "web on-call"\n'
        'kind = "lab"\n'
        f"[sweep]\nports = [{port}]\nrate = 200\nper_prefix_rate = 1000\nconnect_timeout = 0.5\n"
    )
    servers = estate({"magazine", "auth_7_1", "empty"})
    with LabThread({(ip, port): personality for ip, personality in servers.items()}):
        yield path


def run(config: Path, *arguments: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(config, *arguments), capture_output=True, timeout=60, check=False, **how)


def test_a_killed_sweep_is_told_by_the_next_who_tells(config: Path) -> None:
    output = config.parent / "runs"
    process = subprocess.Popen(command(config), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    run_dir = wait_for_run(process, config, 0.4)
    bring_up(output)
    assert kinds(output) == ["started"]  # by the sweep, or by us
    process.kill()
    process.wait()
    bring_up(output)
    assert kinds(output) == ["started", "ended"]
    assert told(output)[-1].state == "aborted"  # type: ignore[union-attr]  # of a run
    done = run(config, "--resume", run_dir.name)
    assert done.returncode == 1, done.stderr
    assert kinds(output)[:3] == ["started", "ended", "resumed"]
    assert kinds(output)[-1] == "ended"
    end = told(output)[-1]
    assert isinstance(end, RunEvent)
    assert (end.state, end.organisation, end.changes["opened"]) == (
        "complete",
        "Example",
        kinds(output).count("opened"),
    )
    assert end.open == end.exposures_open == 2


def test_without_a_ledger_nothing_is_told(config: Path) -> None:
    assert run(config, "127.91.0.0/29", "--no-ledger").returncode == 1
    assert sorted(path.name for path in (config.parent / "runs").iterdir() if path.is_file()) == ["lock"]


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))


LIMIT = 4 << 20


def test_a_log_that_takes_nothing_costs_one_line(config: Path) -> None:
    """No file may be larger, as on a disk that is full: the sweep ends as it would have."""
    output = config.parent / "runs"
    output.mkdir(mode=0o700)
    (output / EVENTS_FILE).write_bytes(b"y" * (LIMIT - 100) + b"\n")
    done = run(config, "127.91.0.0/29", preexec_fn=_limit)
    assert done.returncode == 1
    lines = [line for line in done.stderr.decode().splitlines() if "event" in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].partition("Z ")[2].startswith("events could not be written, the next sweep does it: ")
    assert "file too large" in lines[0]
    assert (output / EVENTS_FILE).stat().st_size == LIMIT - 99  # what was torn is cut off
    assert bring_up(output).appended >= 4
