"""What pauses a running sweep or stops it: stop file, blackout windows, signals, a reload of the scope,
and a link of our own that is down.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.clock import Clock
    from scanner.engine.engine import Engine
    from scanner.network.guard import ScopeGuard
    from scanner.network.uplink import Uplink
    from scanner.setup.blackout import ActiveBlackouts
    from targets.scope import Scope

STOP_FILE = "the stop file exists"
SIGNAL = "paused by SIGUSR2"
BROKEN = "the reloaded scope is broken"
UNSEEN = "the stop file has not been looked at yet"
OUTAGE_PATIENCE = 900.0  # seconds without our own link after which the sweep gives up


class RunControl:
    """Looks at every reason to pause, four times a second, and tells the engine. An engine begins with the
    reason `UNSEEN`, which goes with the first look."""

    INTERVAL = 0.25

    def __init__(
        self,
        engine: Engine,
        guard: ScopeGuard,
        clock: Clock,
        *,
        blackouts: ActiveBlackouts,
        stop_file: str,
        reload_scope: Callable[[bool], Scope] | None,
        notice: Callable[[str], None],
        uplink: Uplink | None = None,
    ) -> None:
        self._engine = engine
        self._guard = guard
        self._clock = clock
        self._blackouts = blackouts
        self._stop_file = Path(stop_file) if stop_file else None
        self._reload_scope = reload_scope
        self._reloads = 0
        self._taken = 0  # targets that reloads took away, not told yet
        self._notice = notice
        self._signals: list[int] = []
        self._uplink = uplink
        self.outage = ""  # what is wrong with our own link, as long as it is
        self._outage_since = self._looked_at = clock.monotonic()
        self.outages: list[str] = []
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
        if SIGNAL in self._engine.pause_reasons:
            self._engine.pause_reasons.discard(SIGNAL)
            self._notice("resumed by SIGUSR2")
        else:
            self._engine.pause_reasons.add(SIGNAL)
            self._notice("paused by SIGUSR2; the same signal resumes")

    def reload(self) -> None:
        """Read the scope again. It may only get smaller; a broken file changes nothing and pauses.

        What is denied is denied at once. Host names, for which a resolver may take long, are resolved in a
        thread meanwhile; they can only take away more.
        """
        read = self._reload_scope
        if read is None:
            return
        self._reloads += 1
        number, loop = self._reloads, asyncio.get_running_loop()
        try:
            self._take_away(read(False))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the file, nothing may be sent on a doubt
            self._broken(error)
            return

        def resolve() -> None:
            found: Scope | Exception
            try:
                found = read(True)
            except Exception as error:  # noqa: BLE001 - as above
                found = error
            with suppress(RuntimeError):  # the sweep is over
                loop.call_soon_threadsafe(self._resolved, number, found)

        threading.Thread(target=resolve, name="names", daemon=True).start()

    def _resolved(self, number: int, found: Scope | Exception) -> None:
        if number != self._reloads:
            return  # there is a newer one
        if isinstance(found, Exception):
            self._broken(found)
            return
        self._take_away(found)
        self._engine.pause_reasons.discard(BROKEN)
        self._notice(f"scope reloaded: {self._taken} targets fewer, none more")
        self._taken = 0

    def _take_away(self, scope: Scope) -> None:
        self._taken += self._guard.narrow(scope)
        self._engine.connector.drop_forbidden()

    def _broken(self, error: Exception) -> None:
        self._engine.pause_reasons.add(BROKEN)
        self._notice(f"the scope could not be reloaded, paused: {error}")

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(self.INTERVAL)

    def look(self) -> None:
        """One look at the stop file (one that cannot be looked at counts) and at the blackout windows."""
        if self._stop_file is not None:
            if _exists(self._stop_file):
                self._engine.pause_reasons.add(STOP_FILE)
            else:
                self._engine.pause_reasons.discard(STOP_FILE)
        self._engine.pause_reasons.discard(UNSEEN)
        if self._blackouts.refresh(self._clock.wall()):
            self._engine.release_blackouts()
        if self._guard.expired():
            self._engine.connector.drop_forbidden()
        if self._uplink is not None:
            self._look_at_link(self._uplink, self._clock.monotonic())

    def _look_at_link(self, uplink: Uplink, now: float) -> None:
        """While our own link is down nothing is sent and no deadline passes; connects that nobody has
        answered begin again afterwards, so that no target is called silent for a fault of ours."""
        engine = self._engine
        engine.pace.stress.local_drops += uplink.drops()
        trouble = uplink.trouble()
        since, self._looked_at = now - self._looked_at, now
        if trouble:
            engine.connector.extend(since)
            if trouble != self.outage:
                engine.pause_reasons.discard(self.outage)
                engine.pause_reasons.add(trouble)
                self._notice(f"paused: {trouble}")
                self._outage_since = now if not self.outage else self._outage_since
                self.outage = trouble
            elif now - self._outage_since > OUTAGE_PATIENCE:
                engine.stop(f"{trouble}, for {OUTAGE_PATIENCE:.0f} s")
        elif self.outage:
            engine.connector.ask_again(self.outage)
            self.outages.append(f"{self.outage} for {now - self._outage_since:.1f} s")
            engine.pause_reasons.discard(self.outage)
            self.outage = ""
            self._notice("our own link is back; what nobody had answered is asked again")


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
