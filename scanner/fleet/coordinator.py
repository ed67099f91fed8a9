"""One sweep by a fleet, from scope to journal: the page that shows how it all fits.

    scope -> sites -> shards -> a carrier -> workers, each with its own scope -> lines -> one journal

A run directory is made like that of any sweep. Shards are given to the sites that have workers, their lines
are written as they come, and a shard counts when its end came and everything that it wrote with it.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from results.covered import parse_row, withdrawn_text
from results.files import REAL, StorageError
from results.progress import remove_progress
from results.text import visible
from results.verdict import Verdict
from scanner.clock import SystemClock, timestamp
from scanner.fleet.attempts import Attempts
from scanner.fleet.carrier import Failed, WorkersChanged
from scanner.fleet.judging import (
    MOST_NAMED,
    SiteEnd,
    coverage_of,
    judge_fleet,
    loss_of,
    missing_text,
    site_text,
)
from scanner.fleet.keeping import FleetCheckpoint, FleetInputs, FleetLog, Keeper, begin_run, written_before
from scanner.fleet.meter import FleetMeter
from scanner.fleet.notices import Notices
from scanner.fleet.parts import OpenShards, divide, identity, shard_size
from scanner.fleet.tally import add_up
from scanner.mongo.tables import load_tables
from scanner.sweep.announce import announce
from scanner.sweep.assemble import follower
from scanner.sweep.control import StopFile
from scanner.sweep.judgement import LastingFacts, exit_code, with_stdout
from scanner.sweep.plan import make_plan
from scanner.sweep.progress import RunSummary

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.files import FileSystem
    from results.sinks.stdout import Follower
    from scanner.clock import Clock
    from scanner.fleet.carrier import Carrier, Event
    from scanner.fleet.keeping import FleetRun
    from scanner.fleet.tally import Tally
    from scanner.setup.settings import Settings, SweepOptions
    from scanner.sweep.progress import Screen
    from targets.scope import Scope

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SHOW_INTERVAL = 0.5  # seconds between two snapshots of the progress
TICK = 0.25  # seconds between two looks at who works and what is due
SILENCE = 180.0  # seconds without a word after which a shard that has begun is taken from its worker
QUEUE = 3.0  # shards of another coordinator that may be in front of one of ours
REFUSED_WAIT = 10.0  # seconds until a site whose workers refused everything is given a shard again
STDOUT_PATIENCE = 1.5  # seconds


def run_fleet(
    settings: Settings,
    scope: Scope,
    options: SweepOptions,
    screen: Screen,
    carrier: Carrier,
    *,
    from_site: str = "",
    clock: Clock | None = None,
    fs: FileSystem = REAL,
) -> RunSummary:
    """Sweep the scope by a fleet and return how it ended, as `scanner.sweep.sweep.run` does.

    Raises RefusedError when the scope cannot be divided or nobody can be reached, what `results.run` raises
    when the directory is refused, busy or damaged, and `StorageError` when writing failed later.
    """
    load_tables(options.tables)
    given = FleetInputs(
        settings=settings,
        scope=scope,
        options=options,
        screen=screen,
        carrier=carrier,
        from_site=from_site,
        clock=clock or SystemClock(),
        fs=fs,
    )
    with asyncio.Runner() as runner:
        return runner.run(_run(given))


async def _run(given: FleetInputs) -> RunSummary:
    settings, options = given.settings, given.options
    size = shard_size(settings)
    tallies = divide(given.scope, settings, given.from_site, size, 0)  # or it is refused here
    async with AsyncExitStack() as stack:
        for number in SIGNALS:  # heard until the carrier has left: what is said then is said too late
            stack.callback(asyncio.get_running_loop().remove_signal_handler, number)
        await stack.enter_async_context(given.carrier)
        lengths = [settings.sweep.per_prefix_length, settings.sweep.per_prefix_length_v6]
        how = {
            "from": given.from_site,
            "default_site": settings.fleet.default_site,
            "per_prefix_lengths": lengths,  # shards are cut between prefixes
            "sites": identity(tallies),
        }
        run = begin_run(settings, given.scope, options, given.clock, given.fs, size=size, how=how)
        stack.callback(run.directory.close)
        copying = follower(options, run.directory.path, run.journal.path, stack)
        coordinator = Coordinator(given, run, copying)
        stack.callback(coordinator.close)
        summary = await coordinator.story()
    if copying is not None:
        summary = with_stdout(summary, copying.lost)
    given.screen.finished(summary)
    return summary


class Coordinator:
    """One fleet's sweep under way: `story` is what happens."""

    def __init__(self, given: FleetInputs, run: FleetRun, copying: Follower | None) -> None:
        self.given = given
        self.run = run
        self.carrier = given.carrier
        self._copying = copying
        self._notices = Notices(given.screen, given.clock)
        self._now: Callable[[], float] = given.clock.monotonic
        self.run_id = run.directory.manifest.run_id
        self.tallies = divide(given.scope, given.settings, given.from_site, run.size, run.seed)
        before = run.checkpoint.elapsed if run.checkpoint is not None else 0.0
        for point in run.checkpoint.sites if run.checkpoint is not None else ():
            self.tallies[point.site].restore(point)
        self.log = FleetLog(run.directory, given.clock)
        self.attempts = Attempts(
            given,
            run,
            self.tallies,
            written=written_before(run, OpenShards(self.tallies.values())),
            log=self.log,
            say=self._notices.say,
        )
        self.keeper = Keeper(run, self._checkpoint)
        self.meter = FleetMeter(self.tallies.values(), self._now(), before)
        self._seen_working = dict.fromkeys(self.tallies, self._now())  # when a site last had a worker
        self._stop = asyncio.Event()
        self._why_stopped = ""
        self._error: BaseException | None = None
        self._idle: set[str] = set()  # sites whose workers begin nothing that they are given
        name = given.settings.pause.stop_file
        self._stop_file = StopFile(Path(name), self._now) if name else None
        self.paused_by = ""

    def close(self) -> None:
        """Let go of the disk."""
        self.keeper.close()
        self.log.close()
        if self._stop_file is not None:
            self._stop_file.over.set()

    # --- the story ---------------------------------------------------------------------------------

    async def story(self) -> RunSummary:
        """Give shards away and take in what comes of them, until every site has its end; then judge."""
        given, loop = self.given, asyncio.get_running_loop()
        now = given.clock.wall()
        given.screen.started(make_plan(given.settings, given.scope, given.options, now, self.run.seed))
        for number in SIGNALS:
            loop.add_signal_handler(number, self._hup if number == signal.SIGHUP else self._interrupt)
        if self._stop_file is not None:
            self._stop_file.start()
        if given.options.stop_after is not None:
            loop.call_later(given.options.stop_after, self.stop, "its time was over")
        chores = [loop.create_task(chore()) for chore in (self.keeper.keep, self._show, self._announce)]
        for chore in chores:
            chore.add_done_callback(self._chore_ended)
        try:
            try:
                await self._until_over()
            except StorageError as error:
                self._error = self._error or error
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            self.attempts.withdraw_all()
            return await self._close()  # a second signal does not keep it from being sealed
        finally:
            for chore in chores:
                chore.cancel()

    async def _until_over(self) -> None:
        following = asyncio.ensure_future(self.carrier.next())
        stopped = asyncio.ensure_future(self._stop.wait())
        try:
            looked = -TICK
            while not self._stop.is_set():
                if self.attempts.changed or self._now() - looked >= TICK:
                    self.attempts.changed, looked = False, self._now()
                    self._look()
                    if self._is_over():
                        return
                await asyncio.wait({following, stopped}, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    self._handle(following.result())
                    following = asyncio.ensure_future(self.carrier.next())
        finally:
            following.cancel()
            stopped.cancel()
            await asyncio.gather(following, stopped, return_exceptions=True)

    def stop(self, why: str) -> None:
        """End with what is known by now."""
        self._why_stopped = self._why_stopped or why
        self._stop.set()

    def _interrupt(self) -> None:
        self.stop("interrupted")

    def _hup(self) -> None:
        self._notices.say("a fleet's scope is not read again; workers read their own at each shard")

    def _chore_ended(self, chore: asyncio.Task[None]) -> None:
        """Without one of its chores a sweep must not go on."""
        if not chore.cancelled() and (error := chore.exception()) is not None:
            self._error = self._error or error
            self.stop("failed")

    async def _show(self) -> None:
        while True:
            snapshot = self.meter.read(self._now(), self.paused_by)
            self.given.screen.progress(snapshot)
            at = timestamp(self.given.clock.wall())
            await self.keeper.note_progress(snapshot.of_run(self.run_id, at))
            await asyncio.sleep(SHOW_INTERVAL)

    async def _announce(self) -> None:
        if self.given.options.events:
            directory, screen = self.run.directory, self.given.screen
            await announce(directory, LastingFacts, self.given.clock, screen.notice)

    def _is_over(self) -> bool:
        """Whether every site has its end, or had no worker for longer than is waited."""
        return all(tally.finished or self.is_abandoned(site) for site, tally in self.tallies.items())

    def is_abandoned(self, site: str) -> bool:
        """Whether a site has had no worker for so long that it is not waited for."""
        return self._now() - self._seen_working[site] > self.given.settings.fleet.patience

    # --- giving ------------------------------------------------------------------------------------

    def _look(self) -> None:
        """One look: who has room, who was silent for too long, whether the stop file is there."""
        now = self._now()
        pause = self._stop_file is not None and self._stop_file.there is not False
        if pause and not self.paused_by:
            self.attempts.withdraw_all()
            self.given.screen.notice("paused: the stop file exists")
        self.paused_by = "the stop file exists" if pause else ""
        working = {each.site for each in self.carrier.workers() if not each.unfit}
        alone = []
        for site, tally in self.tallies.items():
            if tally.finished:
                continue
            has_workers = site in working or "" in working
            self._idle.discard(site)
            if has_workers and self._begins(tally, now):
                self._seen_working[site] = now
            elif has_workers:  # what it was given stays given: it may begin as long as others work
                self._idle.add(site)
                self._look_at_idle(tally, now, pause=pause)
                continue
            elif self.is_abandoned(site):
                self.attempts.withdraw(tally)
                continue
            else:
                alone.append(site)
            for name, running in list(tally.running.items()):
                if running.worker and now - running.heard > SILENCE:
                    self.attempts.break_off(name, f"nothing was heard of it for {SILENCE:.0f} s")
            while not pause and len(tally.running) < self.carrier.capacity(site):
                if not self.attempts.give(tally, now):
                    break
        if alone:
            patience = self.given.settings.fleet.patience
            self._notices.say(missing_text(alone, sorted(working - {""}), patience))

    def _look_at_idle(self, tally: Tally, now: float, *, pause: bool) -> None:
        """A site whose workers begin nothing; one whose workers refuse is tried again now and then."""
        refused = self.attempts.refusing.get(tally.site)
        if refused is None:
            self._notices.say(f"the workers of {tally.site} begin nothing that they are given")
        elif now - refused[0] > REFUSED_WAIT and not (pause or tally.running):
            self.attempts.give(tally, now)

    def _begins(self, tally: Tally, now: float) -> bool:
        """Whether a site with workers takes what it is given; one that has begun is held to `SILENCE`."""
        given = list(tally.running.values())
        if tally.site in self.attempts.refusing:
            return False
        if not given:
            return self.carrier.capacity(tally.site) > 0
        longest = max(SILENCE, QUEUE * self.given.settings.fleet.shard_seconds)
        return any(each.worker for each in given) or now - min(each.heard for each in given) <= longest

    def _handle(self, event: Event) -> None:
        if isinstance(event, WorkersChanged):
            for text in event.told:
                self._notices.say(text)
            self.log.note("workers", workers=[each._asdict() for each in self.carrier.workers()])
        elif isinstance(event, Failed):
            self.attempts.came_to_nothing(event)
        else:
            self.attempts.hear(event.worker, event.message)

    # --- the end -----------------------------------------------------------------------------------

    def _why_left(self, site: str) -> str:
        _, why = self.attempts.refusing.get(site, (0.0, ""))
        what = "its workers began nothing" if site in self._idle else "it had no worker"
        return f"{what} for {self.given.settings.fleet.patience} s{f', but said: {why}' if why else ''}"

    def _checkpoint(self, sequence: int) -> FleetCheckpoint:
        return FleetCheckpoint(
            run_id=self.run_id,
            scope_digest=self.given.scope.digest,
            seed=self.run.seed,
            size=self.run.size,
            sites=[tally.point() for tally in self.tallies.values()],
            elapsed=self.meter.elapsed(self._now()),
            sequence=sequence,
        )

    async def _close(self) -> RunSummary:
        """Seal the run and say how it ended. Raises what stopped it, after the run directory says so."""
        ended_at = timestamp(self.given.clock.wall())
        try:
            if self._error is not None:
                raise self._error
            return await self._seal(ended_at)
        except StorageError as error:
            self.run.directory.fail_for(error, ended_at=ended_at)
            raise

    async def _seal(self, ended_at: str) -> RunSummary:
        directory, copying = self.run.directory, self._copying
        if copying is not None:
            copying.finish(STDOUT_PATIENCE)
            if self._stop.is_set():
                copying.patience = STDOUT_PATIENCE
        tallies = self.tallies.items()
        ends = [SiteEnd(site, each.counts, each.left, self._why_left(site)) for site, each in tallies]
        for end in ends:
            by, targets = self.attempts.ended_by[end.site], self.tallies[end.site].division.targets
            reached = targets - end.left - end.counts.not_reached
            self.log.note("site", site=end.site, targets=targets, reached=reached, shards=by)
            if reached and len(ends) <= MOST_NAMED:  # of the others the reasons tell
                self.given.screen.notice(visible(site_text(end.site, targets, reached, by), 600))
        counts = [end.counts for end in ends]
        state, reasons = judge_fleet(
            ends, interrupted=self._why_stopped, stdout_lost=copying.lost if copying is not None else ""
        )
        await self.keeper.write(with_checkpoint=state != "complete")
        outcomes = add_up(each.outcomes for each in counts)
        coverage = coverage_of(ends)
        if withdrawn := sorted(parse_row(text) for each in counts for text in each.withdrawn):
            directory.update(withdrawn=withdrawn_text(withdrawn))
        directory.finish(
            state,
            ended_at=ended_at,
            coverage=coverage,
            outcomes=outcomes,
            reasons=reasons,
            loss=loss_of(counts),
        )
        remove_progress(directory.path)
        found_open = sum(outcomes.get(each.value, 0) for each in Verdict if each.is_open)
        agreed = [sum(column) for column in zip(*(each.agreed for each in counts), strict=True)]
        return RunSummary(
            run_id=self.run_id,
            run_dir=str(directory.path),
            state=state,
            reasons=tuple(reasons),
            planned=coverage.planned,
            outcomes=outcomes,
            excluded=coverage.excluded,
            not_reached=coverage.not_reached,
            elapsed=self.meter.elapsed(self._now()),
            exit_code=exit_code(state, found_open, self.given.options.fail_on),
            agreed=(agreed[0], agreed[1], agreed[2]) if self.given.options.confirm else None,
            interrupted=bool(self._why_stopped),
            chain_head=directory.chain_head,
        )
