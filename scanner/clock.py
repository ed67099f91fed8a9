"""The clocks of the machine behind one small interface, so that a test can own time."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Three clocks, all in seconds. Deadlines use `monotonic`, expiry and windows use `wall`."""

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC. May jump; never measure a duration with it."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; stands still while the machine is suspended."""
        ...

    def boottime(self) -> float:
        """Seconds that never go back and count suspension too, where the system has such a clock."""
        ...


class SystemClock:
    """The real clocks."""

    wall = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def boottime() -> float:
        """CLOCK_BOOTTIME on Linux; the monotonic clock elsewhere."""
        return time.clock_gettime(_BOOTTIME) if _BOOTTIME is not None else time.monotonic()


_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)
