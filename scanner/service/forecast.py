"""What the schedules of a configuration will do: their next starts, and which of them are due at once."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from msgspec import Struct

from scanner.clock import timestamp
from targets.ranges import Ranges

if TYPE_CHECKING:
    from scanner.service.jobs import ScheduleStatus, ServiceStatus
    from scanner.service.planner import Planner
    from scanner.service.schedule import Schedule

_AHEAD = 31 * 86400.0  # seconds in which dues are compared
_MOST_DUES = 2000  # of one schedule


class ComingStart(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One start to come. `due_at` is what the cron expression names, `start_at` has the jitter in it, `local`
    is that on the clocks of the schedule's zone. `waits_until`: the end of the blackout that it will have to
    wait for, "never" where that has none, "" where it is in none. Times are RFC 3339 in UTC."""

    due_at: str
    start_at: str
    local: str
    waits_until: str = ""


class Forecast(Struct, frozen=True, kw_only=True):
    """One schedule. `addresses`: of its part of the scope. `waits_for` and `paused_by`: what a service that
    runs says of it."""

    name: str
    cron: str
    zone: str
    sites: tuple[str, ...]
    owners: tuple[str, ...]
    jitter: str
    addresses: int
    starts: tuple[ComingStart, ...]
    waits_for: str = ""
    paused_by: str = ""


class Clash(Struct, frozen=True, kw_only=True):
    """Schedules that are due in the same minute, for the first time at `at` (UTC; `local`: in the zone of the
    first). `addresses`: how many more than one of them asks, one after the other."""

    names: tuple[str, ...]
    at: str
    local: str
    addresses: int


class Outlook(Struct, frozen=True, kw_only=True):
    """All schedules, as they stand in the configuration. `service_at`: when the service wrote how it stands;
    "" when none runs here."""

    schedules: tuple[Forecast, ...]
    clashes: tuple[Clash, ...]
    service_at: str = ""


def outlook(planner: Planner, now: float, count: int, service: ServiceStatus | None = None) -> Outlook:
    """The next `count` starts of each schedule after `now`, in seconds since 1970."""
    known = {each.name: each for each in service.schedules} if service else {}
    return Outlook(
        schedules=tuple(
            _forecast(planner, each, now, count, known.get(each.name)) for each in planner.schedules.values()
        ),
        clashes=tuple(_clashes(planner, now)),
        service_at=service.beat_at if service else "",
    )


def _forecast(
    planner: Planner, schedule: Schedule, now: float, count: int, status: ScheduleStatus | None
) -> Forecast:
    settings = schedule.settings
    return Forecast(
        name=settings.name,
        cron=settings.cron,
        zone=settings.zone,
        sites=settings.sites,
        owners=settings.owners,
        jitter=settings.jitter,
        addresses=planner.ranges_of(settings.name).size,
        starts=tuple(
            _coming(planner, schedule, due, start) for due, start in islice(schedule.starts(now), count)
        ),
        waits_for=status.waits_for if status else "",
        paused_by=status.paused_by if status else "",
    )


def _coming(planner: Planner, schedule: Schedule, due: float, start: float) -> ComingStart:
    free = planner.free_from(schedule.name, start) if planner.ranges_of(schedule.name) else start
    return ComingStart(
        due_at=timestamp(due),
        start_at=timestamp(start),
        local=schedule.shown(start),
        waits_until="" if free == start else "never" if free == math.inf else timestamp(free),
    )


def _clashes(planner: Planner, now: float) -> list[Clash]:
    """One for each group of schedules, by the first time."""
    due_at: dict[float, list[str]] = defaultdict(list)
    for name, schedule in planner.schedules.items():
        soon = takewhile(lambda due: due < now + _AHEAD, schedule.dues(now))
        for due in islice(soon, _MOST_DUES):
            due_at[due].append(name)
    found: dict[tuple[str, ...], float] = {}
    for due in sorted(due_at):
        if len(due_at[due]) > 1:
            found.setdefault(tuple(due_at[due]), due)
    return [
        Clash(
            names=names,
            at=timestamp(due),
            local=planner.schedules[names[0]].shown(due),
            addresses=_shared([planner.ranges_of(name) for name in names]),
        )
        for names, due in found.items()
    ]


def _shared(parts: list[Ranges]) -> int:
    """How many addresses are in more than one of them."""
    seen, twice = Ranges(), Ranges()
    for part in parts:
        twice = _union(twice, seen & part)
        seen = _union(seen, part)
    return twice.size


def _union(one: Ranges, other: Ranges) -> Ranges:
    return Ranges.of([*one.spans(), *other.spans()])
