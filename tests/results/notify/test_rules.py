"""Who is due to be told of what: once, then by rule, and never of what is closed or accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.ledger.actions import Actions
from results.ledger.overlay import Deadlines, lay_over
from results.ledger.tracked import Spell, TrackedExposure
from results.notify.rules import Notice, Recipient, Rules, due
from results.record import Owner
from tests.support.exposures import FIRST_SEEN, NOW, SHOP, closed, exposure, later

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400
RULES = Rules(
    remind_after=(3 * DAY, 7 * DAY),
    escalate_after=14 * DAY,
    escalate_to=("ciso@example.com",),
    fallback_to=("soc@example.com",),
)
ONE, TWO, SHOPS = exposure(), exposure("10.20.1.18"), exposure("10.30.0.4", owner=SHOP)


@pytest.fixture
def actions(tmp_path: Path) -> Actions:
    """A file of actions, open for writing."""
    return Actions.open(tmp_path, write=True)


def wanted(
    actions: Actions, *exposures: TrackedExposure, at: str = NOW, rules: Rules = RULES
) -> list[Notice]:
    """What is due at that time."""
    laid = lay_over(exposures or (ONE,), actions, at, Deadlines())
    return due(laid, actions.proven, rules, at)


def tell(actions: Actions, notice: Notice, at: str, *stages: Any) -> None:
    """Note that a message went through these stages; `done` unless said otherwise."""
    ids = [one.exposure_id for one in notice.exposures]
    one = notice.message_id
    actions.append(
        notice.kind, ids, at=at, stage="intended", message_id=one, reminds=notice.reminds, to=notice.to
    )
    for stage in stages or ("handing-over", "done"):
        actions.append(notice.kind, at=at, stage=stage, message_id=one)


def run(actions: Actions, *exposures: TrackedExposure, at: str, rules: Rules = RULES) -> list[str]:
    """Tell all that is due; what it was."""
    notices = wanted(actions, *exposures, at=at, rules=rules)
    for notice in notices:
        tell(actions, notice, at)
    return [notice.kind for notice in notices]


def test_one_message_for_each_owner(actions: Actions) -> None:
    first, second = wanted(actions, ONE, SHOPS, TWO)
    assert [one.place.ip for one in first.exposures] == ["10.20.1.17", "10.20.1.18"]
    assert (first.to, second.to) == (("web-oncall@example.com",), ("shop@example.com",))
    assert (first.kind, first.reminds, first.earlier) == ("warned", (), ())
    assert first.message_id.startswith("web-platform.owner.")


def test_a_whole_story_by_the_days(actions: Actions) -> None:
    days = {
        day: kinds for day in range(40) if (kinds := run(actions, ONE, at=later(NOW, days=day, minutes=day)))
    }
    assert days == {0: ["warned"], 3: ["reminded"], 7: ["reminded"], 14: ["escalated"]}


def test_a_pause_of_notify_makes_one_reminder_and_not_two(actions: Actions) -> None:
    assert run(actions, ONE, at=NOW) == ["warned"]
    assert run(actions, ONE, at=later(NOW, days=10)) == ["reminded"]
    assert run(actions, ONE, at=later(NOW, days=10, minutes=1)) == []


def test_new_and_known_stand_in_one_message(actions: Actions) -> None:
    run(actions, ONE, at=NOW)
    (notice,) = wanted(actions, ONE, TWO, at=later(NOW, days=3))
    assert notice.kind == "warned"
    assert notice.reminds == (ONE.exposure_id,)
    assert len(notice.exposures) == 2
    assert len(notice.earlier) == 1
    assert notice.first_told == NOW


@pytest.mark.parametrize(
    ("stages", "again"),
    [
        (["failed"], True),
        (["handing-over", "failed"], True),
        ([], True),
        (["handing-over"], False),
        (["handing-over", "unclear"], False),
        (["handing-over", "done"], False),
        (["handing-over", "unclear", "failed"], True),
    ],
)
def test_what_cannot_have_arrived_is_told_again_under_the_same_id(
    actions: Actions, stages: list[Any], again: bool
) -> None:
    (notice,) = wanted(actions)
    ids = [ONE.exposure_id]
    actions.append("warned", ids, at=NOW, stage="intended", message_id=notice.message_id)
    for stage in stages:
        actions.append("warned", at=NOW, stage=stage, message_id=notice.message_id)
    assert [each.message_id for each in wanted(actions, at=later(NOW, hours=1))] == (
        [notice.message_id] if again else []
    )


def test_nobody_is_told_of_what_is_accepted_until_it_is_not(actions: Actions) -> None:
    run(actions, ONE, at=NOW)
    until = later(NOW, days=10)
    actions.append("accepted", [ONE.exposure_id], at=later(NOW, days=1), by="Ada", until=until)
    assert [run(actions, ONE, at=later(NOW, days=day)) for day in (2, 4, 8)] == [[], [], []]
    assert run(actions, ONE, at=later(until, seconds=1)) == ["warned"]
    assert run(actions, ONE, at=later(until, seconds=2)) == []


def test_a_withdrawn_acceptance_is_told_of(actions: Actions) -> None:
    actions.append("accepted", [ONE.exposure_id], at=NOW, by="Ada", until=later(NOW, days=90))
    assert wanted(actions, at=later(NOW, days=1)) == []
    actions.append("acceptance-withdrawn", [ONE.exposure_id], at=later(NOW, days=2), by="Ada")
    assert run(actions, ONE, at=later(NOW, days=3)) == ["warned"]


def test_an_acknowledgement_keeps_reminders_away_until_the_deadline(actions: Actions) -> None:
    low = exposure(severity=ONE.severity.__class__("low"))  # a month
    run(actions, low, at=later(FIRST_SEEN, days=1))
    actions.append("acknowledged", [low.exposure_id], at=later(FIRST_SEEN, days=2), by="Ada")
    rules = Rules(remind_after=(3 * DAY, 40 * DAY))
    assert run(actions, low, at=later(FIRST_SEEN, days=10), rules=rules) == []
    assert run(actions, low, at=later(FIRST_SEEN, days=50), rules=rules) == ["reminded"]


def test_closed_is_told_once_where_that_is_wanted_and_reopened_is_new(actions: Actions) -> None:
    thanks = Rules(closed_notice=True)
    assert wanted(actions, closed(), at=later(NOW, days=8), rules=thanks) == []
    run(actions, ONE, at=NOW)
    assert wanted(actions, closed(), at=later(NOW, days=8)) == []
    assert run(actions, closed(), at=later(NOW, days=8), rules=thanks) == ["closure-told"]
    assert run(actions, closed(), at=later(NOW, days=9), rules=thanks) == []
    again = later(NOW, days=20)
    spells = [*closed().spells, Spell(first_seen_open=again, last_seen_open=again)]
    reopened = exposure(state="reopened", first_seen_open=again, last_seen_open=again, spells=spells)
    assert run(actions, reopened, at=later(again, hours=1)) == ["warned"]


def test_what_was_told_under_a_former_id_was_told(actions: Actions) -> None:
    run(actions, ONE, at=NOW)
    moved = exposure("10.20.9.9", former_ids=[ONE.exposure_id])
    assert wanted(actions, moved, at=later(NOW, hours=1)) == []


@pytest.mark.parametrize(
    ("owner", "rules", "to", "language"),
    [
        (
            Owner(owner="w", contact="a@example.com, b@example.com"),
            RULES,
            ("a@example.com", "b@example.com"),
            "en",
        ),
        (Owner(owner="w", contact="On call <a@example.com>"), RULES, ("a@example.com",), "en"),
        (Owner(owner="w", contact="call 4711"), RULES, ("soc@example.com",), "en"),
        (Owner(owner="w", contact="a@b\r\nBcc: c"), RULES, ("a@b",), "en"),
        (Owner(), Rules(), (), "en"),
        (
            Owner(owner="w", contact="a@example.com"),
            Rules(recipients={"w": Recipient(("z@example.com",), "fr")}),
            ("z@example.com",),
            "fr",
        ),
    ],
)
def test_whose_address_it_is(
    actions: Actions, owner: Owner, rules: Rules, to: tuple[str, ...], language: str
) -> None:
    (notice,) = wanted(actions, exposure(owner=owner), rules=rules)
    assert (notice.to, notice.language) == (to, language)


def test_who_was_told_is_told_again_when_everybody_sees_it(actions: Actions) -> None:
    """Acknowledged or not: what was known of the inside says nothing of the internet. Told once."""
    seen = msgspec.structs.replace(ONE, reach="internet", reach_since=later(NOW, days=1))
    assert run(actions, ONE, at=NOW) == ["warned"]
    actions.append("acknowledged", [ONE.exposure_id], at=NOW, by="anna")
    assert run(actions, ONE, at=later(NOW, days=1)) == []
    assert run(actions, seen, at=later(NOW, days=1)) == ["reminded"]
    assert run(actions, seen, at=later(NOW, days=1, minutes=1)) == []
