"""Hours in which a prefix is not touched: which windows are open at a time, and which come next.

Pure functions of the time given. Windows are written in local time of a named zone; where the clocks change,
a window is taken at its longest (a start that comes twice begins at the first, an end at the second).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from scanner.setup.settings import DAYS, Blackout
from scanner.setup.zones import zone_named
from targets.grammar import GrammarError, Span, parse_span
from targets.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import tzinfo

    from targets.toml_lines import Path as Place


@dataclass(frozen=True, slots=True)
class Window:
    """One occurrence of a blackout: [start, end), seconds since 1970-01-01 UTC."""

    start: float
    end: float
    span: Span
    blackout: Blackout


class Calendar:
    """All blackouts of a configuration. The configuration has passed `problems`."""

    def __init__(self, blackouts: Iterable[Blackout]) -> None:
        self._entries = [(item, parse_span(item.cidr), zone_named(item.zone)) for item in blackouts]

    def active(self, at: float) -> list[Window]:
        """The windows that are open at `at` (seconds since 1970, UTC)."""
        return [window for window in self.between(at, at) if window.start <= at < window.end]

    def between(self, start: float, end: float) -> list[Window]:
        """The windows that touch [start, end], by their start. `end - start` may be some weeks."""
        return sorted(self._occurrences(start, end), key=lambda window: (window.start, window.end))

    def _occurrences(self, start: float, end: float) -> Iterator[Window]:
        for blackout, span, zone in self._entries:
            day = datetime.fromtimestamp(start, zone).date() - timedelta(days=2)
            last = datetime.fromtimestamp(end, zone).date()
            while day <= last:
                if DAYS[day.weekday()] in blackout.days:
                    opened, closed = _bounds(blackout, zone, day)
                    if opened <= end and closed >= start:
                        yield Window(opened, closed, span, blackout)
                day += timedelta(days=1)


class ActiveBlackouts:
    """The addresses that a blackout window covers now, as of the last `refresh`."""

    def __init__(self, blackouts: Iterable[Blackout] = ()) -> None:
        self._calendar = Calendar(blackouts)
        self._ranges = Ranges()
        self._spans: tuple[Span, ...] = ()
        self.until = 0.0  # when the first of the open windows ends, in seconds since 1970; 0 for none

    def __bool__(self) -> bool:
        """Whether any window is open now."""
        return bool(self._spans)

    def cover(self, version: int, address: int) -> bool:
        """Whether the address must not be touched now."""
        return bool(self._spans) and self._ranges.contains(version, address)

    def refresh(self, wall: float) -> bool:
        """Look at the clock. True when the windows have changed."""
        windows = self._calendar.active(wall)
        self.until = min((window.end for window in windows), default=0.0)
        spans = tuple(window.span for window in windows)
        if spans == self._spans:
            return False
        self._spans = spans
        self._ranges = Ranges.of(spans)
        return True


def _bounds(blackout: Blackout, zone: tzinfo, day: date) -> tuple[float, float]:
    """Start and end of the occurrence that begins on `day`, in seconds since 1970."""
    end_day = day + timedelta(days=1) if _minutes(blackout.to) <= _minutes(blackout.start) else day
    return min(_instants(day, blackout.start, zone)), max(_instants(end_day, blackout.to, zone))


def _instants(day: date, clock: str, zone: tzinfo) -> tuple[float, float]:
    """Both readings of a local time: they differ only where it is skipped or comes twice."""
    if clock == "24:00":
        day, clock = day + timedelta(days=1), "00:00"
    at = datetime.combine(day, time.fromisoformat(clock), zone)
    return at.timestamp(), at.replace(fold=1).timestamp()


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


def describe(window: Window) -> str:
    """A window in one line, in its own zone and in UTC."""
    zone = zone_named(window.blackout.zone)
    start, end = (datetime.fromtimestamp(edge, zone) for edge in (window.start, window.end))
    reason = f" ({window.blackout.reason})" if window.blackout.reason else ""
    utc = datetime.fromtimestamp(window.start, UTC)
    return (
        f"{window.blackout.cidr} from {start:%a %Y-%m-%d %H:%M} to {end:%a %H:%M} "
        f"{window.blackout.zone} ({utc:%H:%M} UTC){reason}"
    )


def problems(blackouts: Sequence[Blackout], host_timeout: float) -> Iterator[tuple[Place, str]]:
    """(place, reason with remedy) for each blackout that cannot be kept."""
    for number, item in enumerate(blackouts):
        for key, reason in _problems(item, host_timeout):
            yield ("blackout", number, key), f"[[blackout]] {key}: {reason}"


def _problems(item: Blackout, host_timeout: float) -> Iterator[tuple[str, str]]:
    try:
        parse_span(item.cidr)
    except GrammarError as error:
        yield "cidr", str(error)
    try:
        zone_named(item.zone)
    except ValueError as error:
        yield "zone", str(error)
    length = (_minutes(item.to) - _minutes(item.start)) % 1440 * 60
    if item.start == item.to:
        yield "to", 'it begins and ends at the same time; for a whole day write from = "00:00", to = "24:00"'
    elif 0 < length < host_timeout:
        reason = (
            f"the window of {length} s is shorter than host_timeout = {host_timeout:g} s, so a host asked"
        )
        yield "to", f"{reason} before it could outlast it; write a later time, or a shorter host_timeout"
