"""The clocks of the machine behind one small interface, so that a test can own time; and times as text."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from functools import lru_cache
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


def timestamp(wall: float) -> str:
    """RFC 3339, UTC, milliseconds: `2026-11-24T09:15:02.123Z`."""
    return _timestamp(math.floor(wall * 1000))


@lru_cache(4)
def _timestamp(milliseconds: int) -> str:
    second, rest = divmod(milliseconds, 1000)
    return f"{_to_the_second(second)}.{rest:03d}Z"


@lru_cache(4)
def _to_the_second(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"
