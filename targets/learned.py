"""Learned ports: pairs of an address and a port as integers, and how they cut a scope's segments. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from targets.segments import ScopeSegment

PORT_BITS: Final = 16
PORT: Final = 0xFFFF


class Learned:
    """Pairs of an address and a port, in ascending order; `crowded` are addresses that claimed too many.

    8 bytes a pair of IPv4. It says where to look, never what may be asked: see `Scope.with_learned`.
    """

    __slots__ = ("_pairs", "crowded")

    def __init__(self, pairs: dict[int, Sequence[int]], crowded: Sequence[tuple[int, int]] = ()) -> None:
        """`pairs`: of each family `address << 16 | port`, ascending, each once."""
        self._pairs = pairs
        self.crowded = tuple(crowded)

    @classmethod
    def of(cls, targets: Iterable[tuple[int, int, int]]) -> Learned:
        """From a few (version, address, port)."""
        found: dict[int, set[int]] = {4: set(), 6: set()}
        for version, address, port in targets:
            found[version].add(address << PORT_BITS | port)
        return cls({version: sorted(pairs) for version, pairs in found.items()})

    def __len__(self) -> int:
        return sum(map(len, self._pairs.values()))

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """(version, address, port), ascending, IPv4 first."""
        for version, pairs in self._pairs.items():
            for pair in pairs:
                yield version, pair >> PORT_BITS, pair & PORT

    def added(
        self, version: int, segments: Iterable[ScopeSegment], only: Collection[int] | None
    ) -> Iterator[ScopeSegment]:
        """Segments in order, with what is learned at their addresses; `only`: the ports that are left of what
        they ask otherwise. An entry that has ports of its own is asked on no other."""
        pairs = self._pairs.get(version, ())
        shared: dict[tuple[int, ...], tuple[int, ...]] = {}  # equal port lists are one object
        for segment in segments:
            base = segment.ports if only is None else tuple(port for port in segment.ports if port in only)
            yield from _cut(pairs, segment, base, shared)


def _cut(
    pairs: Sequence[int],
    segment: ScopeSegment,
    base: tuple[int, ...],
    shared: dict[tuple[int, ...], tuple[int, ...]],
) -> Iterator[ScopeSegment]:
    """A segment in runs of equal ports: the addresses at which something is learned, and those between.

    Written for a million pairs: no object is made of an address, and one segment of each run.
    """
    own, merged = segment.entry.ports, dict[tuple[int, ...], tuple[int, ...]]()
    make, kind, rest = tuple.__new__, segment.__class__, segment[3:]
    at = bisect_left(pairs, segment.first << PORT_BITS)
    stop = bisect_left(pairs, (segment.last + 1) << PORT_BITS)
    base = run = shared.setdefault(base, base)
    begin = free = segment.first  # of the run; and behind the last address that was looked at
    while at < stop:
        address = pairs[at] >> PORT_BITS
        here = at
        while at < stop and pairs[at] >> PORT_BITS == address:
            at += 1
        key = tuple([pair & PORT for pair in pairs[here:at]])
        ports = merged.get(key)
        if ports is None:
            more = key if own is None else [port for port in key if port in own]
            every = tuple(sorted({*base, *more}))
            ports = merged[key] = shared.setdefault(every, every)
        if address > free and run is not base:
            if run:
                yield make(kind, (begin, free - 1, run, *rest))
            begin, run = free, base
        if ports is not run:
            if run and address > begin:
                yield make(kind, (begin, address - 1, run, *rest))
            begin, run = address, ports
        free = address + 1
    if free <= segment.last and run is not base:
        if run:
            yield make(kind, (begin, free - 1, run, *rest))
        begin, run = free, base
    if run:
        yield make(kind, (begin, segment.last, run, *rest))
