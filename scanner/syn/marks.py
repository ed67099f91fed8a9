"""One bit per target: what has answered. A /8 takes 2 MiB, and untouched pages take nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scanner.syn.cookie import U64
    from scanner.syn.fence import Bools


def distinct(column: U64) -> U64:
    """Each value once, ascending. Unlike numpy's own it imports nothing at its first call."""
    column = np.sort(column)
    first = np.ones(len(column), dtype=np.bool_)
    np.not_equal(column[1:], column[:-1], out=first[1:])
    return column[first]


class Marks:
    """A set of indices below `size`."""

    def __init__(self, size: int) -> None:
        self._bytes = np.zeros(size // 8 + 1, dtype=np.uint8)

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
