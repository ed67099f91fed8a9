"""A service on a clock of our own, which does what a planner says."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from scanner.service.planner import Decision, Planner, Running, ScheduleState
from scanner.setup.service_settings import ScheduleSettings
from scanner.setup.settings import Blackout, Settings
from targets.entries import Entry
from targets.scope import Scope

HOUR = 3600.0
SCOPE = Scope(
    [
        Entry.of("10.1.0.0/24", site="paris", owner="web platform"),
        Entry.of("10.1.0.128/25", site="paris", owner="web shop"),
        Entry.of("10.2.0.0/24", site="london", owner="web shop"),
        Entry.of("2001:db8::/64", site="london", owner="web shop"),
    ]
)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class Begun(NamedTuple):
    """A sweep that the simulated service started."""

    at: float
    name: str
    due: float
    end: float


class Service:
    """Does what a planner says, on a clock that it sets itself; every sweep takes `takes` seconds. What it
    remembers goes through JSON, as over a restart. It looks by itself so rarely that `look_at` has to lead to
    every start."""

    def __init__(
        self,
        begin: float,
        *schedules: ScheduleSettings,
        blackout: tuple[Blackout, ...] = (),
        scope: Scope = SCOPE,
        takes: float = 600.0,
    ) -> None:
        self.planner = Planner(Settings(schedule=schedules, blackout=blackout), scope, look_again=6 * HOUR)
        self.takes = takes
        self.now = begin
        self.states: dict[str, ScheduleState] = {}
        self.running: Begun | None = None
        self.begun: list[Begun] = []
        self.missed: list[tuple[str, float]] = []
        self.look()

    def look(self) -> Decision:
        if self.running is not None and self.running.end <= self.now:
            self.running = None
        running = [Running(f"the sweep of {self.running.name}")] if self.running else []
        decision = self.planner.decide(self.now, self.states, running)
        kept = msgspec.json.encode(decision.states)
        self.states = msgspec.json.decode(kept, type=dict[str, ScheduleState])
        self.missed += [(each.name, each.due) for each in decision.missed]
        for start in decision.starts:
            assert self.running is None, "two sweeps at once"
            self.running = Begun(self.now, start.name, start.due, self.now + self.takes)
            self.begun.append(self.running)
        return decision

    def run(self, until: float) -> None:
        """Look when the planner wants it, and whenever a sweep ends."""
        while self.now < until:
            look_at = self.look().look_at
            assert look_at > self.now
            ends = self.running.end if self.running else math.inf
            self.now = min(look_at, ends, until)

    def began(self, name: str) -> list[float]:
        """When each sweep of a schedule was started."""
        return [each.at for each in self.begun if each.name == name]


def schedule(
    name: str,
    cron: str,
    zone: str = "UTC",
    *,
    sites: tuple[str, ...] = (),
    jitter: str = "",
    catch_up: str = "12h",
) -> ScheduleSettings:
    return ScheduleSettings(name=name, cron=cron, zone=zone, sites=sites, jitter=jitter, catch_up=catch_up)


TRADING = Blackout(
    cidr="10.1.0.0/16",
    start="08:00",
    to="18:00",
    zone="Europe/Paris",
    days=("mon", "tue", "wed", "thu", "fri"),
    reason="trading hours",
)
