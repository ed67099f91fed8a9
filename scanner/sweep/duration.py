"""How long a sweep takes when nobody answers: the caps on its pace, and windows that keep prefixes untouched.

Pure arithmetic over the scope's intervals, so a /8 costs no more than a single address.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from scanner.engine.launch_queue import MAX_HELD
from scanner.setup.blackout import Calendar
from targets.grammar import parse_span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scanner.setup.blackout import Window
    from scanner.setup.settings import Blackout, SweepSettings
    from targets.grammar import Span
    from targets.scope import Scope

FURTHEST: Final = 70 * 86400.0  # seconds ahead; a sweep that windows keep from ending by then has no end here
_BITS = {4: 32, 6: 128}


def estimate(sweep: SweepSettings, scope: Scope, targets: int, shards: int = 1) -> tuple[float, str]:
    """Seconds for `targets` connects when nobody answers, and the cap that decides it.

    Three caps compete: the rate, the rate into the densest prefix, and the slots that unanswered connects
    hold for the connect timeout (which the SYN engine does not need).
    """
    if not targets:
        return 0.0, "nothing to do"
    caps = [(targets / sweep.rate, f"rate = {sweep.rate:g}")]
    densest = densest_prefix(scope, sweep.per_prefix_length, sweep.per_prefix_length_v6) / shards
    caps.append((densest / sweep.per_prefix_rate, f"per_prefix_rate = {sweep.per_prefix_rate:g}"))
    if sweep.engine == "connect":
        both = (sweep.half_open_limit, "half_open_limit"), (sweep.concurrency, "concurrency")
        slots, name = min(both, key=lambda cap: cap[0])
        caps.append((targets * sweep.connect_timeout / slots, f"{name} = {slots}"))
    seconds, limited_by = max(caps, key=lambda cap: cap[0])
    return seconds + sweep.connect_timeout, limited_by


def densest_prefix(scope: Scope, length: int, length_v6: int) -> int:
    """How many targets the fullest prefix of the given length holds."""
    densest = 0
    for version, bits in ((4, length), (6, length_v6)):
        shift = _BITS[version] - bits
        edges: dict[int, int] = defaultdict(int)
        for segment in scope.segments(version):
            ports = len(segment.ports)
            low, high = segment.first >> shift, segment.last >> shift
            if low == high:
                edges[low] += (segment.last - segment.first + 1) * ports
                continue
            edges[low] += (((low + 1) << shift) - segment.first) * ports
            edges[high] += (segment.last - (high << shift) + 1) * ports
            if high - low > 1:
                densest = max(densest, (1 << shift) * ports)
        densest = max(densest, max(edges.values(), default=0))
    return densest


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a sweep's time in which one thing holds. Times are seconds since 1970-01-01 UTC."""

    start: float
    end: float
    asked: float  # targets, by its end
    share: float  # of the targets, which a window covers meanwhile: 0 (none) to 1 (all)
    waits: bool  # nothing is asked


@dataclass(frozen=True, slots=True)
class Course:
    """What a sweep does over time; `end` is infinite where windows leave it no time to end."""

    stretches: tuple[Stretch, ...]
    end: float

    @property
    def waiting(self) -> float:
        """Seconds in which nothing is asked."""
        return sum(each.end - each.start for each in self.stretches if each.waits)


def course(scope: Scope, blackouts: Sequence[Blackout], begin: float, targets: int, seconds: float) -> Course:
    """How a sweep of `targets` goes that begins at `begin` and would take `seconds` without windows.

    The order is a shuffle of the whole scope, so of each prefix the same share has been asked at any time.
    What a window covers is put aside and asked when the window ends; when too much is put aside, the order
    waits.
    """
    if not targets:
        return Course((), begin)
    counts = _by_prefixes(scope, [parse_span(each.cidr) for each in blackouts])
    whole = sum(counts.values())
    parts = {key: count * targets / whole for key, count in counts.items()}
    calendar = Calendar(blackouts)
    for ahead in (86400.0, 8 * 86400.0, FURTHEST):
        until = begin + seconds + ahead
        walk = _Walk(parts, targets / seconds)
        walk.go(begin, until, calendar.between(begin, until), blackouts)
        if walk.ended or ahead == FURTHEST:
            break
    return Course(tuple(walk.stretches), walk.at if walk.ended else math.inf)


def _by_prefixes(scope: Scope, spans: Sequence[Span]) -> dict[frozenset[int], int]:
    """How many targets lie in which of the spans, by their numbers."""
    counts: dict[frozenset[int], int] = defaultdict(int)
    for version in (4, 6):
        ours = [(number, span) for number, span in enumerate(spans) if span.version == version]
        edges = sorted({edge for _, span in ours for edge in (span.first, span.last + 1)})
        for segment in scope.segments(version):
            at, stop = segment.first, segment.last + 1
            while at < stop:
                place = bisect_right(edges, at)
                end = min(edges[place], stop) if place < len(edges) else stop
                over = frozenset(number for number, span in ours if span.first <= at <= span.last)
                counts[over] += (end - at) * len(segment.ports)
                at = end
    return counts


class _Walk:
    """A sweep under way. `parts`: targets by the blackouts whose prefixes hold them; `rate`: targets a
    second."""

    def __init__(self, parts: Mapping[frozenset[int], float], rate: float) -> None:
        self.stretches: list[Stretch] = []
        self.at = 0.0
        self._parts = parts
        self._whole = sum(parts.values())
        self._rate = rate
        self._walked = 0.0  # share of the order
        self._asked = 0.0
        self._ready = 0.0  # put aside once, and free to be asked now
        self._held = dict.fromkeys(parts, 0.0)

    @property
    def ended(self) -> bool:
        """Whether everything has been asked."""
        return self._asked >= self._whole * (1 - 1e-9)

    def go(
        self, begin: float, until: float, windows: Sequence[Window], blackouts: Sequence[Blackout]
    ) -> None:
        """Walk from one time to another, or to the end."""
        self.at = begin
        numbers = {id(each): number for number, each in enumerate(blackouts)}
        edges = {edge for each in windows for edge in (each.start, each.end) if begin < edge < until}
        for edge in [*sorted(edges), until]:
            if self.ended:
                return
            opened = frozenset(numbers[id(w.blackout)] for w in windows if w.start <= self.at < w.end)
            self._let_go(opened)
            while self.at < edge and not self.ended:
                self._step(edge, opened)

    def _let_go(self, opened: frozenset[int]) -> None:
        for key, count in self._held.items():
            if count and not key & opened:
                self._ready += count
                self._held[key] = 0.0

    def _step(self, edge: float, opened: frozenset[int]) -> None:
        """One thing, until it is done or another window opens or ends."""
        covered = sum(count for key, count in self._parts.items() if key & opened)
        free = self._whole - covered
        room = MAX_HELD - sum(self._held.values())
        left = edge - self.at
        if self._ready:
            asked = min(self._ready, self._rate * left)
            self._ready = 0.0 if asked == self._ready else self._ready - asked
        elif self._walked < 1 and (room > 1 or not covered):
            share = min(1 - self._walked, room / covered if covered else 1.0)
            if free:
                share = min(share, self._rate * left / free)
            for key, count in self._parts.items():
                if key & opened:
                    self._held[key] += share * count
            self._walked = 1.0 if share >= 1 - self._walked - 1e-12 else self._walked + share
            asked = share * free
        else:
            asked = 0.0
        self._note(self.at + asked / self._rate if asked else edge, asked, covered)

    def _note(self, end: float, asked: float, covered: float) -> None:
        self._asked += asked
        share, waits = covered / self._whole, not asked
        before = self.stretches[-1] if self.stretches else None
        if before is not None and (before.share, before.waits) == (share, waits):
            self.stretches[-1] = replace(before, end=end, asked=self._asked)
        elif end > self.at:
            self.stretches.append(Stretch(self.at, end, self._asked, share, waits))
        self.at = end
