"""Answering an outside report: what is asked of it, what each row is answered, and what the ledger adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from results.confirm.reply import reply
from results.ledger.store import Ledger
from results.reading import read_run
from results.run import load_manifest
from results.verdict import Verdict
from scanner.errors import ExitCode
from scanner.lab.estate import find
from scanner.setup.settings import Blackout, Settings
from targets.claims import Claim, Said
from targets.entries import Deny, Entry
from targets.errors import ScopeError
from targets.grammar import parse_endpoint
from targets.scope import Scope
from tests.support.sweeps import FAST
from tests.support.verifying import World, two_faced

if TYPE_CHECKING:
    from pathlib import Path

    from results.confirm.answer import RowAnswer
    from scanner.sweep.confirm import Confirmation

OPEN, NEAR, CLOSED, OTHER, SILENT, DENIED = (f"127.91.0.{number}" for number in range(17, 23))
FOREIGN = "127.92.0.1"
ANY, LOCKED = find("open_8_0"), find("auth_7_1")
DAY = 86_400
EARLIER = "2026-02-27T04:00:00Z"  # three days before the world begins


def scope_of(*ports: int, site: str = "paris", deny: tuple[str, ...] = (DENIED,)) -> Scope:
    return Scope(
        [Entry.of("127.91.0.16/28", owner="web platform", contact="web@example.com", site=site, kind="lab")],
        [Deny.of(text, reason="medical devices") for text in deny],
        ports=ports,
    )


@pytest.fixture
def world(tmp_path: Path, port: int) -> World:
    """One open server, one that demands a login, something else, and one that says nothing. No run yet."""
    servers = {OPEN: ANY, NEAR: LOCKED, OTHER: find("mysql"), SILENT: find("silent")}
    return World(tmp_path / "runs", port, scope_of(port), servers=servers)


def claims(*named: str, seen_at: str = "") -> list[Claim]:
    """Rows of a report, one below the other."""
    said = Said(seen_at=seen_at)
    return [
        Claim(*parse_endpoint(text), f"report.csv:{line}", said=said) for line, text in enumerate(named, 2)
    ]


def answers(done: Confirmation) -> dict[str, str]:
    return {row.named.partition(":")[0]: row.answer for row in done.rows}


def only_row(done: Confirmation) -> RowAnswer:
    (row,) = done.rows
    return row


def codes(row: RowAnswer) -> list[str]:
    return [reason.code for place in row.places for reason in place.reasons]


def test_each_row_of_one_report_is_answered_right(world: World) -> None:
    named = [f"{ip}:{world.port}" for ip in (FOREIGN, DENIED, SILENT, OTHER, CLOSED, NEAR, OPEN)]
    done = world.confirm(claims(*named))
    assert answers(done) == {
        OPEN: "confirmed-open",
        SILENT: "unknown",
        DENIED: "not-asked",
        NEAR: "asks-for-a-login",
        OTHER: "another-service",
        CLOSED: "closed-now",
        FOREIGN: "not-ours",
    }
    assert next(iter(answers(done))) == OPEN
    assert done.exit_code is ExitCode.INCOMPLETE
    assert done.whole.rows == sum(done.whole.answers.values()) == 7
    manifest, _ = load_manifest(world.output / done.whole.run_id)
    assert (manifest.purpose, manifest.planned.targets) == ("confirm", 5)
    assert {line.target.ip for line in read_run(world.output / done.whole.run_id)} == {
        *(OPEN, NEAR, OTHER, SILENT, CLOSED)
    }
    with Ledger.open(world.output) as ledger:
        (exposure,) = ledger.exposures()
    (place,) = done.rows[0].places
    assert place.exposure is not None
    assert (place.exposure.exposure_id, place.exposure.state) == (exposure.exposure_id, "new")
    assert (place.driver, place.agrees, place.owner.owner) == ("open", True, "web platform")
    (why,) = next(row for row in done.rows if row.named.startswith(DENIED)).reasons
    assert why.detail == f"denied by {DENIED} (medical devices)"


def test_what_is_settled_ends_with_0_or_1(world: World) -> None:
    one = world.confirm(claims(f"{OPEN}:{world.port}", f"{FOREIGN}:{world.port}"))
    assert (one.exit_code, one.whole.state) == (ExitCode.OPEN, "complete")
    clean = world.confirm(claims(f"{NEAR}:{world.port}", f"{CLOSED}:{world.port}"))
    assert (clean.exit_code, clean.whole.open_places) == (ExitCode.CLEAN, 0)


def test_the_days_by_which_they_were_ahead_of_us(world: World) -> None:
    done = world.confirm(claims(f"{OPEN}:{world.port}", seen_at=EARLIER))
    (place,) = only_row(done).places
    assert place.exposure is not None
    ahead = place.exposure.reported_ahead_seconds
    assert ahead is not None
    assert 3 * DAY <= ahead < 3 * DAY + 600
    assert "3 days before we did: thank you." in " ".join(reply(done.rows, done.whole, "en").split())
    later = world.confirm(claims(f"{OPEN}:{world.port}", seen_at="2026-03-02T05:00:00Z"))
    (place,) = only_row(later).places
    assert place.exposure is not None
    assert place.exposure.reported_ahead_seconds is None


def test_once_it_is_closed_the_answer_says_since_when(world: World) -> None:
    world.confirm(claims(f"{OPEN}:{world.port}", f"{NEAR}:{world.port}", seen_at=EARLIER))
    world.servers = {OPEN: LOCKED, NEAR: LOCKED}
    world.clock.ahead += 2 * DAY
    done = world.confirm(claims(f"{OPEN}:{world.port}", seen_at=EARLIER))
    row = only_row(done)
    known = row.places[0].exposure
    assert known is not None
    assert (done.exit_code, row.answer, known.state) == (ExitCode.CLEAN, "asks-for-a-login", "closed")
    assert known.closed_how == "asks-for-a-login"
    text = " ".join(reply(done.rows, done.whole, "en").split())
    assert "open from 2026-03-02 04:0" in text
    assert "is proved closed since 2026-03-04 04:0" in text
    world.clock.ahead += DAY
    world.servers = {NEAR: LOCKED}
    again = only_row(world.confirm(claims(f"{OPEN}:{world.port}")))
    assert again.places[0].exposure is not None
    assert (again.answer, again.places[0].exposure.closed_before) == ("closed-now", known.closed_before)


def test_a_refusal_beside_silence_proves_nothing(world: World) -> None:
    world.servers = {}
    row = only_row(world.confirm(claims(f"{CLOSED}:{world.port}")))
    assert (row.answer, codes(row)) == ("not-reachable", ["nothing-near-answered"])


def test_a_neighbour_that_the_ledger_knows_makes_a_refusal_count(world: World) -> None:
    world.sweep()
    world.servers = {NEAR: LOCKED}
    done = world.confirm(claims(f"{OPEN}:{world.port}"))
    row = only_row(done)
    assert row.answer == "closed-now"
    known = row.places[0].exposure
    assert known is not None
    assert (known.state, [reason.code for reason in known.needs]) == ("unreachable", ["seen-once"])
    assert known.not_before
    manifest, _ = load_manifest(world.output / done.whole.run_id)
    assert 2 <= manifest.planned.targets <= 4


def test_a_row_without_a_port_is_asked_on_every_port_of_the_scope(world: World) -> None:
    world.scope = scope_of(world.port, world.port + 1)
    row = only_row(world.confirm(claims(OPEN)))
    assert row.answer == "confirmed-open"
    assert [place.port for place in row.places] == [world.port, world.port + 1]
    assert [place.answer for place in row.places] == ["confirmed-open", "closed-now"]


def test_a_row_of_several_addresses_is_what_the_scope_holds_of_it(world: World) -> None:
    row = only_row(world.confirm(claims("127.91.0.0-127.91.0.18")))
    assert (row.answer, row.addresses_outside, len(row.places)) == ("confirmed-open", 16, 3)


def test_the_same_endpoint_is_asked_once_and_counted(world: World) -> None:
    done = world.confirm(claims(*[f"{OPEN}:{world.port}"] * 12))
    row = only_row(done)
    assert (row.times, len(row.lines), row.lines[0]) == (12, 10, "report.csv:2")
    assert (done.whole.rows, done.whole.answers) == (12, {"confirmed-open": 12})


def test_a_blackout_window_is_left_alone_and_what_is_known_is_said(world: World) -> None:
    world.sweep()
    hours = Blackout(cidr=f"{OPEN}/32", start="04:00", to="06:00")
    world.settings = msgspec.structs.replace(Settings(sweep=FAST), blackout=(hours,))
    done = world.confirm(claims(f"{OPEN}:{world.port}"))
    row = only_row(done)
    assert (done.exit_code, done.whole.run_id, row.answer) == (ExitCode.INCOMPLETE, "", "not-asked")
    assert codes(row) == ["blackout-window"]
    assert row.places[0].exposure is not None
    assert row.places[0].owner.owner == "web platform"


def test_an_entry_that_expired_is_not_asked(world: World) -> None:
    expired = Entry.of("127.91.0.16/28", kind="lab", expires=world.clock.wall() - 1)
    world.scope = Scope([expired], [], ports=[world.port])
    done = world.confirm(claims(f"{OPEN}:{world.port}"))
    assert (done.whole.run_id, only_row(done).answer) == ("", "not-asked")
    assert "has expired" in only_row(done).reasons[0].detail


def test_where_nothing_is_ours_nothing_is_asked_and_no_directory_made(world: World) -> None:
    done = world.confirm(claims(f"{FOREIGN}:{world.port}"))
    assert (done.exit_code, done.whole.answers) == (ExitCode.CLEAN, {"not-ours": 1})
    assert not world.output.exists()


def test_of_two_sites_only_the_exposure_of_the_row_s_own_is_told(world: World) -> None:
    world.sweep()
    world.scope = scope_of(world.port, site="lyon")
    world.servers = {NEAR: LOCKED}
    row = only_row(world.confirm(claims(f"{OPEN}:{world.port}")))
    assert row.places[0].exposure is None


def test_while_the_official_driver_is_given_the_list_nothing_is_called_locked(world: World) -> None:
    world.servers = {OPEN: two_faced(LOCKED, ANY), NEAR: LOCKED}
    row = only_row(world.confirm(claims(f"{OPEN}:{world.port}")))
    assert (row.answer, codes(row)) == ("unknown", ["driver-says-open"])
    assert row.places[0].verdict is Verdict.AUTH_REQUIRED


def test_rows_that_overlap_without_end_are_no_findings(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is answered by itself, so that their places add up though few addresses are asked."""
    monkeypatch.setattr("scanner.sweep.confirm.MOST_NAMED", 20)
    many = [f"127.91.0.16-127.91.0.{last}" for last in range(17, 25)]
    with pytest.raises(ScopeError, match="names more than 65,536 places"):
        world.confirm(claims(*many))
    assert not world.output.exists()
