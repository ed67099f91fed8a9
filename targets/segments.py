"""The pieces that a scope is made of, and the arithmetic that cuts them. Pure functions over integers."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from targets.ranges import Interval, intersect, merge, overlapping, subtract
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
    """Spans somebody asks for, each on one port or on every port, ready to cut segments with."""

    def __init__(self, spans: Iterable[tuple[Span, int | None]]) -> None:
        grouped: dict[tuple[int, int | None], list[Interval]] = {}
        for span, port in spans:
            grouped.setdefault((span.version, port), []).append((span.first, span.last))
        self._groups = {key: merge(intervals) for key, intervals in grouped.items()}

    def cut(self, version: int, segment: ScopeSegment, only: frozenset[int] | None) -> Iterator[ScopeSegment]:
        """The pieces of a segment that are wanted, with the ports that are wanted there and in `only`."""
        ports = tuple(port for port in segment.ports if only is None or port in only)
        changes: dict[int, list[tuple[int, int]]] = {}  # address -> [(port, +1 or -1)]
        for (family, port), intervals in self._groups.items():
            if family != version or (port is not None and port not in ports):
                continue
            affected = ports if port is None else (port,)
            for first, last in overlapping(intervals, segment.first, segment.last):
                start, stop = max(first, segment.first), min(last, segment.last) + 1
                changes.setdefault(start, []).extend((each, 1) for each in affected)
                changes.setdefault(stop, []).extend((each, -1) for each in affected)
        depth = dict.fromkeys(ports, 0)
        edges = sorted(changes)
        pending: ScopeSegment | None = None
        for edge, following in pairwise(edges):
            for port, step in changes[edge]:
                depth[port] += step
            asked = tuple(port for port in ports if depth[port])
            if pending is not None and pending.ports == asked and pending.last == edge - 1:
                pending = pending._replace(last=following - 1)
                continue
            if pending is not None:
                yield pending
            pending = segment._replace(first=edge, last=following - 1, ports=asked) if asked else None
        if pending is not None:
            yield pending
