"""A growing set of addresses as sorted runs without overlap: what millions of claims leave in memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

from targets.grammar import BITS

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableSequence

_CHUNK: Final = 65536  # runs that are added before they are first put in order


class Runs:
    """Runs of addresses of one family, each packed into one number: 8 bytes for one of IPv4.

    What is added is sorted and merged once there is twice as much as the last time, so that a run costs 1 us
    however many there are, and an address that is added again costs no memory.
    """

    __slots__ = ("_bits", "_due", "_mask", "_packed", "_settled")

    def __init__(self, version: int) -> None:
        self._bits = BITS[version]
        self._mask = (1 << self._bits) - 1
        self._packed: MutableSequence[int] = self._empty()
        self._due = _CHUNK
        self._settled = True

    def add(self, first: int, last: int) -> None:
        """Add an inclusive run. One that runs backwards raises ValueError."""
        if last < first:
            raise ValueError(f"interval {first}-{last} runs backwards")
        packed = self._packed
        packed.append(first << self._bits | last)
        self._settled = False
        if len(packed) >= self._due:
            self._settle()

    def over(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """The runs that share an address with `first` … `last`, ascending, with neighbours joined."""
        if not self._settled:
            self._settle()
        packed, bits, mask = self._packed, self._bits, self._mask
        low = bisect_left(packed, first << bits)
        if low and packed[low - 1] & mask >= first:
            low -= 1
        for at in range(low, bisect_right(packed, last << bits | mask)):
            yield packed[at] >> bits, packed[at] & mask

    def _empty(self) -> MutableSequence[int]:
        return array("Q") if self._bits == 32 else []

    def _settle(self) -> None:
        merged, bits, mask = self._empty(), self._bits, self._mask
        begin, end = 0, -2
        for run in sorted(self._packed):
            first, last = run >> bits, run & mask
            if first > end + 1:
                if end >= 0:
                    merged.append(begin << bits | end)
                begin, end = first, last
            elif last > end:
                end = last
        if end >= 0:
            merged.append(begin << bits | end)
        self._packed = merged
        self._due = 2 * len(merged) + _CHUNK
        self._settled = True
