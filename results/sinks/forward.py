"""Forwarding: each sink gets what it has not got yet, once or for as long as one lets it.

Sinks never wait for each other, and nobody who writes events waits for any of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec.structs import replace

from results.files import REAL, CorruptError, DirectoryBusyError, FileSystem, ResultsError
from results.sinks.backlog import backlog_of
from results.sinks.batch import DEFAULT_PACE, Pace
from results.sinks.delivery import Delivery, Patience, TellKind
from results.sinks.sink import StoppedError
from results.sinks.source import EventSource, end_of
from results.sinks.state import SinkCursor, SinkFolder, SinkState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from results.sinks.sink import Sink

BRING_UP_INTERVAL: Final = 30.0
"""Seconds between two looks for what is missing in the events file, while one follows it."""
_CLOSE: Final = 5.0  # seconds for a farewell

Ended = Literal["delivered", "waiting", "stopped", "busy", "failed"]
"""How forwarding to one sink ended. `delivered`: nothing waits any more. `waiting`: its receiver took not
everything in time. `stopped`: it takes nothing until a person has done something. `busy`: another forward
sends to it. `failed`: our own files are not as they must be, or cannot be written."""


class Tell(NamedTuple):
    """Something that a person may want to know while it goes on. `sink` is "" where it concerns all."""

    sink: str
    kind: TellKind
    text: str


class SinkPlan(NamedTuple):
    """One sink and what it gets: run events and changes, and all observations where `every`."""

    sink: Sink
    every: bool = False


class SinkReport(NamedTuple):
    """What was done for one sink, by this call: counts as in `SinkState`. `waiting`: events that are still to
    be sent. `problem`: in one line, what a person must know, "" for nothing; `error` where it is one of
    storage, with its exit code."""

    name: str
    kind: str
    place: str
    ended: Ended
    delivered: int = 0
    passed_over: int = 0
    set_aside: int = 0
    attempts_failed: int = 0
    waiting: int = 0
    problem: str = ""
    error: ResultsError | None = None

    @property
    def all_delivered(self) -> bool:
        """Whether the other side has everything that there was for it."""
        return self.ended == "delivered" and not self.set_aside and not self.problem


def begin_again(output: Path, name: str) -> None:
    """Send everything to this sink once more (`--restart`): its cursor goes to the beginning, its counts
    stay. Raises `DirectoryBusyError` and `StorageError`."""
    _move(output, name, SinkCursor())


def pass_over(output: Path, name: str, *, every: bool) -> None:
    """Send this sink nothing of what is there now (`--from-now`): its cursor goes behind it. Raises
    `DirectoryBusyError`, `StorageError`, and `CorruptError` for what cannot be read."""
    _move(output, name, end_of(output, every=every))


def _move(output: Path, name: str, cursor: SinkCursor) -> None:
    folder = SinkFolder(output, name)
    lock = folder.hold()
    try:
        try:
            state = folder.load()
        except CorruptError:  # what stood there cannot be read, nor its counts
            state = SinkState(sink=name)
        folder.save(replace(state, cursor=cursor, stopped=""))
    finally:
        lock.release()


async def forward(
    output: Path,
    plans: Sequence[SinkPlan],
    *,
    follow: bool,
    stop: asyncio.Event,
    bring_up: Callable[[], object] = lambda: None,
    patience: float,
    progress: Callable[[Tell], None] = lambda tell: None,
    pace: Pace = DEFAULT_PACE,
    fs: FileSystem = REAL,
) -> list[SinkReport]:
    """Send each sink what it has not got yet; a report for each, in the order of `plans`.

    Calls `bring_up` first, in a thread, so that the events file is as full as it can be. An unavailable
    receiver is given up once it has taken nothing for `patience` seconds. With `follow`, goes on until `stop`
    is set, and never gives up; `stop` leaves `patience` seconds for what is there. What
    the last `bring_up` raised as `ResultsError` stands in every report that has no problem of its own.
    """
    problem = await _brought_up(bring_up, progress)
    until = Patience(patience, follow, asyncio.Event())
    sinks = [_OneSink(output, plan, until, progress, pace, fs) for plan in plans]
    tasks = [asyncio.ensure_future(sink.report()) for sink in sinks]
    keeper = asyncio.ensure_future(_keep_up(bring_up, stop, until, progress, problem))
    try:
        reports = await asyncio.gather(*tasks)
        if until.closing.is_set():
            problem = await keeper
    finally:
        for task in (*tasks, keeper):
            task.cancel()
        await asyncio.gather(*tasks, keeper, return_exceptions=True)
    if problem is None:
        return reports
    return [
        report if report.problem else report._replace(problem=str(problem), error=problem)
        for report in reports
    ]


async def _keep_up(
    bring_up: Callable[[], object],
    stop: asyncio.Event,
    until: Patience,
    progress: Callable[[Tell], None],
    problem: ResultsError | None,
) -> ResultsError | None:
    """Have the events file kept up with until `stop`, and say then that it is over. Returns what the last
    try raised."""
    try:
        while until.follow and not stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), BRING_UP_INTERVAL)
            problem = await _brought_up(bring_up, progress, problem)
        await stop.wait()
    finally:
        until.closing.set()
    return problem


async def _brought_up(
    bring_up: Callable[[], object], progress: Callable[[Tell], None], before: ResultsError | None = None
) -> ResultsError | None:
    try:
        await asyncio.to_thread(bring_up)
    except ResultsError as error:
        if str(error) != str(before):
            progress(Tell("", "problem", str(error)))
        return error
    return None


class _OneSink:
    """What is done for one sink, beside all others."""

    def __init__(
        self,
        output: Path,
        plan: SinkPlan,
        until: Patience,
        progress: Callable[[Tell], None],
        pace: Pace,
        fs: FileSystem,
    ) -> None:
        self._output, self._plan, self._until, self._pace = output, plan, until, pace
        self._progress = progress
        self._folder = SinkFolder(output, plan.sink.name, fs)
        self._problem = ""

    async def report(self) -> SinkReport:
        """Be alone in sending to it, send, and say how that went."""
        sink = self._plan.sink
        report = SinkReport(sink.name, sink.kind, sink.place, "failed")
        try:
            lock = await asyncio.to_thread(self._folder.hold)
        except DirectoryBusyError as error:
            return report._replace(ended="busy", problem=str(error), error=error)
        except ResultsError as error:
            return report._replace(problem=str(error), error=error)
        try:
            state = self._folder.load()
            return await self._deliver(
                replace(state, kind=sink.kind, place=sink.place, every=self._plan.every), report
            )
        except ResultsError as error:
            return report._replace(problem=str(error), error=error)
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(sink.close(), _CLOSE)
            lock.release()

    async def _deliver(self, before: SinkState, report: SinkReport) -> SinkReport:
        """Until it is over. A stopped sink is tried again now and then, while others are followed."""
        state, ended, error = before, report.ended, report.error
        while True:
            source = EventSource(
                self._output, state.cursor, every=self._plan.every, name=self._plan.sink.name
            )
            delivery = Delivery(
                self._plan.sink, source, self._folder, state, tell=self._tell, pace=self._pace
            )
            try:
                delivered = await delivery.run(self._until)
                ended = "delivered" if delivered else "waiting"
                self._problem = "" if delivered else delivery.state.last_failure
            except StoppedError as stopped:
                ended = "stopped"
                self._tell_once("stopped", str(stopped))
            except ResultsError as failed:
                ended, error = "failed", failed
                self._tell_once("problem", str(failed))
            finally:
                source.close()
            state = delivery.state
            if ended != "stopped" or not self._until.follow or self._until.closing.is_set():
                break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._until.closing.wait(), self._pace.stopped)
        for problem in source.problems.values():
            error = error or problem
            self._problem = self._problem or str(problem)
        waiting: int | None = 0
        if ended != "delivered":
            waiting = await asyncio.to_thread(self._waiting, state.cursor)
        if ended == "waiting" and waiting == 0:
            ended = "delivered"
        return report._replace(
            ended=ended,
            delivered=state.delivered - before.delivered,
            passed_over=state.passed_over - before.passed_over,
            set_aside=state.set_aside - before.set_aside,
            attempts_failed=state.attempts_failed - before.attempts_failed,
            waiting=waiting or 0,
            problem=self._problem,
            error=error,
        )

    def _waiting(self, cursor: SinkCursor) -> int | None:
        try:
            return backlog_of(self._output, cursor, every=self._plan.every).events
        except ResultsError:
            return None  # nobody knows, and so it is not all delivered

    def _tell(self, kind: TellKind, text: str) -> None:
        self._progress(Tell(self._plan.sink.name, kind, text))

    def _tell_once(self, kind: TellKind, text: str) -> None:
        if text != self._problem:
            self._problem = text
            self._tell(kind, text)
