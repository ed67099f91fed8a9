"""Index -> target: the stage's own numbering of the scope, by columns. Pure numpy.

The numbering is that of `targets.scope.Scope`: its segments one after the other, addresses upwards, the ports
of one address varying fastest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from scanner.network.syn.cookie import U16, U64, Addresses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.network.syn.messages import TargetRange

LOW_HALF = (1 << 64) - 1


class LaneRange(NamedTuple):
    """A part of a range whose frames all leave by one lane; `begin` is the index of its first target."""

    range: TargetRange
    begin: int
    lane: int


class Batch(NamedTuple):
    """Targets of one lane, as columns."""

    lane: int
    to: Addresses
    port: U16
    indices: U64


def port_table(ranges: Sequence[TargetRange]) -> U16:
    """One row a range; short rows are filled with their own last port, so that none is added."""
    widest = max(len(span.ports) for span in ranges)
    rows = [span.ports + (span.ports[-1],) * (widest - len(span.ports)) for span in ranges]
    return np.array(rows, dtype=np.uint16)


class TargetTable:
    """Turns indices into batches, one for each lane. The parts are in index order and leave no gap but direct
    ones."""

    def __init__(self, parts: Sequence[LaneRange]) -> None:
        ranges = [part.range for part in parts]
        self._begin = np.array([part.begin for part in parts], dtype=np.uint64)
        self._end = np.array([part.begin + part.range.targets for part in parts], dtype=np.uint64)
        self._low = np.array([span.first & LOW_HALF for span in ranges], dtype=np.uint64)
        self._high = np.array([span.first >> 64 for span in ranges], dtype=np.uint64)
        self._width = np.array([len(span.ports) for span in ranges], dtype=np.uint64)
        self._ports = port_table(ranges)
        self._lane = np.array([part.lane for part in parts], dtype=np.intp)
        self._six = {part.lane: part.range.version == 6 for part in parts}
        self._plain = bool((self._width == 1).all())

    def batches(self, index: U64) -> list[Batch]:
        """The targets at these indices; an index that lies in no part is left out."""
        at = np.searchsorted(self._begin, index, side="right") - 1
        if len(self._begin) > 1 or int(self._begin[0]) > 0:
            inside = (at >= 0) & (index < self._end[at])
        else:
            inside = index < self._end[0]
        if not inside.all():
            index, at = index[inside], at[inside]
        if len(self._six) == 1:
            return [self._batch(next(iter(self._six)), index, at)] if len(index) else []
        lanes = self._lane[at]
        return [
            self._batch(lane, index[chosen], at[chosen])
            for lane in self._six
            if (chosen := lanes == lane).any()
        ]

    def _batch(self, lane: int, index: U64, at: npt.NDArray[np.intp]) -> Batch:
        step = index - self._begin[at]
        if self._plain:
            port = self._ports[at, 0]
        else:
            step, which = np.divmod(step, self._width[at])
            port = self._ports[at, which]
        low = self._low[at] + step
        if not self._six[lane]:
            return Batch(lane, Addresses(low), port, index)
        high = self._high[at] + (low < step)  # the carry of a sum that ran over 64 bits
        return Batch(lane, Addresses(low, high), port, index)
