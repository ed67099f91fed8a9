"""Which addresses are asked of IPv6 prefixes that are too wide to sweep: those that somebody names, and the
lowest of each /64 that is known. Pure arithmetic; a prefix of 2**64 addresses is never walked."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from targets.errors import ScopeError
from targets.grammar import Span
from targets.policy import is_swept_whole
from targets.ranges import Ranges, merge
from targets.special import holds_isatap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from targets.claims import Claim
    from targets.entries import Entry
    from targets.ranges import Interval
    from targets.scope import Scope

MOST_NAMED: Final = 2**20  # addresses that candidates name in all; more is no inventory but a walk
WIDEST_CLAIM: Final = 2**16  # addresses of a range that is taken whole
_SUBNET: Final = 2**64


@dataclass(frozen=True, slots=True)
class Considered:
    """What one source of candidates brought: distinct addresses in prefixes too wide to sweep."""

    source: str  # a file, or the rule
    format: str
    addresses: int
    outside: int  # claims of IPv6 that are in no such prefix


class Candidates:
    """Addresses to ask in wide prefixes, collected from one source after the other."""

    def __init__(self, wide: Ranges) -> None:
        self.considered: list[Considered] = []
        self._wide = wide.intervals(6)
        self._firsts = [first for first, _ in self._wide]
        self._named: list[Interval] = []
        self._subnets: set[int] = set()  # numbers of /64s: address >> 64
        for first, last in self._wide:
            if last - first < _SUBNET and first >> 64 == last >> 64:
                self._subnets.add(first >> 64)

    @property
    def addresses(self) -> int:
        """How many are to be asked."""
        return sum(last - first + 1 for first, last in merge(self._named))

    def add(self, source: str, form: Callable[[], str], claims: Iterable[Claim]) -> None:
        """Take the addresses that a source names. Of a prefix only its /64 is known, when it is in one.

        `form` is asked for the name of the format once all has been read. Raises ScopeError for a source that
        names too many.
        """
        found: list[Interval] = []
        outside = 0
        for claim in claims:
            if claim.span.version != 6:
                continue
            inside = self._inside(claim.span)
            outside += not inside
            for first, last in inside:
                if last - first < _SUBNET:
                    self._subnets.add(first >> 64)
                # What carries IPv4 (ISATAP) is asked as IPv4 or not at all.
                if (
                    last - first < WIDEST_CLAIM
                    and claim.said.kind not in ("prefix", "container")
                    and holds_isatap(Span(6, first, last)) is None
                ):
                    found.append((first, last))
            if len(found) > 4096:
                found = merge(found)
        self._take(source, form(), found, outside)

    def add_lowest(self, count: int) -> None:
        """Take the lowest `count` addresses of every /64 that is known, without the one of all zeros, which
        is every router's (RFC 4291 2.6.1)."""
        if count <= 0:
            return
        found = [
            interval
            for subnet in sorted(self._subnets)
            for interval in self._inside(Span(6, (subnet << 64) + 1, (subnet << 64) + count))
        ]
        self._take(f"the lowest {count:,} of each known /64", "", found, 0)

    def spans(self) -> list[Span]:
        """Every address to ask, as runs."""
        return [Span(6, first, last) for first, last in merge(self._named)]

    def _inside(self, span: Span) -> list[Interval]:
        at = max(bisect_right(self._firsts, span.first) - 1, 0)
        found = []
        while at < len(self._wide) and self._wide[at][0] <= span.last:
            first, last = max(self._wide[at][0], span.first), min(self._wide[at][1], span.last)
            if first <= last:
                found.append((first, last))
            at += 1
        return found

    def _take(self, source: str, form: str, found: list[Interval], outside: int) -> None:
        found = merge(found)
        self._named = merge([*self._named, *found])
        if len(self._named) > MOST_NAMED:
            reason = f"names more than {MOST_NAMED:,} addresses in prefixes that are too wide to sweep"
            raise ScopeError(source, None, reason, "name a list of the addresses in use")
        count = sum(last - first + 1 for first, last in found)
        self.considered.append(Considered(source, form, count, outside))


def wide_space(entries: Iterable[Entry]) -> Ranges:
    """The IPv6 space that entries allow and that is too wide to sweep."""
    return Ranges.of(entry.span for entry in entries if not is_swept_whole(entry.span))


def only(scope: Scope, candidates: Iterable[Span]) -> Scope:
    """The scope with nothing but candidates of what is too wide to sweep; the rest of it stays."""
    wanted: list[tuple[Span, int | None]] = [(span, None) for span in candidates]
    for version in (4, 6):
        for segment in scope.segments(version):
            span = Span(version, segment.first, segment.last)
            if is_swept_whole(segment.entry.span):
                wanted.append((span, None))
    return scope.restrict(wanted)
