"""How a run fills its map: which share of each cell was asked when its order has come to a position.

A run's order is known from its manifest (size, seed, shard), and what stands at each step of it from
`covered.json`, so nothing more than the position has to be told while it goes on. Large scopes are sampled:
the order is a permutation that looks like chance, so every n-th step of it is a fair sample of each cell.
"""

from __future__ import annotations

import ipaddress
from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from results.report import hilbert
from scanner.engine.order import Order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.covered import Covered, Row
    from results.report.hilbert import Layout

LEVELS = 8
"""A cell is drawn in this many steps from not asked (0) to all asked."""

MOST_CELLS = 1 << 10
"""Fewer than a report's map has: this one is sent to every page, and is drawn anew every second."""

MOST_SAMPLES = 1 << 16
"""Steps of the order that are looked up: 64 for each cell of the largest map."""

MOST_RANGES = 100
"""Ranges that are told one by one, the largest; the others are told together."""


class RangeFill(NamedTuple):
    """One range of the run in words, with how much of it was asked."""

    name: str
    targets: int
    share: float


class _Part(NamedTuple):
    """Steps at which the targets of one cell or range come, ascending; a sample, of so many targets."""

    targets: int
    steps: array[int]

    def share(self, position: int) -> float:
        """How much was asked when the order has come to `position`."""
        return bisect_left(self.steps, position) / len(self.steps) if self.steps else 0.0


class Fill:
    """The map of one run, and what is asked on it by when. Immutable."""

    def __init__(self, covered: Covered, seed: int, shard: str = "1/1") -> None:
        """`shard`: as in the manifest. Raises ValueError for a shard that does not exist."""
        rows = list(covered.rows())
        self.plan: Layout = hilbert.layout(
            hilbert.merged([(row.first, row.last) for row in rows if row.version == 4]), MOST_CELLS
        )
        self.cells: list[int] = []
        """The cells that hold targets, as places on the curve, ascending."""
        self._order = _order(covered.targets, seed, shard)
        self.positions = self._order.positions if self._order is not None else 0
        by_cell: dict[int, array[int]] = {}
        by_row = [array("Q") for _ in rows]
        starts = [0, *accumulate(row.targets for row in rows)]
        for position, index in self._sampled():
            number = bisect_right(starts, index) - 1
            row = rows[number]
            by_row[number].append(position)
            if row.version == 4:
                cell = self.cell_of(row.first + (index - starts[number]) // len(row.ports))
                if cell is not None:
                    by_cell.setdefault(cell, array("Q")).append(position)
        self.cells = sorted(by_cell)
        self._of_cells = [_Part(0, by_cell[cell]) for cell in self.cells]
        self._rows = _largest(rows, by_row)

    def _sampled(self) -> list[tuple[int, int]]:
        order = self._order
        if order is None:
            return []
        stride = -(-order.positions // MOST_SAMPLES // order.shards) or 1
        thinned = Order(order.size, order.seed, order.shard, order.shards * stride)
        return list(thinned.walk())

    def cell_of(self, address: int) -> int | None:
        """The cell in which an IPv4 address of the scope lies."""
        block = self.plan.block_of(address)
        return None if block is None else self.plan.cell_of(block, address)

    def levels(self, position: int) -> bytes:
        """The step, from 0 to `LEVELS`, of each of `cells`, when the order has come to `position`. As far as
        the sample tells, only what was asked wholly has the last, and what was not asked at all the first."""
        return bytes(_level(part.share(position)) for part in self._of_cells)

    def ranges(self, position: int) -> list[RangeFill]:
        """The same for people who read: the largest ranges, and what is left together."""
        return [RangeFill(name, part.targets, part.share(position)) for name, part in self._rows]


def _order(size: int, seed: int, shard: str) -> Order | None:
    number, _, shards = shard.partition("/")
    return Order(size, seed, int(number) - 1, int(shards)) if size else None


def _level(share: float) -> int:
    if share >= 1:
        return LEVELS
    return 0 if share == 0 else max(1, min(LEVELS - 1, int(share * LEVELS)))


def _largest(rows: Sequence[Row], steps: Sequence[array[int]]) -> list[tuple[str, _Part]]:
    order = sorted(range(len(rows)), key=lambda number: (-rows[number].targets, number))
    told, rest = order[:MOST_RANGES], order[MOST_RANGES:]
    found = [(_name(rows[each]), _Part(rows[each].targets, steps[each])) for each in sorted(told)]
    if rest:
        together = array("Q", sorted(step for each in rest for step in steps[each]))
        targets = sum(rows[each].targets for each in rest)
        found.append((f"{len(rest):,} smaller ranges", _Part(targets, together)))
    return found


def _name(row: Row) -> str:
    kind = ipaddress.IPv4Address if row.version == 4 else ipaddress.IPv6Address
    first, last = kind(row.first), kind(row.last)
    length = last.max_prefixlen - (row.last - row.first + 1).bit_length() + 1
    if row.first == row.last:
        return str(first)
    is_prefix = (row.last - row.first + 1).bit_count() == 1 and not row.first % (row.last - row.first + 1)
    return f"{first}/{length}" if is_prefix else f"{first} to {last}"
