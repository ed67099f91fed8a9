"""Open servers that wait for their turn to tell metadata: nothing is lost by it, and no time of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from results.verdict import Verdict
from scanner.setup.settings import Settings
from tests.support.slow_servers import slow_servers
from tests.support.sweeps import FAST, found, scope_of, sweep

if TYPE_CHECKING:
    from pathlib import Path

    from results.record import Observation

EARLY = "the conversation ended early: timeout"


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However well our loop keeps up."""
    monkeypatch.setattr("scanner.engine.plan_limit.UNHURRIED", 1)
    monkeypatch.setattr("scanner.engine.plan_limit.FEWEST", 1)
    monkeypatch.setattr("scanner.engine.plan_limit.LATE", -1.0)


def swept(tmp_path: Path, port: int, servers: int, host_timeout: float) -> list[Observation]:
    settings = Settings(sweep=msgspec.structs.replace(FAST, reply_timeout=2.0, host_timeout=host_timeout))
    summary, _ = sweep(scope_of(port, f"127.91.9.1-127.91.9.{servers}"), tmp_path, settings)
    assert summary.state == "complete"
    assert summary.outcomes["open"] == servers
    return sorted(found(summary.run_dir).values(), key=lambda line: line.timing.total_ms)


def names(line: Observation) -> int:
    assert line.exposure is not None
    return sum(len(database.collections) for database in line.exposure.databases)


@pytest.mark.usefixtures("one_at_a_time")
@pytest.mark.interpreted("replaces constants that a compiler puts where they are used")
@pytest.mark.parametrize("idle", [3600.0, 0.3])
def test_who_waits_for_its_turn_is_not_cut_for_that(tmp_path: Path, port: int, idle: float) -> None:
    """The last waits longer than a host may take in all. Some servers close a connection on which nothing is
    asked for a while: another is opened when it is their turn."""
    with slow_servers(port, 1, 0.1, collections=2, idle=idle):
        lines = swept(tmp_path, port, 6, host_timeout=1.5)
    assert lines[-1].timing.total_ms > 1_500
    for line in lines:
        assert line.verdict is Verdict.OPEN
        assert line.exposure is not None
        assert EARLY not in line.exposure.truncated
        assert names(line) == 2
    assert any(line.timing.connections > 1 for line in lines) is (idle < 1)


@pytest.mark.usefixtures("one_at_a_time")
def test_a_slow_server_holds_its_place_for_the_hosts_time_and_no_longer(tmp_path: Path, port: int) -> None:
    with slow_servers(port, 1, 0.8, collections=2):
        lines = swept(tmp_path, port, 3, host_timeout=1.0)
    for turn, line in enumerate(lines, start=1):
        assert line.exposure is not None
        assert EARLY in line.exposure.truncated
        assert line.timing.total_ms < turn * 1_000 + 700
