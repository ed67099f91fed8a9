"""The figures of a report against counting by hand."""

from __future__ import annotations

from results.report import statistics
from results.report.content import retained
from results.report.statistics import ENOUGH
from results.verdict import Severity
from tests.support.exposures import FIRST_SEEN, NOW, SHOP, closed, exposure, later
from tests.support.invented import content


def test_open_by_owner() -> None:
    found = statistics.by_owner(
        [
            exposure("10.20.0.1", bytes=100, documents=1, overdue=True),
            exposure("10.20.0.2", bytes=None, documents=None, severity=Severity.LOW),
            exposure("10.30.0.1", bytes=1000, documents=5, owner=SHOP, severity=Severity.LOW),
            closed("10.30.0.2", bytes=5000, owner=SHOP),
        ]
    )
    assert [(each.owner, each.open, each.bytes, each.unsized, each.overdue) for each in found] == [
        ("shop", 1, 1000, 0, 0),
        ("web platform", 2, 100, 1, 1),
    ]
    assert found[1].by_severity == {Severity.CRITICAL: (1, 100), Severity.LOW: (1, 0)}
    assert found[1].gravest is Severity.CRITICAL


def test_unreachable_counts_as_open() -> None:
    head = statistics.headline([exposure(state="unreachable"), closed("10.20.0.2"), exposure("10.20.0.3")])
    assert (head.open, head.unreachable, head.proved_closed) == (2, 1, 1)


def test_over_time_adds_up() -> None:
    report = content(300)
    history = statistics.over_time(report.exposures, report.now)
    assert 2 < len(history.periods) <= statistics.MOST_PERIODS
    standing = 0
    for period in history.periods:
        standing += period.opened - period.closed
        assert standing == period.open
    assert standing == sum(each.is_open for each in report.exposures)
    assert sum(period.opened for period in history.periods) == sum(
        len(each.spells) for each in report.exposures
    )


def test_a_clock_that_went_back_makes_no_negative_count() -> None:
    back = closed(closed_before=later(FIRST_SEEN, days=-40))
    history = statistics.over_time([back], NOW)
    assert min(period.open for period in history.periods) == 0
    assert [each.shortest for each in statistics.time_to_close([back])] == [0]


def test_over_time_chooses_a_unit_that_can_be_read() -> None:
    one = exposure()
    for days, unit in ((10, "day"), (200, "week"), (1000, "month"), (4000, "quarter"), (12000, "year")):
        history = statistics.over_time([one], later(FIRST_SEEN, days=days))
        assert history.unit == unit
        assert history.periods[0].opened == 1
        assert history.periods[-1].open == 1
    assert statistics.over_time([], NOW).periods == []


def test_too_few_for_a_mean() -> None:
    few = [closed(f"10.20.0.{number}") for number in range(ENOUGH - 1)]
    assert [(each.closed, each.mean, each.median) for each in statistics.time_to_close(few)] == [
        (4, None, None)
    ]
    slow = closed("10.20.0.9", closed_before=later(FIRST_SEEN, days=100))
    (found,) = statistics.time_to_close([*few, slow])
    assert (found.closed, found.median, found.longest) == (5, 14 * 86_400, 100 * 86_400)
    assert found.mean == (4 * 14 + 100) * 86_400 // 5
    assert statistics.overall_time_to_close([exposure()]) is None


def test_retention_leaves_out_only_what_closed_long_ago() -> None:
    old, still = closed("10.20.0.1", closed_before=NOW), exposure("10.20.0.3")
    recent = closed("10.20.0.2", closed_before=later(NOW, days=20))
    now, days = later(NOW, days=40), 86_400
    assert retained([old, recent, still], now, 30 * days) == ([recent, still], 1)
    assert retained([old, recent, still], now, 40 * days) == ([old, recent, still], 0)
    assert retained([old, recent, still], now, None) == ([old, recent, still], 0)
