"""The pieces that a scope is made of, and the arithmetic that cuts them. Pure functions over integers."""

from __future__ import annotations

from heapq import merge as merge_sorted
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from targets.ranges import Interval, intersect, merge, overlapping, subtract
from targets.runs import Runs
from targets.special import TABLE, Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from targets.entries import Deny, Entry
    from targets.grammar import Span


class ScopeSegment(NamedTuple):
    """A run of addresses that one entry governs, with the ports that may be asked and until when."""

    first: int
    last: int
    ports: tuple[int, ...]
    expires: float  # seconds since the epoch
    entry: Entry


class Excluded(NamedTuple):
    """What one deny entry takes away from the allowed addresses; overlapping denies share nothing."""

    deny: Deny
    addresses: int


def _special(version: int, *policies: Policy) -> list[Interval]:
    return merge(
        (row.span.first, row.span.last)
        for row in TABLE
        if row.span.version == version and row.policy in policies
    )


_CLOSED = {version: _special(version, Policy.NEVER, Policy.LAB) for version in (4, 6)}
_LAB = {version: _special(version, Policy.LAB) for version in (4, 6)}


def check_ports(ports: Iterable[int]) -> tuple[int, ...]:
    """Ports, each once and ascending. Raises ValueError for one that is no TCP port."""
    found = sorted(set(ports))
    for port in found:
        if type(port) is not int or not 1 <= port <= 65535:
            raise ValueError(f"{port!r} is not a port from 1 to 65535")
    return tuple(found)


def cut(version: int, segment: ScopeSegment, denied: Sequence[Interval]) -> Iterator[ScopeSegment]:
    """What deny and the space that no entry can allow leave of a segment.

    The second is checked when a file is loaded; here it holds for every scope, however it was made.
    """
    lab = segment.entry.kind == "lab"
    whole = [(segment.first, segment.last)]
    run = intersect(whole, _LAB[version]) if lab else subtract(whole, _CLOSED[version])
    for first, last in run:
        for piece in subtract([(first, last)], overlapping(denied, first, last)):
            yield segment._replace(first=piece[0], last=piece[1])


def count_excluded(
    allowed: Sequence[Interval], pieces: Sequence[tuple[int, int, Deny]]
) -> dict[int, tuple[Deny, int]]:
    """Addresses that each deny takes from `allowed`, keyed by the identity of the deny."""
    counts: dict[int, tuple[Deny, int]] = {}
    for first, last, deny in pieces:
        taken = sum(
            min(last, right) - max(first, left) + 1 for left, right in overlapping(allowed, first, last)
        )
        counts[id(deny)] = (deny, counts.get(id(deny), (deny, 0))[1] + taken)
    return counts


def meet(left: Sequence[ScopeSegment], right: Sequence[ScopeSegment]) -> Iterator[ScopeSegment]:
    """What both lists hold: the left one's entries, the common ports, the earlier expiry."""
    i = j = 0
    while i < len(left) and j < len(right):
        ours, theirs = left[i], right[j]
        first, last = max(ours.first, theirs.first), min(ours.last, theirs.last)
        if first <= last:
            ports = tuple(port for port in ours.ports if port in theirs.ports)
            if ports:
                yield ScopeSegment(first, last, ports, min(ours.expires, theirs.expires), ours.entry)
        if ours.last < theirs.last:
            i += 1
        else:
            j += 1


class Wanted:
    """Spans somebody asks for, each on one port or on every port (None), ready to cut segments with."""

    def __init__(self, spans: Iterable[tuple[Span, int | None]] = ()) -> None:
        self._groups: dict[tuple[int, int | None], Runs] = {}
        for span, port in spans:
            self.add(span, port)

    def add(self, span: Span, port: int | None) -> None:
        """Ask for one more."""
        version, first, last = span
        runs = self._groups.get((version, port))
        if runs is None:
            runs = self._groups[version, port] = Runs(version)
        runs.add(first, last)

    def cut(self, version: int, segment: ScopeSegment, only: frozenset[int] | None) -> Iterator[ScopeSegment]:
        """The pieces of a segment that are wanted, with the ports that are wanted there and in `only`."""
        ports = tuple(port for port in segment.ports if only is None or port in only)
        groups = [
            (ports if port is None else (port,), runs)
            for (family, port), runs in self._groups.items()
            if family == version and ports and (port is None or port in ports)
        ]
        if len(groups) == 1:  # as it is for nearly every list: 0.6 us a piece, where edges cost 4
            asked, runs = groups[0]
            expires, entry = segment.expires, segment.entry
            for first, last in runs.over(segment.first, segment.last):
                piece = max(first, segment.first), min(last, segment.last), asked, expires, entry
                yield tuple.__new__(ScopeSegment, piece)
            return
        depth = dict.fromkeys(ports, 0)
        pending: ScopeSegment | None = None
        edges = groupby(merge_sorted(*(_edges(segment, *group) for group in groups)), key=itemgetter(0))
        for edge, changes in edges:
            for _, step, affected in changes:
                for port in affected:
                    depth[port] += step
            asked = tuple(port for port in ports if depth[port])
            if pending is not None:
                if pending.ports == asked:
                    continue
                yield pending._replace(last=edge - 1)
            pending = segment._replace(first=edge, ports=asked) if asked else None


def _edges(
    segment: ScopeSegment, ports: tuple[int, ...], runs: Runs
) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Where runs begin (1) and end (-1) in a segment, and for which ports."""
    for first, last in runs.over(segment.first, segment.last):
        yield max(first, segment.first), 1, ports
        yield min(last, segment.last) + 1, -1, ports
