"""Every planned target is accounted for, and nothing is counted twice."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.summary import AccountingError, Coverage, totals_of, unique
from results.verdict import Severity, Verdict
from tests.results.examples import database, exposure, magazine, observation, open_server

counts = st.integers(0, 1000)


@given(counts, counts, counts)
def test_a_run_is_whole_when_every_target_was_reached_and_runs_add_up(
    outcomes: int, excluded: int, missing: int
) -> None:
    planned = outcomes + excluded + missing
    coverage = Coverage(planned=planned, outcomes=outcomes, excluded=excluded, not_reached=missing)
    coverage.check()
    assert coverage.is_whole == (missing == 0)
    both = coverage + coverage
    both.check()
    assert both.planned == 2 * planned


@given(counts, counts, counts, counts)
def test_the_identity_holds_or_is_an_error(planned: int, outcomes: int, excluded: int, missing: int) -> None:
    coverage = Coverage(planned=planned, outcomes=outcomes, excluded=excluded, not_reached=missing)
    if planned == outcomes + excluded + missing:
        coverage.check()
    else:
        with pytest.raises(AccountingError, match="planned, but"):
            coverage.check()


def test_more_outcomes_than_targets_are_an_error() -> None:
    with pytest.raises(AccountingError):
        Coverage(planned=0, outcomes=1, not_reached=-1).check()


def test_counts_by_verdict_and_severity() -> None:
    seen = [
        observation("127.0.0.1"),
        observation("127.0.1.1"),
        open_server("127.0.1.2", database("x", documents=7, size=70)),
        open_server("127.0.1.3", exposure=None, verdict=Verdict.OPEN_NO_DATA),
        magazine(),
        observation("127.0.0.5", truncated=["x"]),
        open_server("127.0.0.6", exposure=exposure(truncated=["x"])),
    ]
    totals = totals_of(seen)
    assert totals.targets == 7
    assert totals.open == 4
    assert totals.verdicts == {Verdict.OPEN: 3, Verdict.OPEN_NO_DATA: 1, Verdict.AUTH_REQUIRED: 3}
    assert totals.severities == {Severity.CRITICAL: 1, Severity.HIGH: 3, Severity.INFO: 3}
    assert (totals.open_documents, totals.open_bytes) == (693_008, 60_000_008_262)
    assert (totals.ransomed, totals.truncated) == (1, 2)
    assert msgspec.json.decode(msgspec.json.encode(totals), type=type(totals)) == totals


def test_of_two_answers_of_one_target_the_open_one_stays() -> None:
    closed, opened = observation(), open_server()
    later = observation(observed_at="2026-03-01T09:00:00.000Z")
    other = observation("127.0.0.2")
    assert unique([closed, other, opened]) == [opened, other]
    assert unique([opened, closed]) == [opened]
    assert unique([closed, later]) == [later]
    assert unique([]) == []
