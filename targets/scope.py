"""Scope: allow minus deny, the only maker of a Target, and the one filter that every connect passes.

Everything is decided when a scope is built; afterwards it is immutable. Its targets are numbered without a
gap: IPv4 before IPv6, addresses upwards, and for one address its ports upwards (the port varies fastest).
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NoReturn

from targets.entries import govern
from targets.grammar import GrammarError, format_address, parse_address
from targets.ranges import Ranges, merge
from targets.segments import Excluded, ScopeSegment, Wanted, check_ports, count_excluded, cut, meet
from targets.special import describe
from targets.target import OutOfScope, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from targets.entries import Deny, Entry
    from targets.grammar import Span
    from targets.learned import Learned
    from targets.ranges import Interval

__all__ = ["Excluded", "OutOfScope", "Scope", "ScopeSegment", "Target"]

Names = Mapping[tuple[int, int], tuple[str, ...]]
"""What a list calls the hosts at (version, address): labels, which nothing looks up."""

_Interval = tuple[int, int, int, tuple[int, ...], float]
_CLOSED: Final[_Interval] = (0, 0, -1, (), -math.inf)


class Scope:
    """The addresses and ports that may be probed, whose they are, and until when. Immutable."""

    __slots__ = (
        "_allowed",
        "_count",
        "_denies",
        "_entries",
        "_excluded",
        "_firsts",
        "_four",
        "_last_interval",
        "_names",
        "_offsets",
        "_order",
        "_ports",
        "_segments",
    )

    _allowed: Ranges
    _count: int
    _denies: tuple[Deny, ...]
    _entries: tuple[Entry, ...]
    _excluded: tuple[Excluded, ...]
    _firsts: dict[int, list[int]]
    _four: int  # how many of `_order` are IPv4
    _last_interval: list[_Interval]  # a cell of one: the interval that held the last target
    _names: Names
    _offsets: list[int]  # the index of the first target of each of `_order`
    _order: tuple[ScopeSegment, ...]  # all segments, IPv4 first
    _ports: tuple[int, ...]
    _segments: dict[int, tuple[ScopeSegment, ...]]

    def __init__(
        self, allow: Sequence[Entry] = (), deny: Sequence[Deny] = (), ports: Iterable[int] = (27017,)
    ) -> None:
        """Build allow minus deny minus the space that no entry can allow. Checks of policy are in load.py."""
        default = check_ports(ports)
        segments: dict[int, list[ScopeSegment]] = {}
        taken: dict[int, tuple[Deny, int]] = {}
        for version in (4, 6):
            governed = [
                ScopeSegment(first, last, entry.ports or default, entry.expires, entry)
                for first, last, entry in govern(allow, version)
            ]
            allowed = merge((segment.first, segment.last) for segment in governed)
            pieces = govern(deny, version)
            taken.update(count_excluded(allowed, pieces))
            denied = merge((first, last) for first, last, _ in pieces)
            segments[version] = [piece for segment in governed for piece in cut(version, segment, denied)]
        excluded = [Excluded(item, taken[id(item)][1] if id(item) in taken else 0) for item in deny]
        ranges = Ranges.of(entry.span for entry in allow)
        self._fill(tuple(allow), tuple(deny), segments, tuple(excluded), ranges)

    def _fill(
        self,
        entries: tuple[Entry, ...],
        denies: tuple[Deny, ...],
        segments: Mapping[int, list[ScopeSegment]],
        excluded: tuple[Excluded, ...],
        allowed: Ranges,
        names: Names | None = None,
    ) -> None:
        put = object.__setattr__
        order = (*segments[4], *segments[6])
        sizes = ((segment.last - segment.first + 1) * len(segment.ports) for segment in order)
        *offsets, count = accumulate(sizes, initial=0)
        put(self, "_entries", entries)
        put(self, "_denies", denies)
        put(self, "_excluded", excluded)
        put(self, "_allowed", allowed)
        put(self, "_segments", {version: tuple(segments[version]) for version in (4, 6)})
        put(self, "_order", order)
        put(self, "_four", len(segments[4]))
        put(self, "_offsets", offsets)
        put(self, "_count", count)
        put(self, "_firsts", {v: [segment.first for segment in segments[v]] for v in (4, 6)})
        put(self, "_last_interval", [_CLOSED])
        put(self, "_names", names or {})
        put(self, "_ports", tuple(sorted(set().union(*{segment.ports for segment in order}))))

    @classmethod
    def _made(
        cls,
        entries: tuple[Entry, ...],
        denies: tuple[Deny, ...],
        segments: Mapping[int, list[ScopeSegment]],
        excluded: tuple[Excluded, ...],
        allowed: Ranges,
        names: Names | None = None,
    ) -> Scope:
        scope = object.__new__(cls)
        scope._fill(entries, denies, segments, excluded, allowed, names)
        return scope

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Scope is immutable: build another one")

    def __reduce__(self) -> tuple[object, ...]:
        segments = {version: list(self._segments[version]) for version in (4, 6)}
        parts = self._entries, self._denies, segments, self._excluded, self._allowed, self._names
        return Scope._made, parts

    def __repr__(self) -> str:
        return f"<Scope of {self._count} targets, {self.digest[:12]}>"

    # -- the index space

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return self._count > 0  # also of IPv6 space that has no length, because an index would not hold it

    def pick(self, index: int) -> Target:
        """The target at `index` in O(log segments). Raises IndexError outside 0 … len - 1."""
        if not 0 <= index < self._count:
            raise IndexError(f"index {index} is outside 0…{self._count - 1}")
        offsets = self._offsets
        at = bisect_right(offsets, index) - 1
        first, _, ports, _, _ = self._order[at]
        step, version = index - offsets[at], 4 if at < self._four else 6
        if len(ports) == 1:
            return tuple.__new__(Target, (version, first + step, ports[0]))
        step, port = divmod(step, len(ports))
        return tuple.__new__(Target, (version, first + step, ports[port]))

    def pick_all(self, indices: Sequence[int]) -> list[Target]:
        """What `pick` gives for each of them; quick where the scope is one range with one port."""
        if len(self._order) != 1 or len(self._order[0].ports) > 1 or not indices:
            return [self.pick(index) for index in indices]
        if min(indices) < 0 or max(indices) >= self._count:
            raise IndexError(f"an index is outside 0…{self._count - 1}")
        first, _, (port,), _, _ = self._order[0]
        version = 4 if self._four else 6
        make = tuple.__new__
        return [make(Target, (version, first + index, port)) for index in indices]

    # -- the filter

    def permits(self, target: Target, now: float) -> bool:
        """The last check: whether `target` may be contacted at wall time `now` (seconds since the epoch).

        The address is looked up again, whatever made the target. A clock that may have been set back is
        the caller's: pass the later of its readings.
        """
        if target.__class__ is not Target:
            return False
        version, address, port = target
        interval = self._last_interval[0]
        if not (version == interval[0] and interval[1] <= address <= interval[2]):
            at = bisect_right(self._firsts[version], address) - 1
            if at < 0:
                return False
            first, last, ports, expires, _ = self._segments[version][at]
            if address > last:
                return False
            self._last_interval[0] = interval = (version, first, last, ports, expires)
        return port in interval[3] and now < interval[4]

    def filter(self, now: float) -> Callable[[Target], bool]:
        """`permits` at one wall time, for a burst of targets, written for speed: the interval that held the
        last target is looked at first."""
        version, first, last, ports, expires = self._last_interval[0]
        permits = self.permits

        def inside(target: Target) -> bool:
            if (
                target.__class__ is Target
                and target[0] == version
                and first <= target[1] <= last
                and target[2] in ports
                and now < expires
            ):
                return True
            return permits(target, now)

        return inside

    def target(self, ip: str, port: int, now: float = -math.inf) -> Target:
        """The target for an address given as text. Raises OutOfScope with the reason."""
        try:
            version, address, _ = parse_address(ip)
        except GrammarError as error:
            raise OutOfScope(repr(ip), error.reason) from None
        made: Target = tuple.__new__(Target, (version, address, port))
        if not self.permits(made, now):
            raise OutOfScope(str(made), self.explain(version, address, port, now))
        return made

    def explain(self, version: int, address: int, port: int | None = None, now: float = -math.inf) -> str:
        """Why an address or port may not be probed, as a clause; empty when it may be."""
        segment = self.segment_at(version, address)
        if segment is not None:
            if port is not None and port not in segment.ports:
                return f"port {port} is not one of {', '.join(map(str, segment.ports))}"
            return "" if now < segment.expires else f"the entry {segment.entry.text} has expired"
        for deny in sorted(self._denies, key=lambda deny: deny.span.size):
            if deny.span.version == version and deny.span.first <= address <= deny.span.last:
                return f"denied by {deny.text}" + (f" ({deny.reason})" if deny.reason else "")
        return describe(version, address) or "no allow entry holds it"

    def owner_of(self, address: int, version: int = 4) -> Entry:
        """The most specific allow entry that holds an address of the scope. Raises OutOfScope."""
        if segment := self.segment_at(version, address):
            return segment.entry
        raise OutOfScope(format_address(version, address), self.explain(version, address))

    def hostnames_of(self, address: int, version: int = 4) -> tuple[str, ...]:
        """What an address of the scope is called: by its entry, then by the list that named it."""
        names = self.owner_of(address, version).hostnames
        return (*names, *(name for name in self._names.get((version, address), ()) if name not in names))

    @property
    def names(self) -> Names:
        """What a list called the hosts of the scope, beside the names of their entries."""
        return self._names

    def segment_at(self, version: int, address: int) -> ScopeSegment | None:
        """The segment that holds an address; None where the scope has none."""
        at = bisect_right(self._firsts[version], address) - 1
        held = at >= 0 and address <= self._segments[version][at].last
        return self._segments[version][at] if held else None

    # -- what it holds

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The allow entries, as they were written."""
        return self._entries

    @property
    def denies(self) -> tuple[Deny, ...]:
        """The deny entries, as they were written."""
        return self._denies

    @property
    def excluded(self) -> tuple[Excluded, ...]:
        """What each deny entry took away from the allowed addresses, zero included."""
        return self._excluded

    @property
    def allowed(self) -> Ranges:
        """Every address that an allow entry names, before deny."""
        return self._allowed

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port that is asked somewhere, ascending."""
        return self._ports

    @property
    def address_count(self) -> int:
        """How many addresses are left after deny."""
        return self.ranges().size

    @property
    def expires(self) -> float:
        """The wall time at which the first part of the scope expires; infinite when none does."""
        return min((s.expires for v in (4, 6) for s in self._segments[v]), default=math.inf)

    @property
    def digest(self) -> str:
        """SHA-256 in hex over the set of targets, whatever lines they came from and in what order."""
        state = hashlib.sha256()
        for version in (4, 6):
            for port_set, intervals in self._by_ports(version):
                ports = ",".join(map(str, port_set))
                for first, last in intervals:
                    state.update(f"{version} {first:x}-{last:x} {ports}\n".encode())
        return state.hexdigest()

    def _by_ports(self, version: int) -> Iterator[tuple[tuple[int, ...], list[Interval]]]:
        found: dict[tuple[int, ...], list[Interval]] = {}
        for segment in self._segments[version]:
            found.setdefault(segment.ports, []).append((segment.first, segment.last))
        for ports in sorted(found):
            yield ports, merge(found[ports])

    def segments(self, version: int) -> tuple[ScopeSegment, ...]:
        """The pieces of one family in index order, each with its entry, ports and expiry."""
        return self._segments[version]

    def segments_over(self, span: Span) -> tuple[ScopeSegment, ...]:
        """The segments that share an address with `span`, found by bisection."""
        segments = self._segments[span.version]
        start = max(bisect_right(self._firsts[span.version], span.first) - 1, 0)
        stop = bisect_right(self._firsts[span.version], span.last)
        return tuple(segment for segment in segments[start:stop] if segment.last >= span.first)

    def intervals(self, version: int, port: int | None = None) -> list[Interval]:
        """Sorted disjoint `(first, last)` of one family after deny; with `port`, only where it is asked."""
        return merge(
            (segment.first, segment.last)
            for segment in self._segments[version]
            if port is None or port in segment.ports
        )

    def ranges(self) -> Ranges:
        """The addresses after deny, as a set."""
        return Ranges(self.intervals(4), self.intervals(6))

    # -- making it smaller, or deeper

    def intersect(self, other: Scope) -> Scope:
        """The targets of both: what a reload may leave. Owners stay ours; the earlier expiry holds."""
        segments = {v: list(meet(self._segments[v], other._segments[v])) for v in (4, 6)}
        known = frozenset(self._denies)
        denies = self._denies + tuple(deny for deny in other._denies if deny not in known)
        allowed = self._allowed & other._allowed
        return Scope._made(self._entries, denies, segments, self._excluded, allowed, self._names)

    def without(self, denies: Sequence[Deny]) -> Scope:
        """The same scope with more denied: opt-outs kept elsewhere, or this machine's own addresses."""
        segments: dict[int, list[ScopeSegment]] = {}
        taken: dict[int, tuple[Deny, int]] = {}
        for version in (4, 6):
            pieces = govern(denies, version)
            taken.update(count_excluded(self.intervals(version), pieces))
            denied = merge((first, last) for first, last, _ in pieces)
            segments[version] = [
                piece for segment in self._segments[version] for piece in cut(version, segment, denied)
            ]
        more = tuple(Excluded(item, taken[id(item)][1] if id(item) in taken else 0) for item in denies)
        every, excluded = (*self._denies, *denies), self._excluded + more
        return Scope._made(self._entries, every, segments, excluded, self._allowed, self._names)

    def restrict(
        self,
        wanted: Iterable[tuple[Span, int | None]] | Wanted,
        ports: Iterable[int] | None = None,
        left_out: Sequence[Excluded] = (),
    ) -> Scope:
        """The targets in wanted spans, on a span's port (None: every port of ours). `left_out` is told."""
        only = None if ports is None else frozenset(check_ports(ports))
        asked = wanted if isinstance(wanted, Wanted) else Wanted(wanted)
        segments = {
            v: [piece for segment in self._segments[v] for piece in asked.cut(v, segment, only)]
            for v in (4, 6)
        }
        denies, excluded = (*self._denies, *(item.deny for item in left_out)), (*self._excluded, *left_out)
        return Scope._made(self._entries, denies, segments, excluded, self._allowed, self._names)

    def with_learned(self, learned: Learned, only: Iterable[int] | None = None) -> Scope:
        """The same addresses, each on its ports (of those `only`, where given) and on what is learned there.

        The one thing that adds a port: to an address that is in the scope, and never to one whose entry has
        `ports` that do not name it.
        """
        left = None if only is None else frozenset(check_ports(only))
        segments = {v: list(learned.added(v, self._segments[v], left)) for v in (4, 6)}
        return Scope._made(self._entries, self._denies, segments, self._excluded, self._allowed, self._names)

    def named(self, names: Names) -> Scope:
        """The same scope, whose hosts have these names beside those of their entries."""
        twin = object.__new__(Scope)
        for slot in Scope.__slots__:
            object.__setattr__(twin, slot, getattr(self, slot))
        object.__setattr__(twin, "_last_interval", [_CLOSED])
        object.__setattr__(twin, "_names", names)
        return twin
