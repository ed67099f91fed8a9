"""Sorted disjoint intervals of addresses, IPv4 before IPv6.

A /8 is one pair of integers. Every set operation is one walk along both lists; nothing is ever expanded.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from targets.grammar import Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Interval = tuple[int, int]  # inclusive


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """Sorted, disjoint and with neighbours joined. An interval that runs backwards raises ValueError."""
    merged: list[Interval] = []
    for first, last in sorted(intervals):
        if last < first:
            raise ValueError(f"interval {first}-{last} runs backwards")
        if merged and first <= merged[-1][1] + 1:
            if last > merged[-1][1]:
                merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged


def subtract(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """What is in `left` and not in `right`; both sorted and disjoint."""
    kept: list[Interval] = []
    at = 0
    for first, last in left:
        while at < len(right) and right[at][1] < first:
            at += 1
        hole = at
        while hole < len(right) and right[hole][0] <= last:
            if right[hole][0] > first:
                kept.append((first, right[hole][0] - 1))
            first = right[hole][1] + 1
            hole += 1
        if first <= last:
            kept.append((first, last))
    return kept


def intersect(left: Sequence[Interval], right: Sequence[Interval]) -> list[Interval]:
    """What is in both; both sorted and disjoint."""
    shared: list[Interval] = []
    i = j = 0
    while i < len(left) and j < len(right):
        first, last = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if first <= last:
            shared.append((first, last))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return shared


def overlapping(intervals: Sequence[Interval], first: int, last: int) -> Sequence[Interval]:
    """The part of a sorted disjoint list that shares an address with first … last, found by bisection."""
    low = bisect_left(intervals, first, key=lambda interval: interval[1])
    high = bisect_right(intervals, last, key=lambda interval: interval[0])
    return intervals[low:high]


class Ranges:
    """An immutable set of addresses of both families."""

    __slots__ = ("_firsts", "_intervals", "size")

    def __init__(self, v4: Iterable[Interval] = (), v6: Iterable[Interval] = ()) -> None:
        self._intervals = {4: merge(v4), 6: merge(v6)}
        self._firsts = {version: [first for first, _ in self._intervals[version]] for version in (4, 6)}
        # How many addresses. Unlike `len` it has no ceiling: an IPv6 /32 holds 2**96.
        self.size = sum(last - first + 1 for version in (4, 6) for first, last in self._intervals[version])

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Ranges:
        """The union of spans of either family."""
        found: dict[int, list[Interval]] = {4: [], 6: []}
        for version, first, last in spans:
            found[version].append((first, last))
        return cls(found[4], found[6])

    def __bool__(self) -> bool:
        return self.size > 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranges) and self._intervals == other._intervals

    def __hash__(self) -> int:
        return hash((tuple(self._intervals[4]), tuple(self._intervals[6])))

    def __repr__(self) -> str:
        return f"Ranges({self._intervals[4]}, {self._intervals[6]})"

    def intervals(self, version: int) -> list[Interval]:
        """The sorted disjoint intervals of one family, inclusive at both ends."""
        return list(self._intervals[version])

    def spans(self) -> Iterator[Span]:
        """Every interval with its family, IPv4 first."""
        for version in (4, 6):
            for first, last in self._intervals[version]:
                yield Span(version, first, last)

    def contains(self, version: int, address: int) -> bool:
        """Whether an address is in the set, in O(log intervals)."""
        at = bisect_right(self._firsts[version], address) - 1
        return at >= 0 and address <= self._intervals[version][at][1]

    def widened(self, length: int, length_v6: int) -> Ranges:
        """All addresses of the prefixes of these lengths that hold one of the set."""
        wide = {}
        for version, bits, prefix in ((4, 32, length), (6, 128, length_v6)):
            rest = (1 << (bits - prefix)) - 1
            wide[version] = [(first & ~rest, last | rest) for first, last in self._intervals[version]]
        return Ranges(wide[4], wide[6])

    def within(self, span: Span) -> list[Interval]:
        """The parts of `span` that are in the set, in O(log intervals + parts)."""
        intervals = self._intervals[span.version]
        return intersect([(span.first, span.last)], overlapping(intervals, span.first, span.last))

    def __and__(self, other: Ranges) -> Ranges:
        return Ranges(*(intersect(self._intervals[v], other._intervals[v]) for v in (4, 6)))
