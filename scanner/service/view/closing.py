"""How long closing exposures took, against the deadlines in force: by severity and by owner. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from results.durations import between
from results.report.statistics import owner_name, spells
from results.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.ledger.overlay import Deadlines
    from results.ledger.tracked import TrackedExposure

FIRST_STEP: Final = 8
STEPS: Final = 19
"""Lengths of time are counted from 2^8 seconds (four minutes) to 2^27 (four years), a step a doubling."""


class Closing(NamedTuple):
    """Stretches of being open, of one severity or one owner. `in_time` and `late` ended with a proof of
    closure; `waiting` and `overdue` have not, and are within and past their deadline. `median` and `longest`
    are seconds, of those that ended; None where none did. `lasted` counts them by step: in time, and late.

    `deadline` is in seconds from the first look that saw it open, None where there is none, or several.
    """

    name: str
    deadline: int | None
    in_time: int
    late: int
    waiting: int
    overdue: int
    median: int | None
    longest: int | None
    lasted: dict[int, tuple[int, int]]

    @property
    def closed(self) -> int:
        """How many ended."""
        return self.in_time + self.late


class _Counts:
    """What is being added up."""

    def __init__(self) -> None:
        self.seconds: list[int] = []
        self.late = 0
        self.waiting = 0
        self.overdue = 0
        self.lasted: dict[int, tuple[int, int]] = {}

    def end(self, seconds: int, *, late: bool) -> None:
        """One stretch that ended."""
        self.seconds.append(seconds)
        self.late += late
        step = min(max(seconds.bit_length() - 1, FIRST_STEP), FIRST_STEP + STEPS - 1)
        before = self.lasted.get(step, (0, 0))
        self.lasted[step] = (before[0] + (not late), before[1] + late)

    def done(self, name: str, deadline: int | None) -> Closing:
        """The sums."""
        return Closing(
            name=name,
            deadline=deadline,
            in_time=len(self.seconds) - self.late,
            late=self.late,
            waiting=self.waiting,
            overdue=self.overdue,
            median=round(statistics.median(self.seconds)) if self.seconds else None,
            longest=max(self.seconds, default=None),
            lasted=self.lasted,
        )


def closing(
    exposures: Iterable[TrackedExposure], deadlines: Deadlines
) -> tuple[list[Closing], list[Closing]]:
    """By severity, the gravest first, and by owner, those with most that are late or overdue first.

    An exposure's severity is that of its last look: what it was in an earlier stretch is not kept.
    """
    limits: dict[Severity, int | None] = {each: getattr(deadlines, each.value) for each in Severity}
    by_severity: dict[Severity, _Counts] = defaultdict(_Counts)
    by_owner: dict[str, _Counts] = defaultdict(_Counts)
    for each in exposures:
        limit = limits[each.severity]
        both = (by_severity[each.severity], by_owner[owner_name(each)])
        for began, ended in spells(each):
            if not ended:
                continue
            seconds = between(began, ended)
            for counts in both:
                counts.end(seconds, late=limit is not None and seconds > limit)
        if each.is_open:
            for counts in both:
                counts.overdue += each.overdue
                counts.waiting += not each.overdue
    severities = [
        by_severity[each].done(each.value, limits[each]) for each in Severity if each in by_severity
    ]
    owners = [counts.done(owner, None) for owner, counts in by_owner.items()]
    return severities, sorted(owners, key=lambda each: (-(each.late + each.overdue), -each.closed, each.name))
