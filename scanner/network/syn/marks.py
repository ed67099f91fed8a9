"""One bit per target: what has answered. A /8 takes 2 MiB, and untouched pages take nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.network.syn.cookie import U64, Bools


def distinct(column: U64) -> U64:
    """Each value once, ascending. Unlike numpy's own it imports nothing at its first call."""
    column = np.sort(column)
    first = np.ones(len(column), dtype=np.bool_)
    np.not_equal(column[1:], column[:-1], out=first[1:])
    return column[first]


class Marks:
    """A set of indices below `size`."""

    def __init__(self, size: int) -> None:
        self._bytes = np.zeros((size // 64 + 1) * 8, dtype=np.uint8)  # whole words, for `pieces`

    def __contains__(self, index: int) -> bool:
        return bool(self._bytes[index >> 3] >> (index & 7) & 1)

    def has(self, index: U64) -> Bools:
        """Which of the indices are in the set."""
        bits = self._bytes[index >> np.uint64(3)] >> (index & np.uint64(7)).astype(np.uint8)
        found: Bools = (bits & np.uint8(1)).astype(np.bool_)
        return found

    def add(self, index: U64) -> U64:
        """Put them in; return those that are new, each once, in ascending order."""
        fresh = distinct(index[~self.has(index)])
        np.bitwise_or.at(
            self._bytes, fresh >> np.uint64(3), np.uint8(1) << (fresh & np.uint64(7)).astype(np.uint8)
        )
        return fresh

    def count(self) -> int:
        """How many are in the set."""
        return int(np.bitwise_count(self._bytes).sum())

    def without(self, other: Marks) -> int:
        """How many are in this set and not in the other, of the same size."""
        return int(np.bitwise_count(self._bytes & ~other._bytes).sum())

    def pieces(self, size: int) -> Iterator[tuple[int, bytes]]:
        """The bitmap as (place of the first byte, bytes), `size` (a multiple of 8) at a time; those without a
        mark are left out."""
        for begin in range(0, len(self._bytes), size):
            part = self._bytes[begin : begin + size]
            if part.view(np.uint64).any():
                yield begin, part.tobytes()

    def put(self, begin: int, data: bytes) -> None:
        """Set what one of the `pieces` of another set of this size has. Raises ValueError when it does not
        fit."""
        if begin + len(data) > len(self._bytes):
            raise ValueError(f"marks up to byte {begin + len(data)} of {len(self._bytes)}")
        self._bytes[begin : begin + len(data)] |= np.frombuffer(data, dtype=np.uint8)
