"""Shards by way of Dask: a coordinator's `Carrier` over a scheduler, its workers and its tasks.

A task is given to a site, not to a worker: which of them takes it, and that another one takes it again when
the first dies, is Dask's. The coordinator hears of that by a second `Began`. Two attempts a worker are under
way, so that none waits for the coordinator.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from scanner.errors import RefusedError
from scanner.fleet.carrier import Failed, Heard, WorkersChanged
from scanner.fleet.dask import frames
from scanner.fleet.dask.known import KnownWorkers
from scanner.fleet.dask.reaching import close, connect, short
from scanner.fleet.dask.settings import address_of, configure
from scanner.fleet.dask.task import EVENT, SAID, shard_task, topic_of
from scanner.fleet.dask.waiting import Waiting
from scanner.fleet.messages import Began, Ended, MessageError, Refused, Told, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributed import Client, Future

    from scanner.fleet.authority import Own
    from scanner.fleet.carrier import Event, Worker
    from scanner.fleet.messages import Message, Shard

EACH = 2  # attempts under way a worker: one that is asked, and one that waits for it
MOST_WAITING = 64  # events that wait for the coordinator; what goes ahead beyond is dropped, and comes again
ON_ITS_WAY = 1.0  # seconds that a heartbeat takes, at most, before a clock is thought to be wrong
WATCH = 0.1  # seconds until a lost connection is noticed
LOST = "the scheduler was lost"
_LONGEST_BACKOFF = 15.0


class Pace(NamedTuple):
    """How often things are looked at, in seconds."""

    look: float = 2.0  # who is there, for up to 200 workers; in proportion longer for more
    silent: float = 30.0  # a scheduler that has not answered is lost
    connect: float = 5.0  # for Dask's own connection, after `reach` had one


@dataclass(slots=True, eq=False)
class _Attempt:
    shard: Shard
    future: Future
    allowed: frozenset[str]  # addresses it may run at; empty for any of the site
    begun: dict[str, str] = field(default_factory=dict)  # by worker: which of its beginnings was passed on
    told: set[str] = field(default_factory=set)
    worker: str = ""  # who began last
    task: asyncio.Task[None] | None = None


class DaskCarrier:
    """A `scanner.fleet.carrier.Carrier` over the scheduler at `address`, `tls://HOST:PORT`.

    `wall`: the coordinator's clock, in seconds since 1970. No worker is given anything before it has said
    what it is; with other workers in the site the attempt is confined to those that are fit.
    """

    def __init__(
        self, address: str, own: Own, *, wall: Callable[[], float] = time.time, pace: Pace | None = None
    ) -> None:
        self._address, self._own = address_of(address), own
        self._wall, self._pace = wall, pace or Pace()
        self._known = KnownWorkers()
        self._attempts: dict[tuple[str, int], _Attempt] = {}
        self._events: asyncio.Queue[Event | BaseException] = asyncio.Queue()
        self._room = asyncio.Event()
        self._client: Client | None = None
        self._lost = asyncio.Event()
        self._topics: set[str] = set()
        self._waiting = Waiting()
        self._watching: asyncio.Task[None] | None = None
        self._stack = contextlib.ExitStack()

    async def __aenter__(self) -> DaskCarrier:
        configure("coordinator")
        from scanner.fleet.dask.noise import quiet

        loop = asyncio.get_running_loop()

        def tell(line: str) -> None:
            loop.call_soon_threadsafe(self._tell, [line])

        self._stack.enter_context(quiet(tell))
        try:
            self._client = await self._connected()
            await self._look(self._client)
        except OSError as error:
            await self._leave()
            raise RefusedError(f"the scheduler at {self._address} was lost at once: {short(error)}") from None
        except BaseException:
            await self._leave()
            raise
        self._watching = loop.create_task(self._watch())
        self._watching.add_done_callback(self._watched)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leave()

    async def _leave(self) -> None:
        tasks = [each for each in (self._watching, *(a.task for a in self._attempts.values())) if each]
        self._attempts.clear()
        await _end(tasks)
        client, self._client = self._client, None
        if client is not None:
            await close(client)
        self._stack.close()

    # --- what a coordinator asks -------------------------------------------------------------------

    def workers(self) -> Sequence[Worker]:
        """Everybody who is known now; nobody while the scheduler is lost."""
        return () if self._is_lost else self._known.all()

    def capacity(self, site: str) -> int:
        """Two for each fit worker. For a site that has nobody a task waits at the scheduler from the first
        time on that somebody asks, so that what scales workers by what waits there has a reason to."""
        if self._is_lost or self._client is None:
            return 0  # it is about to be looked for; what was given now would come back at once, in a circle
        fit = len(self._known.fit(site))
        if not fit and not self._known.unfit(site):
            self._waiting.begin(self._client, site)
        return EACH * fit

    @property
    def _is_lost(self) -> bool:
        return self._lost.is_set() or not _is_connected(self._client)

    def give(self, shard: Shard) -> None:
        """Submit an attempt. One of the same shard that is still under way is withdrawn."""
        for name, attempt in [key for key in self._attempts if key[0] == shard.name]:
            self.withdraw(name, attempt)
        client = self._client
        fit, unfit = list(self._known.fit(shard.site)), self._known.unfit(shard.site)
        if not _is_connected(client) or (unfit and not fit):
            why = "no worker of its site can be used" if _is_connected(client) else LOST
            self._events.put_nowait(Failed(shard.name, shard.attempt, "", why))
            return
        self._subscribe(client, shard.run_id)
        allowed = fit if unfit else []
        future = client.submit(
            shard_task,
            encode(shard),
            # Dask groups what it learns of durations by the part in front of the first digit.
            key=f"ms-{shard.run_id}-{shard.name}-{shard.attempt}",
            resources={f"site:{shard.site}": 1},
            workers=allowed or None,
            allow_other_workers=False,
            pure=False,
            retries=0,
        )
        self._waiting.end(shard.site)
        given = _Attempt(shard, future, frozenset(allowed))
        self._attempts[shard.name, shard.attempt] = given
        given.task = asyncio.get_running_loop().create_task(self._follow(given))

    def withdraw(self, name: str, attempt: int) -> None:
        """Let go of an attempt's key: its worker is told by the scheduler, and lets its lease run out."""
        found = self._attempts.pop((name, attempt), None)
        if found is not None:
            if found.task is not None:
                found.task.cancel()
            found.future.release()

    async def next(self) -> Event:
        """The next thing that happened; waits for it."""
        event = await self._events.get()
        if self._events.qsize() < MOST_WAITING:
            self._room.set()
        if isinstance(event, BaseException):
            raise event
        return event

    # --- attempts ----------------------------------------------------------------------------------

    async def _follow(self, attempt: _Attempt) -> None:
        shard = attempt.shard
        try:
            await self._pass_all(attempt, frames.read(await attempt.future))
        except MessageError as error:
            self._fail(attempt, attempt.worker or "a worker", f"what it returned is no answer: {error}")
        except Exception as error:  # noqa: BLE001 - a task's error is whatever a worker or Dask makes of it
            self._fail(attempt, *self._why(attempt, error))
        finally:
            attempt.future.release()
            if self._attempts.get((shard.name, shard.attempt)) is attempt:
                del self._attempts[shard.name, shard.attempt]

    async def _pass_all(self, attempt: _Attempt, spoken: frames.Spoken) -> None:
        """Pass on a task's result: all that its worker said, and how it ended."""
        shard, sender, over = attempt.shard, spoken.sender, False
        if (sender.name, sender.attempt) != (shard.name, shard.attempt) and not spoken.failure:
            raise MessageError("it speaks of another shard")
        for message in spoken.messages:
            if not _is_of(shard, message):
                raise MessageError("it speaks of another shard")
            while self._events.qsize() >= MOST_WAITING:
                self._room.clear()
                await self._room.wait()
            self._pass(attempt, sender, message)
            over = over or isinstance(message, Ended | Refused)
        if spoken.failure:
            self._fail(attempt, "" if spoken.lost else sender.worker, spoken.failure)
        elif not over:
            self._fail(attempt, sender.worker, "it ended without a word on how")

    def _pass(self, attempt: _Attempt, sender: frames.Sender, message: Message) -> None:
        """Pass on one message: a beginning once, since what follows is counted from it."""
        if isinstance(message, Began):
            if attempt.begun.get(sender.worker) == sender.begun:
                return
            attempt.begun[sender.worker] = sender.begun
            attempt.worker = sender.worker
        elif isinstance(message, Told):
            if message.text in attempt.told:
                return
            attempt.told.add(message.text)
        self._events.put_nowait(Heard(sender.worker, message))

    def _went_ahead(self, event: tuple[float, Any]) -> None:
        """Pass on what a worker says while it works, when there is room: all of it comes with the result."""
        said = event[1]
        if not isinstance(said, dict) or self._events.qsize() >= MOST_WAITING:
            return
        with contextlib.suppress(MessageError):
            spoken = frames.read(said.get(EVENT))
            sender = spoken.sender
            attempt = self._attempts.get((sender.name, sender.attempt))
            worker = self._known.at(str(said.get("worker")))  # the scheduler says so, not the worker
            if attempt is None or (
                worker is not None and (worker.site, worker.name) != (attempt.shard.site, sender.worker)
            ):
                return
            for message in spoken.messages:
                beginning = isinstance(message, Began) or attempt.begun.get(sender.worker) == sender.begun
                if beginning and _is_of(attempt.shard, message) and not isinstance(message, Ended | Refused):
                    self._pass(attempt, sender, message)

    def _why(self, attempt: _Attempt, error: Exception) -> tuple[str, str]:
        """Who failed, "" when it was the way to it, and a clause."""
        from distributed import CancelledError
        from distributed.scheduler import KilledWorker, NoValidWorkerError

        if isinstance(error, KilledWorker):
            return attempt.worker or "a worker", "worker after worker died while asking it"
        if isinstance(error, NoValidWorkerError):
            return "", "no worker was there for it for too long"
        if isinstance(error, CancelledError):
            self._lost.set()  # what we let go of ourselves is not looked at any more
            return "", LOST
        if isinstance(error, OSError):
            return "", f"its result was lost on the way: {short(error)}"
        return attempt.worker or "a worker", f"its task raised {type(error).__name__}: {short(error)}"

    def _fail(self, attempt: _Attempt, worker: str, why: str) -> None:
        self._events.put_nowait(Failed(attempt.shard.name, attempt.shard.attempt, worker, why))

    # --- the scheduler -----------------------------------------------------------------------------

    async def _connected(self) -> Client:
        """A client that is connected. Raises RefusedError."""
        client = await connect(self._address, self._own, self._pace.connect)
        self._topics.clear()
        self._lost.clear()
        return client

    async def _watch(self) -> None:
        """Look who is there, and go back to a scheduler that was lost, for as long as the caller stays."""
        while True:
            if self._client is not None:
                await self._stay(self._client)
                await self._lose(self._client)
            await self._return()

    def _watched(self, watching: asyncio.Task[None]) -> None:
        if not watching.cancelled() and (error := watching.exception()) is not None:
            self._events.put_nowait(error)  # a bug of ours: whoever waits for what happens should know

    async def _stay(self, client: Client) -> None:
        """Returns when the scheduler is lost."""
        stream = client.scheduler_comm
        looking = asyncio.ensure_future(self._keep_looking(client))
        try:
            # Dask connects again by itself, and has forgotten all tasks and topics then.
            while not self._lost.is_set() and _is_connected(client) and client.scheduler_comm is stream:
                if looking.done():
                    return looking.result()
                await asyncio.sleep(WATCH)
        finally:
            await _end([looking])

    async def _keep_looking(self, client: Client) -> None:
        """Returns when the scheduler has been silent for too long."""
        answered = time.monotonic()
        while time.monotonic() - answered < self._pace.silent:
            try:
                await self._look(client)
            except OSError:
                await asyncio.sleep(WATCH)
            else:
                answered = time.monotonic()
                await asyncio.sleep(self._pace.look * max(1.0, len(self._known.all()) / 200))

    async def _look(self, client: Client) -> None:
        """See who is there, and have new workers say what they are. Raises OSError."""
        limit = max(self._pace.silent / 2, 0.5)
        asked = self._wall()
        try:
            async with asyncio.timeout(limit):
                status = await client.scheduler.fleet_status()
            told = self._take_in(status, asked, self._wall())
        except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise OSError(f"it says what no scheduler of a fleet does: {error!r}") from error
        self._waiting.look(self._known)
        for attempt in list(self._attempts.values()):
            if attempt.allowed and not any(self._known.at(each) for each in attempt.allowed):
                self.withdraw(attempt.shard.name, attempt.shard.attempt)
                self._fail(attempt, "", "the workers that it was meant for are gone")
        self._tell(told)

    def _take_in(self, status: Any, asked: float, answered: float) -> list[str]:
        """Read how the fleet stands by `FleetScheduler`. Returns lines for people."""
        clock, workers = float(status["clock"]), status["workers"]
        told = self._known.look(workers)
        for address, state in workers.items():
            ago = max(clock - state["last_seen"], 0.0)  # each heartbeat has what a worker says of itself
            said = state["metrics"].get(SAID)
            told += self._known.described(address, said, asked - ago - ON_ITS_WAY, answered - ago)
        return told

    def _subscribe(self, client: Client, run_id: str) -> None:
        topic = topic_of(run_id)
        if topic not in self._topics:
            self._topics.add(topic)
            client.subscribe_topic(topic, self._went_ahead)

    async def _lose(self, client: Client) -> None:
        self._client = None
        self._known.clear()
        self._waiting.clear()
        for attempt in list(self._attempts.values()):
            self.withdraw(attempt.shard.name, attempt.shard.attempt)
            self._fail(attempt, "", LOST)
        self._tell([f"{LOST} ({self._address}); trying again until it is back"])
        await close(client)

    async def _return(self) -> None:
        wait, last = 0.5, ""
        while True:
            try:
                client = await self._connected()
            except RefusedError as error:
                if str(error) != last:
                    last = str(error)
                    self._tell([last])
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_BACKOFF)
            else:
                self._client = client
                self._tell([f"the scheduler is back ({self._address})"])
                return

    def _tell(self, told: list[str]) -> None:
        if told:
            self._events.put_nowait(WorkersChanged(tuple(told)))


async def _end(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Cancel them, more than once: `asyncio.wait_for` of Python 3.11, which Dask and tornado use as well,
    forgets a cancellation that comes together with what it waits for."""
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=0.5)
    await asyncio.gather(*tasks, return_exceptions=True)


def _is_connected(client: Client | None) -> TypeGuard[Client]:
    """Whether it takes what is sent: one that gave up raises an error."""
    return client is not None and client.status == "running"


def _is_of(shard: Shard, message: Message) -> bool:
    return (message.run_id, message.name, message.attempt) == (shard.run_id, shard.name, shard.attempt)
