"""The stage's copy of the scope: numbered as the Scope is, and filtered as a naive set does it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.network.syn.messages import TargetRange
from scanner.network.syn.scope_filter import ScopeFilter
from scanner.network.syn.target_table import LaneRange, TargetTable
from tests.network.syn.columns import columns

if TYPE_CHECKING:
    from scanner.network.syn.cookie import U64, Addresses

EDGES = {4: [0, 2**32], 6: [0, 2**64, 2**128]}
PORTS = st.lists(st.integers(1, 65535), min_size=1, max_size=3, unique=True).map(lambda p: tuple(sorted(p)))


@st.composite
def scopes(draw: st.DrawFn) -> list[TargetRange]:
    """Sorted disjoint ranges of both families, near the edges of the address space and of 64 bits."""
    found: list[TargetRange] = []
    for version in (4, 6):
        base = draw(st.sampled_from(EDGES[version]))
        at = max(0, base - 40)
        for _ in range(draw(st.integers(0, 4))):
            first = at + draw(st.integers(0, 12))
            last = min(first + draw(st.integers(0, 12)), EDGES[version][-1] - 1)
            if first <= last:
                found.append(TargetRange(version, first, last, draw(PORTS)))
            at = last + 1
    return found


def everything(ranges: list[TargetRange]) -> list[tuple[int, int, int]]:
    """Every target in order, one by one."""
    return [(s.version, a, port) for s in ranges for a in range(s.first, s.last + 1) for port in s.ports]


def rows(to: Addresses) -> list[int]:
    high = [0] * len(to.low) if to.high is None else to.high.tolist()
    return [h << 64 | low for h, low in zip(high, to.low.tolist(), strict=True)]


def whole(ranges: list[TargetRange]) -> list[LaneRange]:
    begin, parts = 0, []
    for span in ranges:
        parts.append(LaneRange(span, begin, span.version))
        begin += span.targets
    return parts


def numbers(values: list[int]) -> U64:
    return np.array(values, dtype=np.uint64)


@given(scopes().filter(bool), st.randoms())
def test_indices_and_targets_are_one_to_one(ranges: list[TargetRange], chance: object) -> None:
    expected = everything(ranges)
    order = list(range(len(expected)))
    chance.shuffle(order)  # type: ignore[attr-defined]  # a random.Random

    seen: dict[int, tuple[int, int, int]] = {}
    scope_filter = ScopeFilter(ranges)
    for batch in TargetTable(whole(ranges)).batches(numbers(order)):
        triples = zip(rows(batch.to), batch.port.tolist(), strict=True)
        seen.update(zip(batch.indices.tolist(), ((batch.lane, a, p) for a, p in triples), strict=True))
        where, inside = scope_filter.locate(batch.to, batch.port)
        assert inside.all()
        assert where.tolist() == batch.indices.tolist()

    assert [seen[i] for i in range(len(expected))] == expected


@given(scopes(), st.data())
def test_the_filter_agrees_with_a_set(ranges: list[TargetRange], data: st.DataObject) -> None:
    inside = set(everything(ranges))
    version = data.draw(st.sampled_from([4, 6]))
    near = [n for edge in EDGES[version] for n in range(edge - 60, edge + 60) if 0 <= n < EDGES[version][-1]]
    address = data.draw(st.sampled_from(near))
    ports = sorted({port for span in ranges for port in span.ports}) or [1]
    port = data.draw(st.one_of(st.sampled_from(ports), st.integers(1, 65535)))

    text = IPv4Address(address) if version == 4 else IPv6Address(address)
    verdict = ScopeFilter(ranges).permits(columns(text), np.array([port], dtype=np.uint16))

    assert bool(verdict[0]) == ((version, address, port) in inside)


def test_the_numbering_is_that_of_the_scope() -> None:
    from targets.entries import Deny, Entry
    from targets.grammar import parse_span
    from targets.scope import Scope

    entry = Entry(span=parse_span("10.9.0.0/29"), text="10.9.0.0/29", owner="x")
    deny = Deny(span=parse_span("10.9.0.3"), text="10.9.0.3", reason="never")
    scope = Scope([entry], [deny], ports=(27017, 27018))
    ranges = [TargetRange(v, s.first, s.last, tuple(s.ports)) for v in (4, 6) for s in scope.segments(v)]

    (batch,) = TargetTable(whole(ranges)).batches(numbers(list(range(len(scope)))))

    picked = [scope.pick(index) for index in range(len(scope))]
    assert [(t.address, t.port) for t in picked] == list(
        zip(rows(batch.to), batch.port.tolist(), strict=True)
    )


def test_targets_of_no_lane_are_left_out() -> None:
    first, second = TargetRange(4, 100, 109, (1,)), TargetRange(4, 120, 129, (1,))

    batches = TargetTable([LaneRange(second, 10, 0)]).batches(numbers([3, 9, 10, 19, 20]))

    assert [batch.indices.tolist() for batch in batches] == [[10, 19]]
    assert rows(batches[0].to) == [120, 129]
    assert TargetTable([LaneRange(first, 0, 0)]).batches(numbers([10, 11])) == []


def test_a_filter_of_overlapping_ranges_is_refused() -> None:
    with pytest.raises(ValueError, match="disjoint"):
        ScopeFilter([TargetRange(4, 1, 5, (1,)), TargetRange(4, 5, 9, (1,))])
