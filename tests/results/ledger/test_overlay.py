"""What the clock, the deadlines and people lay over an exposure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from results.ledger.actions import ACTIONS_FILE, Actions
from results.ledger.overlay import Deadlines, lay_over
from results.ledger.tracked import Spell, TrackedExposure
from results.verdict import Severity
from tests.support.exposures import FIRST_SEEN, LAST_SEEN, NOW, closed, exposure, later

if TYPE_CHECKING:
    from pathlib import Path

UNTIL = later(NOW, days=30)


@pytest.fixture
def actions(tmp_path: Path) -> Actions:
    """A file of actions, open for writing."""
    return Actions.open(tmp_path, write=True)


def laid(
    actions: Actions, one: TrackedExposure | None = None, now: str = NOW, **deadlines: Any
) -> TrackedExposure:
    """One exposure with everything laid over it."""
    (over,) = lay_over([one or exposure()], actions, now, Deadlines(**deadlines))
    return over


def accept(actions: Actions, at: str = NOW, until: str = UNTIL, **more: Any) -> None:
    """Accept the exposure of these tests."""
    actions.append(
        "accepted", [exposure().exposure_id], at=at, by="Ada", until=until, detail="a trial", **more
    )


def test_accepted_until_its_day_and_open_again_on_it(actions: Actions) -> None:
    accept(actions)
    over = laid(actions)
    assert over.state == "accepted"
    assert over.acceptance is not None
    assert (over.acceptance.by, over.acceptance.until, over.acceptance.reason) == ("Ada", UNTIL, "a trial")
    assert over.is_open
    assert not over.overdue
    assert over.due_at == UNTIL
    assert laid(actions, now=later(UNTIL, seconds=-1)).state == "accepted"
    after = laid(actions, now=UNTIL)
    assert (after.state, after.acceptance, after.overdue) == ("open", None, True)


def test_an_acceptance_that_is_withdrawn_is_none(actions: Actions) -> None:
    accept(actions)
    actions.append("acceptance-withdrawn", [exposure().exposure_id], at=later(NOW, hours=1), by="Ada")
    assert laid(actions, now=later(NOW, hours=2)).state == "open"


@pytest.mark.parametrize(
    ("state", "shown"),
    [("new", "accepted"), ("changed", "accepted"), ("reopened", "accepted"), ("unreachable", "unreachable")],
)
def test_acceptance_hides_no_silence_and_no_proof(actions: Actions, state: Any, shown: str) -> None:
    accept(actions)
    assert laid(actions, exposure(state=state)).state == shown
    assert laid(actions, closed(), now=later(NOW, days=10)).state == "closed"


def test_acceptance_ends_with_the_spell_that_it_was_given_for(actions: Actions) -> None:
    accept(actions, at=later(FIRST_SEEN, days=1))
    spells = [
        Spell(first_seen_open=FIRST_SEEN, last_seen_open=FIRST_SEEN, closed_before=later(FIRST_SEEN, days=3)),
        Spell(first_seen_open=LAST_SEEN, last_seen_open=LAST_SEEN, opened_after=later(FIRST_SEEN, days=3)),
    ]
    again = exposure(state="reopened", spells=spells, first_seen_open=LAST_SEEN)
    assert laid(actions, again).state == "reopened"


def test_an_acceptance_that_nobody_can_prove_hides_nothing_and_is_shown(
    actions: Actions, tmp_path: Path
) -> None:
    actions.append("noted", ["other"], at=NOW, by="Ada", detail="one")
    accept(actions)
    path = tmp_path / ACTIONS_FILE
    path.write_bytes(path.read_bytes().replace(b'"one"', b'"two"'))
    over = laid(Actions.open(tmp_path))
    assert over.state == "open"
    assert [(caution.code, caution.detail) for caution in over.cautions] == [
        ("actions-unproven", "line 1: it was changed after it was written")
    ]


def test_it_was_open_for_at_least_and_at_most(actions: Actions) -> None:
    over = laid(actions)
    assert over.open_at_least_seconds == 7 * 86_400
    assert over.open_at_most_seconds == 14 * 86_400 + 3 * 3600 + 29 * 60 + 59
    assert laid(actions, exposure(opened_after="")).open_at_most_seconds is None
    shut = laid(actions, closed(), now=later(NOW, days=100))
    assert shut.open_at_most_seconds == 21 * 86_400


def test_a_clock_that_went_back_makes_no_negative_length(actions: Actions) -> None:
    over = laid(actions, exposure(last_seen_open=later(FIRST_SEEN, days=-1)), now=later(FIRST_SEEN, days=-40))
    assert (over.open_at_least_seconds, over.open_at_most_seconds) == (0, 0)


@pytest.mark.parametrize(
    ("severity", "days"), [("critical", 1), ("high", 3), ("medium", 14), ("low", 30), ("info", None)]
)
def test_deadlines_follow_severity(actions: Actions, severity: str, days: int | None) -> None:
    over = laid(actions, exposure(severity=Severity(severity)))
    assert over.due_at == ("" if days is None else later(FIRST_SEEN, days=days))
    assert over.overdue is (days is not None and days < 7)
    assert not laid(actions, closed(severity=Severity(severity)), now=later(NOW, days=8)).overdue


def test_only_messages_that_arrived_count_as_told(actions: Actions) -> None:
    one = exposure().exposure_id
    for number, stages in enumerate(
        (["done"], ["failed"], ["handing-over", "unclear"], ["handing-over", "done"])
    ):
        at = later(NOW, hours=number)
        actions.append(
            "warned", [one], at=at, message_id=f"m{number}", to=["a@example.com"], stage="intended"
        )
        for stage in stages:
            actions.append("warned", at=later(at, seconds=9), message_id=f"m{number}", stage=stage)  # type: ignore[arg-type]
    over = laid(actions, now=later(NOW, days=1))
    assert over.warned_at == later(NOW, seconds=9)
    assert over.last_warned_at == later(NOW, hours=3, seconds=9)


def test_an_acknowledgement_by_a_former_id_counts(actions: Actions) -> None:
    actions.append("acknowledged", ["former"], at=NOW, by="Grace")
    over = laid(actions, exposure(former_ids=["former"]))
    assert (over.acknowledged_at, over.acknowledged_by) == (NOW, "Grace")


def test_the_72_hours_run_from_the_first_sight_or_from_when_a_person_says(actions: Actions) -> None:
    over = laid(actions)
    assert over.breach is not None
    assert (over.breach.began, over.breach.ends) == (FIRST_SEEN, later(FIRST_SEEN, hours=72))
    assert (over.breach.why, over.breach.hints) == ("first-seen-open", ["email", "name"])
    told = later(FIRST_SEEN, hours=-30)
    actions.append("aware", [exposure().exposure_id], at=NOW, by="Ada", since=told, detail="a letter came")
    over = laid(actions, now=later(NOW, hours=1))
    assert over.breach is not None
    assert (over.breach.began, over.breach.ends, over.breach.why) == (
        told,
        later(told, hours=72),
        "aware-noted",
    )
    assert laid(actions, exposure(database_count=0)).breach is None


def test_a_proof_that_is_dated_in_the_future_is_none(actions: Actions) -> None:
    one = closed()
    early = laid(actions, one, now=later(one.closed_before, seconds=-1))
    assert (early.state, early.is_open) == ("unreachable", True)
    assert [caution.code for caution in early.cautions] == ["look-in-the-future"]
    assert laid(actions, one, now=one.closed_before).state == "closed"
