"""Asking exposures again: what proves one closed, how long it goes on, and what it does not ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from results.diff.pick import newest
from results.ledger.intake import catch_up
from results.ledger.store import Ledger
from results.reading import read_run
from results.run import load_manifest
from results.verdict import Verdict
from scanner.errors import ExitCode, RefusedError
from scanner.lab.estate import find
from scanner.setup.settings import Blackout, Settings
from scanner.sweep import begin
from targets.entries import Entry
from targets.scope import Scope
from tests.support.sweeps import FAST
from tests.support.verifying import World, two_faced

if TYPE_CHECKING:
    from pathlib import Path

    from results.ledger.proof import Verified

OPEN, NEAR = "127.91.0.5", "127.91.0.6"
ANY = find("open_8_0")
LOCKED = find("auth_7_1")


def scope_of(port: int, *cidrs: str, site: str = "paris") -> Scope:
    return Scope(
        [
            Entry.of(cidr, owner="web platform", contact="web@example.com", site=site, kind="lab")
            for cidr in cidrs
        ],
        [],
        ports=[port],
    )


@pytest.fixture
def world(tmp_path: Path, port: int) -> World:
    """One open server was found, and one that demands a login stands beside it."""
    found = World(tmp_path, port, scope_of(port, "127.91.0.4/30"), servers={OPEN: ANY, NEAR: LOCKED})
    found.sweep()
    return found


def needs(told: Verified) -> list[str]:
    return [reason.code for reason in told.needs]


def test_one_that_is_still_open_is_said_to_be(world: World) -> None:
    done = world.verify()
    (told,) = done.found
    assert done.exit_code is ExitCode.OPEN
    assert (told.before, told.state, told.verdict, told.driver, told.agrees) == (
        "new",
        "open",
        "open",
        "open",
        True,
    )
    assert needs(told) == ["answers-without-a-password"]
    manifest, _ = load_manifest(world.output / done.run_ids[0])
    assert (manifest.purpose, manifest.planned.targets) == ("verify", 2)
    assert newest(world.output).side.run_id != done.run_ids[0]  # what is compared are sweeps


def test_a_demand_for_a_login_closes_it_at_once_by_both_readers(world: World) -> None:
    world.servers = {OPEN: LOCKED, NEAR: LOCKED}
    done = world.verify()
    (told,) = done.found
    assert done.exit_code is ExitCode.CLEAN
    assert (told.state, told.closed_how, told.driver) == ("closed", "asks-for-a-login", "auth_required")
    lines = {line.target.ip: line for line in read_run(world.output / done.run_ids[0])}
    assert lines[OPEN].verdict is Verdict.AUTH_REQUIRED
    confirmation = lines[OPEN].confirmation
    assert confirmation is not None
    assert (confirmation.verdict, confirmation.agrees) == ("auth_required", True)
    asked = [exchange.command for exchange in lines[OPEN].transcript]
    assert asked[:3] == ["isMaster", "buildInfo", "listDatabases"]
    assert lines[OPEN].transcript_count == len(asked)
    assert world.verify().run_ids == ()  # nothing is left to ask


def test_refusals_close_it_when_they_come_twice_beside_a_server_that_answers(world: World) -> None:
    world.servers = {NEAR: LOCKED}
    once = world.verify()
    (told,) = once.found
    assert (once.exit_code, told.state, told.verdict) == (ExitCode.OPEN, "unreachable", "refused")
    assert needs(told) == ["seen-once"]
    assert told.not_before
    done = world.verify(until_closed=True, interval=240.0)
    (told,) = done.found
    assert (done.exit_code, told.state, told.closed_how) == (ExitCode.CLEAN, "closed", "refused-twice")
    assert 500 < sum(world.waited) < 700
    assert told.at >= "2026-03-02T04:10"
    assert len(done.run_ids) == len(world.waited) + 1
    with Ledger.open(world.output) as ledger:
        assert ledger.exposures()[0].state == "closed"


def test_refusals_beside_silence_prove_nothing(world: World) -> None:
    world.servers = {}
    done = world.verify(until_closed=True, timeout=3 * 3600.0)
    (told,) = done.found
    assert (done.exit_code, done.ended, told.state) == (ExitCode.INCOMPLETE, "time over", "unreachable")
    assert needs(told) == ["nothing-near-answered"]
    assert sum(world.waited) == pytest.approx(3 * 3600, abs=60)
    first, *others = world.waited
    assert 54 <= first <= 66
    assert max(others) <= 3600
    assert len(done.run_ids) < 12


def test_a_story_from_open_by_a_login_to_a_closed_port(world: World) -> None:
    def meanwhile(world: World) -> None:
        if len(world.waited) == 1:
            world.servers = {OPEN: LOCKED, NEAR: LOCKED}

    world.meanwhile = meanwhile
    done = world.verify(until_closed=True)
    assert (done.exit_code, done.ended, len(done.run_ids)) == (ExitCode.CLEAN, "closed", 2)
    assert [notice.split(";")[0] for notice in world.watcher.notices] == [
        "round 1: 1 open",
    ]
    world.servers = {NEAR: LOCKED}
    (again,) = world.verify(OPEN).found  # named: asked though it is closed
    assert (again.before, again.state, again.verdict) == ("closed", "closed", "refused")
    world.servers = {OPEN: ANY, NEAR: LOCKED}
    done = world.verify(f"{OPEN}:{world.port}")
    assert (done.exit_code, done.found[0].state) == (ExitCode.OPEN, "reopened")


def test_what_the_scope_does_not_allow_any_more_is_said_and_not_asked(world: World) -> None:
    world.scope = scope_of(world.port, "127.91.0.6/32")
    done = world.verify()
    (told,) = done.found
    assert (done.exit_code, done.run_ids, told.asked) == (ExitCode.INCOMPLETE, (), False)
    assert needs(told) == ["not-asked"]
    assert "outside the scope" in told.needs[0].detail
    world.scope = scope_of(world.port, "127.91.0.4/30", site="lyon")
    assert "site" in world.verify().found[0].needs[0].detail
    world.scope = scope_of(world.port, "127.91.0.6/32")
    assert world.verify(until_closed=True).ended == "kept out"


def test_a_blackout_window_is_waited_for(world: World) -> None:
    hours = Blackout(cidr=f"{OPEN}/32", start="04:00", to="06:00")
    world.settings = msgspec.structs.replace(Settings(sweep=FAST), blackout=(hours,))
    world.servers = {OPEN: LOCKED, NEAR: LOCKED}
    done = world.verify(until_closed=True)
    assert (done.exit_code, len(done.run_ids)) == (ExitCode.CLEAN, 1)
    assert sum(world.waited) == pytest.approx(7200, abs=60)
    assert done.found[0].at >= "2026-03-02T06:00"


def test_a_signal_while_it_waits_ends_it_and_keeps_what_was_found(world: World) -> None:
    def meanwhile(world: World) -> None:
        world.stopped = True

    world.meanwhile = meanwhile
    done = world.verify(until_closed=True)
    assert (done.exit_code, done.ended, len(done.run_ids)) == (ExitCode.INCOMPLETE, "interrupted", 1)
    assert done.found[0].state == "open"


def test_names_that_are_none_are_refused(world: World) -> None:
    for name in ("127.91.0.9", "somewhere", "mf_0"):
        with pytest.raises(RefusedError):
            world.verify(name)


def test_another_open_server_at_the_place_is_no_closure(world: World) -> None:
    world.servers = {OPEN: find("clinic"), NEAR: LOCKED}
    done = world.verify()
    assert done.exit_code is ExitCode.OPEN
    assert any(told.state != "closed" for told in done.found)


def test_while_the_official_driver_is_given_the_list_nothing_is_closed(world: World) -> None:
    world.servers = {OPEN: two_faced(LOCKED, ANY), NEAR: LOCKED}
    done = world.verify()
    (told,) = done.found
    assert done.exit_code is ExitCode.OPEN
    assert (told.verdict, told.driver, told.agrees) == ("auth_required", "open", False)
    assert told.evidence[-2:] == ["driver-disagrees", "driver-says-open"]
    assert needs(told) == ["driver-says-open"]


def test_neighbours_are_few_and_not_the_open_ones_first(world: World, port: int) -> None:
    world.scope = scope_of(port, "127.91.0.0/27")
    world.servers = {OPEN: ANY, **{f"127.91.0.{number}": LOCKED for number in range(10, 20)}}
    world.sweep()
    catch_up(world.output)
    done = world.verify()
    manifest, _ = load_manifest(world.output / done.run_ids[0])
    assert manifest.planned.targets == 4


def by_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is swept from now on calls itself a fleet's, as `scanner/fleet/keeping.py` has it."""
    ours = begin._what_matters
    more = {"fleet": {"from": ""}}
    monkeypatch.setattr(begin, "_what_matters", lambda *given: {**ours(*given), **more})


def shut_out(home: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> World:
    """A fleet saw it open; this machine is refused there, and a neighbour answers it."""
    world = World(home, port, scope_of(port, "127.91.0.4/30"), servers={OPEN: ANY, NEAR: LOCKED})
    with monkeypatch.context() as patch:
        by_fleet(patch)
        world.sweep()
    world.servers = {NEAR: LOCKED}
    return world


def test_what_a_fleet_found_is_not_asked_from_here(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firewall of the site may refuse this machine while a neighbour answers it: that would look closed."""
    world = shut_out(tmp_path, port, monkeypatch)
    for _ in range(2):
        done = world.verify()
        (told,) = done.found
        assert (told.asked, told.is_closed, needs(told)) == (False, False, ["not-asked"])
        assert "a fleet's workers saw it open" in told.needs[0].detail
        assert (done.exit_code, done.run_ids) == (ExitCode.INCOMPLETE, ())
        world.clock.ahead += 700
    assert world.verify(until_closed=True).ended == "kept out"


def test_what_a_fleet_found_is_asked_from_a_vantage_of_its_own(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which moves nothing of what the fleet saw, unless it demands a login."""
    world = shut_out(tmp_path, port, monkeypatch)
    world.settings = msgspec.structs.replace(
        world.settings, sweep=msgspec.structs.replace(FAST, vantage="hub")
    )
    world.verify()
    world.clock.ahead += 700
    (told,) = world.verify().found
    assert (told.asked, told.state, told.verdict) == (True, "new", Verdict.REFUSED)
    assert "open-from-elsewhere" in needs(told)
    world.servers = {OPEN: LOCKED, NEAR: LOCKED}
    assert world.verify().exit_code is ExitCode.CLEAN


def test_a_fleets_exposure_that_this_machine_sees_open_too_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        by_fleet(patch)
        world.sweep()
    assert not world.verify().found[0].asked
    world.sweep()
    assert world.verify().found[0].asked
