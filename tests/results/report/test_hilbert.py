"""The curve visits every cell once and every prefix is a rectangle on it; a map has room for any scope."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.report.hilbert import MOST_CELLS, box, holds, layout, merged, point, prefixes


@pytest.mark.parametrize("order", range(6))
def test_neighbours_in_number_are_neighbours_on_the_map(order: int) -> None:
    cells = [point(order, distance) for distance in range(4**order)]
    assert len(set(cells)) == 4**order
    assert all(abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1 for a, b in pairwise(cells))


@pytest.mark.parametrize("order", range(5))
def test_an_aligned_stretch_is_a_rectangle(order: int) -> None:
    for bits in range(2 * order + 1):
        for offset in range(0, 4**order, 1 << bits):
            area = box(order, offset, 1 << bits)
            inside = {
                (x, y)
                for x in range(area.x, area.x + area.width)
                for y in range(area.y, area.y + area.height)
            }
            assert inside == {point(order, offset + step) for step in range(1 << bits)}


RANGES = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 24)).map(
        lambda drawn: (drawn[0], min(2**32 - 1, drawn[0] + 2 ** drawn[1] - 1))
    ),
    max_size=40,
).map(merged)


@given(RANGES)
def test_a_map_has_a_place_for_each_address_and_no_place_twice(ranges: list[tuple[int, int]]) -> None:
    plan = layout(ranges)
    taken = [cell for block in plan.blocks for cell in range(block.offset, block.offset + block.cells)]
    assert len(taken) == len(set(taken)) <= min(MOST_CELLS, 4**plan.order)
    for first, last in ranges:
        for address in (first, (first + last) // 2, last):
            block = plan.block_of(address)
            assert block is not None
            begin, end = plan.addresses_of(block, plan.cell_of(block, address))
            assert begin <= address <= end
    for block in plan.blocks:
        IPv4Network((block.first, block.prefix_length))  # raises unless it is a prefix


@given(RANGES, st.integers(0, 2**32 - 1), st.integers(0, 2**20))
def test_holds_counts_what_overlaps(ranges: list[tuple[int, int]], first: int, length: int) -> None:
    last = first + length
    assert holds(ranges, first, last) == sum(
        max(0, min(each[1], last) - max(each[0], first) + 1) for each in ranges
    )


@given(RANGES)
def test_prefixes_are_the_same_addresses(ranges: list[tuple[int, int]]) -> None:
    whole = [prefix for each in ranges for prefix in prefixes(*each)]
    assert merged(whole) == ranges


@pytest.mark.parametrize(
    ("ranges", "order", "shift"),
    [
        ([(0, 2**32 - 1)], 6, 20),
        ([(0x0A000000, 0x0A0000FF)], 4, 0),
        ([(0x0A000000, 0x0A000000)], 0, 0),
        ([], 0, 0),
    ],
)
def test_cells_are_as_fine_as_there_is_room(ranges: list[tuple[int, int]], order: int, shift: int) -> None:
    plan = layout(ranges)
    assert (plan.order, plan.shift) == (order, shift)
