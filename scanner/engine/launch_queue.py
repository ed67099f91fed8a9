"""Which target may be asked now: new ones of the source, those that had to wait, those to be asked again."""

from __future__ import annotations

import heapq
from operator import itemgetter
from typing import TYPE_CHECKING

from scanner.contact import is_witness, witness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scanner.contact import Token
    from scanner.engine.pace import PrefixCaps
    from scanner.engine.sources import Source
    from scanner.setup.blackout import ActiveBlackouts
    from targets.scope import Target

_FIRST: Callable[[tuple[Token, Target]], Token] = itemgetter(0)
RETRY_DELAY = 0.005  # seconds at least until a token that had to wait is looked at again
MAX_DEFERRED = 8192  # tokens held back by their prefix's cap; beyond it the order waits
MAX_HELD = 262_144  # the same for blackout windows: each costs memory, and a place in every checkpoint
HELD_AT_ONCE = 4096  # so many are put aside in one turn, so that signals and deadlines do not wait


class LaunchQueue:
    """Hands out tokens with their targets. A token is `in_flight` from then on until it is settled.

    What may not go now is put aside and comes back: `_deferred` (a heap by time) holds what its prefix's cap
    delays, what this machine failed to ask, and what is asked once more; `_blacked_out` what a window covers.
    `again` gives targets to be asked again, once the source is exhausted: None when there is none.
    """

    def __init__(
        self,
        source: Source,
        caps: PrefixCaps,
        blackouts: ActiveBlackouts,
        in_flight: Iterable[Token],
        again: Callable[[], Token | None],
    ) -> None:
        self.source = source
        self.in_flight: set[Token] = set(in_flight)
        self.asking_again = False
        self._caps = caps
        self._blackouts = blackouts
        self._again = again
        self._deferred: list[tuple[float, Token]] = [(0.0, token) for token in sorted(self.in_flight)]
        self._blacked_out: list[Token] = []

    def gather(self, now: float, room: int, rate: float) -> list[tuple[Token, Target]]:
        """At most `room` tokens that may go now in a sweep of at most `rate`, with their targets."""
        deferred = self._deferred
        waiting = bool(deferred) and (deferred[0][0] <= now or len(deferred) >= MAX_DEFERRED)
        if not (waiting or self.asking_again or self._blackouts or self._caps.can_bind(rate)):
            batch = self.source.take_many(room)
            self.in_flight.update(map(_FIRST, batch))
            return batch
        batch = []
        while len(batch) < room and (ready := self._next(now)) is not None:
            batch.append(ready)
        return batch

    def _next(self, now: float) -> tuple[Token, Target] | None:
        """The next token that may go now, with its target; None when there is none."""
        deferred, patience = self._deferred, HELD_AT_ONCE
        while patience:
            if deferred and deferred[0][0] <= now:
                token = heapq.heappop(deferred)[1]
                target = self._target(token)
            elif len(deferred) >= MAX_DEFERRED or len(self._blacked_out) >= MAX_HELD:
                return None
            else:
                taken = self._take()
                if taken is None:
                    return None
                token, target = taken
            version, address, _ = target
            if self._blackouts.cover(version, address):
                self._blacked_out.append(token)
                patience -= 1
                continue
            delay = self._caps.delay(self._caps.key(version, address), now)
            if not delay:
                return token, target
            # A delay below the clock's resolution would be due at once, and be asked about for ever.
            heapq.heappush(deferred, (now + max(delay, RETRY_DELAY), token))
        return None

    def _take(self) -> tuple[Token, Target] | None:
        """A target that has not been handed out yet, or one that is to be asked again."""
        taken = self.source.take()
        if taken is None:
            token = self._again() if self.asking_again else None
            if token is None:
                return None
            taken = token, self._target(token)
        if not is_witness(taken[0]):
            self.in_flight.add(taken[0])
        return taken

    def _target(self, token: Token) -> Target:
        return self.source.target(witness(token) if is_witness(token) else token)

    def defer(self, token: Token, until: float = 0.0) -> None:
        """Hand this one out (again) from that time on."""
        heapq.heappush(self._deferred, (until, token))

    @property
    def held_until(self) -> float:
        """When the first of the windows that hold targets back ends, in seconds since 1970; 0 for none."""
        return self._blackouts.until

    def release_blackouts(self) -> None:
        """The windows have changed: look again at everything that was held back."""
        held, self._blacked_out = self._blacked_out, []
        for token in held:
            heapq.heappush(self._deferred, (0.0, token))

    @property
    def held_back(self) -> int:
        """Targets waiting for the end of a blackout window."""
        return len(self._blacked_out)
