"""Waiting between rounds, for minutes or hours, in a way that a signal ends at once."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import FrameType


SLICE = 0.25  # seconds


class Patience(Protocol):
    """Waits, and knows whether it was told to stop."""

    @property
    def stopped(self) -> bool:
        """Whether a signal asked for the end."""
        ...

    def hold(self) -> None:
        """Take the signals; a run has its own use for them, and gives them back to nobody."""
        ...

    def wait(self, seconds: float) -> None:
        """Until the time is over or it was told to stop."""
        ...


class SignalPatience:
    """SIGINT and SIGTERM end it all, a second SIGINT with KeyboardInterrupt; SIGHUP ends one wait."""

    def __init__(self) -> None:
        self._told = threading.Event()
        self._hurried = False

    @property
    def stopped(self) -> bool:
        """See `Patience`."""
        return self._told.is_set()

    def hold(self) -> None:
        """See `Patience`. In the main thread only."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._tell)
        signal.signal(signal.SIGHUP, self._hurry)

    def wait(self, seconds: float) -> None:
        """See `Patience`. In slices: a signal that comes just before a wait begins does not shorten it."""
        end = time.monotonic() + seconds
        while not (self._told.is_set() or self._hurried) and (left := end - time.monotonic()) > 0:
            self._told.wait(min(left, SLICE))
        self._hurried = False

    def _hurry(self, number: int, _frame: FrameType | None) -> None:
        self._hurried = True

    def _tell(self, number: int, _frame: FrameType | None) -> None:
        if self._told.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._told.set()
