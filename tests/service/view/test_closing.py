"""How long closing took, against the deadlines in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.ledger.overlay import Deadlines
from results.ledger.tracked import Spell
from results.verdict import Severity
from scanner.service.view.closing import FIRST_STEP, STEPS, closing
from scanner.service.web.pictures import closing_figure
from tests.support.exposures import FIRST_SEEN, SHOP, WEB, exposure, later

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure

DAY = 86_400
DEADLINES = Deadlines(critical=DAY, high=3 * DAY, medium=None)


def closed(seconds: int, severity: Severity = Severity.HIGH) -> TrackedExposure:
    """One that was proved closed so long after it was first seen."""
    spell = Spell(
        first_seen_open=FIRST_SEEN,
        last_seen_open=FIRST_SEEN,
        closed_before=later(FIRST_SEEN, seconds=seconds),
    )
    return exposure(state="closed", severity=severity, spells=[spell])


def test_each_stretch_counts_once_in_time_or_late() -> None:
    twice = closed(3 * DAY)
    reopened = exposure(
        severity=Severity.HIGH,
        overdue=True,
        owner=SHOP,
        spells=[*closed(3 * DAY + 1).spells, Spell(first_seen_open=FIRST_SEEN, last_seen_open=FIRST_SEEN)],
    )

    (high,), owners = closing([twice, reopened], DEADLINES)

    assert (high.name, high.deadline) == ("high", 3 * DAY)
    assert (high.in_time, high.late, high.waiting, high.overdue) == (1, 1, 0, 1)
    assert (high.median, high.longest) == (3 * DAY, 3 * DAY + 1)
    assert [(each.name, each.late, each.overdue) for each in owners] == [
        (SHOP.owner, 1, 1),
        (WEB.owner, 0, 0),
    ]


def test_without_a_deadline_nothing_is_late() -> None:
    (medium,), _ = closing([closed(900 * DAY, Severity.MEDIUM)], DEADLINES)

    assert (medium.deadline, medium.in_time, medium.late) == (None, 1, 0)


def test_every_length_has_its_step_and_the_extremes_those_at_the_ends() -> None:
    lengths = [0, 1, 255, 256, 511, 512, 2**27, 2**31]
    (high,), _ = closing([closed(seconds) for seconds in lengths], Deadlines(high=2**40))

    assert high.lasted == {
        FIRST_STEP: (5, 0),
        FIRST_STEP + 1: (1, 0),
        FIRST_STEP + STEPS - 1: (2, 0),
    }
    assert high.closed == len(lengths)


def test_the_picture_parts_a_bar_at_the_deadline_and_says_it_in_words() -> None:
    both = [closed(3 * DAY - 60), closed(3 * DAY + 60)]  # in one bar, of 36 hours up to 3 days

    picture = closing_figure(closing(both, DEADLINES)[0])

    assert picture.count('class="in-time"') == picture.count('class="late"') == 1
    assert "high: 1 closed in time and 1 late" in picture
    assert "due 3 days" in picture
    assert "Nothing was proved closed yet" in closing_figure([])
