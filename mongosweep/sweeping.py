"""`sweep`: a sweep as a stream of observations, for a program with a loop and for one without."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from mongosweep.asking import Asked
from mongosweep.errors import RefusedError
from mongosweep.job import Job

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable
    from pathlib import Path
    from types import TracebackType

    from mongosweep.summary import Summary
    from results.progress import Progress
    from results.record import Observation


class Swept(NamedTuple):
    """What `Sweep.run` gives."""

    observations: list[Observation]
    summary: Summary


class Sweep:
    """A sweep, begun when it is first iterated. Iterating gives each observation once it is on the disk.

    As an asynchronous context manager it is over when the block is left: a `break`, an exception or a
    cancellation stops it, and its run directory is closed before anything else happens. Without a block a
    `break` stops it as well, and the loop waits for that in its own time. It may be iterated once.
    """

    def __init__(self, asked: Asked) -> None:
        self._job = Job(asked)
        self._stream: weakref.ref[AsyncGenerator[Observation, None]] | None = None  # a `break` drops it
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="mongosweep reader")
        self._over = False
        weakref.finalize(self, self._job.abandon)  # nobody is left who could stop it

    @property
    def run_dir(self) -> Path | None:
        """Where the run is, once it stands."""
        return self._job.run_dir

    @property
    def progress(self) -> Progress | None:
        """How far it is, at most a quarter of a second old; None before the first packet."""
        return self._job.progress

    @property
    def summary(self) -> Summary | None:
        """How it ended, once the iteration or the block is over; None when it was refused, or stopped before
        it began."""
        return self._job.summary

    def stop(self) -> None:
        """End with what is known by then, from any thread: what was found is still given, and then the
        iteration ends. The run is `interrupted` and can be resumed, unless all had been asked."""
        self._job.stop()

    async def aclose(self) -> None:
        """Stop it, and wait until it is over. Safe to repeat."""
        await self._end()
        stream = self._stream() if self._stream is not None else None
        if stream is not None:
            with contextlib.suppress(RuntimeError):  # another task waits for an observation, and gets the end
                await stream.aclose()

    def run(self) -> Swept:
        """Sweep to the end and give everything at once, for a program without a loop: this thread waits.

        Raises what iterating raises. A KeyboardInterrupt stops the sweep before it goes on its way.
        """
        self._require_new()
        observations: list[Observation] = []
        try:
            self._job.start()
            while batch := self._job.batch():
                observations += batch
        finally:
            self._wait_here()
        if (summary := self._job.result()) is None:
            raise RefusedError("", "the sweep was stopped before it began", "ask for another")
        return Swept(observations, summary)

    def __aiter__(self) -> AsyncIterator[Observation]:
        self._require_new()
        stream = self._observations()
        self._stream = weakref.ref(stream)
        return stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _require_new(self) -> None:
        if self._stream is not None or self._job.started or self._over:
            raise RuntimeError("a sweep is asked for once; call mongosweep.sweep again for another")

    async def _observations(self) -> AsyncGenerator[Observation, None]:
        loop, job = asyncio.get_running_loop(), self._job
        job.start()
        try:
            while batch := await loop.run_in_executor(self._reader, job.batch):
                for observation in batch:
                    yield observation
        finally:
            await self._end()
        job.result()

    async def _end(self) -> None:
        """Wait until it is over, however often this task is cancelled meanwhile: then no conversation is
        waited for."""
        if self._over:
            return
        self._job.abandon()
        waiting = asyncio.get_running_loop().run_in_executor(self._reader, self._job.wait)
        cancelled: asyncio.CancelledError | None = None
        while not waiting.done():
            try:
                await asyncio.shield(waiting)
            except asyncio.CancelledError as error:
                cancelled = error
                self._job.hurry()
        self._over = True
        self._reader.shutdown(wait=False)
        if cancelled is not None:
            raise cancelled

    def _wait_here(self) -> None:
        """The same in a thread that has no loop."""
        end = self._job.abandon
        interrupted: KeyboardInterrupt | None = None
        while not self._over:
            try:  # all of it, because a second Ctrl-C comes as soon as the first one
                end()
                self._job.wait()
                self._over = True
            except KeyboardInterrupt as error:
                interrupted, end = error, self._job.hurry
        if interrupted is not None:
            raise interrupted


def sweep(
    *,
    scope: str | os.PathLike[str] | None = None,
    config: str | os.PathLike[str] | None = None,
    targets: str | Iterable[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    ports: int | Literal["mongodb"] | Iterable[int | Literal["mongodb"]] | None = None,
    sites: str | Iterable[str] | None = None,
    owners: str | Iterable[str] | None = None,
    rate: float | None = None,
    depth: Literal["verdict", "databases", "collections"] | None = None,
    vantage: str | None = None,
    workers: int | Literal["auto"] | None = None,
    confirm: bool = False,
    everything: bool = False,
    seed: int | None = None,
    resume: str | None = None,
    stop_after: float | None = None,
    ledger: bool = True,
) -> Sweep:
    """A sweep of your own address ranges. Nothing is read and nothing is sent before it is iterated or run.

    `scope` names an allow-list and `config` a configuration, one of them at least: only what they allow is
    ever asked, and `targets`, `ports`, `sites` and `owners` can only narrow it; an empty list of them is
    refused. `output` is the directory of run directories; without one the run is written to a temporary
    place, and removed at its end. `everything` is `--all`, a line for every target. All others are as the
    option of that name of `mongosweep sweep`: `rate` in new connections a second, `stop_after` in seconds.
    `ledger`: whether the ledger in `output` takes the run in, and its events are told there.

    Raises `RefusedError` for a bad parameter; iterating raises that too, `BusyError` and `StorageError`.
    Nothing is printed, no signal is handled, no configuration is looked for, and no variable of the
    environment is an option: what a person would be told goes to the logger `mongosweep`.
    """
    return Sweep(
        Asked(
            scope=scope,
            config=config,
            targets=targets,
            output=output,
            ports=ports,
            sites=sites,
            owners=owners,
            rate=rate,
            depth=depth,
            vantage=vantage,
            workers=workers,
            confirm=confirm,
            everything=everything,
            seed=seed,
            resume=resume,
            stop_after=stop_after,
            ledger=ledger,
        )
    )
