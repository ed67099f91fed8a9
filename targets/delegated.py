"""Who holds what by the registries' extended delegated statistics: no network is needed, and it is weaker.

A line is `registry|cc|type|start|value|date|status|opaque-id[|…]`, where `value` is a number of addresses for
ipv4 and a prefix length for ipv6. All resources of one holder at one registry have the same opaque-id, so one
prefix that is known to be ours reveals the others; the file says of nobody who that is. Format: "RIR
statistics exchange format" and NRO's extended form of it (nro-delegated-stats).
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from targets.errors import ScopeError
from targets.grammar import BITS, GrammarError, Span, format_span, parse_address
from targets.ranges import merge, subtract

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import BinaryIO

MAX_LINE = 1024  # bytes
MAX_LINES = 20_000_000
_HELD = ("allocated", "assigned")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """One record: addresses that a registry gave to a holder. `holder` is `registry opaque-id`; `since` is a
    date as RFC 3339 has it, "" where the record says none."""

    span: Span
    holder: str
    since: str


def read_delegated(file: BinaryIO, name: str, wanted: Sequence[Span]) -> list[Delegation]:
    """The records of a file that share an address with a span of `wanted`, as a stream.

    A line that is no record is passed over; raises ScopeError for a file that has none at all.
    """
    edges = {
        version: merge((span.first, span.last) for span in wanted if span.version == version)
        for version in BITS
    }
    firsts = {version: [first for first, _ in edges[version]] for version in BITS}
    found: list[Delegation] = []
    records = 0
    for _ in range(MAX_LINES):
        line = file.readline(MAX_LINE)
        if not line:
            break
        fields = line.decode("ascii", "replace").rstrip("\r\n").split("|")
        if len(fields) < 8 or fields[2] not in ("ipv4", "ipv6") or fields[6] not in _HELD or not fields[7]:
            continue
        span = _span(fields[2], fields[3], fields[4])
        if span is None:
            continue
        records += 1
        near = bisect_right(firsts[span.version], span.last) - 1
        if near >= 0 and edges[span.version][near][1] >= span.first:
            found.append(Delegation(span=span, holder=f"{fields[0]} {fields[7]}", since=_date(fields[5])))
    if not records:
        raise ScopeError(
            name,
            None,
            "holds no record of extended delegated statistics with an opaque-id",
            "name a file delegated-REGISTRY-extended-latest of a registry, unpacked",
        )
    return found


def holders_of(span: Span, delegations: Iterable[Delegation]) -> frozenset[str]:
    """Who holds all of a span; none where some of it is held by nobody."""
    here = [each for each in delegations if _meet(each.span, span)]
    covered = merge((each.span.first, each.span.last) for each in here)
    if subtract([(span.first, span.last)], covered):
        return frozenset()
    return frozenset(each.holder for each in here)


def known_holders(known: Iterable[Span], delegations: Sequence[Delegation]) -> dict[str, Span]:
    """Our holders, each with a prefix that is known to be ours."""
    return {holder: span for span in known for holder in holders_of(span, delegations)}


def same_holder(span: Span, ours: Mapping[str, Span], delegations: Sequence[Delegation]) -> str:
    """The sentence that says by which known prefixes a span has our holder; "" if it has not.

    Weaker than a registrant's handle: it rests on the known prefixes being ours.
    """
    holders = holders_of(span, delegations)
    if not holders or not holders <= ours.keys():
        return ""
    whose = dict.fromkeys(f"{format_span(ours[holder])} ({holder})" for holder in sorted(holders))
    since = min((each.since for each in delegations if each.since and _meet(each.span, span)), default="")
    return f"held by the same holder as {', '.join(whose)}" + (f", since {since}" if since else "")


def _meet(one: Span, other: Span) -> bool:
    return one.version == other.version and one.first <= other.last and other.first <= one.last


def _span(kind: str, start: str, value: str) -> Span | None:
    """The addresses of a record; None for what is none."""
    try:
        first = parse_address(start)
    except GrammarError:
        return None
    if not (value.isascii() and value.isdigit() and len(value) < 11) or f"ipv{first.version}" != kind:
        return None
    bits = BITS[first.version]
    if first.version == 6 and int(value) > bits:
        return None
    size = int(value) if first.version == 4 else 1 << (bits - int(value))
    last = first.first + size - 1
    return Span(first.version, first.first, last) if size and last < 1 << bits else None


def _date(text: str) -> str:
    """`20111029` as `2011-10-29`; registries write 00000000 or nothing where they do not know."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
    except ValueError:
        return ""
