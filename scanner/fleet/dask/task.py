"""What a Dask worker runs, and all that it runs: the task that sweeps a shard, and the one that describes it.

Both are called in the worker's one thread and return bytes, whatever a site does. They take what they need
of the machine from `SITE_PROCESS`, which the worker's process sets before it serves anybody: nothing that
arrives from a coordinator says what to start.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import secrets
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from scanner import __version__
from scanner.fleet.dask.frames import (
    MOST_RESULT,
    Sender,
    frame_of_failure,
    frame_of_message,
    frame_of_sender,
)
from scanner.fleet.messages import (
    Began,
    Description,
    Ended,
    Going,
    Lines,
    MessageError,
    Refused,
    decode_shard,
    encode,
)
from scanner.fleet.shard_process import LEASE, ShardProcessError, sweep_shard

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distributed import Worker

    from scanner.fleet.messages import Message, Shard

DASK = version("distributed")
SAID = "mongosweep"  # among a worker's metrics: what `describe` returns
EVENT = "frames"  # key of an event's bytes
ASK = 3.0  # seconds between two questions to the scheduler
_RUNNING = ("running", "paused")  # states of a worker that has its link and goes on
_log = logging.getLogger(__name__)


class SiteProcess(NamedTuple):
    """What a worker's process is set up for, by its own configuration.

    `command`: what to start for a shard. `scope_sha256`: its copy of the scope as it started. `problem`: why
    it can do no work. A shard's lease ends `answered_within` seconds after the scheduler's last answer.
    """

    command: Sequence[str]
    site: str
    name: str
    scope_sha256: str = ""
    problem: str = ""
    answered_within: float = LEASE


SITE_PROCESS: SiteProcess | None = None
_NOT_STARTED = SiteProcess((), "", "", problem="it was not started by `mongosweep fleet worker`")


def topic_of(run_id: str) -> str:
    """The topic of Dask's events under which the messages of a run go ahead of the tasks' results."""
    return f"mongosweep-{run_id}"


def describe(dask_worker: object = None) -> bytes:
    """The worker's `Description`, as JSON; also told with each of its heartbeats. Dask fills in `dask_worker`
    when it runs this as a command."""
    here = SITE_PROCESS or _NOT_STARTED
    return encode(
        Description(
            name=here.name,
            site=here.site,
            host=platform.node(),
            version=__version__,
            python=platform.python_version(),
            dask=DASK,
            clock=time.time(),
            scope_sha256=here.scope_sha256,
            problem=here.problem[:2_000],
        )
    )


def shard_task(description: bytes) -> bytes:
    """Sweep the shard that is described (`messages.Shard`, as JSON) and return all that was said of it.

    What is said goes ahead as events, too, one message each; an event may be lost. The result has all but
    `Going`, as `frames.read` reads it, up to `MOST_RESULT` bytes: lines beyond have only gone ahead. When one
    of these was lost the coordinator sees it by count and digest, and asks again for what it does not know.
    """
    from distributed import get_worker  # not above: the coordinator reads this file before Dask is set up

    here, worker = SITE_PROCESS or _NOT_STARTED, get_worker()
    sender = Sender(worker=here.name, name="unknown", attempt=1, begun=secrets.token_hex(8))
    try:
        shard = decode_shard(description)
    except MessageError as error:
        return _Said(worker, sender, "").in_all(f"the worker was given {error}")
    said = _Said(
        worker,
        msgspec.structs.replace(sender, name=shard.name, attempt=shard.attempt),
        topic_of(shard.run_id),
    )
    if here.problem:  # "busy": its coordinator will know of it, too, before it tries again
        said.add(
            Refused(
                run_id=shard.run_id,
                name=shard.name,
                attempt=shard.attempt,
                code="busy",
                why=here.problem,
                worker=here.name,
            )
        )
        return said.in_all()
    with asyncio.Runner() as runner:
        return runner.run(_swept(here, shard, said, _Link(worker, worker.get_current_task(), here)))


async def _swept(here: SiteProcess, shard: Shard, said: _Said, link: _Link) -> bytes:
    asking = asyncio.run_coroutine_threadsafe(link.ask(), link.worker.loop.asyncio_loop)
    try:
        speaking = sweep_shard(
            here.command,
            shard,
            still_wanted=link.stands,
            told=lambda text: _log.info("shard %s: %s", shard.name, text),
        )
        async with contextlib.aclosing(speaking):
            async for message in speaking:
                said.add(message)
                if line := _told_of(message):
                    _log.info("shard %s of run %s: %s", shard.name, shard.run_id, line)
    except (ShardProcessError, MessageError, OSError) as error:
        return said.in_all(link.lost or f"the process of the shard failed: {error}", lost=bool(link.lost))
    finally:
        asking.cancel()
    return said.in_all()


def _told_of(message: Message) -> str:
    """What a worker's log says of it; "" for most."""
    if isinstance(message, Began):
        return f"attempt {message.attempt}, {message.targets:,} targets"
    if isinstance(message, Ended):
        return f"{message.state} in {message.seconds:.0f} s, {message.outcomes.get('open', 0):,} open"
    return ""  # of a refusal its process tells on stderr


class _Link:
    """Whether anybody still wants what a task does: asked in the task's thread, answered in the worker's.

    A worker that is cut off goes on executing what its scheduler has long given to another one. So a lease
    stands on an answer of the scheduler, too, and once it has lapsed it stays so.
    """

    def __init__(self, worker: Worker, key: object, here: SiteProcess) -> None:
        self.worker, self.lost = worker, ""
        self._key, self._within = key, here.answered_within
        self._answered = time.monotonic()

    async def ask(self) -> None:
        while True:
            with contextlib.suppress(OSError):  # also TimeoutError, and Dask's for a lost connection
                async with asyncio.timeout(self._within / 2):
                    await self.worker.scheduler.echo(data=b"")
                self._answered = time.monotonic()
            await asyncio.sleep(min(ASK, self._within / 4))

    def stands(self) -> bool:
        if not self.lost:
            task = self.worker.state.tasks.get(self._key)
            if time.monotonic() - self._answered > self._within:
                self.lost = "the worker had no answer of the scheduler"
            elif self.worker.status.name not in _RUNNING:
                self.lost = "the worker was told to end"
            elif task is None or task.state != "executing":
                self.lost = "the shard was withdrawn"
        return not self.lost


class _Said:
    """What has been said of one attempt, kept for the task's result and sent ahead."""

    def __init__(self, worker: Worker, sender: Sender, topic: str) -> None:
        self._worker, self._sender, self._topic = worker, frame_of_sender(sender), topic
        self._kept = [self._sender]
        self._bytes = 0

    def add(self, message: Message) -> None:
        frame = frame_of_message(encode(message))
        if not isinstance(message, Ended | Refused):  # they say what comes with them, so they come last
            # Of a dictionary the scheduler says from which worker it has it (`Scheduler.log_worker_event`).
            self._worker.log_event(self._topic, {EVENT: self._sender + frame})
        if isinstance(message, Lines):
            if self._bytes + len(frame) > MOST_RESULT:
                return
            self._bytes += len(frame)
        if not isinstance(message, Going):
            self._kept.append(frame)

    def in_all(self, failure: str = "", *, lost: bool = False) -> bytes:
        if failure:
            self._kept.append(frame_of_failure(failure, lost=lost))
        return b"".join(self._kept)
