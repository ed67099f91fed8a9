"""Where the engine's next target comes from: the walk through the order, or the SYN stage's live ones.

A source hands out tokens, plain integers that name a target for the length of a run. `taken` counts the
planned targets that it has accounted for, so that the engine's books can be checked against it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from scanner.engine.order import OrderCursor

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from scanner.contact import Token
    from scanner.engine.order import Order
    from targets.scope import Scope, Target


class Source(Protocol):
    """Hands out what is to be connected to, once each."""

    after: int  # the last position of the order that was taken; -1 = none
    taken: int  # planned targets that are accounted for: handed out, or settled without a connect
    cut_short: bool  # it ended early: planned targets are missing, and that is known

    @property
    def waiting(self) -> Collection[Token]:
        """Tokens that have come and were not handed out yet."""

    @property
    def exhausted(self) -> bool:
        """Whether nothing will come any more."""

    def take(self) -> tuple[Token, Target] | None:
        """The next token with its target; None when there is none now."""

    def take_many(self, count: int) -> list[tuple[Token, Target]]:
        """What `take` would give in up to `count` calls; fewer do not mean that it is exhausted."""

    def target(self, token: Token) -> Target:
        """The target that a token of this source names."""

    def heard(self, token: Token) -> bool:
        """Whether the target has answered already, so that its silence now would be a contradiction."""


class WalkSource:
    """The order itself: every target of the scope, each once. Tokens are positions."""

    def __init__(self, order: Order, scope: Scope, after: int = -1, taken: int = 0) -> None:
        self.after = after
        self.taken = taken
        self.cut_short = False
        self.waiting: tuple[int, ...] = ()
        self._at = order.at
        self._cursor = OrderCursor(order, after)
        self._pick = scope.pick
        self._pick_all = scope.pick_all

    @property
    def exhausted(self) -> bool:
        """See `Source.exhausted`."""
        return self._cursor.ended

    def take(self) -> tuple[Token, Target] | None:
        """See `Source.take`."""
        while not self.exhausted:
            if taken := self.take_many(1):
                return taken[0]
        return None

    def take_many(self, count: int) -> list[tuple[Token, Target]]:
        """See `Source.take_many`."""
        positions, indices = self._cursor.take(count)
        if not positions:
            return []
        self.after = positions[-1]
        self.taken += len(positions)
        return list(zip(positions, self._pick_all(indices), strict=True))

    def target(self, token: Token) -> Target:
        """See `Source.target`."""
        index = self._at(token)
        assert index is not None
        return self._pick(index)

    def heard(self, token: Token) -> bool:
        """See `Source.heard`."""
        return False


class FeedSource:
    """Targets that the SYN stage found: tokens are indices of the scope. `close` it when no more can come."""

    def __init__(self, scope: Scope) -> None:
        self.after = -1
        self.taken = 0
        self._pick = scope.pick
        self.waiting: deque[int] = deque()
        self.direct: list[tuple[int, int]] = []  # (first index, count) of targets that the stage does not ask
        self._closed = False
        self.cut_short = False

    @property
    def exhausted(self) -> bool:
        """Whether the stage has ended and all it found was handed out."""
        return self._closed and not self.waiting

    @property
    def backlog(self) -> int:
        """How many are waiting to be connected to."""
        return len(self.waiting)

    def add(self, indices: Iterable[int]) -> None:
        """More to connect to."""
        self.waiting.extend(indices)

    def settle(self, count: int) -> None:
        """So many planned targets ended without needing a connect."""
        self.taken += count

    def close(self, *, cut_short: bool) -> None:
        """No more will come; `cut_short` when some of the planned targets are missing for that reason."""
        self._closed = True
        self.cut_short = cut_short

    def take_many(self, count: int) -> list[tuple[Token, Target]]:
        """See `Source.take_many`."""
        found: list[tuple[Token, Target]] = []
        while len(found) < count and (taken := self.take()) is not None:
            found.append(taken)
        return found

    def take(self) -> tuple[Token, Target] | None:
        """See `Source.take`."""
        if not self.waiting:
            return None
        index = self.waiting.popleft()
        self.taken += 1
        return index, self._pick(index)

    def target(self, token: Token) -> Target:
        """See `Source.target`."""
        return self._pick(token)

    def heard(self, token: Token) -> bool:
        """See `Source.heard`: all but the targets that the stage does not ask."""
        return not any(begin <= token < begin + count for begin, count in self.direct)
