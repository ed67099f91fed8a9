"""Ranges against a naive set of addresses, and their cost for a /8."""

from __future__ import annotations

import tracemalloc

import netaddr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.grammar import Span, parse_span
from targets.ranges import Ranges, merge, subtract
from tests.targets.universe import BASE, SIZE, spans, union

many = st.lists(spans(), max_size=8)


@given(many, many)
def test_set_operations_equal_the_naive_model(left: list[Span], right: list[Span]) -> None:
    a, b = Ranges.of(left), Ranges.of(right)
    assert union(list(a.spans())) == union(left)
    assert union(list((a & b).spans())) == union(left) & union(right)
    for version in (4, 6):
        left_over = subtract(a.intervals(version), b.intervals(version))
        assert union([Span(version, *interval) for interval in left_over]) == {
            place for place in union(left) - union(right) if place[0] == version
        }


@given(many)
def test_the_size_counts_each_address_once(some: list[Span]) -> None:
    ranges = Ranges.of(some)
    assert ranges.size == len(union(some))
    assert bool(ranges) == bool(some)
    assert list(ranges.spans()) == sorted(ranges.spans())


@given(many, st.sampled_from((4, 6)), st.integers(-1, SIZE))
def test_contains_equals_the_naive_model(some: list[Span], version: int, offset: int) -> None:
    address = BASE[version] + offset
    ranges = Ranges.of(some)
    assert ranges.contains(version, address) == ((version, address) in union(some))


@given(many, st.randoms())
def test_order_and_repetition_of_the_spans_do_not_matter(some: list[Span], random: object) -> None:
    shuffled = some + some[:2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis declares an object
    assert Ranges.of(shuffled) == Ranges.of(some)
    assert hash(Ranges.of(shuffled)) == hash(Ranges.of(some))


@given(many)
def test_intervals_agree_with_netaddr(some: list[Span]) -> None:
    """An independent oracle: netaddr's sets."""
    oracle = netaddr.IPSet()
    for span in some:
        if span.version == 4:
            oracle.add(netaddr.IPRange(netaddr.IPAddress(span.first, 4), netaddr.IPAddress(span.last, 4)))
    ours = Ranges.of(span for span in some if span.version == 4)
    assert ours.intervals(4) == [(run.first, run.last) for run in oracle.iter_ipranges()]


def test_backward_intervals_are_an_error() -> None:
    with pytest.raises(ValueError, match="runs backwards"):
        merge([(5, 4)])


def test_subtract_takes_one_hole_out_of_several_runs() -> None:
    assert subtract([(0, 9), (20, 29)], [(5, 24)]) == [(0, 4), (25, 29)]


def test_a_slash_8_costs_less_than_a_kilobyte_or_two() -> None:
    tracemalloc.start()
    ranges = Ranges.of([parse_span("10.0.0.0/8")])
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used < 4096
    assert ranges.size == 2**24


def test_the_size_has_no_ceiling() -> None:
    assert Ranges.of([parse_span("fd00::/32")]).size == 2**96
    assert repr(Ranges([(1, 2)])) == "Ranges([(1, 2)], [])"
    assert [span.size for span in Ranges([(1, 2)], [(7, 7)]).spans()] == [2, 1]
