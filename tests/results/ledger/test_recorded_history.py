"""What the ledger makes of a real server that was looked at nine times, and of what was done to it."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from results.ids import event_id, finding_id
from results.ledger.derive import Derived, derive
from results.ledger.visit import PlaceKey, RunFacts, Visit
from results.ledger.visits import Group, visit_of
from results.record import Endpoint, Observation, Owner, Reason
from results.verdict import Severity, Verdict
from tests.support.looked import LOOKS, looked

if TYPE_CHECKING:
    from results.ledger.tracked import Change

PLACE = PlaceKey("", "192.0.2.7", 27017)
ADDRESS = bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 7))


def seen(look: str) -> Visit:
    """A run's observation of one look, as the journal has it, and what the ledger keeps of it."""
    found, day = looked(look), LOOKS.index(look)
    observation = Observation(
        event_id=event_id(look, ADDRESS, 27017),
        finding_id=finding_id("", ADDRESS, 27017),
        run_id=look,
        observed_at=f"2026-12-{day + 1:02}T04:00:00.000Z",
        verdict=Verdict.OPEN,
        severity=Severity.HIGH,
        severity_number=4,
        target=Endpoint(ip=PLACE.ip, port=PLACE.port),
        owner=Owner(),
        evidence=[Reason(code="databases-listed")],
        server=found.server,
        exposure=found.exposure,
    )
    return visit_of(Group(1, 0, b"", observation, []))


@cache
def told() -> Derived:
    visits = [seen(look) for look in LOOKS]
    runs = {
        visit.run_id: RunFacts(run_id=visit.run_id, created_at=visit.at, ended_at=visit.at, state="complete")
        for visit in visits
    }
    return derive({PLACE: visits}, runs)


def changes(look: str) -> list[Change]:
    return [change for change in told().changes if change.run_id == look]


def test_one_server_all_the_time() -> None:
    (exposure,) = told().exposures
    assert len(exposure.spells) == 1


@pytest.mark.parametrize(
    ("look", "kinds"),
    [
        ("2_nothing_done", []),
        ("3_written", []),
        ("4_restarted", []),
        ("5_wiped", ["wiped", "ransomed"]),
        ("6_restored", ["restored"]),
        ("7_one_recreated", ["changed"]),
        ("8_renamed", ["changed"]),
        ("9_compacted", []),
    ],
)
def test_what_happened_before_each_look(look: str, kinds: list[str]) -> None:
    assert [change.kind for change in changes(look)] == kinds


def test_a_collection_dropped_and_made_anew_and_one_renamed_are_named() -> None:
    assert [reason.code for reason in changes("7_one_recreated")[0].reasons] == ["made-anew"]
    assert [reason.code for reason in changes("8_renamed")[0].reasons] == ["renamed"]


@pytest.mark.parametrize(
    ("old", "new", "written"), [(1, 2, False), (2, 3, True), (3, 4, False), (8, 9, False)]
)
def test_writing_shows_by_difference_and_nothing_else_does(old: int, new: int, written: bool) -> None:
    from results.ledger.liveness import liveness

    compared = liveness(seen(LOOKS[old - 1]), seen(LOOKS[new - 1]))
    assert compared.written is written
    assert compared.methods
