"""What is on its way to one sink: batches as they were read, the pieces in which they are sent, and how long
to wait after a failure. Plain arithmetic: no disk, no clock, no receiver.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from results.sinks.sink import Item
    from results.sinks.source import Read

PATIENT: Final = 3
"""Failures of a piece after which others are let pass it."""
HOPELESS: Final = 10
"""Failures of one event after which it is set aside, when it failed in the same way `PROOFS` times after
others had been taken."""
PROOFS: Final = 2


class Pace(NamedTuple):
    """How long to wait after failures, in seconds: any part of `first`, then of twice that, and so on, `most`
    at the most; where the other side asks for a time, that, `most_asked` at the most. A sink that is stopped
    is tried again after `stopped`."""

    first: float = 1.0
    most: float = 60.0
    most_asked: float = 900.0
    stopped: float = 300.0

    def wait(self, failures: int, asked: float | None) -> float:
        """Seconds before the next try, after so many failures in a row. Drawn from the whole span ("full
        jitter"), so that many senders do not come back together."""
        if asked:
            return min(asked, self.most_asked)
        return random.uniform(0, min(self.most, self.first * 2.0 ** min(failures - 1, 32)))  # noqa: S311


DEFAULT_PACE: Final = Pace()


class Batch:
    """What was read at once, until its place can be kept. `last`: the last line that it has of each file."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.last: dict[str, Read] = {}
        self.left = 0
        """Events that were neither taken nor set aside."""
        self.delivered = 0
        self.passed_over = 0
        self.set_aside = 0


class Piece:
    """Events that are sent together, in their order; `lines` are theirs. `order` is that among all pieces."""

    def __init__(self, batch: Batch, items: list[Item], lines: list[bytes], at: int = 0) -> None:
        self.batch = batch
        self.items = items
        self.lines = lines
        self.order = (batch.number, at)
        self.failures = 0  # in a row
        self.not_before = 0.0  # by the loop's clock
        self._proofs = 0
        self._taken_then = 0
        self._proven = ""  # how it failed then
        self._last = ""  # how it failed last, where that may be for what it holds

    def __lt__(self, other: Piece) -> bool:
        return self.order < other.order

    def part(self, positions: Sequence[int]) -> Piece:
        """Some of it, with its history."""
        items, lines = [self.items[at] for at in positions], [self.lines[at] for at in positions]
        part = Piece(self.batch, items, lines, self.order[1] + positions[0])
        part.failures, part.not_before = self.failures, self.not_before
        part._proofs, part._proven, part._taken_then = self._proofs, self._proven, self._taken_then
        return part

    def halves(self) -> tuple[Piece, Piece]:
        """It in two."""
        middle = len(self.items) // 2
        return self.part(range(middle)), self.part(range(middle, len(self.items)))

    def failed(self, taken: int, reason: str, *, later: bool) -> None:
        """It was not taken, without a word on any one event. `taken`: how many sendings have been so far, to
        this sink; `later`: the other side asked to wait, and so says that it will take it."""
        proven = self.failures > 0 and taken > self._taken_then and not later
        if proven:
            self._proofs = self._proofs + 1 if reason == self._proven else 1
            self._proven = reason
        self._taken_then = taken
        self._last = "" if later else reason
        self.failures += 1

    @property
    def is_suspect(self) -> bool:
        """Whether it ever failed while others were taken."""
        return self._proofs > 0

    @property
    def is_hopeless(self) -> bool:
        """One event that fails again and again, as it did while others were taken."""
        proven = self._proofs >= PROOFS and self._last == self._proven
        return len(self.items) == 1 and self.failures >= HOPELESS and proven

    @property
    def is_passed(self) -> bool:
        """Whether others need not wait for it any more; later where the other side said to wait."""
        return self.failures >= (PATIENT if self._last else HOPELESS)

    def suspected(self) -> list[Piece]:
        """Itself; or in halves, when one of its events may be what makes it fail, and nothing was said."""
        if self.failures < PATIENT or len(self.items) == 1 or not self._last:
            return [self]
        return list(self.halves())


def pieces_of(batch: Batch, items: list[Item], lines: list[bytes], most_bytes: int) -> Iterator[Piece]:
    """A batch in pieces of at most so many bytes, or of one event."""
    first = size = 0
    for at, item in enumerate(items):
        if at > first and size + len(item.body) > most_bytes:
            yield Piece(batch, items[first:at], lines[first:at], first)
            first, size = at, 0
        size += len(item.body)
    if items:
        yield Piece(batch, items[first:], lines[first:], first)
