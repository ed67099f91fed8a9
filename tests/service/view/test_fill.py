"""How a run fills its map: held to the order itself, target by target, and by a sample where it is large."""

from __future__ import annotations

from collections import Counter

import pytest

from results.covered import Covered, Row
from scanner.engine.order import Order
from scanner.service.view.fill import LEVELS, MOST_CELLS, MOST_RANGES, Fill

NET = 10 << 24
SMALL = [
    Row(4, NET, NET + 16_383, (27017,)),
    Row(4, NET + 32_768, NET + 32_831, (27017, 27018)),
    Row(6, 0x20010DB8 << 96, (0x20010DB8 << 96) + 15, (27017,)),
]


def targets(covered: Covered) -> list[tuple[int, int]]:
    """Every target as (version, address), in the order in which a scope numbers them."""
    return [
        (row.version, address)
        for row in covered.rows()
        for address in range(row.first, row.last + 1)
        for _ in row.ports
    ]


@pytest.mark.parametrize("shard", ["1/1", "2/3"])
@pytest.mark.parametrize("position", [0, 1, 157, 9000, 16_500, 20_000])
def test_a_cell_has_the_level_of_what_was_asked_of_it(shard: str, position: int) -> None:
    covered = Covered(SMALL)
    everything = targets(covered)
    number, shards = map(int, shard.split("/"))
    order = Order(covered.targets, 5, number - 1, shards)
    fill = Fill(covered, 5, shard)
    asked, all_of = Counter[int](), Counter[int]()
    for step, index in order.walk():
        version, address = everything[index]
        cell = fill.cell_of(address) if version == 4 else None
        if cell is not None:
            all_of[cell] += 1
            asked[cell] += step < position
    assert fill.cells == sorted(all_of)
    expected = []
    for cell in fill.cells:
        share = asked[cell] / all_of[cell]
        exact = share * LEVELS
        expected.append(exact if share in (0, 1) else min(LEVELS - 1, max(1, int(exact))))
    assert list(fill.levels(position)) == expected
    ranges = {each.name: each for each in fill.ranges(position)}
    assert set(ranges) == {"10.0.0.0/18", "10.0.128.0/26", "2001:db8::/124"}
    done = sum(step < position for step, index in order.walk() if everything[index][0] == 6)
    whole = sum(1 for _, index in order.walk() if everything[index][0] == 6)
    assert ranges["2001:db8::/124"].share == done / whole
    assert ranges["10.0.128.0/26"].targets == 128


def test_a_large_scope_is_sampled_and_the_sample_is_fair() -> None:
    covered = Covered([Row(4, NET, NET + (1 << 20) - 1, (27017, 27018))])
    fill = Fill(covered, 11)
    assert len(fill.cells) == MOST_CELLS
    for share in (0.1, 0.5, 0.9):
        levels = fill.levels(int(fill.positions * share))
        assert abs(sum(levels) / len(levels) / LEVELS - share) < 0.07
        (whole,) = fill.ranges(int(fill.positions * share))
        assert whole.share == pytest.approx(share, abs=0.01)
    assert set(fill.levels(0)) == {0}
    assert set(fill.levels(fill.positions)) == {LEVELS}


def test_many_ranges_are_told_together_and_none_is_lost() -> None:
    rows = [Row(4, NET + number * 512, NET + number * 512 + number % 3, (27017,)) for number in range(300)]
    covered = Covered(rows)
    ranges = Fill(covered, 3).ranges(covered.targets)
    assert len(ranges) == MOST_RANGES + 1
    assert ranges[-1].name == "200 smaller ranges"
    assert sum(each.targets for each in ranges) == covered.targets


def test_what_has_no_ipv4_address_or_no_target_at_all_has_no_cells() -> None:
    assert Fill(Covered(SMALL[2:]), 1).levels(9) == b""
    nothing = Fill(Covered(), 1)
    assert (nothing.cells, nothing.ranges(0), nothing.positions) == ([], [], 0)
