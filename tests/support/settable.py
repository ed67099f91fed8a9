"""A clock that stands still until a test sets it."""

from __future__ import annotations

from results.durations import instant


class SetClock:
    """Stands at a time (RFC 3339); `set` moves it there or back, and the other clocks by as much ahead."""

    def __init__(self, at: str) -> None:
        self._wall = instant(at).timestamp()
        self._monotonic = 1000.0

    def set(self, at: str) -> None:
        """Another time; the clocks that never go back stay where they are or go on."""
        new = instant(at).timestamp()
        self._monotonic += max(0.0, new - self._wall)
        self._wall = new

    def wait(self, seconds: float) -> None:
        """All clocks go on."""
        self._wall += seconds
        self._monotonic += seconds

    def wall(self) -> float:
        """Seconds since 1970."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds."""
        return self._monotonic

    def boottime(self) -> float:
        """Seconds."""
        return self._monotonic
