"""Real sweeps over loopback while an inventory changes: what is listed no longer is connected to no more."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from results.run import load_manifest
from scanner.network.guard import ScopeGuard
from scanner.setup.inventory import without
from scanner.setup.request import SweepRequest, load
from scanner.sweep import leases
from scanner.sweep.sweep import run
from targets.entries import Entry
from targets.scope import Scope
from tests.support.listening import Listener
from tests.support.settable import SetClock
from tests.support.sweeps import Timed, Watcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.sweep.progress import RunSummary

CLOUD, OURS = "127.91.0.0/25", "127.91.0.128/25"
HALF = "127.91.0.0/26"
SLACK = 1.0  # seconds within which the guard holds, as for a reload and for what expires


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    yield found
    found.close()


def configuration(folder: Path, port: int, *, max_age: str = "1m", timeout: float = 20) -> Path:
    """Two entries, one of which is of an inventory; what it lists stands in the file `listed`."""
    path = folder / "mongosweep.toml"
    path.write_text(f"""
[sweep]
ports = [{port}]
rate = 40
per_prefix_rate = 5000
connect_timeout = 0.5
reply_timeout = 0.5
host_timeout = 3
depth = "verdict"
workers = 1

[[allow]]
cidr = "{CLOUD}"
kind = "lab"
inventory = "cloud"

[[allow]]
cidr = "{OURS}"
kind = "lab"

[[inventory]]
name = "cloud"
command = ["cat", "{folder / "listed"}"]
max_age = "{max_age}"
timeout = {timeout}
""")
    path.chmod(0o600)
    return path


def list_only(folder: Path, text: str) -> None:
    """Change what the inventory lists, at once."""
    (folder / "new").write_text(text)
    (folder / "new").rename(folder / "listed")


def reasons(summary: RunSummary) -> list[str]:
    """What a run says of itself, but that every address of the listener says the same."""
    return [each for each in summary.reasons if not each.startswith("masked by") and " lines " not in each]


def swept(folder: Path, config: Path, watcher: Watcher, **options: Any) -> RunSummary:
    loaded = load(SweepRequest(config=str(config)), time.time(), os.environ)
    given = replace(loaded.options, output=folder / "runs", **options)
    return run(loaded.settings, loaded.scope, given, watcher)


@pytest.mark.fault("F40", "an address leaves its cloud inventory while a sweep goes on")
def test_what_is_not_listed_any_more_is_asked_no_more(
    tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RENEW", 0.99)  # asked again after some 0.6 s
    config = configuration(tmp_path, listener.port)
    list_only(tmp_path, CLOUD)
    watcher = Timed(lambda: list_only(tmp_path, HALF))
    summary = swept(tmp_path, config, watcher)
    told = [notice for notice in watcher.notices if "does not list" in notice]
    assert len(told) == 1
    assert told[0].startswith("inventory cloud does not list ")
    gone = listener.asked(64, 127)
    assert len(gone) < 64
    assert listener.last(64, 127) < watcher.acted_at + 0.6 + SLACK + watcher.longest_gap + 2.0
    assert len(listener.asked(0, 63)) == 64, "what is listed is asked"
    assert len(listener.asked(128, 255)) == 128, "and what is of no inventory"
    assert summary.excluded == 64 - len(gone)
    assert reasons(summary) == [
        f"{summary.excluded} of the targets were left out: their inventories list them no longer"
    ]
    manifest = load_manifest(Path(summary.run_dir))[0]
    assert manifest.withdrawn


@pytest.mark.fault("F40", "the command of an inventory fails, or hangs, while a sweep goes on")
@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_no_address_is_asked_on_an_answer_that_is_too_old(
    tmp_path: Path, listener: Listener, how: str
) -> None:
    config = configuration(tmp_path, listener.port, max_age="3s")
    list_only(tmp_path, CLOUD)

    def no_more() -> None:
        (tmp_path / "listed").unlink()
        if how == "hangs":
            os.mkfifo(tmp_path / "listed")

    watcher = Timed(no_more)
    before = time.monotonic()
    summary = swept(tmp_path, config, watcher)
    assert 0 < len(listener.asked(0, 127)) < 128
    assert listener.last(0, 127) < watcher.acted_at + 3.0 + SLACK + watcher.longest_gap
    assert listener.last(128, 255) > before + 3.0, "the others went on"
    assert len(listener.asked(128, 255)) == 128
    assert any("targets left the scope while the sweep ran" in reason for reason in reasons(summary))
    assert any("confirms nothing any more" in notice for notice in watcher.notices)
    if how == "fails":
        assert any("without an answer: its command ended with exit code 1" in n for n in watcher.notices)
    assert watcher.longest_gap < 2.5, "a command that runs holds up nothing"


def test_what_goes_on_being_listed_is_asked_to_the_end(tmp_path: Path, listener: Listener) -> None:
    """The sweep takes longer than an answer holds, and each answer lists all."""
    config = configuration(tmp_path, listener.port, max_age="4s")
    list_only(tmp_path, CLOUD)
    watcher = Timed(lambda: None)
    summary = swept(tmp_path, config, watcher)
    assert len(listener.times) == 256
    assert (reasons(summary), summary.excluded) == ([], 0)
    assert not [notice for notice in watcher.notices if "inventory" in notice]


def test_a_run_that_is_resumed_asks_anew(tmp_path: Path, listener: Listener) -> None:
    config = configuration(tmp_path, listener.port)
    list_only(tmp_path, CLOUD)
    stopped = swept(tmp_path, config, Timed(lambda: os.kill(os.getpid(), signal.SIGINT)))
    assert stopped.state == "interrupted"
    list_only(tmp_path, HALF + "\n10.0.0.1\n")
    at = time.monotonic()
    summary = swept(tmp_path, config, Watcher(), resume=stopped.run_id)
    assert (summary.run_id, summary.planned) == (stopped.run_id, 256)
    assert listener.last(64, 127) < at
    assert len(listener.asked(0, 63)) == 64
    assert len(listener.asked(128, 255)) == 128
    assert summary.excluded == 64 - len(listener.asked(64, 127))
    assert summary.not_reached == 0
    assert not [reason for reason in reasons(summary) if "inventories list them no longer" not in reason]


# --- the guard's leases, by a clock of the test's own --------------------------------------------------


def leased() -> tuple[ScopeGuard, SetClock, Scope, Scope]:
    clock = SetClock("2026-01-01T00:00:00Z")
    scope = Scope([Entry.of(CLOUD, kind="lab", inventory="cloud"), Entry.of(OURS, kind="lab")], ports=[27017])
    return ScopeGuard(scope, clock), clock, scope, without(scope, "cloud")


def test_a_lease_that_nobody_renews_ends_by_itself() -> None:
    guard, clock, scope, rest = leased()
    guard.lease("cloud", 10.0, rest)
    target, other = scope.target("127.91.0.1", 27017), scope.target("127.91.0.200", 27017)
    clock.wait(9.5)
    assert guard.permits(target)
    assert guard.filter()(target)
    clock.wait(0.5)
    assert not guard.filter()(target)
    assert not guard.permits(target)
    assert guard.permits(other)
    assert guard.expired()
    assert not guard.expired()
    assert guard.narrowed == 128


def test_a_lease_that_is_renewed_holds_and_one_that_ended_does_not_come_back() -> None:
    guard, clock, scope, rest = leased()
    guard.lease("cloud", 10.0, rest)
    target = scope.target("127.91.0.1", 27017)
    for _ in range(5):
        clock.wait(9.0)
        guard.lease("cloud", 10.0, rest)
        assert guard.permits(target)
    clock.wait(11.0)
    assert not guard.permits(target)
    guard.lease("cloud", 10.0, rest)
    assert not guard.permits(target)


def test_a_clock_that_is_set_back_lengthens_no_lease() -> None:
    guard, clock, scope, rest = leased()
    guard.lease("cloud", 10.0, rest)
    clock.wait(9.0)
    clock.set("2025-01-01T00:00:00Z")
    clock._monotonic += 1.5
    assert not guard.permits(scope.target("127.91.0.1", 27017))
