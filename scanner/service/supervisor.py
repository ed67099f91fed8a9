"""The service: what `mongosweep serve` does from its first to its last second.

It knows schedules and jobs and starts processes; it sends no packet and answers no request itself. What a
schedule wants is decided by `planner`, what starts now by `dispatch`; jobs are run by `working`, the page and
forwarding are kept by `keeping`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from results.files import REAL, DirectoryBusyError, ResultsError
from results.lock import Lock
from results.place import make_directory
from scanner import __version__
from scanner.clock import timestamp
from scanner.errors import MongosweepError, RefusedError
from scanner.program import PROGRAM, module
from scanner.service.children import Child, environment
from scanner.service.dispatch import Dispatcher, Plans
from scanner.service.jobs import ServiceStatus
from scanner.service.keeping import Kept
from scanner.service.page_link import take_orders
from scanner.service.planner import Planner
from scanner.service.store import LOCK_FILE
from scanner.service.watch import ClockWatch, certificate_warning
from scanner.service.working import Workshop
from scanner.setup.config_file import find_config
from scanner.setup.request import SweepRequest, load_settings
from scanner.setup.scope_request import full_scope
from targets.errors import ScopeError
from targets.grammar import GrammarError
from targets.scope import OutOfScope

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from scanner.clock import Clock
    from scanner.service.orders import Answer, Order
    from scanner.service.store import Store
    from scanner.service.systemd import Notifier

TICK: Final = 1.0  # seconds between two looks at everything
_LAG_WARNING: Final = 2.0  # seconds by which the loop may be late
_PAGE: Final = module(f"{__package__}.web")
_LOG = logging.getLogger(__name__)


def hold(output: Path) -> Lock:
    """Be the only service of an output directory. Raises `DirectoryBusyError` with the other one's process,
    and `StorageRefusedError`."""
    make_directory(REAL, output)
    note = f"service, process {os.getpid()}"
    try:
        return Lock.acquire(output, note, name=LOCK_FILE, by="service")
    except DirectoryBusyError as error:
        raise DirectoryBusyError(
            error.place, error.reason, "end that one first, or use another --output"
        ) from None


def read_plans(path: Path, now: float) -> Plans:
    """The configuration and what follows from it. Its scope may be empty: then nothing is swept. Raises
    `RefusedError` and the errors of `targets`."""
    request = SweepRequest(config=str(path))
    config, settings = load_settings(request, os.environ)
    assert config is not None
    scope, _ = full_scope(request.scope_file, config, settings, now, allow_empty=True, confirmed=False)
    return Plans(config=config, planner=Planner(settings, scope))


def config_path(asked: str | None) -> Path:
    """The configuration as an absolute path: jobs are told it. Raises `RefusedError` where there is none."""
    found = find_config(asked, os.environ)
    if found is None:
        raise RefusedError("serve needs a configuration; name one with -c FILE, `mongosweep init` writes one")
    return found.absolute()


def give_up_raw_sockets(engine: str) -> None:
    """Keep the service from raw sockets. Sweeps by full connects need none: then no child gets the capability
    either. Those by the SYN engine do: then it is only out of effect here."""
    if sys.platform == "linux":
        from scanner.network.syn.privilege import StillPrivileged, lay_down_net_raw, renounce_net_raw

        with contextlib.suppress(StillPrivileged):
            if engine == "syn":
                lay_down_net_raw()
            else:
                renounce_net_raw()


class Supervisor:
    """One service, over one output directory that it holds."""

    def __init__(self, plans: Plans, store: Store, output: Path, clock: Clock, notifier: Notifier) -> None:
        self._store = store
        self._output = output
        self._clock = clock
        self._notifier = notifier
        self._path = plans.config.path
        self._workshop = Workshop(output, store, clock, lambda job: self._dispatcher.job_ended(job))
        self._dispatcher = Dispatcher(plans, store, self._workshop, clock, output)
        self._page = Kept("the page", self._start_page)
        self._forward = Kept("forward", self._start_forward)
        self._watch = ClockWatch(clock)
        self._started_at = timestamp(clock.wall())
        self._lag = 0.0
        self._broken = ""  # what is wrong with the configuration as it is now
        self._unwritten = ""  # why the store could not be written
        self._over = asyncio.Event()
        self._refused: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening = False
        self.url = ""

    async def run(self) -> int:
        """Serve until SIGTERM or SIGINT; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        try:
            self._workshop.take_over()
            self._spawn(self._page.keep())
            self._spawn(self._forward.keep())
            await self._turn()
        finally:
            await self._leave()
        return self._refused or 0

    # --- turning --------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        told = float("-inf")
        while not self._over.is_set():
            began = loop.time()
            if self._watch.look():
                _LOG.warning("%s", self._watch.warning)
                self._dispatcher.wake()
            self._workshop.look()
            self._dispatcher.look()
            self._say()
            if began - told >= self._notifier.interval / 2:
                told = began
                self._notifier.tell("WATCHDOG=1")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), TICK)
            self._lag = max(0.0, loop.time() - began - TICK) if not self._over.is_set() else 0.0

    def _say(self) -> None:
        """Write down how everything stands."""
        now = self._clock.wall()
        settings = self._dispatcher.plans.config.settings
        warnings = (
            self._broken,
            self._watch.warning,
            certificate_warning(settings.service.certificate, now),
            self._page.trouble,
            self._forward.trouble,
            self._store.note,
            f"{self._unwritten}; what happened is written when that is over" if self._unwritten else "",
            f"the service is slow: its loop is {self._lag:.1f} s late" if self._lag > _LAG_WARNING else "",
        )
        self._store.keep_status(
            ServiceStatus(
                started_at=self._started_at,
                beat_at=timestamp(now),
                version=__version__,
                pid=os.getpid(),
                schedules=self._dispatcher.schedules(),
                running=self._workshop.running,
                forwarding=self._forward.child is not None,
                warnings=tuple(filter(None, warnings)),
                loop_lag_seconds=round(self._lag, 3),
            )
        )
        unwritten = self._store.flush()
        if unwritten and not self._unwritten:
            _LOG.warning("%s", unwritten)
        self._unwritten = unwritten

    async def obey(self, order: Order) -> Answer:
        """Do what the page asks, and write down at once how everything stands then: the page looks there."""
        answer = await self._dispatcher.obey(order)
        self._say()
        return answer

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- the page and forwarding ----------------------------------------------------------------------

    def _start_page(self) -> Child:
        ours, theirs = socket.socketpair()
        try:
            words = (*_PAGE, "-c", self._path, "-o", str(self._output), "--fd", str(theirs.fileno()))
            child = Child.start(
                words,
                environment(secrets=False),
                descriptors=(theirs.fileno(),),
                stdout=subprocess.PIPE,
                heard=False,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._spawn(take_orders(ours, self))
        self._spawn(self._hear_page(child))
        return child

    async def _hear_page(self, child: Child) -> None:
        """Its first line is its address: then all of the service can be used."""
        assert child.stdout is not None
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), child.stdout
        )
        try:
            line = (await reader.readline()).decode("utf-8", "replace").strip()
            if line:
                self._page_listens(line)
            while await reader.read(4096):
                pass
            await child.ended.wait()
        finally:
            transport.close()
        if not self._listening and child.exit_code == 2:  # it said why
            self._refused = child.exit_code
            self._end()

    def _page_listens(self, url: str) -> None:
        self._page.trouble = ""
        self.url = url
        if not self._listening:
            self._listening = True
            _LOG.info("the page is at %s", url)
            self._notifier.tell("READY=1", f"STATUS=the page is at {url}")

    def _start_forward(self) -> Child | None:
        if not self._dispatcher.plans.config.settings.sink:
            return None
        words = (*PROGRAM, "forward", "--follow", "--while-stdin", "-c", self._path, "-o", str(self._output))
        return Child.start((*words, "--quiet"), environment(secrets=True), stdin=subprocess.PIPE)

    # --- told from outside ----------------------------------------------------------------------------

    def _reload(self) -> None:
        self._spawn(self._read_again())

    async def _read_again(self) -> None:
        """Read the configuration again. One that is broken changes nothing but the warnings."""
        self._workshop.hang_up()
        try:
            plans = await asyncio.to_thread(read_plans, Path(self._path), self._clock.wall())
        except (MongosweepError, ResultsError, ScopeError, OutOfScope, GrammarError) as error:
            self._broken = f"the configuration is read as it was before, because it is wrong now: {error}"
            _LOG.warning("%s", self._broken)
            return
        self._broken = ""
        before, self._dispatcher.plans = self._dispatcher.plans.config.settings, plans
        self._dispatcher.verify_anew()
        self._dispatcher.wake()
        _LOG.info("the configuration was read again")
        if plans.config.settings != before:
            await asyncio.gather(self._page.restart(), self._forward.restart())
        elif self._page.child is not None:
            self._page.child.signal(signal.SIGHUP)

    def _end(self) -> None:
        self._over.set()

    async def _leave(self) -> None:
        """End everything, the page first: nobody can ask for anything any more."""
        self._notifier.tell("STOPPING=1")
        _LOG.info("the service ends")
        await self._page.end()
        await asyncio.gather(self._forward.end(), self._workshop.leave())
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._say()
        self._store.close()
