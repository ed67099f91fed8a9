"""One budget over all conversations: what memory each holds, which may read on or begin, and which wait.

Theory of operation. A conversation holds what it has learned, its inventory and the reply that is coming in;
a long reply is counted whole as soon as its length is known, and a first answer or an inventory before it is
made. Whoever would go beyond the budget waits: its link is not read, so that its server waits with a full
window. These rules keep the others going:

* Only a few long replies come in at a time: each is decoded in one go, and a server whose answer has come but
  was not read yet must not run out of time for that.
* A quarter of the budget is for those that were heard already: no long reply and nobody new may use it.
* Who holds less than before goes on: only by that does it come to its end.
* Who has its verdict asks for metadata when it has its turn: our loop bounds how many do so at once, too
  (`PlanLimit`).
* The first that would have to wait for memory goes on all the same, until it is over: then the next one does.
  So one conversation always goes on, and the budget is exceeded by what one may hold.

Nothing new is connected to while three quarters are held (`full`; the engine asks).
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple, Protocol

from scanner.engine.plan_limit import PlanLimit

BUDGET: Final = 256 * 1024 * 1024  # bytes that all conversations of a run hold together
SMALL: Final = 64 * 1024  # bytes still to come of a reply that is not long
LONG_AT_ONCE: Final = 2  # long replies that come in at a time
MOST_WAITING: Final = 64  # so many that wait are enough: each has a socket and what the kernel keeps for it
SMALLEST: Final = 16 * 1024 * 1024


class Holder(Protocol):
    """Who holds memory: a conversation. The budget alone sets both."""

    weight: int  # bytes that count against the budget
    waited: bool  # its link was held; set back by whoever hears of it again


class Stoppable(Protocol):
    """What a conversation waits with: its link."""

    def hold(self) -> None:
        """See `Link.hold`."""

    def go_on(self) -> None:
        """See `Link.go_on`."""


class Coming(Enum):
    """What will take memory next."""

    REPLY = "the rest of a reply, over the network"
    FIRST = "what a first answer is decoded to"
    PLAN = "an inventory, and the first questions about it"


# Named once: with Python 3.11 each look at a member of an enumeration costs as much as a call.
_REPLY, _FIRST, _PLAN = Coming.REPLY, Coming.FIRST, Coming.PLAN


class _Wanted(NamedTuple):
    link: Stoppable
    size: int
    kind: Coming

    @property
    def is_long(self) -> bool:
        return self.kind is _REPLY and self.size > SMALL


class MemoryBudget:
    """Counts what conversations hold, and stops and starts their links."""

    def __init__(self, limit: int = BUDGET) -> None:
        self.limit = limit
        self.held = 0
        self.most_held = 0
        self.times_waited = 0
        self._first: Holder | None = None  # goes on whatever is held
        self._long: set[Holder] = set()  # whose long reply is coming in
        self._planning: set[Holder] = set()  # whose metadata is being asked for
        self._plans = PlanLimit()
        self._long_wait: dict[Holder, _Wanted] = {}
        self._plan_wait: dict[Holder, _Wanted] = {}
        self._other_wait: dict[Holder, _Wanted] = {}
        self._waiting = (self._other_wait, self._long_wait, self._plan_wait)
        self._waking = False

    @property
    def full(self) -> bool:
        """Whether nothing new is to begin."""
        waiting = len(self._other_wait) + len(self._long_wait) + len(self._plan_wait)
        return self.held >= self.limit * 3 // 4 or waiting >= MOST_WAITING

    def note(
        self,
        holder: Holder,
        link: Stoppable,
        held: int,
        coming: int,
        *,
        kind: Coming = _REPLY,
        exempt: bool = False,
    ) -> bool:
        """A conversation holds so many bytes now, and what comes next will bring so many more. Its link
        waits when there is no room, unless it is `exempt`. Returns whether it may go on."""
        before, weight = holder.weight, held + coming
        if not coming:
            self._long.discard(holder)
        less = weight <= before
        if kind is _REPLY and coming <= SMALL and (less or self.held + weight - before <= self.limit):
            self._count(holder, weight)  # as most do: nothing long comes, and there is room
            if weight < before:
                self._wake()
            return True
        wanted = _Wanted(link, coming, kind)
        goes_on = (
            exempt
            or holder is self._first
            or (less and kind is not _PLAN)
            or self._fits(held - before, wanted, holder)
        )
        if not goes_on and self._first is None and not self._has_its_turn(wanted):
            self._first, goes_on = holder, True
        self._count(holder, weight if goes_on else held)
        if not goes_on:
            holder.waited = True
            self.times_waited += 1
            self._queue_of(wanted)[holder] = wanted
            link.hold()
        else:
            self._begins(holder, wanted)
        if holder.weight < before:
            self._wake()
        return goes_on

    def forget(self, holder: Holder) -> None:
        """A conversation is over, and nothing of it is held any more."""
        if not holder.weight:
            return
        self.held -= holder.weight
        holder.weight = 0
        for waiting in self._waiting:
            if waiting:
                waiting.pop(holder, None)
        self._long.discard(holder)
        self._planning.discard(holder)
        if self._first is holder:
            self._first = None
        self._wake()

    def add(self, size: int) -> None:
        """So many bytes (fewer when negative) are held of conversations that are over."""
        self.held += size
        if size < 0:
            self._wake()

    def look(self, lag: float) -> None:
        """At each tick: what happens on a link waits for our own work for up to `lag` seconds."""
        self._plans.review(lag, len(self._planning))
        if self._plan_wait:
            self._wake()

    def shrink(self) -> None:
        """This machine has less memory than the budget: what is held now is too much."""
        self.limit = max(SMALLEST, min(self.limit, self.held) * 3 // 4)

    def _fits(self, more: int, wanted: _Wanted, holder: Holder) -> bool:
        """Whether `more` bytes that are held and those that are wanted have room."""
        if holder in self._long:
            return True  # it is counted whole
        if self._has_its_turn(wanted):
            return False
        limited = wanted.kind is _FIRST or wanted.is_long
        return self.held + more + wanted.size <= (self.limit * 3 // 4 if limited else self.limit)

    def _has_its_turn(self, wanted: _Wanted) -> bool:
        """Whether it waits for others of its kind that go on, so that it needs no help."""
        if wanted.kind is _PLAN:
            return len(self._planning) >= self._plans.most
        return wanted.is_long and len(self._long) >= LONG_AT_ONCE

    def _queue_of(self, wanted: _Wanted) -> dict[Holder, _Wanted]:
        if wanted.kind is _PLAN:
            return self._plan_wait
        return self._long_wait if wanted.is_long else self._other_wait

    def _begins(self, holder: Holder, wanted: _Wanted) -> None:
        if wanted.kind is _PLAN:
            self._planning.add(holder)
        elif wanted.is_long:
            self._long.add(holder)

    def _count(self, holder: Holder, weight: int) -> None:
        self.held = now = self.held + weight - holder.weight
        if now > self.most_held:
            self.most_held = now
        holder.weight = weight

    def _wake(self) -> None:
        """Let those go on for whom there is room now; the one that waits longest in any case. What they do
        then may make room again: that is looked at here, and not one inside the other."""
        if self._waking:
            return
        self._waking = True
        try:
            for waiting in self._waiting:
                if waiting:
                    self._wake_some(waiting)
        finally:
            self._waking = False

    def _wake_some(self, waiting: dict[Holder, _Wanted]) -> None:
        while waiting:
            holder, wanted = next(iter(waiting.items()))
            if not self._fits(0, wanted, holder):
                if self._first is not None or self._has_its_turn(wanted):
                    return
                self._first = holder
            del waiting[holder]
            self._count(holder, holder.weight + wanted.size)
            self._begins(holder, wanted)
            wanted.link.go_on()
