"""What time does to a connector's slots: deadlines, and what is done to all of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.contact import Ending, LocalFault
from scanner.network.connect.base import NARROWED, Deadline, Prober, Timeouts
from scanner.network.connect.deadlines import TICK, Wheel
from scanner.network.connect.slot import CONNECTING, IDLE, OPEN, Slot

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from targets.scope import Target

GROWTH_INTERVAL = 5.0  # seconds after a lack of descriptors until some more sockets are tried
PAUSE_SECONDS = 1.0  # a gap between two ticks that proves the process was stopped


class Clockwork:
    """The half of a connector that looks at the clock; the other half has the sockets."""

    capacity: int
    _after_turn: Callable[[], None]
    _closed: bool
    _grow_at: float
    _last_tick: float
    _loop: asyncio.AbstractEventLoop
    _permits: Callable[[Target], bool]
    _prober: Prober
    _slots: dict[int, Slot]
    _timeouts: Timeouts
    _timer: asyncio.TimerHandle
    _wanted: int
    _wheel: Wheel
    pauses: int

    def _ready(self) -> int:
        raise NotImplementedError

    def _broke(self, slot: Slot, error: Exception) -> None:
        raise NotImplementedError

    def _retire(self, slot: Slot, meaning: Verdict | LocalFault, detail: str) -> None:
        raise NotImplementedError

    def _over(self, slot: Slot, ending: Ending) -> None:
        raise NotImplementedError

    def arm_reply(self, slot: Slot) -> None:
        """Start the reply clock; the host's own deadline is never passed."""
        self._arm(slot, self._loop.time())

    def _arm(self, slot: Slot, now: float) -> None:
        deadline = now + self._timeouts.reply
        if deadline < slot.host_deadline:
            slot.kind = Deadline.REPLY
        else:
            deadline, slot.kind = slot.host_deadline, Deadline.HOST
        self._wheel.set(slot, deadline)

    def _tick(self) -> None:
        if self._closed:
            return
        now = self._loop.time()
        gap = now - self._last_tick
        self._last_tick = now
        self._timer = self._loop.call_later(TICK, self._tick)
        if gap > PAUSE_SECONDS:
            self.pauses += 1  # the process was stopped
            self.extend(gap)
        # Data before timers: what has arrived counts, however late we look. One event of each slot is enough.
        left = len(self._slots)
        while left > 0 and (served := self._ready()):
            left -= served
        for timed in self._wheel.expired(now):
            assert isinstance(timed, Slot)
            try:
                self._expire(timed)
            except Exception as error:  # noqa: BLE001 - as in _ready
                self._broke(timed, error)
        self._grow(now)
        self._after_turn()

    def _shrink(self) -> None:
        """No socket can be made: what there is must do for a while."""
        self.capacity = max(1, len(self._slots))
        self._grow_at = self._loop.time() + GROWTH_INTERVAL

    def _grow(self, now: float) -> None:
        """Descriptors that were lacking may have come back."""
        if self.capacity < self._wanted and now >= self._grow_at:
            self._grow_at = now + GROWTH_INTERVAL
            self.capacity = min(self._wanted, self.capacity + max(1, self._wanted // 8))

    def extend(self, seconds: float) -> None:
        """See `Connector.extend`."""
        for slot in self._slots.values():
            if slot.phase != IDLE:
                slot.deadline += seconds
                if slot.host_deadline:
                    slot.host_deadline += seconds

    def ask_again(self, detail: str) -> None:
        """See `Connector.ask_again`. A dialogue whose reopening waits begins again, too."""
        for slot in list(self._slots.values()):
            if slot.phase == CONNECTING:
                self._retire(slot, LocalFault.NETWORK, detail)

    def drop_forbidden(self) -> None:
        """See `Connector.drop_forbidden`."""
        for slot in list(self._slots.values()):
            if slot.phase != IDLE and not self._permits(slot.target):
                self._retire(slot, LocalFault.FORBIDDEN, NARROWED)

    def _expire(self, slot: Slot) -> None:
        if slot.phase == CONNECTING:
            self._retire(slot, Verdict.FILTERED, "")
        elif slot.phase == OPEN:
            self._over(slot, Ending.TIMEOUT)
