"""One sweep, from scope to journal: the page that shows how it all fits.

    scope -> order -> engine -> connector -> probe -> dialogue, judge -> observation -> journal

A run directory is made and the parts are put together (`assemble.py`), our own server on loopback proves that
it sees, the engine turns until every target has an outcome, and the run is judged and sealed.
"""

from __future__ import annotations

import asyncio
import gc
import math
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from results.files import REAL, StorageError
from results.verdict import Verdict
from scanner.clock import SystemClock, timestamp
from scanner.mongo.tables import load_tables
from scanner.network.connect.choose import loop_factory
from scanner.sweep.announce import announce
from scanner.sweep.assemble import Inputs, Parts, assemble, prepare
from scanner.sweep.begin import scope_of_run
from scanner.sweep.judgement import exit_code, with_stdout
from scanner.sweep.narrate import Narrator
from scanner.sweep.plan import make_plan
from scanner.sweep.progress import RunSummary

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.files import FileSystem
    from scanner.clock import Clock
    from scanner.setup.choices import EngineName
    from scanner.setup.settings import Settings, SweepOptions
    from scanner.sweep.plan import Plan
    from scanner.sweep.progress import ProgressSnapshot, Screen
    from targets.scope import Scope

GRACE = 1.5  # seconds that conversations under way get when a sweep is told to stop
STAGE_GRACE = 3.0  # seconds in which the SYN stage says where it was stopped
STDOUT_PATIENCE = 1.5  # seconds; a reader of stdout that takes longer does not keep the run from its end
CANARY_INTERVAL = 60.0
PROGRESS_INTERVAL = 0.25
NOTE_INTERVAL = 1.0  # between two writings of `progress.json`


def run(
    settings: Settings,
    scope: Scope,
    options: SweepOptions,
    screen: Screen,
    *,
    clock: Clock | None = None,
    fs: FileSystem = REAL,
    begun: Callable[[Parts], None] | None = None,
) -> RunSummary:
    """Sweep the scope and return how it ended. Results are in a run directory below `options.output`.

    `begun`: of a program that has imported us, told on the sweep's loop once the run stands and before
    anything is sent. What is the program's own is left alone then: its signals, and its garbage collector.

    Raises what `results.run` raises when the directory is refused, busy or damaged, and `StorageError` when
    writing failed later (the sweep has stopped by then). Nothing is sent before the directory stands.
    """
    load_tables(options.tables)
    scope = scope_of_run(scope, options)
    given = Inputs(
        settings=settings, scope=scope, options=options, screen=screen, clock=clock or SystemClock(), fs=fs
    )
    with asyncio.Runner(loop_factory=loop_factory(options.loop)) as runner:
        return runner.run(_run(given, begun))


async def _run(given: Inputs, begun: Callable[[Parts], None] | None) -> RunSummary:
    """Make the run, tell its story, and say how it ended once everything is closed."""
    async with AsyncExitStack() as stack:
        prepared = await prepare(given, stack)
        parts = await assemble(given, prepared, stack)
        loop = asyncio.get_running_loop()
        parts.control.install(loop, signals=begun is None)
        stack.callback(parts.control.uninstall, loop)  # when the accounts are closed, and not before
        if begun is not None:
            begun(parts)
        summary = await Sweep(parts, alone=begun is None).story()
    if parts.follower is not None:
        summary = with_stdout(summary, parts.follower.lost)
    given.screen.finished(summary)
    return summary


class Sweep:
    """One sweep under way: `story` is what happens. `alone`: nothing else goes on in this process."""

    def __init__(self, parts: Parts, *, alone: bool = True) -> None:
        self.parts = parts
        self.alone = alone
        self.given = parts.given
        self.engine = parts.engine
        self.failure = parts.failure
        self.persistence = parts.make_persistence()
        self.narrator = Narrator(parts.engine, parts.prepared.stage)
        self.latest: ProgressSnapshot | None = None  # what was shown last

    async def story(self) -> RunSummary:
        """Prove that it sees, ask every target, prove it again, close the accounts."""
        canaries = self.parts.canaries
        asyncio.get_running_loop().set_exception_handler(self._unexpected)
        try:
            self._begin()
            await canaries.check("at the start")
            self.narrator.phase("asking begins")
            await self._turn()
            self.narrator.turned()
            if self.failure.error is None and not self.engine.abandoned:
                await canaries.check("at the end")
            await self.parts.recorder.finish(GRACE)
            return self._close()
        finally:
            self.persistence.close()

    def _begin(self) -> None:
        plan = self._plan()
        self.given.screen.started(plan)
        self.narrator.began(self.parts.prepared.begun.directory.manifest, plan)

    def _plan(self) -> Plan:
        """What is about to happen, by the engine that does it: the SYN stage may have had to be left out."""
        given, prepared = self.given, self.parts.prepared
        engine: EngineName = "connect" if prepared.stage is None else "syn"
        settings = msgspec.structs.replace(
            given.settings, sweep=msgspec.structs.replace(given.settings.sweep, engine=engine)
        )
        options = replace(given.options, engine=engine)
        return make_plan(settings, given.scope, options, given.clock.wall(), prepared.begun.seed)

    # --- turning -----------------------------------------------------------------------------------

    async def _turn(self) -> None:
        """Turn the engine until it is done, or until somebody stops it; do the chores meanwhile."""
        loop = asyncio.get_running_loop()
        control, stage = self.parts.control, self.parts.prepared.stage
        control.look()
        if self.given.options.stop_after is not None:
            loop.call_later(self.given.options.stop_after, control.time_over)
        if self.alone:
            gc.freeze()
        chores = [
            loop.create_task(chore())
            for chore in (
                *(control.run, self.parts.leases.run, self.persistence.keep),
                *(self._show_progress, self._note_progress, self._ask_canaries, self._tell),
            )
        ]
        feeding = []
        if stage is not None:
            take, recorder = self.persistence.checkpoint, self.parts.recorder
            run = stage.run(self.engine, recorder, self.given.screen.notice, take)
            feeding.append(loop.create_task(run))
        chores += feeding
        for chore in chores:
            chore.add_done_callback(self._chore_ended)
        try:
            self._look()  # whoever sees the first observation can ask how far it is
            self.engine.start()
            await self._until_done_or_stopped()
            if feeding and not self.engine.abandoned:
                await asyncio.wait(feeding, timeout=STAGE_GRACE)  # its last snapshot is on its way
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            if self.alone:
                gc.unfreeze()
            await self.persistence.settle()

    def _chore_ended(self, chore: asyncio.Task[None]) -> None:
        """Without one of its chores (blackouts, fsyncs, canaries) a sweep must not go on."""
        if not chore.cancelled() and (error := chore.exception()) is not None:
            self.failure.report(error)

    async def _until_done_or_stopped(self) -> None:
        stops = [
            asyncio.ensure_future(event.wait())
            for event in (self.parts.control.interrupted, self.failure.happened)
        ]
        try:
            waiting: set[asyncio.Future[Any]] = {self.engine.finished, *stops}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for stop in stops:
                stop.cancel()
        if not self.engine.finished.done():
            await asyncio.wait([self.engine.finished], timeout=GRACE)
        if not self.engine.finished.done():
            self.engine.abandon()

    def _look(self) -> None:
        self.latest = self.parts.meter.read()
        self.given.screen.progress(self.latest)
        self.narrator.look()

    async def _show_progress(self) -> None:
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL)
            self._look()

    async def _note_progress(self) -> None:
        run_id = self.parts.prepared.begun.directory.run_id
        while True:
            if self.latest is not None:
                at = timestamp(self.given.clock.wall())
                await self.persistence.note_progress(self.latest.of_run(run_id, at))
            await asyncio.sleep(NOTE_INTERVAL)

    async def _ask_canaries(self) -> None:
        while True:
            await asyncio.sleep(CANARY_INTERVAL)
            if not self.engine.pause_reasons:
                await self.parts.canaries.check("during the sweep")

    async def _tell(self) -> None:
        given, parts = self.given, self.parts
        if given.options.events:
            await announce(parts.prepared.begun.directory, parts.lasting, given.clock, given.screen.notice)

    def _unexpected(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback of ours raised: a bug, and going on would be a guess."""
        error = context.get("exception")
        if error is not None and "handle" in context:
            self.failure.report(error)
        else:
            loop.default_exception_handler(context)

    # --- the end -----------------------------------------------------------------------------------

    def _close(self) -> RunSummary:
        """Check that planned = outcomes + excluded + not reached, seal the run, and say how it ended.

        Raises the failure that stopped the sweep, after the run directory says so. Raises AccountingError
        when a target was lost or counted twice: that is never passed over.
        """
        ended_at = timestamp(self.given.clock.wall())
        directory = self.parts.prepared.begun.directory
        try:
            if self.failure.error is not None:
                raise self.failure.error
            return self._seal(ended_at)
        except StorageError as error:
            directory.fail_for(error, ended_at=ended_at)
            raise

    def _seal(self, ended_at: str) -> RunSummary:
        directory, accounts = self.parts.prepared.begun.directory, self.engine.accounts
        follower = self.parts.follower
        if follower is not None:
            follower.finish(STDOUT_PATIENCE)
            if self.parts.control.interrupted.is_set():
                follower.patience = STDOUT_PATIENCE  # whoever stops a sweep does not wait for its readers
        facts = self.parts.facts(self.engine.not_reached())
        state, reasons = self.persistence.seal(facts, accounts, ended_at)
        agreed = self.parts.recorder.agreed
        found_open = accounts.outcomes[Verdict.OPEN] + accounts.outcomes[Verdict.OPEN_NO_DATA]
        summary = RunSummary(
            run_id=directory.run_id,
            run_dir=str(directory.path),
            state=state,
            reasons=tuple(reasons),
            planned=accounts.planned,
            outcomes=accounts.by_name,
            excluded=accounts.excluded,
            not_reached=facts.not_reached,
            elapsed=self.parts.meter.elapsed,
            exit_code=exit_code(state, found_open, self.given.options.fail_on),
            agreed=(agreed[True], agreed[None], agreed[False]) if self.given.options.confirm else None,
            interrupted=facts.interrupted,
            chain_head=directory.chain_head,
            unlisted=accounts.unlisted,
            blind=self.parts.blind(),
            unheard=missed if math.isfinite(missed := self.parts.repetition.missed) else None,
        )
        self.narrator.ended(summary)
        return summary
