"""One budget of memory over all conversations of a run: what each holds, who may read on, and who waits.

Theory of operation. A conversation holds what it has learned, its inventory and the reply that is coming in;
a long reply is counted whole as soon as its length is known. Whoever would go beyond the budget waits: its
link is not read, so that its server waits with a full window, and its deadlines stand still. Five rules keep
the others going:

* Only a few long replies come in at a time: each is decoded in one go, and a server whose answer has come but
  was not read yet must not run out of time for that.
* A quarter of the budget is for small ones: a long reply may not use it, so that long lists stop no honest
  server.
* Who holds less than before goes on: only by that does it come to its end.
* The first that would have to wait goes on all the same, until it is over: then the next one does. So one
  conversation always goes on, and the budget is exceeded by what one may hold.

Nothing new begins while three quarters are held (`full`; the engine asks): what has begun still grows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from scanner.network.connect.base import Link

BUDGET: Final = 256 * 1024 * 1024  # bytes that all conversations of a run hold together
SMALL: Final = 64 * 1024  # bytes still to come of a reply that is not long
LONG_AT_ONCE: Final = 2  # long replies that come in at a time
MOST_WAITING: Final = 64  # so many that wait are enough: each has a socket and what the kernel keeps for it
SMALLEST: Final = 16 * 1024 * 1024


class Holder(Protocol):
    """Who holds memory: a conversation. The budget alone sets both."""

    weight: int  # bytes that count against the budget
    waited: bool  # its link was held; set back by whoever hears of it again


class MemoryBudget:
    """Counts what conversations hold, and stops and starts their links."""

    def __init__(self, limit: int = BUDGET) -> None:
        self.limit = limit
        self.held = 0
        self.most_held = 0
        self.times_waited = 0
        self._first: Holder | None = None  # goes on whatever is held
        self._long: set[Holder] = set()  # whose long reply is coming in
        self._waiting: tuple[dict[Holder, tuple[Link, int]], dict[Holder, tuple[Link, int]]] = ({}, {})

    @property
    def full(self) -> bool:
        """Whether nothing new is to begin."""
        return (
            self.held >= self.limit * 3 // 4 or len(self._waiting[0]) + len(self._waiting[1]) >= MOST_WAITING
        )

    def note(self, holder: Holder, link: Link, held: int, coming: int, *, exempt: bool = False) -> None:
        """A conversation holds so many bytes now, and the reply at hand will bring so many more. Its link
        waits when there is no room, unless it is `exempt`."""
        before = holder.weight
        small = coming <= SMALL
        if not coming:
            self._long.discard(holder)
        grows = held + coming > before
        if exempt or not grows or holder is self._first or self._fits(held - before, coming, holder):
            self._count(holder, held + coming)
            if not small:
                self._long.add(holder)
        else:
            self._count(holder, held)
            if self._first is None and not self._has_its_turn(coming):
                self._first = holder
            else:
                holder.waited = True
                self.times_waited += 1
                self._waiting[small][holder] = (link, coming)
                link.hold()
        if holder.weight < before:
            self._wake()

    def forget(self, holder: Holder) -> None:
        """A conversation is over, and nothing of it is held any more."""
        if not holder.weight:
            return
        self.held -= holder.weight
        holder.weight = 0
        for waiting in self._waiting:
            waiting.pop(holder, None)
        self._long.discard(holder)
        if self._first is holder:
            self._first = None
        self._wake()

    def add(self, size: int) -> None:
        """So many bytes (fewer when negative) are held of conversations that are over."""
        self.held += size
        if size < 0:
            self._wake()

    def shrink(self) -> None:
        """This machine has less memory than the budget: what is held now is too much."""
        self.limit = max(SMALLEST, min(self.limit, self.held) * 3 // 4)

    def _fits(self, more: int, coming: int, holder: Holder) -> bool:
        """Whether `more` bytes that are held and `coming` ones have room."""
        if holder in self._long:
            return True  # it is counted whole
        if self._has_its_turn(coming):
            return False
        share = self.limit if coming <= SMALL else self.limit * 3 // 4
        return self.held + more + coming <= share

    def _has_its_turn(self, coming: int) -> bool:
        """Whether what comes is long, and waits for long ones before it: they go on, so it needs no help."""
        return coming > SMALL and len(self._long) >= LONG_AT_ONCE

    def _count(self, holder: Holder, weight: int) -> None:
        self.held += weight - holder.weight
        self.most_held = max(self.most_held, self.held)
        holder.weight = weight

    def _wake(self) -> None:
        """Let those go on for whom there is room now; the one that waits longest in any case."""
        for waiting in self._waiting:
            while waiting:
                holder, (link, coming) = next(iter(waiting.items()))
                if not self._fits(0, coming, holder):
                    if self._first is not None or self._has_its_turn(coming):
                        break
                    self._first = holder
                del waiting[holder]
                self._count(holder, holder.weight + coming)
                if coming > SMALL:
                    self._long.add(holder)
                link.go_on()
