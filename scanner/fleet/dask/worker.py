"""A worker's process: Dask's own worker that does two things only, and comes back to its scheduler for ever.

`settings.configure` comes before this is imported.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from distributed import Worker
from distributed.comm.core import connect
from distributed.core import Status, send_recv

from results.text import visible
from scanner import __version__
from scanner.errors import RefusedError
from scanner.fleet.carrier import MOST_SKEW
from scanner.fleet.dask import task
from scanner.fleet.dask.reaching import reach
from scanner.fleet.dask.scheduler import HELLO
from scanner.fleet.dask.serving import dask_log, serve_until_told
from scanner.fleet.dask.settings import MEMORY, security
from targets.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from scanner.fleet.authority import Own
    from scanner.setup.listen import Listen

_log = logging.getLogger(__name__)
SCOPE_EVERY = 300.0  # seconds between two looks at the worker's own copy of the scope
_ANSWERED = 15.0  # seconds for the scheduler's answer to a worker that comes
_START = 30.0  # seconds in which a worker is registered
_END = 15.0  # seconds that a shard's process has to end in when the worker is told to
_FETCHED = 3.0  # seconds for the coordinator to fetch what a shard that was stopped came to
_LONGEST = 30.0  # seconds between two attempts to reach the scheduler
_HANDLERS = ("get_data", "identity", "echo", "ping")
_STREAMED = (
    "close",
    "cancel-compute",
    "free-keys",
    "remove-replicas",
    "worker-status-change",
    "remove-worker",
)


class Setting(NamedTuple):
    """What a worker works with. `listen`: HOST:PORT where the scheduler reaches it, "" for any port at the
    address that leads there; `contact`: the `tls://HOST:PORT` under which it is reached, where that is
    another one. `digest` gives the digest of its own copy of the scope as it is now, or raises an error that
    is shown to people. What it does for a shard is in `task.SITE_PROCESS`, which is set before."""

    own: Own
    scheduler: str
    folder: Path
    digest: Callable[[], str]
    listen: str = ""
    contact: str = ""


class FleetWorker(Worker):  # type: ignore[misc] # Dask's classes are not typed
    """Dask's worker for tasks of `scanner.fleet.dask.task`, one at a time, for the scheduler alone."""

    handlers: dict[str, Any]
    stream_handlers: dict[str, Any]

    def __init__(self, setting: Setting) -> None:
        identity = setting.own.identity
        host, _, port = setting.listen.rpartition(":")
        super().__init__(
            setting.scheduler,
            nthreads=1,
            name=identity.name,
            resources={f"site:{identity.site}": 1},
            host=host or None,
            port=int(port) if port else None,
            contact_address=setting.contact or None,
            security=security(setting.own),
            memory_limit=MEMORY,
            local_directory=str(setting.folder),
            extensions={},
            metrics={task.SAID: lambda _: task.describe()},
            death_timeout=_START,
        )
        compute = self.stream_handlers["compute-task"]

        def compute_ours(**said: Any) -> None:
            # The task itself was looked at when it was unpickled; this is what could be beside it: data to
            # be had from an address that is named, and an actor, which has a thread of its own.
            if said.get("who_has") or said.get("actor"):
                raise PermissionError("a task that is none of a fleet's")
            compute(**said)

        self.handlers = {name: self.handlers[name] for name in _HANDLERS}
        self.stream_handlers = {name: self.stream_handlers[name] for name in _STREAMED}
        self.stream_handlers["compute-task"] = compute_ours

    def start_http_server(self, *_: object, **__: object) -> None:
        """None: it would answer everybody, without TLS."""


def require_free(listen: Listen) -> None:
    """Raises OSError where nobody can listen there, of which Dask only says that it cannot register."""
    family = socket.AF_INET6 if listen.address.version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind((str(listen.address), listen.port))


def run_worker(setting: Setting) -> None:
    """Work until a signal ends it.

    Raises RefusedError when another worker of its name is at work as it comes.
    """

    async def serve() -> None:
        with dask_log():
            scope = asyncio.ensure_future(_watch_scope(setting))
            try:
                await _work(setting)
            finally:
                scope.cancel()

    serve_until_told(serve())


async def _work(setting: Setting) -> None:
    """Come to the scheduler and work for it; again when it is lost, each time after a longer pause."""
    own, was_there, told, pause = setting.own, False, "", 1.0
    while True:
        try:
            why = await _welcome(setting)
        except RefusedError as error:
            why = str(error)
        except (OSError, TimeoutError) as error:
            why = f"the scheduler at {setting.scheduler} does not answer: {_short(error)}"
        except _TakenError as error:
            if not was_there:
                raise RefusedError(str(error)) from None
            why = str(error)
        if not why:
            started = time.monotonic()
            why = await _one_stay(setting)
            was_there = was_there or not why
            if time.monotonic() - started > 2 * _LONGEST:
                pause = 1.0
            told = "" if not why else told
            why = why or "the connection to the scheduler ended"
        if why != told:
            _log.warning("%s; %s tries again until it works", why, own.identity)
            told = why
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST)


class _TakenError(Exception):
    """Another worker of the same name is at work."""


async def _welcome(setting: Setting) -> str:
    """Whether the scheduler takes us: "" or why not. Raises RefusedError for one that cannot be reached,
    _TakenError, OSError, TimeoutError."""
    own, address = setting.own, setting.scheduler
    await reach(address, own)
    comm = await connect(address, **security(own).get_connection_args("worker"))
    try:
        answer = await asyncio.wait_for(send_recv(comm, op=HELLO, name=own.identity.name), _ANSWERED)
    finally:
        comm.abort()
    if not isinstance(answer, dict) or "taken" not in answer:
        return (
            f"what listens at {address} is no scheduler of a fleet; start `mongosweep fleet scheduler` there"
        )
    if taken := answer["taken"]:
        name, site = own.identity.name, own.identity.site
        raise _TakenError(
            f"another worker is called {name}, at {visible(str(taken), 100)}; end that one, or give this one "
            f"a name of its own: `mongosweep fleet issue DIR worker --site {site} --name {name}-2`"
        )
    if (version := str(answer.get("version"))) != __version__:
        _log.warning("the scheduler is version %s, this worker %s", visible(version, 40), __version__)
    skew = time.time() - float(answer.get("clock", 0.0))
    if abs(skew) > MOST_SKEW:
        _log.warning("this machine's clock and the scheduler's are %.0f s apart; set both by NTP", abs(skew))
    return ""


async def _one_stay(setting: Setting) -> str:
    """Work for the scheduler until it is lost. Returns why it did not begin, "" when it did."""
    worker = FleetWorker(setting)
    try:
        try:
            await worker
        except (RuntimeError, TimeoutError) as error:  # Dask's, for whatever went wrong
            return f"it could not register: {_short(error.__cause__ or error)}"
        _log.info("%s is there, at %s", setting.own.identity, setting.scheduler)
        await worker.finished()
        return ""
    finally:
        await _stop_shard(worker)
        await worker.close(timeout=_END, nanny=False, reason="told to end")


async def _stop_shard(worker: FleetWorker) -> None:
    """Have a shard that is under way stopped while the scheduler still counts it as ours: once the worker has
    left it is given to another one, which must not ask beside this one. What came of it is fetched, else the
    scheduler would look for it here for long."""
    if worker.status is Status.running:
        worker.status = Status.closing_gracefully  # is given nothing more; `task` sees it, too
        waits: list[tuple[Callable[[], object], float]] = [
            (lambda: worker.state.executing, _END),
            (lambda: worker.data, _FETCHED),
        ]
        for is_there, seconds in waits:
            end = time.monotonic() + seconds
            while is_there() and time.monotonic() < end:  # noqa: ASYNC110 - Dask has no event for it
                await asyncio.sleep(0.1)


async def _watch_scope(setting: Setting) -> None:
    """Keep what is said of our own copy of the scope true: looked at now and then, and on SIGHUP."""
    again = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, again.set)
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(again.wait(), SCOPE_EVERY)
        again.clear()
        await asyncio.to_thread(_look, setting)


def _look(setting: Setting) -> None:
    before = task.SITE_PROCESS
    assert before is not None
    try:
        found = before._replace(scope_sha256=setting.digest(), problem="")
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the files, it is told and looked at again
        found = before._replace(problem=one_line(str(error)) or type(error).__name__)
    if found.problem != before.problem:
        _log.warning("its scope: %s", found.problem or "can be read again")
    task.SITE_PROCESS = found


def _short(error: BaseException) -> str:
    return visible(one_line(str(error)) or type(error).__name__, 300)
