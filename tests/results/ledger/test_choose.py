"""Which exposures a filter takes, in which order they are shown, and what a person may call one."""

from __future__ import annotations

from typing import Any

import pytest

from results.ledger.choose import Choice, by_gravity, named, nearest
from results.ledger.tracked import AtVantage
from results.record import Owner
from results.verdict import Severity
from tests.support.exposures import closed, exposure, exposure_id

DAY = 86_400


@pytest.mark.parametrize(
    ("choice", "told", "takes"),
    [
        (Choice(), {}, True),
        (Choice(states=frozenset({"open", "new"})), {}, True),
        (Choice(states=frozenset({"closed"})), {}, False),
        (Choice(owners=("WEB",)), {}, True),
        (Choice(owners=("shop", "platform")), {}, True),
        (Choice(owners=("shop",)), {}, False),
        (Choice(owners=("",)), {}, False),
        (Choice(owners=("",)), {"owner": Owner()}, True),
        (Choice(severity=Severity.HIGH), {"severity": Severity.CRITICAL}, True),
        (Choice(severity=Severity.HIGH), {"severity": Severity.HIGH}, True),
        (Choice(severity=Severity.HIGH), {"severity": Severity.MEDIUM}, False),
        (Choice(older_than=7 * DAY), {"open_at_least_seconds": 7 * DAY}, True),
        (Choice(older_than=7 * DAY), {"open_at_least_seconds": 7 * DAY - 1}, False),
        # At most is no proof of age.
        (
            Choice(older_than=7 * DAY),
            {"open_at_least_seconds": DAY, "open_at_most_seconds": 30 * DAY},
            False,
        ),
        (Choice(older_than=7 * DAY), {}, False),
        (Choice(overdue=True), {}, False),
        (Choice(overdue=True), {"overdue": True}, True),
        (Choice(vantage="office"), {}, False),
        (Choice(vantage="office"), {"vantages": [AtVantage(vantage="office", state="open")]}, True),
        (Choice(vantage="office"), {"vantages": [AtVantage(vantage="office", state="unreachable")]}, True),
        (Choice(vantage="office"), {"vantages": [AtVantage(vantage="office", state="closed")]}, False),
        (Choice(vantage="office"), {"vantages": [AtVantage(vantage="office", state="not_open")]}, False),
        (Choice(reaches=frozenset({"internet", "differs"})), {"reach": "differs"}, True),
        (Choice(reaches=frozenset({"internet"})), {}, False),
    ],
    ids=range(24),
)
def test_what_a_filter_takes(choice: Choice, told: dict[str, Any], takes: bool) -> None:
    assert choice.takes(exposure(**told)) is takes


def test_a_closed_one_is_found_by_where_it_was_seen_from() -> None:
    seen = [AtVantage(vantage="office", state="closed")]
    assert Choice(vantage="office").takes(closed(vantages=seen))


def test_the_gravest_stands_first_and_what_is_closed_last() -> None:
    shuffled = [
        closed("10.0.0.1"),
        exposure("10.0.0.10", severity=Severity.LOW),
        exposure("10.0.0.2", state="accepted"),
        exposure("10.0.0.3", bytes=5),
        exposure("10.0.0.4", bytes=10**12),
        exposure("10.0.0.5", bytes=1, overdue=True),
        exposure("10.0.0.9", severity=Severity.LOW),
        exposure("10.0.0.6", state="unreachable", bytes=4),
        exposure("10.0.0.7", score=60),
        exposure("10.0.0.8", score=61, bytes=1),
    ]
    last = [int(each.place.ip.rpartition(".")[2]) for each in by_gravity(shuffled)]
    assert last == [5, 8, 7, 4, 3, 6, 9, 10, 2, 1]


def test_an_exposure_is_found_by_its_ids_and_by_its_place() -> None:
    one, two = exposure("10.0.0.1", former_ids=["mx_old"]), exposure("10.0.0.1", 27018)
    both = [one, two]
    assert named(one.exposure_id, both) == [one]
    assert named("mx_old", both) == [one]
    assert named(one.exposure_id[:8], both) == [one]
    assert named("10.0.0.1:27018", both) == [two]
    assert named("10.0.0.1", both) == both
    assert named("10.0.0", both) == []
    assert named("", both) == []


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    known = [exposure(f"10.0.0.{n}") for n in range(20)]
    wrong = exposure_id("10.0.0.7")[:-1] + "_"
    assert nearest(wrong, known)[0] == exposure_id("10.0.0.7")
    assert nearest("20260308T083000Z-0002", [], ["20260308T083000Z-0001"]) == ["20260308T083000Z-0001"]
    assert nearest("zzz", known) == []
