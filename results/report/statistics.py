"""The figures behind the pictures: what is open by owner, exposures over time, time to close. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from results.durations import between, instant
from results.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from results.ledger.tracked import TrackedExposure

ENOUGH = 5
"""Fewer closed exposures than this give no mean: one slow afternoon would be a trend."""

MOST_PERIODS = 62


class OwnerOpen(NamedTuple):
    """What one owner has open. `bytes` sums what servers told; `unsized` of the exposures told nothing."""

    owner: str
    contact: str
    open: int
    bytes: int
    documents: int
    unsized: int
    overdue: int
    by_severity: dict[Severity, tuple[int, int]]  # exposures and bytes
    gravest: Severity


class Period(NamedTuple):
    """One day, week or month: how many opened and closed in it, and how many were open at its end."""

    begins: datetime
    label: str
    opened: int
    closed: int
    open: int


class OverTime(NamedTuple):
    """Exposures over time; `unit` is `day`, `week` or `month`."""

    unit: str
    periods: list[Period]


class TimeToClose(NamedTuple):
    """How long one owner's exposures were open, in seconds from the first look that saw them open to the
    proof that they are closed. `mean` and `median` are None where `closed` is below `ENOUGH`."""

    owner: str
    closed: int
    shortest: int
    longest: int
    mean: int | None
    median: int | None


class Headline(NamedTuple):
    """The few figures at the top of a report."""

    open: int
    proved_closed: int
    unreachable: int
    accepted: int
    overdue: int
    bytes: int
    documents: int
    to_the_internet: int  # open from there, or not proved closed
    hit: int  # exposures that were wiped or held to ransom at least once
    by_severity: dict[Severity, int]


def headline(exposures: Sequence[TrackedExposure]) -> Headline:
    """Count everything once."""
    standing = [each for each in exposures if each.is_open]
    counts = dict.fromkeys(Severity, 0)
    for each in standing:
        counts[each.severity] += 1
    return Headline(
        open=len(standing),
        proved_closed=len(exposures) - len(standing),
        unreachable=sum(each.state == "unreachable" for each in standing),
        accepted=sum(each.state == "accepted" for each in standing),
        overdue=sum(each.overdue for each in standing),
        bytes=sum(each.bytes or 0 for each in standing),
        documents=sum(each.documents or 0 for each in standing),
        to_the_internet=sum(each.reach == "internet" for each in standing),
        hit=sum(bool(each.wiped_count or each.ransomed_count) for each in exposures),
        by_severity=counts,
    )


def owner_name(exposure: TrackedExposure) -> str:
    """Whom a figure is counted for: the owner of the allow-list, or the word for none."""
    return exposure.owner.owner or "(no owner)"


def by_owner(exposures: Iterable[TrackedExposure]) -> list[OwnerOpen]:
    """What is open by owner: who has most bytes first, then most exposures."""
    groups: dict[str, list[TrackedExposure]] = defaultdict(list)
    for each in exposures:
        if each.is_open:
            groups[owner_name(each)].append(each)
    found: list[OwnerOpen] = []
    for owner, mine in groups.items():
        split: dict[Severity, tuple[int, int]] = {}
        for each in mine:
            count, size = split.get(each.severity, (0, 0))
            split[each.severity] = count + 1, size + (each.bytes or 0)
        found.append(
            OwnerOpen(
                owner=owner,
                contact=next((each.owner.contact for each in mine if each.owner.contact), ""),
                open=len(mine),
                bytes=sum(each.bytes or 0 for each in mine),
                documents=sum(each.documents or 0 for each in mine),
                unsized=sum(each.bytes is None for each in mine),
                overdue=sum(each.overdue for each in mine),
                by_severity=split,
                gravest=min(split, key=lambda severity: severity.rank),
            )
        )
    return sorted(found, key=lambda each: (-each.bytes, -each.open, each.owner))


def spells(exposure: TrackedExposure) -> list[tuple[str, str]]:
    """Each stretch of being open: the first look that saw it, and the proof that it ended ("": it did not).

    Where a clock went back between the two, it ended when it began: nothing lasts less than no time.
    """
    return [
        (
            spell.first_seen_open,
            max(spell.closed_before, spell.first_seen_open) if spell.closed_before else "",
        )
        for spell in exposure.spells
    ]


def over_time(exposures: Iterable[TrackedExposure], now: str) -> OverTime:
    """Opened, closed and open by day, week or month, from the first that was seen to now."""
    edges: list[tuple[datetime, int]] = []
    for each in exposures:
        for began, ended in spells(each):
            edges.append((instant(began), 1))
            if ended:
                edges.append((instant(ended), -1))
    if not edges:
        return OverTime("day", [])
    edges.sort()
    unit, begins = _periods(edges[0][0], max(instant(now), edges[-1][0]))
    periods, position, standing = [], 0, 0
    for index, begin in enumerate(begins):
        until = begins[index + 1] if index + 1 < len(begins) else None
        opened = closed = 0
        while position < len(edges) and (until is None or edges[position][0] < until):
            opened += edges[position][1] == 1
            closed += edges[position][1] == -1
            position += 1
        standing += opened - closed
        periods.append(Period(begin, _label(unit, begin), opened, closed, standing))
    return OverTime(unit, periods)


def _periods(first: datetime, last: datetime) -> tuple[str, list[datetime]]:
    """The smallest unit of which not too many cover the time, and when each of them begins."""
    day = datetime(first.year, first.month, first.day, tzinfo=UTC)
    for unit, begin in (
        ("day", day),
        ("week", day - timedelta(days=day.weekday())),
        ("month", day.replace(day=1)),
        ("quarter", day.replace(day=1, month=(day.month - 1) // 3 * 3 + 1)),
        ("year", day.replace(day=1, month=1)),
    ):
        found: list[datetime] = []
        for each in _steps(unit, begin):
            if each > last or len(found) > MOST_PERIODS:
                break
            found.append(each)
        if len(found) <= MOST_PERIODS:
            return unit, found
    return "year", found


def _steps(unit: str, begin: datetime) -> Iterator[datetime]:
    months = {"month": 1, "quarter": 3, "year": 12}.get(unit, 0)
    while True:
        yield begin
        if months:
            month = begin.month - 1 + months
            begin = begin.replace(year=begin.year + month // 12, month=month % 12 + 1)
        else:
            begin += timedelta(days=1 if unit == "day" else 7)


def _label(unit: str, begin: datetime) -> str:
    if unit in ("day", "week"):
        return begin.strftime("%Y-%m-%d")
    if unit == "year":
        return str(begin.year)
    return begin.strftime("%Y-%m")


def time_to_close(exposures: Iterable[TrackedExposure]) -> list[TimeToClose]:
    """By owner, over every stretch that ended with a proof: the slowest first, those with too few at the
    end."""
    lasted: dict[str, list[int]] = defaultdict(list)
    for each in exposures:
        for began, ended in spells(each):
            if ended:
                lasted[owner_name(each)].append(between(began, ended))
    found = [_time_to_close(owner, seconds) for owner, seconds in lasted.items()]
    return sorted(found, key=lambda each: (each.median is None, -(each.median or 0), each.owner))


def overall_time_to_close(exposures: Iterable[TrackedExposure]) -> TimeToClose | None:
    """The same over all owners; None where nothing was closed."""
    lasted = [between(began, ended) for each in exposures for began, ended in spells(each) if ended]
    return _time_to_close("", lasted) if lasted else None


def _time_to_close(owner: str, seconds: list[int]) -> TimeToClose:
    enough = len(seconds) >= ENOUGH
    return TimeToClose(
        owner=owner,
        closed=len(seconds),
        shortest=min(seconds),
        longest=max(seconds),
        mean=round(statistics.fmean(seconds)) if enough else None,
        median=round(statistics.median(seconds)) if enough else None,
    )
