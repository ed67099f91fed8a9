"""When one schedule wants to start: its cron expression in its zone, and its jitter. Arithmetic of time.

Every time here is in seconds since 1970-01-01 UTC. A *due* is a time that the cron expression names; the
*start* is the due with its jitter. Where the clocks change it is as in Debian's cron (see its cron(8)), which
cronsim follows: a start at a fixed time that is skipped comes when the clocks have gone forward, one that
comes twice comes the first time; expressions with a wildcard for minute or hour follow the clock on the wall.
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime
from typing import TYPE_CHECKING

from cronsim import CronSim

from results.durations import seconds_of
from scanner.setup.zones import zone_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.setup.service_settings import ScheduleSettings

_FIRST_LOOK = 3600.0  # seconds back, for the newest due; then four times as far, and so on
_REMEMBERED = 64  # starts


class Schedule:
    """One `[[schedule]]` of a configuration that was checked."""

    def __init__(self, settings: ScheduleSettings) -> None:
        self.settings = settings
        self.name = settings.name
        self.rule = f"{settings.cron} {settings.zone}"
        """What its dues follow from: another text means other dues."""
        self.jitter = length(settings.jitter)
        self.catch_up = length(settings.catch_up)
        self._zone = zone_named(settings.zone)
        # Looking for dues is slow, and is done at every look: the last time without one is remembered, from
        # its begin to the due at its end, and the last starts.
        self._quiet: tuple[float, float | None] = math.inf, None
        self._starts: dict[float, float] = {}

    def dues(self, after: float) -> Iterator[float]:
        """Every due later than `after`, one after the other; it ends where none comes within 50 years."""
        before = after
        for moment in CronSim(self.settings.cron, datetime.fromtimestamp(after, self._zone)):
            due = moment.timestamp()
            if due > before:  # asked in the second of two doubled hours, cronsim begins with the first
                yield due
                before = due

    def due_after(self, at: float) -> float | None:
        """The first due later than `at`; None where none comes within 50 years."""
        begin, end = self._quiet
        if not (begin <= at and (end is None or at < end)):
            self._quiet = at, next(self.dues(at), None)
        return self._quiet[1]

    def due_by(self, at: float, later_than: float) -> float | None:
        """The last due at or before `at`, if it is later than `later_than`."""
        begin, end = self._quiet
        if begin <= later_than and (end is None or at < end):
            return None
        look, found, following = _FIRST_LOOK, None, None
        while found is None:
            begin = max(at - look, later_than)
            for due in self.dues(begin):
                if due > at:
                    following = due
                    break
                found = due
            if begin <= later_than:
                break
            look *= 4
        self._quiet = begin if found is None else found, following
        return found

    def start_of(self, due: float) -> float:
        """When a due is to start: put off by its jitter, but never to the next due or beyond. The same for
        the same name and due, whoever asks and however often."""
        if not self.jitter:
            return due
        if due not in self._starts:
            digest = hashlib.sha256(f"{self.name} {int(due)}".encode()).digest()
            share = int.from_bytes(digest[:8], "big") / 2**64
            following = next(self.dues(due), math.inf)
            if len(self._starts) > _REMEMBERED:
                self._starts.clear()
            self._starts[due] = due + float(int(share * min(self.jitter, following - due)))
        return self._starts[due]

    def starts(self, after: float) -> Iterator[tuple[float, float]]:
        """Every (due, start) whose start is later than `after`, in order."""
        last = self.due_by(after, after - self.jitter - 1) if self.jitter else None
        if last is not None and self.start_of(last) > after:
            yield last, self.start_of(last)
        for due in self.dues(after):
            yield due, self.start_of(due)

    def shown(self, at: float) -> str:
        """A time on the clocks of its zone, for people: `Sun 2026-03-29 03:00 CEST`."""
        return f"{datetime.fromtimestamp(at, self._zone):%a %Y-%m-%d %H:%M %Z}"


def length(text: str) -> float:
    """Seconds of a length of time as settings write it; 0 for an empty one."""
    return float(seconds_of(text)) if text else 0.0
