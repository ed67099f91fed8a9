"""The stage's own copy of the scope: index -> target for the sender, and the fence at its last door. Pure
numpy.

The numbering is that of `targets.scope.Scope`: segments one after the other, addresses upwards, the ports
of one address varying fastest. The fence is not derived from the numbering: it looks at the destination
that stands in a finished frame, so a mistake in one is caught by the other."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from scanner.network.syn.cookie import U16, U64, Addresses

if TYPE_CHECKING:
    from collections.abc import Sequence

_HALF = (1 << 64) - 1
Bools = npt.NDArray[np.bool_]


class Segment(NamedTuple):
    """Addresses `first` to `last` (inclusive) of one family, asked on `ports` (ascending)."""

    version: int
    first: int
    last: int
    ports: tuple[int, ...]

    @property
    def targets(self) -> int:
        """How many (address, port) it holds."""
        return (self.last - self.first + 1) * len(self.ports)


class Piece(NamedTuple):
    """A part of a segment whose frames all leave by one lane; `begin` is the index of its first target."""

    segment: Segment
    begin: int
    lane: int


class Batch(NamedTuple):
    """Targets of one lane, as columns."""

    lane: int
    to: Addresses
    port: U16
    indices: U64


def _starts(segments: Sequence[Segment]) -> U64:
    ends = list(accumulate((segment.targets for segment in segments), initial=0))
    return np.array(ends[:-1], dtype=np.uint64)


def _port_table(segments: Sequence[Segment]) -> U16:
    """One row a segment; short rows are filled with their own last port, so that none is added."""
    widest = max(len(segment.ports) for segment in segments)
    rows = [segment.ports + (segment.ports[-1],) * (widest - len(segment.ports)) for segment in segments]
    return np.array(rows, dtype=np.uint16)


class Targets:
    """Turns indices into batches, one for each lane. Pieces are in index order and leave no gap but direct
    ones."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        segments = [piece.segment for piece in pieces]
        self._begin = np.array([piece.begin for piece in pieces], dtype=np.uint64)
        self._end = np.array([p.begin + p.segment.targets for p in pieces], dtype=np.uint64)
        self._low = np.array([segment.first & _HALF for segment in segments], dtype=np.uint64)
        self._high = np.array([segment.first >> 64 for segment in segments], dtype=np.uint64)
        self._width = np.array([len(segment.ports) for segment in segments], dtype=np.uint64)
        self._ports = _port_table(segments)
        self._lane = np.array([piece.lane for piece in pieces], dtype=np.intp)
        self._six = {piece.lane: piece.segment.version == 6 for piece in pieces}
        self._plain = bool((self._width == 1).all())

    def batches(self, index: U64) -> list[Batch]:
        """The targets at these indices; an index that lies in no piece is left out."""
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


class Fence:
    """Which (address, port) may be sent to, and at which index it stands. Segments are sorted and
    disjoint."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        starts = _starts(segments)
        self._sides: dict[int, _Side] = {}
        for version in (4, 6):
            chosen = [i for i, segment in enumerate(segments) if segment.version == version]
            if chosen:
                self._sides[version] = _Side([segments[i] for i in chosen], starts[chosen])

    def permits(self, to: Addresses, port: U16) -> Bools:
        """True for each target inside the scope."""
        return self.locate(to, port)[1]

    def locate(self, to: Addresses, port: U16) -> tuple[U64, Bools]:
        """The index of each target, and whether it is inside at all (the index says nothing where not)."""
        side = self._sides.get(4 if to.high is None else 6)
        if side is None:
            return np.zeros(len(port), dtype=np.uint64), np.zeros(len(port), dtype=np.bool_)
        return side.locate(to, port)


class _Side:
    """One family of a fence."""

    def __init__(self, segments: Sequence[Segment], starts: U64) -> None:
        self._starts = starts
        self._six = segments[0].version == 6
        first, last = ([getattr(segment, end) for segment in segments] for end in ("first", "last"))
        if any(after <= before for before, after in zip(last, first[1:], strict=False)):
            raise ValueError("the segments of a fence are sorted and disjoint")
        self._first, self._last = (
            self._keys(_columns(first, self._six)),
            self._keys(_columns(last, self._six)),
        )
        self._first_low = np.array([address & _HALF for address in first], dtype=np.uint64)
        self._width = np.array([len(segment.ports) for segment in segments], dtype=np.uint64)
        self._ports = _port_table(segments)

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
        step = to.low - self._first_low[at]  # modulo 2**64; a segment holds fewer
        if self._ports.shape[1] == 1:
            return self._starts[at] + step, inside & (self._ports[at, 0] == port)
        same = self._ports[at] == port[:, None]
        index = self._starts[at] + step * self._width[at] + same.argmax(axis=1).astype(np.uint64)
        return index, inside & same.any(axis=1)


def _columns(addresses: Sequence[int], six: bool) -> Addresses:
    low = np.array([address & _HALF for address in addresses], dtype=np.uint64)
    return Addresses(low, np.array([a >> 64 for a in addresses], dtype=np.uint64) if six else None)
