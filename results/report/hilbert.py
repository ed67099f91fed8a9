"""Where ranges of addresses stand on a map drawn along Hilbert's curve. Pure arithmetic; figures are
elsewhere.

On that curve a range of 2^n addresses that begins at a multiple of 2^n is a square (n even) or two of them
side by side (n odd), and neighbours in number are neighbours on the map. A scope is no whole Internet: its
ranges are laid one after the other, largest first and then by address, and what lies between them is left
out. So a single /24 fills the map, and three hundred scattered ones are three hundred small squares.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

MOST_CELLS = 1 << 12
"""A map has at most this many cells, 64 by 64: each can still be seen on a telephone."""

Range = tuple[int, int]
"""The first and the last number, both in it."""


class Box(NamedTuple):
    """A rectangle of whole cells."""

    x: int
    y: int
    width: int
    height: int

    def turned(self) -> Box:
        """With x and y exchanged."""
        return Box(self.y, self.x, self.height, self.width)


class Block(NamedTuple):
    """One range on the map: `first` to `last` are addresses, `cells` from `offset` are its stretch of the
    curve.

    A block smaller than one cell has the cell to itself, or shares it with its neighbours in number.
    """

    first: int
    last: int
    offset: int
    cells: int
    box: Box

    @property
    def prefix_length(self) -> int:
        """Of the IPv4 prefix that it is."""
        return 32 - (self.last - self.first + 1).bit_length() + 1


class Layout(NamedTuple):
    """A whole map: `order` is 3 for 8 by 8 cells; a cell is 2^`shift` addresses."""

    order: int
    shift: int
    blocks: list[Block]
    turned: bool = False  # x and y are exchanged, so that the map lies rather than stands

    def area(self, offset: int, cells: int) -> Box:
        """Where a stretch of the curve is on the map, as `box` has it."""
        found = box(self.order, offset, cells)
        return found.turned() if self.turned else found

    def block_of(self, address: int) -> Block | None:
        """The block in which an address lies, in O(log n) after the first call."""
        index = bisect_right(self.blocks, address, key=lambda block: block.first) - 1
        if index >= 0 and self.blocks[index].last >= address:
            return self.blocks[index]
        return None

    def cell_of(self, block: Block, address: int) -> int:
        """The place on the curve of an address of a block."""
        return block.offset + ((address - block.first) >> self.shift)

    def addresses_of(self, block: Block, cell: int, cells: int = 1) -> Range:
        """The addresses that `cells` cells of a block stand for."""
        first = block.first + ((cell - block.offset) << self.shift)
        return first, min(first + (cells << self.shift) - 1, block.last)


def point(order: int, distance: int) -> tuple[int, int]:
    """The cell (x, y) that is `distance` steps along the curve through 2^order by 2^order cells."""
    x = y = 0
    side = 1
    while side < 1 << order:
        right = 1 & (distance >> 1)
        up = 1 & (distance ^ right)
        if not up:
            if right:
                x, y = side - 1 - x, side - 1 - y
            x, y = y, x
        x, y = x + side * right, y + side * up
        distance >>= 2
        side <<= 1
    return x, y


def box(order: int, offset: int, cells: int) -> Box:
    """The rectangle of a stretch of the curve: `cells` is a power of two, and `offset` a multiple of it."""
    bits = cells.bit_length() - 1
    side = 1 << (bits // 2)
    corners = [_corner(order, offset, side)]
    if bits % 2:
        corners.append(_corner(order, offset + side * side, side))
    x, y = min(corner[0] for corner in corners), min(corner[1] for corner in corners)
    return Box(x, y, max(c[0] for c in corners) + side - x, max(c[1] for c in corners) + side - y)


def _corner(order: int, offset: int, side: int) -> tuple[int, int]:
    x, y = point(order, offset)
    return x // side * side, y // side * side


def merged(ranges: list[Range]) -> list[Range]:
    """The same numbers as ranges that neither overlap nor touch, in order."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found


def prefixes(first: int, last: int) -> list[Range]:
    """A range as the fewest prefixes, in order."""
    found = []
    while first <= last:
        size = first & -first if first else 1 << 128
        while size > last - first + 1:
            size >>= 1
        found.append((first, first + size - 1))
        first += size
    return found


def holds(ranges: list[Range], first: int, last: int) -> int:
    """How many of the numbers from `first` to `last` lie in `ranges` (merged)."""
    index = max(bisect_right(ranges, (first, first)) - 1, 0)
    count = 0
    while index < len(ranges) and ranges[index][0] <= last:
        count += max(0, min(ranges[index][1], last) - max(ranges[index][0], first) + 1)
        index += 1
    return count


def _lying(blocks: list[Block]) -> bool:
    """Whether the map is at least as wide as it is high."""
    right = max(block.box.x + block.box.width for block in blocks)
    return right >= max(block.box.y + block.box.height for block in blocks)


def layout(ranges: list[Range], most: int = MOST_CELLS) -> Layout:
    """Lay merged ranges of IPv4 addresses on the smallest map that has room, with cells as fine as `most`
    allows."""
    whole = [prefix for each in ranges for prefix in prefixes(*each)]
    if not whole:
        return Layout(0, 0, [])
    shift = next(shift for shift in range(33) if _cells(whole, shift) <= most)
    if shift:  # prefixes smaller than a cell are drawn as the cell that they lie in
        coarse = [(first >> shift << shift, last | ((1 << shift) - 1)) for first, last in whole]
        whole = [prefix for each in merged(coarse) for prefix in prefixes(*each)]
    order = next(order for order in range(17) if 4**order >= _cells(whole, shift))
    blocks, offset = [], 0
    for first, last in sorted(whole, key=lambda each: (each[0] - each[1], each[0])):
        cells = (last - first + 1) >> shift
        blocks.append(Block(first, last, offset, cells, box(order, offset, cells)))
        offset += cells
    turned = not _lying(blocks)
    if turned:
        blocks = [block._replace(box=block.box.turned()) for block in blocks]
    return Layout(order, shift, sorted(blocks), turned)


def _cells(whole: list[Range], shift: int) -> int:
    count, end = 0, -1
    for first, last in whole:
        count += (last >> shift) - max(first >> shift, end + 1) + 1 if last >> shift > end else 0
        end = last >> shift
    return count
