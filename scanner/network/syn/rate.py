"""How many SYNs may leave now: the stage's rate, the caps of single prefixes, and backing off from drops.

Pure arithmetic on a monotonic time that the caller passes in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scanner.network.syn.cookie import U64, Bools
    from scanner.network.syn.target_table import Batch

_BATCH_SECONDS = 0.002  # a batch is this much of a second's rate …
_SAVED_SECONDS = (
    0.008  # … and this much can be caught up after a hiccup: no window of a second is over by 1 %
)
_LOWEST_SHARE = 1 / 64
_REVIEW_SECONDS = 0.5


class RateLimiter:
    """A token bucket with a small depth. `rate` None means as fast as the machine can."""

    def __init__(self, rate: float | None, block: int, now: float) -> None:
        self.ceiling = rate
        self._rate = rate
        self._block = block
        self._tokens = 0.0
        self._last = now
        self.slowed_by = ""
        self._review_at = now + _REVIEW_SECONDS
        self._dropped = 0
        self._sent = 0

    @property
    def rate(self) -> float | None:
        """SYNs a second as set now."""
        return self._rate

    def set_ceiling(self, rate: float | None) -> None:
        """A new rate from the parent."""
        self.ceiling = self._rate = rate

    def available(self, now: float) -> int:
        """How many SYNs may leave now; 0 until a whole batch may, so that the loop does not spin."""
        if self._rate is None:
            return self._block
        depth = self._batch(self._rate) + max(1.0, self._rate * _SAVED_SECONDS)
        self._tokens = min(depth, self._tokens + (now - self._last) * self._rate)
        self._last = now
        if self._tokens < self._batch(self._rate):
            return 0
        return min(int(self._tokens), self._block)

    def _batch(self, rate: float) -> float:
        return max(1.0, min(self._block, rate * _BATCH_SECONDS))

    def take(self, count: int) -> None:
        """Book what was sent of it."""
        self._tokens -= count
        self._sent += count

    def pause(self, now: float) -> float:
        """Seconds until the next batch may leave."""
        if self._rate is None:
            return 0.0
        missing = self._batch(self._rate) - self._tokens - (now - self._last) * self._rate
        return max(0.0, missing / self._rate)

    def review(self, now: float, dropped: int, why: str) -> None:
        """Twice a second: `dropped` is the number of packets that this machine has lost so far. Halve on new
        ones, else recover by a tenth, never above the rate that was set."""
        if now < self._review_at:
            return
        span = now - self._review_at + _REVIEW_SECONDS
        self._review_at = now + _REVIEW_SECONDS
        lost, self._dropped = dropped - self._dropped, dropped
        measured, self._sent = self._sent / span, 0
        if lost > 0:
            current = measured if self._rate is None else min(self._rate, measured)
            floor = max(1.0, (self.ceiling or measured) * _LOWEST_SHARE)
            self._rate = max(floor, current / 2)
            self.slowed_by = f"{lost} {why}"
        elif self._rate is not None and self._rate != self.ceiling:
            self._rate *= 1.1
            if self.ceiling is not None and self._rate >= self.ceiling:
                self._rate = self.ceiling
                self.slowed_by = ""


class PrefixCap:
    """At most `rate` SYNs a second into any one /24 (IPv4) or /64 (IPv6), in every window and without bursts.

    Keeps one number a prefix, the time from which it may be asked again, in a table of slots that prefixes
    share by their low bits: two that meet in a slot only slow each other down."""

    def __init__(self, rate: float, slots: int = 1 << 16) -> None:
        self._interval = 1.0 / rate
        self._free_at = np.zeros(slots)
        self._mask = np.uint64(slots - 1)

    def admit(self, batch: Batch, now: float) -> Bools:
        """Which targets of a batch may be asked now; they are booked. The others come back later."""
        slot = self._slots(batch) & self._mask
        order = np.argsort(slot, kind="stable")
        allowed = np.ones(len(slot), dtype=np.bool_)
        allowed[order[1:]] = slot[order[1:]] != slot[order[:-1]]  # one of each slot in this batch
        allowed &= self._free_at[slot] <= now
        self._free_at[slot[allowed]] = now + self._interval
        return allowed

    @staticmethod
    def _slots(batch: Batch) -> U64:
        high = batch.to.high
        return batch.to.low >> np.uint64(8) if high is None else high ^ (high >> np.uint64(16))
