"""How fast somebody may go on guessing: after some failures each further try waits, longer each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from scanner.clock import Clock

_FORGOTTEN = 3600.0  # seconds without a failure
_SLOTS = 4096


class Patience(NamedTuple):
    """`free` tries fail without a wait; then the wait is a second and doubles, up to `longest` seconds."""

    free: int
    longest: float


class Slowing:
    """Counts failures by key: a name that somebody tries, or an address from which it is tried.

    The table has a fixed number of slots and keys share them by their hash, which nobody outside can foresee
    (Python's is keyed at random in each process). So its memory is bounded, and nobody can drive a key out
    of it by trying many others.
    """

    def __init__(self, patience: Patience, clock: Clock) -> None:
        self._patience = patience
        self._clock = clock
        self._failures = [0] * _SLOTS
        self._last = [float("-inf")] * _SLOTS

    def wait(self, key: str) -> float:
        """Seconds until the next try is heard; 0 for now."""
        slot = hash(key) % _SLOTS
        since = self._clock.monotonic() - self._last[slot]
        over = self._failures[slot] - self._patience.free
        if over < 0 or since >= _FORGOTTEN:
            return 0.0
        return max(0.0, min(2.0 ** min(over, 32), self._patience.longest) - since)

    def begin(self, key: str) -> None:
        """A try begins. It counts as a failure until it is taken back, so that tries at the same moment are
        counted too."""
        slot, now = hash(key) % _SLOTS, self._clock.monotonic()
        if now - self._last[slot] >= _FORGOTTEN:
            self._failures[slot] = 0
        self._failures[slot] += 1
        self._last[slot] = now

    def take_back(self, key: str) -> None:
        """The try was none that failed."""
        slot = hash(key) % _SLOTS
        self._failures[slot] = max(0, self._failures[slot] - 1)

    def forget(self, key: str) -> None:
        """All failures of this key were somebody's who then got in."""
        self._failures[hash(key) % _SLOTS] = 0
