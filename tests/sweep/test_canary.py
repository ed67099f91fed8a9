"""Canaries: held against the whole scope whatever part of it is swept, and never beyond it."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import bson
import pytest

from results.run import load_manifest
from results.verdict import Verdict
from scanner.clock import SystemClock
from scanner.lab.estate import find
from scanner.lab.thread import LabThread
from scanner.lab.wire import message
from scanner.network.guard import ScopeGuard
from scanner.setup.settings import CanarySettings, Settings
from scanner.sweep.canary import own_server, scope_of_canaries
from targets.entries import Entry
from targets.scope import Scope
from tests.cli.programs import mongosweep
from tests.support.sweeps import FAST, scope_of, sweep

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """
[[allow]]
cidr = "127.91.7.0/24"
owner = "web platform"
kind = "lab"
[[allow]]
cidr = "127.91.8.9"
ports = [{other}]
owner = "readers"
kind = "lab"
[[canary]]
address = "{address}"
port = {port}
expect = "open"
[sweep]
ports = [{port}]
"""


@pytest.mark.parametrize(
    "line", ["doctor", "plan", "plan 127.91.7.1", "sweep 127.91.7.1", "sweep 127.91.7.0/31", "sweep -"]
)
def test_a_canary_outside_the_targets_is_none_outside_the_scope(line: str, tmp_path: Path, port: int) -> None:
    """Every command takes it, and the sweep of another part asks it and nothing else beside its part."""
    (tmp_path / "mongosweep.toml").write_text(WHOLE.format(address="127.91.7.200", port=port, other=port))
    places = {("127.91.7.200", port): find("empty"), ("127.91.7.201", port): find("empty")}
    with LabThread(places) as lab:
        done = mongosweep(*line.split(), cwd=tmp_path, input="127.91.7.1\n")
        asked = [bool(server.record.messages) for server in lab.servers]
    assert done.returncode == 0, done.stderr
    assert asked == [line.startswith("sweep"), False]
    for path in tmp_path.glob("runs/2*/manifest.json"):
        manifest, _ = load_manifest(path.parent)
        assert manifest.state == "complete"
        assert manifest.planned.targets == (2 if "/31" in line else 1)


@pytest.mark.parametrize("command", ["plan", "sweep"])
def test_a_canary_outside_the_whole_scope_is_refused(command: str, tmp_path: Path, port: int) -> None:
    (tmp_path / "mongosweep.toml").write_text(WHOLE.format(address="127.91.9.1", port=port, other=port))
    done = mongosweep(command, "127.91.7.1", cwd=tmp_path)
    assert done.returncode == 2
    assert "[[canary]] 127.91.9.1" in done.stderr
    assert "outside the scope" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_silent_canary_outside_the_targets_degrades_the_run(tmp_path: Path, port: int) -> None:
    canary = CanarySettings(address="127.91.0.60", port=port, expect=Verdict.OPEN)
    whole = scope_of(port)
    summary, _ = sweep(
        scope_of(port, "127.91.0.0/30"), tmp_path, Settings(sweep=FAST, canary=(canary,)), whole_scope=whole
    )
    assert summary.state == "degraded"
    assert any("canary 127.91.0.60" in reason for reason in summary.reasons)
    assert summary.planned == 4


def test_what_a_reload_takes_away_is_no_canary_any_more() -> None:
    canary = CanarySettings(address="127.91.0.60", port=27017, expect=Verdict.OPEN)
    whole, part = scope_of(27017), scope_of(27017, "127.91.0.0/30")
    target = whole.target("127.91.0.60", 27017)
    guard = ScopeGuard(part, SystemClock(), scope_of_canaries(whole, [canary]))
    assert guard.permits(target)
    assert not guard.permits(whole.target("127.91.0.59", 27017))
    assert not guard.permits(scope_of(27018).target("127.91.0.60", 27018))
    guard.narrow(scope_of(27017, deny=("127.91.0.60",)))
    assert not guard.permits(target)


def test_a_canary_whose_entry_expires_is_not_asked_any_more() -> None:
    clock = SystemClock()
    whole = Scope([Entry.of("127.91.0.0/24", kind="lab", expires=clock.wall() - 1)], ports=[27017])
    canary = CanarySettings(address="127.91.0.60", expect=Verdict.OPEN)
    guard = ScopeGuard(scope_of(27017, "127.91.0.0/30"), clock, scope_of_canaries(whole, [canary]))
    assert not guard.permits(whole.target("127.91.0.60", 27017))
    assert guard.expired()


async def test_the_sweeps_own_server_keeps_nothing_of_what_it_was_asked() -> None:
    """It is asked for as long as a sweep goes on."""
    server, own = await own_server(ScopeGuard(scope_of(27017), SystemClock()))
    try:
        ping = message(0, bson.encode({"ping": 1, "$db": "admin"}))
        for _ in range(3):
            reader, writer = await asyncio.open_connection(own.target.ip, own.target.port)
            with closing(writer):
                writer.write(ping)
                assert await reader.readexactly(16)
        assert server.record.connections == 3
        assert not server.record.messages
    finally:
        await server.stop()
