"""What pauses a running sweep or stops it: stop file, blackout windows, signals, a reload of the scope,
and a link of our own that is down.

No file of a user's is touched on the event loop: a thread looks at the stop file, another reads the scope.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scanner.clock import Clock
    from scanner.engine.engine import Engine
    from scanner.network.guard import Part, ScopeGuard, Wanted
    from scanner.network.uplink import Uplink
    from scanner.setup.blackout import ActiveBlackouts
    from targets.scope import Scope

STOP_FILE = "the stop file exists"
SIGNAL = "paused by SIGUSR2"
BROKEN = "the reloaded scope is broken"
READING = "the scope is being read again"
UNSEEN = "the stop file has not been looked at"
STALE = 1.0  # seconds after which a look at the stop file says nothing any more
UNREAD = 0.4  # seconds of reading after which what is under way is broken off: it may have been taken away
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
        wanted: Wanted | None = None,
    ) -> None:
        self._engine = engine
        self._guard = guard
        self._clock = clock
        self._blackouts = blackouts
        self._stop_file = StopFile(Path(stop_file), clock.monotonic) if stop_file else None
        self._reload_scope = reload_scope
        self._reloads = 0
        self._parsing = threading.Lock()  # one reading at a time; a waiting one that is old by then is let be
        self._reading_since = 0.0
        self._broken_off = False
        self._taken = 0  # targets that reloads took away, not told yet
        self._notice = notice
        self._signals: list[int] = []
        self._uplink = uplink
        self._wanted = wanted
        self.outage = ""  # what is wrong with our own link, as long as it is
        self._outage_since = self._looked_at = clock.monotonic()
        self.outages: list[str] = []
        self.send_failures = 0  # packets that this machine itself dropped while its link stood
        self.interrupted = asyncio.Event()

    def install(self, loop: asyncio.AbstractEventLoop, *, signals: bool = True) -> None:
        """SIGINT and SIGTERM stop, SIGHUP narrows the scope, SIGUSR2 pauses and resumes; without `signals`,
        which belong to the whole process, none does. The stop file is looked at from now on."""
        for number, action in (
            (signal.SIGINT, self.interrupt),
            (signal.SIGTERM, self.interrupt),
            (signal.SIGHUP, self.reload),
            (signal.SIGUSR2, self._toggle),
        ):
            if signals:
                loop.add_signal_handler(number, action)
                self._signals.append(number)
        if self._stop_file is not None:
            self._stop_file.start()

    def uninstall(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the signals back."""
        for number in self._signals:
            loop.remove_signal_handler(number)
        self._signals.clear()
        if self._stop_file is not None:
            self._stop_file.over.set()

    def interrupt(self) -> None:
        """Stop, with what is known by now."""
        if self.interrupted.is_set():
            self._engine.abandon()  # a second signal does not wait for anybody
        self.interrupted.set()
        self._engine.stop("interrupted")

    def time_over(self) -> None:
        """Stop because it took as long as it may; whoever stopped it before is not hurried."""
        if not self.interrupted.is_set():
            self.interrupted.set()
            self._engine.stop("its time was over")

    def _toggle(self) -> None:
        if SIGNAL in self._engine.pause_reasons:
            self._engine.pause_reasons.discard(SIGNAL)
            self._notice("resumed by SIGUSR2")
        else:
            self._engine.pause_reasons.add(SIGNAL)
            self._notice("paused by SIGUSR2; the same signal resumes")

    def reload(self) -> None:
        """Read the scope again. It may only get smaller; a broken file changes nothing and pauses.

        Until it is read nothing is sent. What is denied is denied then; host names, for which a resolver may
        take long, are resolved afterwards, and can only take away more.
        """
        if self._reload_scope is None:
            return
        self._reloads += 1
        self._reading_since, self._broken_off = self._clock.monotonic(), False
        self._engine.pause_reasons.add(READING)
        given = (self._reload_scope, self._reloads, asyncio.get_running_loop())
        threading.Thread(target=self._read, args=given, name="scope", daemon=True).start()

    def _read(self, read: Callable[[bool], Scope], number: int, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread: the scope without its names, then with them."""
        with self._parsing:
            if number != self._reloads or not self._tell(loop, number, read, names=False):
                return
        if number == self._reloads:
            self._tell(loop, number, read, names=True)

    def _tell(
        self, loop: asyncio.AbstractEventLoop, number: int, read: Callable[[bool], Scope], *, names: bool
    ) -> bool:
        """Read once and tell the loop; whether it could be read."""
        found: Part | Exception
        try:
            with _uncollected():
                found = self._guard.part(read(names))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the file, nothing may be sent on a doubt
            found = error
        with suppress(RuntimeError):  # the sweep is over
            loop.call_soon_threadsafe(self._take_over, number, found, names)
        return not isinstance(found, Exception)

    def _take_over(self, number: int, found: Part | Exception, names: bool) -> None:
        """On the loop: what a reading left of the scope."""
        if number != self._reloads:
            return  # there is a newer one
        if isinstance(found, Exception):
            self._engine.pause_reasons.add(BROKEN)
            self._notice(f"the scope could not be reloaded, paused: {found}")
        else:
            self._taken += self._guard.narrow(found)
            self._engine.connector.drop_forbidden()
            if names:
                self._engine.pause_reasons.discard(BROKEN)
                self._notice(f"scope reloaded: {self._taken} targets fewer, none more")
                self._taken = 0
        self._engine.pause_reasons.discard(READING)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(self.INTERVAL)

    def look(self) -> None:
        """One look at whether somebody wants us to stop, at what is known of the stop file (one that cannot
        be looked at counts), at a reading of the scope that takes long, and at the blackout windows."""
        if self._wanted is not None and self._wanted.stopped and not self.interrupted.is_set():
            self.interrupt()
        there = self._stop_file.there if self._stop_file is not None else False
        self._pause(STOP_FILE, there is True)
        self._pause(UNSEEN, there is None)
        reading = READING in self._engine.pause_reasons and not self._broken_off
        if reading and self._clock.monotonic() - self._reading_since > UNREAD:
            self._broken_off = True
            self._engine.connector.ask_again(READING, talking=True)
        if self._blackouts.refresh(self._clock.wall()):
            self._engine.queue.release_blackouts()
        if self._guard.expired():
            self._engine.connector.drop_forbidden()
        if self._uplink is not None:
            self._look_at_link(self._uplink, self._clock.monotonic())

    def _pause(self, reason: str, wanted: bool) -> None:
        if wanted:
            self._engine.pause_reasons.add(reason)
        else:
            self._engine.pause_reasons.discard(reason)

    def _look_at_link(self, uplink: Uplink, now: float) -> None:
        """While our own link is down nothing is sent and no deadline passes; connects that nobody has
        answered begin again afterwards, so that no target is called silent for a fault of ours."""
        engine = self._engine
        engine.pace.stress.local_drops += uplink.drops()
        trouble, failures = uplink.trouble(), uplink.send_failures()
        if not (trouble or self.outage):
            self.send_failures += failures
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


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which stops every thread for as long as it walks a large scope."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class StopFile(threading.Thread):
    """Looks whether the stop file exists, four times a second, however long the file system takes for it."""

    def __init__(self, path: Path, now: Callable[[], float]) -> None:
        super().__init__(name="stop file", daemon=True)
        self.over = threading.Event()
        self._path = path
        self._now = now
        self._seen: tuple[bool, float] | None = None

    def run(self) -> None:
        """The thread's work."""
        while not self.over.is_set():
            self._seen = _exists(self._path), self._now()
            self.over.wait(RunControl.INTERVAL)

    @property
    def there(self) -> bool | None:
        """Whether it exists; None when nobody could look lately."""
        if self._seen is None or self._now() - self._seen[1] > STALE:
            return None
        return self._seen[0]


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
