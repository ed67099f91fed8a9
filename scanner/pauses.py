"""What makes a running sweep hold its breath or turn back: stop file, blackout windows, signals, a reload."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from targets.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.blackout import Calendar
    from scanner.clock import Clock
    from scanner.door import Door
    from scanner.engine import Engine
    from targets.scope import Scope

STOP_FILE = "the stop file exists"
SIGNAL = "paused by SIGUSR2"


class BlackoutHold:
    """Implements `Held`: the addresses that a blackout window covers now. Refreshed every second."""

    def __init__(self, calendar: Calendar | None) -> None:
        self._calendar = calendar
        self._ranges = Ranges()
        self._spans: tuple[object, ...] = ()

    def holds(self, version: int, address: int) -> bool:
        """Whether the address must not be touched now."""
        return bool(self._spans) and self._ranges.contains(version, address)

    def refresh(self, wall: float) -> bool:
        """Look at the clock. True when the windows have changed."""
        if self._calendar is None:
            return False
        spans = tuple(window.span for window in self._calendar.active(wall))
        if spans == self._spans:
            return False
        self._spans = spans
        self._ranges = Ranges.of(spans)
        return True


class Pauses:
    """Looks at every reason to pause, four times a second, and tells the engine."""

    INTERVAL = 0.25

    def __init__(
        self,
        engine: Engine,
        door: Door,
        clock: Clock,
        hold: BlackoutHold,
        stop_file: str,
        reload_scope: Callable[[], Scope] | None,
        notice: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._door = door
        self._clock = clock
        self._hold = hold
        self._stop_file = Path(stop_file) if stop_file else None
        self._reload_scope = reload_scope
        self._notice = notice
        self._signals: list[int] = []
        self.interrupted = asyncio.Event()

    def install(self, loop: asyncio.AbstractEventLoop) -> None:
        """SIGINT and SIGTERM stop, SIGHUP narrows the scope, SIGUSR2 pauses and resumes."""
        for number, action in (
            (signal.SIGINT, self._interrupt),
            (signal.SIGTERM, self._interrupt),
            (signal.SIGHUP, self.reload),
            (signal.SIGUSR2, self._toggle),
        ):
            loop.add_signal_handler(number, action)
            self._signals.append(number)

    def uninstall(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the signals back."""
        for number in self._signals:
            loop.remove_signal_handler(number)
        self._signals.clear()

    def _interrupt(self) -> None:
        if self.interrupted.is_set():
            self._engine.abandon()  # a second signal does not wait for anybody
        self.interrupted.set()
        self._engine.stop("interrupted")

    def _toggle(self) -> None:
        if SIGNAL in self._engine.pauses:
            self._engine.pauses.discard(SIGNAL)
            self._notice("resumed by SIGUSR2")
        else:
            self._engine.pauses.add(SIGNAL)
            self._notice("paused by SIGUSR2; the same signal resumes")

    def reload(self) -> None:
        """Read the scope again. It may only get smaller; a broken file changes nothing and pauses."""
        if self._reload_scope is None:
            return
        try:
            taken = self._door.narrow(self._reload_scope())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the file, nothing may be sent on a doubt
            self._engine.pauses.add("the reloaded scope is broken")
            self._notice(f"the scope could not be reloaded, paused: {error}")
            return
        self._engine.pauses.discard("the reloaded scope is broken")
        self._notice(f"scope reloaded: {taken} targets fewer, none more")

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(self.INTERVAL)

    def look(self) -> None:
        """One look at the stop file (one that cannot be looked at counts) and at the blackout windows."""
        if self._stop_file is not None:
            if _exists(self._stop_file):
                self._engine.pauses.add(STOP_FILE)
            else:
                self._engine.pauses.discard(STOP_FILE)
        if self._hold.refresh(self._clock.wall()):
            self._engine.release_blackouts()


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
