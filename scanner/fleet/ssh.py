"""The way to the sites over the system's ssh, for those who may not run Dask: one shard at a time on each
host, by a process that is started there for it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from typing import TYPE_CHECKING, Final

from results.text import visible
from scanner.errors import RefusedError
from scanner.fleet.carrier import Failed, Heard, Worker, WorkersChanged
from scanner.fleet.messages import Ended, MessageError, Refused
from scanner.fleet.shard_process import ShardProcessError, describe, sweep_shard
from scanner.fleet.ssh_hosts import COMMAND, Host, command_line, parse_hosts
from scanner.fleet.ssh_state import Attempt, HostState, Times
from scanner.network.connect.choose import RESERVED_DESCRIPTORS, raise_descriptor_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.fleet.carrier import Event
    from scanner.fleet.messages import Message, Shard
    from scanner.fleet.ssh_state import Failure

__all__ = ["Host", "SshCarrier", "parse_hosts"]

_GREETED_AT_ONCE: Final = 16  # hosts: each handshake is a process here
_DESCRIPTORS: Final = 5  # of each host: three pipes, a process, and one that just ended
_WAITING: Final = 64  # messages that nobody has taken yet; hosts wait behind them
_LEAVING: Final = 3.0  # seconds that attempts have to end in of themselves when the coordinator leaves
_OF_THE_HOST: Final = frozenset({"version", "site", "clock", "busy", "storage", "bug"})  # codes of a refusal


class SshCarrier:
    """A `Carrier` over ssh. `command` runs at the other end unless its authorized_keys force another one;
    `ssh` is the program, with options that go before ours."""

    def __init__(
        self,
        hosts: Sequence[Host],
        *,
        command: Sequence[str] = COMMAND,
        ssh: Sequence[str] = ("ssh",),
        times: Times = Times(),  # noqa: B008 - it cannot be changed
    ) -> None:
        self._states = [HostState(host) for host in hosts]
        self._command = tuple(command)
        self._ssh = tuple(ssh)
        self._times = times
        self._given: list[Attempt] = []  # and not begun
        self._events: asyncio.Queue[Event | BaseException] = asyncio.Queue()
        self._room = asyncio.Semaphore(_WAITING)
        self._greeting = asyncio.Semaphore(_GREETED_AT_ONCE)
        self._leaving = False  # nobody takes events any more
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> SshCarrier:
        if shutil.which(self._ssh[0]) is None:
            raise RefusedError(
                f"{self._ssh[0]} is not here: --ssh needs the program of OpenSSH; install openssh-client"
            )
        self._require_descriptors()
        for state in self._states:
            task = asyncio.ensure_future(self._serve(state))
            task.add_done_callback(self._task_ended)
            self._tasks.append(task)
        try:
            for state in self._states:
                await state.greeted.wait()
            if all(state.unfit for state in self._states):
                raise self._nobody()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._leave()

    def workers(self) -> Sequence[Worker]:
        """Every host, whether it can be used or not."""
        return [
            Worker(
                name=state.host.label,
                site=state.site,
                host=state.described.host if state.described else "",
                busy=state.attempt is not None,
                unfit=state.unfit,
                version=state.described.version if state.described else "",
                clock_skew=state.skew,
            )
            for state in self._states
        ]

    def capacity(self, site: str) -> int:
        """How many hosts can be used for this site; hosts of every site count for each of them."""
        return sum(state.serves(site) for state in self._states)

    def give(self, shard: Shard) -> None:
        """Begin an attempt on the next host of its site that is free."""
        self._given.append(Attempt(shard))
        self._assign()
        self._drop_what_nobody_serves()

    def withdraw(self, name: str, attempt: int) -> None:
        """Tell the process there to stop; it is ended when it does not."""
        for given in [each for each in self._given if each.is_of(name, attempt)]:
            self._given.remove(given)
            self._put(Failed(name, attempt, "", "it was withdrawn before it began"))
        for state in self._states:
            if (given_to := state.attempt) is not None and given_to.is_of(name, attempt):
                given_to.withdrawn = True
                given_to.within(self._times)

    async def next(self) -> Event:
        """The next thing that happened."""
        event = await self._events.get()
        if isinstance(event, BaseException):
            raise event
        if isinstance(event, Heard):
            self._room.release()
        return event

    # --- who does what -------------------------------------------------------------------------------------

    def _assign(self) -> None:
        """Wake hosts for what was given: of those that are free, hosts of one site before hosts of every one,
        and before hosts that failed last."""
        for attempt in list(self._given):
            able = [state for state in self._states if state.free and state.serves(attempt.shard.site)]
            if able:
                state = min(able, key=lambda each: (each.failures, each.site == ""))
                self._given.remove(attempt)
                state.attempt = attempt
                state.wake.set()

    def _drop_what_nobody_serves(self) -> None:
        for attempt in [each for each in self._given if not self.capacity(each.shard.site)]:
            self._given.remove(attempt)
            shard = attempt.shard
            self._put(Failed(shard.name, shard.attempt, "", f"no host of site {shard.site} can be used"))

    def _put(self, event: Event) -> None:
        self._events.put_nowait(event)

    async def _hear(self, state: HostState, message: Message) -> None:
        if not self._leaving:
            await self._room.acquire()
            self._put(Heard(state.host.label, message))

    def _set(self, state: HostState, unfit: str) -> None:
        """A host can be used, or cannot; who waits for it learns that, once."""
        before, state.unfit = state.unfit, unfit
        if unfit != before and (unfit or state.greeted.is_set()):
            told = f"given nothing: {unfit}" if unfit else "it can be used again"
            where = f" ({visible(state.site, 70)})" if state.site else ""
            self._put(WorkersChanged((f"{state.host.label}{where}: {told}",)))
        state.greeted.set()
        self._assign()
        self._drop_what_nobody_serves()

    # --- one host ------------------------------------------------------------------------------------------

    async def _serve(self, state: HostState) -> None:
        shortest, longest = pause, most = self._times.again
        while True:
            state.resting = True
            async with self._greeting:
                unfit = await self._greet(state)
            state.resting = bool(unfit)
            self._set(state, unfit)
            if state.unfit:
                await asyncio.sleep(pause)
                pause = min(pause * 2, most)
                continue
            pause = shortest
            while not (why := await self._work(state)):
                state.failures = 0
            state.failures += 1
            over = state.failures - self._times.failures
            if over >= 0:
                self._set(state, f"it failed {state.failures} times in a row, at last because {why}")
                await asyncio.sleep(min(self._times.unfit * 2.0 ** min(over, 10), longest * 2))
            else:
                await asyncio.sleep(min(2.0**state.failures / 2, shortest))

    async def _greet(self, state: HostState) -> str:
        """Ask a host who it is; why it cannot be used, "" when it can."""
        command = command_line(state.host, state.host.site, self._ssh, self._command)
        sent = time.time()
        try:
            return state.greet(await describe(command, self._times.greeting), sent)
        except (TimeoutError, MessageError, ShardProcessError, OSError) as error:
            return state.unanswered(error, self._times.greeting)

    async def _work(self, state: HostState) -> str:
        """One attempt, when one is given to the host; why it failed, "" when it did not."""
        self._assign()
        await state.wake.wait()
        state.wake.clear()
        attempt = state.attempt
        assert attempt is not None
        try:
            try:
                await self._sweep(state, attempt)
            finally:
                attempt.limit = None
        except (TimeoutError, MessageError, ShardProcessError, OSError) as error:
            attempt.ended.set()
            if not attempt.over:
                await self._failed(state.failure(attempt, error, self._times), attempt)
        attempt.ended.set()
        state.resting = bool(attempt.why)
        state.attempt = None
        return attempt.why

    async def _sweep(self, state: HostState, attempt: Attempt) -> None:
        """The process of one attempt."""
        command = command_line(state.host, attempt.shard.site, self._ssh, self._command)
        stream = sweep_shard(command, attempt.shard, still_wanted=lambda: not attempt.withdrawn)
        async with asyncio.timeout(None) as attempt.limit, contextlib.aclosing(stream):
            attempt.within(self._times)
            async for message in stream:
                attempt.heard = True
                _require_of(attempt.shard, message)
                attempt.without_limit()
                await self._hear(state, message)
                if isinstance(message, Ended | Refused):
                    attempt.over = True
                if isinstance(message, Refused) and message.code in _OF_THE_HOST:
                    attempt.why = visible(message.why, 300)
                attempt.within(self._times)

    async def _failed(self, failure: Failure, attempt: Attempt) -> None:
        if failure.may_go_on and not self._leaving:
            await asyncio.sleep(self._times.lease)  # nobody else is to ask the same meanwhile
        self._put(Failed(attempt.shard.name, attempt.shard.attempt, failure.worker, failure.why))
        attempt.why = "" if attempt.withdrawn else failure.why

    # --- beginning and end ---------------------------------------------------------------------------------

    def _require_descriptors(self) -> None:
        wanted = len(self._states) * _DESCRIPTORS
        possible, _ = raise_descriptor_limit(wanted)
        if possible < wanted:
            enough, needed = possible // _DESCRIPTORS, wanted + RESERVED_DESCRIPTORS
            raise RefusedError(
                f"--ssh names {len(self._states):,} hosts, and the open files allowed here are enough "
                f"for {enough:,}; allow more with `ulimit -n {needed}`"
            )

    def _nobody(self) -> RefusedError:
        shown = [f"{state.host.label}: {state.unfit}" for state in self._states[:5]]
        more = len(self._states) - len(shown)
        return RefusedError(
            f"none of the hosts of --ssh can be used; nothing was sent: {' | '.join(shown)}"
            + (f" | and {more} more" if more else "")
        )

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._events.put_nowait(error)
            for state in self._states:
                state.greeted.set()

    async def _leave(self) -> None:
        self._leaving = True
        under_way = [state.attempt for state in self._states if state.attempt is not None]
        for attempt in under_way:
            self.withdraw(attempt.shard.name, attempt.shard.attempt)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(each.ended.wait() for each in under_way)), _LEAVING)
        for _ in range(2):  # the second one ends the wait for processes that do not end
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=1)


def _require_of(shard: Shard, message: Message) -> None:
    said = (message.run_id, message.name, message.attempt)
    if said != (shard.run_id, shard.name, shard.attempt):
        raise MessageError(f"it speaks of another shard: {visible(message.name, 120)!r}")
