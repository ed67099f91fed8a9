"""Which exposures are asked for: every filter and order, and pages of it that give each exactly once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest

from results.ledger.tracked import Acceptance, AtVantage, Place
from results.verdict import Severity
from scanner.service.view.search import CursorError, Order, Search, found, page
from scanner.service.view.snapshot import Snapshot, gravity
from tests.support.exposures import LAST_SEEN, NOW, SHOP, closed, exposure, later

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure

LYON = Place(ip="10.20.1.9", port=27017, site="lyon")
SMALL = exposure("10.20.1.9", bytes=1, documents=None, severity=Severity.LOW, owner=SHOP, place=LYON)
BIG = exposure("10.20.1.17", hostnames=["Payroll.example.com"])
LATE = exposure("10.20.1.18", overdue=True, due_at=NOW, severity=Severity.HIGH, databases=["Straße", "x"])
TAKEN = exposure("10.20.1.19", state="accepted", acceptance=Acceptance(by="a", at=NOW, until=NOW))
CLOSED = closed("10.20.1.20")
INSIDE = exposure(
    "2001:db8::1",
    vantages=[
        AtVantage(vantage="internet", state="not_open", last_look=LAST_SEEN),
        AtVantage(vantage="office", state="open", last_look=LAST_SEEN),
    ],
    reach="one_vantage",
)
EVERYTHING = sorted((SMALL, BIG, LATE, TAKEN, CLOSED, INSIDE), key=gravity)


def snapshot(exposures: list[TrackedExposure] = EVERYTHING) -> Snapshot:
    return Snapshot(NOW, "1", exposures, [], [])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, EVERYTHING),
        ({"open": True}, [each for each in EVERYTHING if each is not CLOSED]),
        ({"open": False}, [CLOSED]),
        ({"state": ("closed", "accepted")}, [TAKEN, CLOSED]),
        ({"owner": ("shop",)}, [SMALL]),
        ({"owner": ("sho",)}, []),
        ({"site": ("lyon",)}, [SMALL]),
        ({"severity": Severity.HIGH, "overdue": True}, [LATE]),
        ({"overdue": True}, [LATE]),
        ({"vantage": "office"}, [INSIDE]),
        ({"vantage": "internet"}, []),
        ({"reach": ("one_vantage", "differs")}, [INSIDE]),
        ({"reach": ("internet",)}, []),
        ({"q": "payroll"}, [BIG]),
        ({"q": "STRASSE"}, [LATE]),
        ({"q": "10.20.1.1 4.0.3 paris"}, [LATE, BIG, TAKEN]),
        ({"q": "10.20.1.9:27017"}, [SMALL]),
        ({"q": "10%20"}, []),
    ],
    ids=str,
)
def test_what_is_asked_for_is_found_in_its_order(
    asked: dict[str, Any], expected: list[TrackedExposure]
) -> None:
    assert found(Search(**asked), snapshot()) == sorted(expected, key=gravity)


@pytest.mark.parametrize("sort", get_args(Order))
@pytest.mark.parametrize("descending", [False, True])
def test_pages_of_any_order_give_each_once(sort: Any, descending: bool) -> None:
    search = Search(sort=sort, descending=descending)
    seen, after = [], ""
    for _ in range(10):
        some = page(search, snapshot(), 2, after)
        assert some.total == len(EVERYTHING)
        seen += some.exposures
        after = some.next
        if not after:
            break
    assert seen == found(search, snapshot())
    assert sorted(map(id, seen)) == sorted(map(id, EVERYTHING))


def test_a_page_goes_on_where_the_last_one_ended_although_that_is_gone_or_something_came() -> None:
    search = Search(sort="first_seen_open")
    many = [exposure(f"10.20.1.{n}", first_seen_open=later(NOW, hours=-n)) for n in range(1, 9)]
    first = page(search, snapshot(many), 3)
    assert [each.place.ip for each in first.exposures] == ["10.20.1.8", "10.20.1.7", "10.20.1.6"]
    changed = [each for each in many if each is not first.exposures[-1]]
    changed.append(exposure("10.20.1.99", first_seen_open=later(NOW, hours=-99)))  # before the first page
    second = page(search, snapshot(changed), 3, first.next)
    assert [each.place.ip for each in second.exposures] == ["10.20.1.5", "10.20.1.4", "10.20.1.3"]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "W10",  # []
        "bnVsbA",  # null
        page(Search(sort="bytes"), snapshot(), 1).next,
        "WyJncmF2aXR5IixmYWxzZSxbIngiXV0",  # ["gravity",false,["x"]]
    ],
)
def test_a_cursor_of_something_else_is_refused(cursor: str) -> None:
    with pytest.raises(CursorError):
        page(Search(), snapshot(), 2, cursor)
