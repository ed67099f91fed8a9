"""A clock that stands until a test moves it."""

from __future__ import annotations


class SetClock:
    """All three clocks; `set_wall` moves that of the wall alone, as an administrator does."""

    def __init__(self, wall: float = 1_780_000_000.0) -> None:
        self.at = 1000.0
        self._wall = wall

    def pass_(self, seconds: float) -> None:
        """Time goes on."""
        self.at += seconds
        self._wall += seconds

    def set_wall(self, by: float) -> None:
        """The clock is set by so many seconds."""
        self._wall += by

    def wall(self) -> float:
        return self._wall

    def monotonic(self) -> float:
        return self.at

    def boottime(self) -> float:
        return self.at
