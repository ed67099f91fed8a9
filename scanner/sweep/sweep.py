"""One sweep, from scope to journal: the page that shows how it all fits.

    scope -> order -> engine -> connector -> probe -> dialogue, judge -> observation -> journal

A run directory is made, the door is set up, our own server on loopback proves that the eyes are open, the
engine turns until every target has an outcome, and the accounts are closed. Everything else is in the rooms.
"""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import msgspec

from results.files import REAL, write_durably
from results.sinks.stdout import Follower, follow_journal
from scanner.clock import SystemClock
from scanner.engine.accounts import Coverage
from scanner.engine.dialogues import client_of, dialogue_maker
from scanner.engine.engine import Engine
from scanner.engine.loss import SecondLook
from scanner.engine.observe import Vantage
from scanner.engine.order import Order
from scanner.engine.pace import Pace, PrefixCaps
from scanner.engine.probe import Probe
from scanner.engine.recorder import Scribe
from scanner.engine.response_cache import Twins
from scanner.mongo.tables import load_tables
from scanner.network.connect.base import Timeouts
from scanner.network.connect.choose import loop_factory, make_connector, raise_descriptor_limit
from scanner.network.guard import Door
from scanner.network.uplink import Uplink, spread
from scanner.setup.blackout import Calendar
from scanner.sweep.begin import begin
from scanner.sweep.canary import Canaries, configured, own_server
from scanner.sweep.checkpoint import Checkpoint
from scanner.sweep.close import close_accounts, lasting_faults, with_stdout
from scanner.sweep.control import BlackoutHold, Pauses
from scanner.sweep.meter import Meter
from scanner.sweep.open_source import choose_source
from scanner.sweep.plan import make_plan
from scanner.sweep.stage_marks import Kept, forget_others, with_marks

if TYPE_CHECKING:
    from results.files import FileSystem
    from scanner.clock import Clock
    from scanner.network.driver.driver import SecondOpinion
    from scanner.setup.settings import Settings, SweepOptions
    from scanner.sweep.progress import Screen, Summary
    from scanner.sweep.syn_source import RawStage
    from targets.scope import Scope

GRACE = 1.5  # seconds that conversations under way get when a sweep is told to stop
STAGE_GRACE = 3.0  # seconds in which the SYN stage says where it was stopped
SYNC_INTERVAL = 1.0  # seconds between two fsyncs of the journal
CHECKPOINT_EVERY = 5  # fsyncs
CANARY_INTERVAL = 60.0
PROGRESS_INTERVAL = 0.25


def run(
    settings: Settings,
    scope: Scope,
    options: SweepOptions,
    screen: Screen,
    *,
    clock: Clock | None = None,
    fs: FileSystem = REAL,
) -> Summary:
    """Sweep the scope and return how it ended. Results are in a run directory below `options.output`.

    Raises what `results.run` raises when the directory is refused, busy or damaged, and `StorageError` when
    writing failed later (the sweep has stopped by then). Nothing is sent before the directory stands.
    """
    load_tables()
    with asyncio.Runner(loop_factory=loop_factory(options.loop)) as runner:
        return runner.run(Sweep(settings, scope, options, screen, clock or SystemClock(), fs).main())


class Sweep:
    """The parts of one sweep, put together. `main` is the story."""

    def __init__(
        self,
        settings: Settings,
        scope: Scope,
        options: SweepOptions,
        screen: Screen,
        clock: Clock,
        fs: FileSystem,
    ) -> None:
        self.settings = settings
        self.scope = scope
        self.options = options
        self.screen = screen
        self.clock = clock
        self.fs = fs
        self.failure: BaseException | None = None
        self.sequence = 0
        self.twins = Twins()
        self.raw: RawStage | None = None
        self.follower: Follower | None = None  # copies the journal to stdout
        self.spoiled: list[str] = []  # by earlier starts of this run
        self.writing: Future[None] | None = None  # the last job given to the disk's thread
        self.durable: Checkpoint | None = None  # the last checkpoint on the disk

    async def main(self) -> Summary:
        """Make the run, turn the engine, close the accounts."""
        async with AsyncExitStack() as stack:
            self._begin(stack)
            await self._connect_rooms(stack)
            self.pauses.install(loop := asyncio.get_running_loop())
            stack.callback(self.pauses.uninstall, loop)  # when the accounts are closed, and not before
            self.screen.started(
                make_plan(self.settings, self.scope, self.options, self.clock.wall(), self.begun.seed)
            )
            await self.canaries.sing("at the start")
            await self._turn()
            if self.failure is None and not self.engine.abandoned:
                await self.canaries.sing("at the end")
            await self.scribe.finish(GRACE)
            summary = close_accounts(self)
        self.screen.finished(summary := with_stdout(summary, self.follower))
        return summary

    # --- setting up ------------------------------------------------------------------------------

    def _begin(self, stack: AsyncExitStack) -> None:
        """The run directory: everything that can be refused is refused here, before a packet leaves."""
        number, shards = self.options.shard
        self.begun = begin(self.settings, self.scope, self.options, self.clock, self.fs)
        stack.callback(self.begun.directory.close)
        self.order = Order(len(self.scope), self.begun.seed, number - 1, shards)
        self.coverage = Coverage(planned=self.order.count())
        self.journal = self.begun.directory.journal()
        checkpoint = self.begun.checkpoint
        if checkpoint is not None:
            self.coverage.outcomes.update(checkpoint.outcomes)
            self.coverage.excluded = checkpoint.excluded_later
            self.sequence = checkpoint.sequence
            self.durable = checkpoint

    async def _connect_rooms(self, stack: AsyncExitStack) -> None:
        """Introduce the rooms to each other."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._unexpected)
        self.door = Door(self.scope, self.clock)
        self.disk = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="disk"))
        self.scribe = Scribe(
            self.journal,
            Vantage(self.begun.directory.run_id, self.scope),
            self.clock,
            self.twins,
            everything=self.options.everything,
            opinions=await self._opinions(stack),
            found=self.screen.found,
            wants_found=lambda: self.screen.wants_found,
            failed=self.fail,
        )
        self.source = await choose_source(self, self._checkpoint, stack)
        self.engine = self._make_engine(loop)
        stack.callback(self.engine.connector.close)
        server, bird = await own_server(self.door)
        stack.push_async_callback(server.stop)
        self.canaries = Canaries(
            self.engine, [bird, *configured(self.scope, self.settings.canary, self.clock.wall())]
        )
        self._remember(self.begun.checkpoint)
        reload = self.options.reload_scope
        uplink = Uplink(spread(self.scope))
        stack.callback(uplink.close)
        self.pauses = Pauses(
            self.engine,
            self.door,
            self.clock,
            self.hold,
            self.settings.pause.stop_file,
            None if reload is None else lambda names: reload(self.clock.wall(), names),
            self.screen.notice,
            uplink,
        )
        before = self.begun.checkpoint.elapsed if self.begun.checkpoint else 0.0
        self.meter = Meter(self.engine, self.scribe, loop.time, before)
        if self.options.stdout_lines:
            directory = self.begun.directory.path
            self.follower = stack.enter_context(follow_journal(directory, self.journal.path))

    def _remember(self, checkpoint: Checkpoint | None) -> None:
        """What earlier starts of this run saw that keeps it from being called complete."""
        if checkpoint is not None:
            self.spoiled = checkpoint.spoiled
            self.scribe.prefixes.restore(checkpoint.mute_prefixes)
            self.second_look.restore(checkpoint.second_look, checkpoint.in_flight)

    def _make_engine(self, loop: asyncio.AbstractEventLoop) -> Engine:
        sweep, checkpoint = self.settings.sweep, self.begun.checkpoint
        self.hold = BlackoutHold(Calendar(self.settings.blackout) if self.settings.blackout else None)
        self.hold.refresh(self.clock.wall())
        self.second_look = SecondLook(self.coverage.planned, self.begun.seed)
        engine = Engine(
            loop,
            self.source,
            self.door,
            Pace(sweep.rate, loop.time()),
            PrefixCaps(sweep.per_prefix_rate, sweep.per_prefix_length, sweep.per_prefix_length_v6),
            self.coverage,
            self.scribe,
            half_open_limit=sweep.half_open_limit,
            again=tuple(checkpoint.in_flight) if checkpoint else (),
            held=self.hold,
            second_look=self.second_look,
        )
        capacity, note = raise_descriptor_limit(sweep.concurrency)
        if note:
            self.screen.notice(note)
        timeouts = Timeouts(sweep.connect_timeout, sweep.reply_timeout, sweep.host_timeout)
        probe = Probe(engine, dialogue_maker(self.settings, self.options, self.clock), loop.time, self.twins)
        engine.connector = make_connector(loop, probe, self.door.permits, timeouts, capacity, engine.pump)
        return engine

    async def _opinions(self, stack: AsyncExitStack) -> SecondOpinion | None:
        if not self.options.confirm:
            return None
        from scanner.network.driver.driver import SecondOpinion

        name = str(client_of(self.settings)["application"]["name"])
        opinions = SecondOpinion(
            self.door,
            self.clock.wall,
            app_name=name,
            may_ask=lambda t: not (self.engine.pauses or self.hold.holds(t.version, t.address)),
        )
        return await stack.enter_async_context(opinions)

    # --- turning -----------------------------------------------------------------------------------

    async def _turn(self) -> None:
        """Turn the engine until it is done, or until somebody stops it; keep the house meanwhile."""
        loop = asyncio.get_running_loop()
        self.pauses.look()
        gc.freeze()
        chores = [
            loop.create_task(chore())
            for chore in (self.pauses.run, self._keep_durable, self._show_progress, self._ask_canaries)
        ]
        raw = [loop.create_task(self.raw.run(self.engine, self.screen.notice))] if self.raw else []
        chores += raw
        for chore in chores:
            chore.add_done_callback(self._chore_ended)
        try:
            self.engine.start()
            await self._until_done_or_stopped()
            if raw and not self.engine.abandoned:
                await asyncio.wait(raw, timeout=STAGE_GRACE)  # its last snapshot is on its way
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            gc.unfreeze()
            await self._let_the_disk_finish()

    def _chore_ended(self, chore: asyncio.Task[None]) -> None:
        """Without one of its chores (blackouts, fsyncs, canaries) a sweep must not go on."""
        if not chore.cancelled() and (error := chore.exception()) is not None:
            self.fail(error)

    async def _until_done_or_stopped(self) -> None:
        stopped = asyncio.ensure_future(self.pauses.interrupted.wait())
        try:
            waiting: set[asyncio.Future[Any]] = {self.engine.finished, stopped}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        if not self.engine.finished.done():
            await asyncio.wait([self.engine.finished], timeout=GRACE)
        if not self.engine.finished.done():
            self.engine.abandon()

    async def _keep_durable(self) -> None:
        """Fsync the journal every second, and write a checkpoint every few times. Any failure is final."""
        rounds = 0
        while True:
            await asyncio.sleep(SYNC_INTERVAL)
            rounds += 1
            due = self._due(rounds % CHECKPOINT_EVERY == 0)
            self.writing = self.disk.submit(self._make_durable, *due)
            try:
                await asyncio.wrap_future(self.writing)
            except Exception as error:  # noqa: BLE001 - reported as the sweep's own failure
                self.fail(error)
                return

    async def _let_the_disk_finish(self) -> None:
        """Whoever closes the accounts must be alone with the files, and know how the last write ended."""
        await asyncio.get_running_loop().run_in_executor(self.disk, lambda: None)
        if self.writing is not None and not self.writing.cancelled():
            error = self.writing.exception()
            if error is not None:
                self.fail(error)

    def _due(self, regular: bool) -> Kept | tuple[None, None]:
        """The checkpoint to write now, with the marks of the SYN stage. While that runs, it sets the pace."""
        if self.raw is not None and not self.raw.over:
            return self.raw.due() or (None, None)
        return self._present() if regular else (None, None)

    def _present(self) -> Kept:
        return self.raw.now() if self.raw is not None else Kept(self._checkpoint(), None)

    def _checkpoint(self) -> Checkpoint:
        """Taken on the loop, before the fsync that covers all it counts."""
        self.sequence += 1
        return Checkpoint(
            run_id=self.begun.directory.run_id,
            scope_digest=self.scope.digest,
            settings_digest=self.begun.settings_digest,
            seed=self.begun.seed,
            shard=self.options.shard,
            after=self.source.after,
            in_flight=sorted({*self.engine.in_flight, *self.source.waiting}),
            outcomes=dict(self.coverage.outcomes),
            excluded_later=self.coverage.excluded,
            elapsed=self.meter.elapsed,
            sequence=self.sequence,
            spoiled=lasting_faults(self),
            mute_prefixes=self.scribe.prefixes.state(),
            second_look=self.second_look.memory(self.engine.in_flight),
        )

    def _make_durable(self, checkpoint: Checkpoint | None, marks: bytes | None = None) -> None:
        """On the disk's own thread: evidence first, then marks, then the checkpoint that rests on both."""
        self.journal.sync()
        directory = self.begun.directory
        directory.check_in_place()
        if checkpoint is None:
            return
        written = checkpoint.after_evidence(self.journal.position)
        if marks is not None:
            written = with_marks(self.fs, directory.path, written, marks)
        write_durably(self.fs, directory.checkpoint_path, written.encode())
        before, self.durable = self.durable, written
        forget_others(self.fs, directory.path, (before, written))

    def save_checkpoint(self) -> None:
        """The last checkpoint of a run that has not reached everything. Where the SYN stage broke off, the
        one before holds still, but what no resume can mend must stand in it."""
        if self.raw is None or self.raw.over:
            self._make_durable(*self._present())
            return
        last = self.raw.due() or (Kept(self.durable, None) if self.durable is not None else None)
        if last is not None:
            spoiled = msgspec.structs.replace(last.checkpoint, spoiled=lasting_faults(self))
            self._make_durable(spoiled, last.marks)

    async def _show_progress(self) -> None:
        while True:
            self.screen.progress(self.meter.read())
            await asyncio.sleep(PROGRESS_INTERVAL)

    async def _ask_canaries(self) -> None:
        while True:
            await asyncio.sleep(CANARY_INTERVAL)
            if not self.engine.pauses:
                await self.canaries.sing("during the sweep")

    def _unexpected(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback of ours raised: a bug, and going on would be a guess."""
        error = context.get("exception")
        if error is not None and "handle" in context:
            self.fail(error)
        else:
            loop.default_exception_handler(context)

    def fail(self, error: BaseException) -> None:
        """Something of ours failed: stop sending. The first failure is the one that is told."""
        if self.failure is None:
            self.failure = error
        self.engine.stop(f"failed: {error}")
        self.pauses.interrupted.set()
