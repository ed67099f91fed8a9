"""The stage's own copy of the scope, asked about each frame immediately before it leaves. Pure numpy.

It is not derived from the numbering in `target_table`: it looks at the destination that stands in a finished
frame, so a mistake in one is caught by the other."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scanner.network.syn.cookie import U16, U64, Addresses, Bools
from scanner.network.syn.target_table import LOW_HALF, port_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.network.syn.messages import TargetRange


def _starts(ranges: Sequence[TargetRange]) -> U64:
    ends = list(accumulate((span.targets for span in ranges), initial=0))
    return np.array(ends[:-1], dtype=np.uint64)


class ScopeFilter:
    """Which (address, port) may be sent to, and at which index it stands. The ranges are sorted and
    disjoint."""

    def __init__(self, ranges: Sequence[TargetRange]) -> None:
        starts = _starts(ranges)
        self._families: dict[int, _FamilyFilter] = {}
        for version in (4, 6):
            chosen = [i for i, span in enumerate(ranges) if span.version == version]
            if chosen:
                self._families[version] = _FamilyFilter([ranges[i] for i in chosen], starts[chosen])

    def permits(self, to: Addresses, port: U16) -> Bools:
        """True for each target inside the scope."""
        return self.locate(to, port)[1]

    def locate(self, to: Addresses, port: U16) -> tuple[U64, Bools]:
        """The index of each target, and whether it is inside at all (the index says nothing where not)."""
        family = self._families.get(4 if to.high is None else 6)
        if family is None:
            return np.zeros(len(port), dtype=np.uint64), np.zeros(len(port), dtype=np.bool_)
        return family.locate(to, port)


class _FamilyFilter:
    """The ranges of one family."""

    def __init__(self, ranges: Sequence[TargetRange], starts: U64) -> None:
        self._starts = starts
        self._six = ranges[0].version == 6
        first, last = ([getattr(span, end) for span in ranges] for end in ("first", "last"))
        if any(after <= before for before, after in zip(last, first[1:], strict=False)):
            raise ValueError("the ranges of a scope filter are sorted and disjoint")
        self._first, self._last = (
            self._keys(_columns(first, self._six)),
            self._keys(_columns(last, self._six)),
        )
        self._first_low = np.array([address & LOW_HALF for address in first], dtype=np.uint64)
        self._width = np.array([len(span.ports) for span in ranges], dtype=np.uint64)
        self._ports = port_table(ranges)

    def _keys(self, to: Addresses) -> npt.NDArray[np.generic]:
        """Something that sorts as the addresses do: the number, or its 16 bytes in network order."""
        if to.high is None:
            return to.low
        both = np.empty((len(to.low), 2), dtype=">u8")
        both[:, 0], both[:, 1] = to.high, to.low
        return both.view("S16").ravel()

    def locate(self, to: Addresses, port: U16) -> tuple[U64, Bools]:
        keys = self._keys(to)
        at = np.searchsorted(self._first, keys, side="right") - 1
        inside: Bools = (at >= 0) & (keys <= self._last[at])  # type: ignore[operator]  # likewise
        step = to.low - self._first_low[at]  # modulo 2**64; a range holds fewer
        if self._ports.shape[1] == 1:
            return self._starts[at] + step, inside & (self._ports[at, 0] == port)
        same = self._ports[at] == port[:, None]
        index = self._starts[at] + step * self._width[at] + same.argmax(axis=1).astype(np.uint64)
        return index, inside & same.any(axis=1)


def _columns(addresses: Sequence[int], six: bool) -> Addresses:
    low = np.array([address & LOW_HALF for address in addresses], dtype=np.uint64)
    return Addresses(low, np.array([a >> 64 for a in addresses], dtype=np.uint64) if six else None)
