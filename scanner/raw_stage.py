"""The SYN stage in front of the engine: what it finds alive is fed to the engine while it still runs.

The stage is a process of its own (`scanner/syn`) with its own copy of the fence. Refused and silent targets
are settled from its final counts; a stage that breaks off leaves the rest not reached, never silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.second_look import recall_of_rounds
from scanner.syn.stage import StageTrouble, SynStage, job_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scanner.config import Settings, SweepOptions, SweepSettings
    from scanner.coverage import Coverage
    from scanner.engine import Engine
    from scanner.order import Order
    from scanner.sources import FeedSource
    from targets.scope import Scope

BACKLOG = 20_000  # live targets waiting to be connected to; beyond it the stage is not read, so it slows
CHUNK = 1024  # targets of no lane handed to the engine at once
STILL = 1e-6  # SYNs a second while the sweep is paused
LOOK_INTERVAL = 0.25


class RawStage:
    """One run of the stage for one sweep. `start` raises StageTrouble when this machine cannot."""

    def __init__(
        self, scope: Scope, order: Order, sweep: SweepSettings, source: FeedSource, coverage: Coverage
    ) -> None:
        steps = (order.size, order.prime, order.generator, order.start, order.shard, order.shards)
        # It stands still until `run`: nothing may be sent before the reasons to pause were looked at.
        job = job_for(scope, steps, rate=STILL, wait=max(2.0, sweep.connect_timeout))
        self._stage = SynStage(replace(job, prefix_rate=sweep.per_prefix_rate))
        self._rate = sweep.rate
        self._until = scope.expires
        self._order = order
        self._source = source
        self._coverage = coverage
        self.trouble = ""
        self.recall = 1.0  # the estimated share of answering targets that were heard

    async def start(self) -> None:
        """Open the raw sockets and drop every privilege; nothing has been sent yet. Call it in the main
        thread: this process gives up the capability as well, which it had only to hand on."""
        _watch_without_a_thread()
        await self._stage.start()
        from scanner.syn.privilege import StillPrivileged, renounce_net_raw

        try:
            renounce_net_raw()
        except StillPrivileged as error:
            raise StageTrouble(
                f"CAP_NET_RAW could not be given up after the stage had it: {error}"
            ) from error

    async def close(self) -> None:
        """Make sure that the process is gone."""
        await self._stage.close()

    @property
    def notes(self) -> list[str]:
        """What the stage has to say about lanes and routes."""
        return self._stage.notes

    @property
    def asked(self) -> int:
        """Targets that the stage has sent a SYN to so far."""
        return self._stage.stats.targets

    @property
    def slowed_by(self) -> str:
        """Why the stage sends slower than it was told to."""
        return self._stage.stats.slowed_by

    async def run(self, engine: Engine, notice: Callable[[str], None]) -> None:
        """Feed the engine until the stage has ended, then settle the accounts."""
        watcher = asyncio.get_running_loop().create_task(self._obey(engine))
        try:
            await self._feed_direct(engine)
            async for indices in self._stage.live():
                self._source.add(indices)
                await self._room(engine)
            self._settle()
        except StageTrouble as error:
            self.trouble = f"the SYN stage broke off: {error}"
            notice(self.trouble)
        finally:
            watcher.cancel()
            self._source.close(cut_short=bool(self.trouble))
            with contextlib.suppress(OSError):
                await self.close()

    async def _feed_direct(self, engine: Engine) -> None:
        """Targets that no lane reaches (on our own link, loopback, tunnels) go to the engine unseen."""
        ours = self._direct()
        while (chunk := list(islice(ours, CHUNK))) and not engine.stop_reason:
            self._source.add(chunk)
            await self._room(engine)

    async def _room(self, engine: Engine) -> None:
        """Wait until the engine has caught up: a stage that is not read sends slower."""
        while self._source.backlog > BACKLOG and not engine.stop_reason:  # noqa: ASYNC110 - nothing to set an
            await asyncio.sleep(0.01)  # event on: the engine's hot path tells nobody what it took

    def _direct(self) -> Iterator[int]:
        ranges = self._stage.direct
        if not ranges:
            return
        if self._order.shards == 1:
            for begin, count in ranges:
                yield from range(begin, begin + count)
            return
        for _, index in self._order.walk():
            if any(begin <= index < begin + count for begin, count in ranges):
                yield index

    async def _obey(self, engine: Engine) -> None:
        """Pass pauses and the end on to the stage. It is told within a quarter of a second."""
        paused = True
        while True:
            if engine.door.now() >= self._until and not self.trouble:
                # The stage looks at the wall clock alone, which can be set back; the door's cannot.
                self.trouble = "a part of the scope expired, so the SYN stage was stopped"
                self._stage.stop()
                return
            if engine.door.narrowed and not self.trouble:
                # The stage's fence is its own copy, so a smaller scope holds there by stopping it.
                self.trouble = "the scope was narrowed, so the SYN stage was stopped"
            if engine.stop_reason or engine.door.narrowed:
                self._stage.stop()
                return
            if bool(engine.pauses) != paused:
                paused = not paused
                self._stage.set_rate(STILL if paused else self._rate)
            await asyncio.sleep(LOOK_INTERVAL)

    def _settle(self) -> None:
        stats = self._stage.stats
        if stats.ended != "complete":
            self.trouble = self.trouble or f"the SYN stage was {stats.ended or 'cut short'}"
            return
        self._coverage.outcomes[Verdict.REFUSED] += stats.refused
        self._coverage.outcomes[Verdict.FILTERED] += stats.silent
        self._source.settle(stats.refused + stats.silent)
        self.recall = recall_of_rounds(stats.sent_by_round, stats.live + stats.refused)
        if stats.dropped:
            self.trouble = f"{stats.dropped} answers were lost on this machine: the receive ring was full"


def _watch_without_a_thread() -> None:
    """Before 3.12 asyncio waits for a child in a thread, which would keep the capability that it starts
    with. (uvloop needs neither.)"""
    if sys.version_info < (3, 12) and hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            os.close(os.pidfd_open(os.getpid()))
            watcher = asyncio.PidfdChildWatcher()
            watcher.attach_loop(asyncio.get_running_loop())
            asyncio.set_child_watcher(watcher)


async def start_raw_stage(
    settings: Settings,
    options: SweepOptions,
    scope: Scope,
    order: Order,
    source: FeedSource,
    coverage: Coverage,
    notice: Callable[[str], None],
) -> RawStage | None:
    """Start the stage; None, and a notice that says why, when the sweep must go on without it."""
    if options.everything or settings.blackout:
        asked = "--all wants a line for every target" if options.everything else "blackout windows are set"
        notice(f"{asked}, which the SYN stage cannot do: the connect engine asks everything itself")
        return None
    stage = RawStage(scope, order, settings.sweep, source, coverage)
    try:
        await stage.start()
    except StageTrouble as error:
        await stage.close()
        notice(str(error))
        return None
    for note in stage.notes:
        notice(note)
    return stage
