"""Deadlines of all slots in one wheel of ticks: no timer, no heap, at most one live entry a slot.

A slot that is asked again and again inside one tick costs an attribute write. When its bucket comes round
and the slot's deadline has moved on, it is put into the bucket where it now belongs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanner.network.connect.base import TICK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.network.connect.slot import Slot


class Wheel:
    """Buckets of slots by the tick in which their deadline falls."""

    __slots__ = ("_buckets", "_next")

    def __init__(self, now: float) -> None:
        self._buckets: dict[int, list[Slot]] = {}
        self._next = int(now / TICK)

    @staticmethod
    def tick_of(deadline: float) -> int:
        """The bucket of a deadline."""
        return int(deadline / TICK) + 1

    def set(self, slot: Slot, deadline: float) -> None:
        """Give the slot a deadline; a later one than before costs nothing."""
        slot.deadline = deadline
        tick = int(deadline / TICK) + 1
        if slot.wheel_tick == -1 or tick < slot.wheel_tick:
            self._enter(slot, max(tick, self._next))

    def _enter(self, slot: Slot, tick: int) -> None:
        slot.wheel_tick = tick
        bucket = self._buckets.get(tick)
        if bucket is None:
            self._buckets[tick] = [slot]
        else:
            bucket.append(slot)

    def expired(self, now: float) -> Iterator[Slot]:
        """Yield each slot whose deadline has passed. A slot with deadline 0.0 has none and drops out."""
        current = int(now / TICK)
        while self._next <= current:
            tick = self._next
            self._next += 1
            for slot in self._buckets.pop(tick, ()):
                if slot.wheel_tick != tick:
                    continue  # an earlier entry took its place
                slot.wheel_tick = -1
                if not slot.deadline:
                    continue
                if slot.deadline <= now:
                    yield slot
                else:
                    self._enter(slot, max(int(slot.deadline / TICK) + 1, self._next))

    def clear(self) -> None:
        """Forget everything."""
        self._buckets.clear()
