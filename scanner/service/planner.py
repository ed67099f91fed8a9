"""What starts now, what waits and why, and when to look again: a pure function of the configuration, of what
is remembered of each schedule, of what runs, and of the time (seconds since 1970-01-01 UTC).

As many sweeps go on at once as `[service] sweeps_at_once` says, and never two over one prefix, as the pace
knows prefixes: what has been due longest comes first, and keeps its place before whatever shares one with it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from scanner.service.schedule import Schedule, length
from scanner.setup.blackout import Calendar
from targets.grammar import Span, format_span
from targets.planning import is_of_part
from targets.ranges import Ranges, subtract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scanner.setup.fleet_settings import FleetSettings
    from scanner.setup.service_settings import ScheduleSettings
    from scanner.setup.settings import Settings
    from targets.scope import Scope

PUNCTUAL = 60.0  # seconds by which a start may be late without being missed
SAME_CLOCK = 3 * 3600.0
"""Seconds that the clock may go back and still be the same clock, whose dues are not repeated. By more, it
was corrected, and what it said before means nothing: cron(8) draws the line there, too."""
LOOK_AGAIN = 60.0  # seconds until the next look at the latest: clocks jump, and sweeps by hand end unheard
_A_WEEK_AND_MORE = 8 * 86400.0  # blackouts come again every week: what is in one for so long always is


class ScheduleState(Struct, frozen=True, kw_only=True):
    """What is remembered of one schedule from one look to the next, and over restarts.

    `rule`: which dues it is about; `handled`: the newest due that was seen, whatever came of it; `wanted`: a
    due that is to start, now or after its jitter, and has not yet, 0 for none; `looked`: when it was looked
    at last; `paused_by`: who paused it.
    """

    rule: str
    handled: float
    wanted: float = 0.0
    looked: float = 0.0
    paused_by: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """A sweep that goes on in the output directory, whoever started it. `what` names it in a sentence, as in
    "the sweep of paris-nightly"; `ranges` are its addresses, None where nobody can tell: they may be any."""

    what: str
    ranges: Ranges | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """A schedule to start now, and the due that it was wanted for."""

    name: str
    due: float


@dataclass(frozen=True, slots=True)
class Missed:
    """A due that is not made up for, and why, as a clause."""

    name: str
    due: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What `Planner.decide` found.

    `states` is the new state of every schedule; keep it before anything is started, so that no due starts
    twice. `waits` says of a schedule that is due why it does not start, as a clause.
    `next_starts` has the next start to come of each, jitter included; none of a paused one. Look again at
    `look_at` at the latest, and whenever a sweep ends, a schedule is paused or resumed, or the configuration
    was read again.
    """

    starts: tuple[Start, ...]
    missed: tuple[Missed, ...]
    states: dict[str, ScheduleState]
    waits: dict[str, str]
    next_starts: dict[str, float]
    look_at: float


class Planner:
    """Decides for the schedules of one configuration and its scope; make another one after a reload."""

    def __init__(self, settings: Settings, scope: Scope, *, look_again: float = LOOK_AGAIN) -> None:
        self.schedules = {each.name: Schedule(each) for each in settings.schedule}
        self._look_again = look_again
        self._at_once = settings.service.sweeps_at_once
        self._lengths = settings.sweep.per_prefix_length, settings.sweep.per_prefix_length_v6
        self._calendar = Calendar(settings.blackout)
        spans = _spans_by_whose(scope)
        self.is_idle = not len(scope)
        """Whether nothing is in the scope: then no sweep can start."""
        self._ranges = {
            each.name: Ranges.of(
                span
                for (site, owner), theirs in spans.items()
                if is_of_part(site, owner, each.sites, each.owners)
                for span in theirs
            )
            for each in settings.schedule
        }
        self._prefixes = {name: ranges.widened(*self._lengths) for name, ranges in self._ranges.items()}

    def ranges_of(self, name: str) -> Ranges:
        """The addresses of a schedule's part of the scope. Raises KeyError."""
        return self._ranges[name]

    def decide(self, now: float, states: Mapping[str, ScheduleState], running: Sequence[Running]) -> Decision:
        """What to do at `now`. `states`: as the last decision left them; a schedule that is unknown there
        begins now, with nothing to make up for. `running`: every sweep that goes on."""
        missed: list[Missed] = []
        after = {
            name: self._update(schedule, states.get(name), now, missed)
            for name, schedule in self.schedules.items()
        }
        starts: list[Start] = []
        waits: dict[str, str] = {}
        looks = [now + self._look_again]
        taken = self._taken(running)
        ahead: list[tuple[str, Ranges]] = []  # what waits for others, with its prefixes
        for due, name in sorted((state.wanted, name) for name, state in after.items() if state.wanted):
            if self.schedules[name].start_of(due) > now:
                continue
            reason, until = self._closed(name, now)
            if reason:
                waits[name] = reason
                looks.append(until)
            elif reason := self._turn(name, taken, ahead):
                waits[name] = reason
                ahead.append((name, self._prefixes[name]))
            else:
                starts.append(Start(name, due))
                after[name] = give_up(after[name])
                taken.append((f"the sweep of {name}", self._prefixes[name]))
        next_starts = self._next_starts(now, after)
        return Decision(
            starts=tuple(starts),
            missed=tuple(missed),
            states=after,
            waits=waits,
            next_starts=next_starts,
            look_at=min(*looks, *next_starts.values(), math.inf),
        )

    def obstacle(self, name: str, now: float, running: Sequence[Running]) -> str:
        """Why a schedule that a person wants now cannot start, as a clause; "" when it can.
        Raises KeyError for an unknown one."""
        return self._closed(name, now)[0] or self._turn(name, self._taken(running), [])

    def _closed(self, name: str, now: float) -> tuple[str, float]:
        """Why nothing of a schedule's part may be asked now, as a clause, and when to look again."""
        if not self._ranges[name]:
            return "deny and opt-outs leave no address of its part", math.inf
        free = self.free_from(name, now)
        if free <= now:
            return "", math.inf
        until = "for good" if free == math.inf else f"until {self.schedules[name].shown(free)}"
        return f"every address of its part is in a blackout {until}", free

    def _taken(self, running: Sequence[Running]) -> list[tuple[str, Ranges | None]]:
        return [
            (each.what, None if each.ranges is None else each.ranges.widened(*self._lengths))
            for each in running
        ]

    def _turn(
        self, name: str, taken: Sequence[tuple[str, Ranges | None]], ahead: Sequence[tuple[str, Ranges]]
    ) -> str:
        """For whom a schedule has to wait, as a clause; "" for nobody."""
        if len(taken) >= self._at_once:
            why = "sweeps go one after the other"
            if self._at_once > 1:
                why = f"no more than [service] sweeps_at_once = {self._at_once} go on at once"
            return f"it is the turn of {taken[0][0]}: {why}"
        for what, theirs in taken:
            if theirs is None:
                return f"it is the turn of {what}: nobody can tell what that asks"
            if shared := self._shared(name, theirs):
                return f"it is the turn of {what}, which asks {shared}, too"
        for other, theirs in ahead:
            if shared := self._shared(name, theirs):
                return f"it comes after {other}, which is due longer and asks {shared}, too"
        return ""

    def _shared(self, name: str, theirs: Ranges) -> str:
        both = next((self._prefixes[name] & theirs).spans(), None)
        return "" if both is None else format_span(both)

    def free_from(self, name: str, at: float) -> float:
        """When some address of a schedule's part is in no blackout, `at` or later; infinite for never."""
        ranges, end = self._ranges[name], at + _A_WEEK_AND_MORE
        while at < end:
            active = self._calendar.active(at)
            if not active or not _covers(Ranges.of(window.span for window in active), ranges):
                return at
            at = min(window.end for window in active)
        return math.inf

    def _update(
        self, schedule: Schedule, state: ScheduleState | None, now: float, missed: list[Missed]
    ) -> ScheduleState:
        """The state with the dues in it that have come since, or will not be waited for any more."""
        if state is None or state.rule != schedule.rule:
            paused_by = state.paused_by if state else ""
            return ScheduleState(rule=schedule.rule, handled=now, looked=now, paused_by=paused_by)
        handled, wanted = state.handled, 0.0 if state.paused_by else state.wanted
        if max(handled, wanted) > now + SAME_CLOCK:
            handled, wanted = now, 0.0
        patience = max(schedule.catch_up, PUNCTUAL)
        # What was wanted while somebody looked waits as long as it must; only time without us makes it late.
        if wanted and now - max(state.looked, schedule.start_of(wanted)) > patience:
            missed.append(_missed(schedule, wanted, now))
            wanted = 0.0
        due = schedule.due_by(now, handled)
        if due is not None:
            handled = due
            if not (wanted or state.paused_by):
                if now - schedule.start_of(due) <= patience:
                    wanted = due
                else:
                    missed.append(_missed(schedule, due, now))
        return msgspec.structs.replace(state, handled=handled, wanted=wanted, looked=now)

    def _next_starts(self, now: float, states: Mapping[str, ScheduleState]) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, schedule in self.schedules.items():
            state = states[name]
            if state.paused_by:
                continue
            if state.wanted and schedule.start_of(state.wanted) > now:
                found[name] = schedule.start_of(state.wanted)
            elif (due := schedule.due_after(max(now, state.handled))) is not None:
                found[name] = schedule.start_of(due)
        return found


def _spans_by_whose(scope: Scope) -> dict[tuple[str, str], list[Span]]:
    """Every address of a scope, by the site and the owner of its entry: once for all schedules."""
    found: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for version in (4, 6):
        for first, last, _, _, entry in scope.segments(version):
            found[entry.site, entry.owner].append(Span(version, first, last))
    return found


def _missed(schedule: Schedule, due: float, now: float) -> Missed:
    late, allowed = int(now - schedule.start_of(due)) // 60, schedule.settings.catch_up
    limit = f"catch_up = {allowed}" if allowed else "catch_up is empty"
    return Missed(schedule.name, due, f"it is {late} minutes late, and {limit}")


def _covers(outer: Ranges, inner: Ranges) -> bool:
    return not any(subtract(inner.intervals(v), outer.intervals(v)) for v in (4, 6))


def words_of(schedule: ScheduleSettings, fleet: FleetSettings) -> tuple[str, ...]:
    """What stands behind `mongosweep sweep` for a schedule: its part, after which time it is stopped, and who
    sweeps it."""
    words = [f"--site={site}" for site in schedule.sites] + [f"--owner={owner}" for owner in schedule.owners]
    words += [f"--stop-after={schedule.stop_after}"] if schedule.stop_after else []
    return (*words, *([f"--fleet={fleet.scheduler}"] if schedule.fleet else []))


def give_up(state: ScheduleState) -> ScheduleState:
    """The state without what it waits for: it was started, or a person paused it or stopped its sweep."""
    return msgspec.structs.replace(state, wanted=0.0)


def next_turn(every: str, last: float, now: float) -> float:
    """When to do again what is done once in `every` ("15m"; empty: never, infinite) and was begun at `last`
    the last time (0: never). After downtime it is at once, and once; a clock that went back is believed."""
    if not every:
        return math.inf
    return max(now, min(last, now) + length(every)) if last else now
