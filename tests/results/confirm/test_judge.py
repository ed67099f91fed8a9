"""What one look at a place is answered, and how far ahead of us its reporter was."""

from __future__ import annotations

import pytest

from results.confirm.answer import ANSWERS, OPEN, UNSETTLED, gravest
from results.confirm.judge import judged, known, moment, place_answer
from results.ledger.proof import Round
from results.ledger.tracked import Spell
from results.record import Owner, Reason
from results.verdict import Verdict
from tests.results.examples import observation
from tests.support.exposures import FIRST_SEEN, closed, exposure, later

COMPLETE = Round("complete", (), "", 1)
ALONE = COMPLETE._replace(near=0)
DEGRADED = COMPLETE._replace(state="degraded", reasons=("a canary was silent",))
LOGIN, OTHER, GONE = Verdict.AUTH_REQUIRED, Verdict.NOT_MONGODB, Verdict.REFUSED


@pytest.mark.parametrize(
    ("verdict", "evidence", "looked", "answer", "lacks"),
    [
        (Verdict.OPEN, "databases-listed", ALONE, "confirmed-open", ""),
        (Verdict.OPEN, "driver-disagrees", DEGRADED, "confirmed-open", ""),
        (Verdict.OPEN_NO_DATA, "empty-but-privileged", DEGRADED, "open-no-data", ""),
        (LOGIN, "auth-required", ALONE, "asks-for-a-login", ""),
        (Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED, "client-certificate", ALONE, "asks-for-a-login", ""),
        (LOGIN, "driver-says-open", COMPLETE, "unknown", "driver-says-open"),
        (OTHER, "other-protocol", ALONE, "another-service", ""),
        (OTHER, "masked-prefix", COMPLETE, "not-reachable", "masked-prefix"),
        (OTHER, "driver-says-open", COMPLETE, "unknown", "driver-says-open"),
        (GONE, "reset", COMPLETE, "closed-now", ""),
        (GONE, "reset", ALONE, "not-reachable", "nothing-near-answered"),
        (GONE, "reset", DEGRADED, "not-reachable", "run-not-complete"),
        (GONE, "icmp-refused", COMPLETE, "not-reachable", "icmp-refused"),
        (GONE, "masked-prefix", COMPLETE, "not-reachable", "masked-prefix"),
        (Verdict.FILTERED, "filtered", COMPLETE, "not-reachable", "silence-proves-nothing"),
        (Verdict.UNREACHABLE, "unreachable", COMPLETE, "not-reachable", "silence-proves-nothing"),
        (Verdict.UNKNOWN, "silent", COMPLETE, "unknown", "answer-proves-nothing"),
    ],
)
def test_each_look_has_its_answer(
    verdict: Verdict, evidence: str, looked: Round, answer: str, lacks: str
) -> None:
    seen = observation(verdict=verdict, evidence=[Reason(code=evidence)])
    found, reasons = judged(seen, looked)
    assert (found, [reason.code for reason in reasons]) == (answer, [lacks] if lacks else [])


def test_what_a_run_did_not_come_to_was_not_asked() -> None:
    assert judged(None, COMPLETE)[0] == "not-asked"


def test_of_several_the_most_pressing_counts() -> None:
    assert gravest(["closed-now", "confirmed-open", "unknown"]) == "confirmed-open"
    assert not OPEN & UNSETTLED
    assert set(ANSWERS) > OPEN | UNSETTLED


def two_spells(*, looked_between: str = "") -> list[Spell]:
    """Open for a week from FIRST_SEEN on, then closed for a week, then open again."""
    return [
        Spell(
            first_seen_open=FIRST_SEEN,
            last_seen_open=later(FIRST_SEEN, days=6),
            closed_before=later(FIRST_SEEN, days=7),
        ),
        Spell(
            first_seen_open=later(FIRST_SEEN, days=14),
            last_seen_open=later(FIRST_SEEN, days=20),
            opened_after=looked_between,
            opened_after_how="refused" if looked_between else "",
        ),
    ]


@pytest.mark.parametrize(
    ("days", "ahead"),
    [
        (-3.0, 3 * 86_400),  # before anybody of us saw it
        (0.0, None),  # at the same moment
        (5.0, None),  # while we knew it
        (8.0, 6 * 86_400),  # in the second spell, before we saw that
        (15.0, None),
    ],
)
def test_ahead_is_counted_to_the_first_sight_of_the_spell_that_they_saw(
    days: float, ahead: int | None
) -> None:
    found = known(exposure(spells=two_spells()), later(FIRST_SEEN, days=days), [], None, "")
    assert found.reported_ahead_seconds == ahead


def test_a_look_of_ours_in_between_is_told_beside_it() -> None:
    spells = two_spells(looked_between=later(FIRST_SEEN, days=10))
    found = known(exposure(spells=spells), later(FIRST_SEEN, days=8), [], None, "")
    assert (found.looked_between, found.looked_between_how) == (later(FIRST_SEEN, days=10), "refused")
    after = known(exposure(spells=spells), later(FIRST_SEEN, days=11), [], None, "")
    assert (after.looked_between, after.reported_ahead_seconds) == ("", 3 * 86_400)


def test_who_does_not_say_when_or_came_after_its_closing_was_not_ahead() -> None:
    assert known(exposure(), "", [], None, "").reported_ahead_seconds is None
    over = closed()
    assert known(over, later(over.closed_before, days=1), [], None, "").reported_ahead_seconds is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01T08:30:00Z", "2026-03-01T08:30:00.000Z"),
        ("2026-03-01T09:30:00+01:00", "2026-03-01T08:30:00.000Z"),
        ("2026-03-01 08:30:00", ""),
        ("yesterday", ""),
        ("0001-01-01T00:00:00+14:00", ""),
        ("", ""),
    ],
)
def test_a_time_of_the_reporter_is_believed_where_it_is_one(text: str, at: str) -> None:
    assert moment(text) == at


def test_whose_it_is_is_said_also_where_the_run_ended_before_it_was_asked() -> None:
    owner = Owner(owner="web platform", contact="web-oncall@example.com")
    place = place_answer("10.20.1.17", 27017, owner, None, COMPLETE, None)
    assert (place.answer, place.owner, place.verdict) == ("not-asked", owner, None)
