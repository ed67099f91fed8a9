"""Puts a sweep together: first everything that can be refused, then the parts, introduced to each other."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from results.reading import read_records
from results.record import Observation
from results.sinks.stdout import Follower, follow_journal
from results.verdict import Verdict
from scanner.engine.dialogues import client_of
from scanner.engine.engine import Engine
from scanner.engine.failure import FirstFailure
from scanner.engine.loss import tries_within
from scanner.engine.observe import RunContext
from scanner.engine.order import Order
from scanner.engine.pace import Pace, PrefixCaps
from scanner.engine.recorder import Recorder
from scanner.engine.repetition import Repetition
from scanner.engine.response_cache import ResponseCache
from scanner.engine.shared_connector import SharedConnector
from scanner.network.guard import ScopeGuard
from scanner.network.link_edges import edges_of
from scanner.network.uplink import Uplink, spread, unrouted
from scanner.program import PROGRAM
from scanner.setup.blackout import ActiveBlackouts
from scanner.sweep.begin import begin
from scanner.sweep.canary import Canaries, configured, own_server, scope_of_canaries
from scanner.sweep.checkpoint import Checkpoint, accounts_of
from scanner.sweep.connecting import Connecting
from scanner.sweep.control import UNSEEN, RunControl
from scanner.sweep.evidence import ALWAYS_LINES
from scanner.sweep.judgement import LastingFacts, RunFacts, lasting_faults, no_route
from scanner.sweep.leases import Leases
from scanner.sweep.open_source import open_source
from scanner.sweep.persistence import Persistence
from scanner.sweep.progress import ProgressMeter, Walked
from scanner.sweep.withdrawal import Withdrawal
from targets.scope import OutOfScope

if TYPE_CHECKING:
    from contextlib import AsyncExitStack
    from pathlib import Path

    from results.files import FileSystem
    from results.journal import JournalWriter
    from results.summary import Loss
    from scanner.clock import Clock
    from scanner.engine.accounts import Accounts
    from scanner.engine.sources import Source
    from scanner.network.driver.driver import SecondOpinion
    from scanner.setup.settings import Settings, SweepOptions
    from scanner.sweep.begin import Beginning
    from scanner.sweep.progress import Screen
    from scanner.sweep.syn_feeder import SynFeeder
    from targets.scope import Scope, Target


SEND_FAILURES = 3  # packets dropped by this machine that are more than an accident: one silent target's


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a sweep is given: what was asked for, who watches, and the world it runs in."""

    settings: Settings
    scope: Scope
    options: SweepOptions
    screen: Screen
    clock: Clock
    fs: FileSystem


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A run that may start: its directory is ours, and it is known where its targets come from."""

    begun: Beginning
    journal: JournalWriter
    source: Source
    stage: SynFeeder | None
    resumed: Checkpoint | None  # where an earlier start of the run was left
    order: Order
    accounts: Accounts

    def walked(self) -> Walked:
        """How far the walk through the order is, whoever walks it."""
        if self.stage is not None:
            return Walked(*self.stage.walked, self.order.positions)
        return Walked(self.source.taken, self.source.after + 1, self.order.positions, by_engine=True)


async def prepare(given: Inputs, stack: AsyncExitStack) -> Prepared:
    """The run directory, then the source of targets: everything that can be refused is refused here, before
    a packet leaves. What was opened is closed with `stack`."""
    begun = begin(given.settings, given.scope, given.options, given.clock, given.fs)
    stack.callback(begun.directory.close)
    journal = begun.directory.journal()
    number, shards = given.options.shard
    order = Order(len(given.scope), begun.seed, number - 1, shards)
    opened = await open_source(begun, given.scope, order, given.settings, given.options)
    if opened.stage is not None:
        stack.push_async_callback(opened.stage.close)
    for notice in opened.notices:
        given.screen.notice(notice)
    return Prepared(
        begun=replace(begun, stage_before=None),  # megabytes that nobody needs again
        journal=journal,
        source=opened.source,
        stage=opened.stage,
        resumed=opened.checkpoint,
        order=order,
        accounts=accounts_of(opened.checkpoint, order.count()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of one sweep that is under way, and what they have to say together."""

    given: Inputs
    prepared: Prepared
    failure: FirstFailure
    engine: Engine
    recorder: Recorder
    repetition: Repetition
    canaries: Canaries
    control: RunControl
    leases: Leases
    meter: ProgressMeter
    follower: Follower | None  # copies the journal to stdout
    unrouted: str = ""  # where this machine has no route to, in words

    def lasting(self) -> LastingFacts:
        """What no resume can mend, as far as it is known now. Asked for at every checkpoint."""
        resumed, stage = self.prepared.resumed, self.prepared.stage
        silent_before = resumed.outcomes.get(Verdict.FILTERED, 0) if resumed is not None else 0
        return LastingFacts(
            spoiled=tuple(resumed.spoiled) if resumed is not None else (),
            canary_failures=tuple(self.canaries.failures),
            unlooked=bool(silent_before) and self.repetition.gaps and self.repetition.signs,
            stage_ran=stage is not None and stage.ran,
            outages=tuple(self.control.outages),
            outage=self.control.outage,
            bugs=self.engine.retries.bugs,
            not_understood=self.recorder.not_understood,
            send_failures=self.control.send_failures if self.control.send_failures >= SEND_FAILURES else 0,
        )

    def facts(self, not_reached: int) -> RunFacts:
        """Everything that the run is judged by, once it is known how many targets were not reached."""
        engine, stage = self.engine, self.prepared.stage
        faults = engine.accounts.faults.most_common(1)
        part, blind = bool(self.given.options.run_id), self.blind()
        return RunFacts(
            lasting=self.lasting(),
            not_reached=not_reached,
            given_up=len(engine.retries.given_up),
            excluded=engine.accounts.excluded - engine.accounts.edges - engine.accounts.unlisted,
            edges=engine.accounts.edges,
            unlisted=engine.accounts.unlisted,
            interrupted=self.control.interrupted.is_set(),
            stop_reason=engine.stop_reason,
            local_fault="; ".join(filter(None, (faults[0][0], self.unrouted))) if faults else "",
            loss=tuple(self.repetition.words),
            rounds_cut=not self.repetition.ended,
            doubtful=self.repetition.doubtful,
            missed_at_most=self.repetition.missed_at_most,
            blind="" if part or not any(blind) else "{} were silent, {} unreachable".format(*blind),
            vanished=self._vanished(),
            stage_trouble=stage.trouble if stage is not None else "",
            masked=tuple(self.recorder.middleboxes.masked()),
            lines_left_out=self.recorder.middleboxes.left_out,
            suspensions=engine.connector.suspensions,
            halvings=engine.pace.halvings + engine.caps.halvings,
            times_busy=engine.pace.times_busy,
            stdout_lost=self.follower.lost if self.follower is not None else "",
        )

    def _vanished(self) -> int:
        """Servers whose lines an earlier start of the run wrote after its last checkpoint, and that did not
        answer when they were asked again: the counts do not have them."""
        directory = self.prepared.begun.directory
        if len(directory.manifest.starts) < 2:
            return 0
        answered = {
            line.event_id
            for line in read_records(directory.path)
            if isinstance(line, Observation) and line.verdict in ALWAYS_LINES
        }
        return max(0, len(answered) - sum(self.engine.accounts.outcomes[each] for each in ALWAYS_LINES))

    def blind(self) -> tuple[int, int]:
        """How many targets beyond this machine were silent, and unreachable, when no other of them said
        anything. Of a part of a run, whoever has the other parts knows what that means."""
        outcomes = self.engine.accounts.outcomes
        silent, unreachable = outcomes[Verdict.FILTERED], outcomes[Verdict.UNREACHABLE]
        heard = self.repetition.loss.answered_outside(self.engine.caps.is_loopback)
        nothing = not (silent or unreachable) or self.repetition.ours
        return (0, 0) if heard or self.canaries.heard_beyond or nothing else (silent, unreachable)

    def loss(self) -> Loss:
        """What the run may have missed, for its manifest."""
        return self.repetition.summary(self.recorder.middleboxes.left_out)

    def checkpoint(self, sequence: int) -> Checkpoint:
        """Where the sweep stands at this moment."""
        engine, begun, scope = self.engine, self.prepared.begun, self.given.scope
        return Checkpoint(
            run_id=begun.directory.run_id,
            scope_digest=scope.digest,
            settings_digest=begun.settings_digest,
            seed=begun.seed,
            shard=self.given.options.shard,
            after=engine.source.after,
            in_flight=sorted({*engine.queue.in_flight, *engine.source.waiting}),
            outcomes=dict(engine.accounts.outcomes),
            excluded_later=engine.accounts.excluded,
            link_edges=engine.accounts.edges,
            unlisted=engine.accounts.unlisted,
            elapsed=self.meter.elapsed,
            sequence=sequence,
            spoiled=lasting_faults(self.lasting()),
            masked_prefixes=self.recorder.middleboxes.state(),
            lines_left_out=self.recorder.middleboxes.left_out,
            repetition=self.repetition.memory(),
        )

    def make_persistence(self) -> Persistence:
        """Who keeps them durable."""
        prepared = self.prepared
        return Persistence(
            prepared.begun.directory,
            prepared.journal,
            self.given.fs,
            stage=prepared.stage,
            take=self.checkpoint,
            loss=self.loss,
            withdrawn=Withdrawal(
                self.given.scope, self.engine.guard, prepared.begun.directory.manifest.withdrawn
            ).ranges,
            failure=self.failure,
            found=prepared.begun.checkpoint,
            resumed=prepared.resumed,
        )


async def assemble(given: Inputs, prepared: Prepared, stack: AsyncExitStack) -> Parts:
    """Make every part; nothing has been sent when this returns. What was opened is closed with `stack`."""
    loop = asyncio.get_running_loop()
    failure, cache = FirstFailure(), ResponseCache()
    whole = given.scope if given.options.whole_scope is None else given.options.whole_scope
    canaries = given.settings.canary
    guard = ScopeGuard(given.scope, given.clock, scope_of_canaries(whole, canaries), edges_of(given.scope))
    if given.options.wanted is not None:
        guard.while_wanted(given.options.wanted)
    blackouts = ActiveBlackouts(given.settings.blackout)
    blackouts.refresh(given.clock.wall())
    pause_reasons = {UNSEEN}  # until the control's first look nothing of the scope is asked
    opinions = await _opinions(given, guard, pause_reasons, blackouts, stack)
    manifest = prepared.begun.directory.manifest
    context = RunContext(manifest.run_id, given.scope, manifest.vantage, given.settings.severity)
    watched = _watched(given)
    connecting = Connecting(
        given.settings,
        given.options,
        given.clock,
        guard,
        context=context,
        cache=cache,
        notice=given.screen.notice,
        watched=watched,
    )
    recorder = Recorder(
        prepared.journal,
        context,
        given.clock,
        cache,
        everything=given.options.everything,
        opinions=opinions,
        doubting=bool(given.options.purpose),
        found=given.screen.found,
        wants_found=lambda: given.screen.wants_found,
        failure=failure,
        memory=connecting.memory,
        watched=watched,
    )
    sweep, resumed = given.settings.sweep, prepared.resumed
    tries = tries_within(sweep.connect_timeout)
    ours = _all_on_this_machine(given.scope)
    repetition = Repetition(prepared.accounts, prepared.begun.seed, tries, ours=ours)
    if resumed is not None:
        recorder.middleboxes.restore(resumed.masked_prefixes, resumed.lines_left_out)
        repetition.restore(resumed.repetition, resumed.in_flight)
    engine = Engine(
        loop,
        prepared.source,
        guard,
        pace=Pace(sweep.rate, loop.time()),
        caps=PrefixCaps(sweep.per_prefix_rate, sweep.per_prefix_length, sweep.per_prefix_length_v6),
        accounts=prepared.accounts,
        recorder=recorder,
        make_connector=connecting.connector,
        failure=failure,
        blackouts=blackouts,
        pause_reasons=pause_reasons,
        half_open_limit=sweep.half_open_limit,
        again=resumed.in_flight if resumed is not None else (),
        repetition=repetition,
    )
    stack.callback(engine.connector.close)
    if isinstance(engine.connector, SharedConnector):
        await engine.connector.workers.started()
    server, own = await own_server(guard)
    stack.push_async_callback(server.stop)
    known = configured(whole, canaries, given.clock.wall())
    missing = no_route(unrouted(guard.scope))
    if missing:
        given.screen.notice(f"{missing}; what has none is not reached, and the run not complete")
    uplink = Uplink(spread(given.scope))
    stack.callback(uplink.close)
    reload = given.options.reload_scope
    control = RunControl(
        engine,
        guard,
        given.clock,
        blackouts=blackouts,
        stop_file=given.settings.pause.stop_file,
        reload_scope=None if reload is None else lambda names: reload(given.clock.wall(), names),
        notice=given.screen.notice,
        uplink=uplink,
        wanted=given.options.wanted,
    )
    return Parts(
        given=given,
        prepared=prepared,
        failure=failure,
        engine=engine,
        recorder=recorder,
        repetition=repetition,
        canaries=Canaries(engine, [own, *known]),
        control=control,
        leases=Leases(given.options.inventories, given.scope, whole, engine, given.screen.notice),
        meter=ProgressMeter(
            engine, recorder, prepared.walked, loop.time, resumed.elapsed if resumed is not None else 0.0
        ),
        follower=follower(given.options, prepared.begun.directory.path, prepared.journal.path, stack),
        unrouted=missing,
    )


def _all_on_this_machine(scope: Scope) -> bool:
    """Whether a scope holds nothing but loopback addresses."""
    v4 = all(segment.first >> 24 == segment.last >> 24 == 127 for segment in scope.segments(4))
    return v4 and all(segment.first == segment.last == 1 for segment in scope.segments(6))


def _watched(given: Inputs) -> frozenset[Target]:
    """The watched places that are in the scope, as targets."""
    found = set()
    for ip, port in given.options.watched:
        with suppress(OutOfScope):
            found.add(given.scope.target(ip, port))
    return frozenset(found)


async def _opinions(
    given: Inputs,
    guard: ScopeGuard,
    pause_reasons: set[str],
    blackouts: ActiveBlackouts,
    stack: AsyncExitStack,
) -> SecondOpinion | None:
    """The official driver's, where it was asked for."""
    if not given.options.confirm:
        return None
    from scanner.network.driver.driver import SecondOpinion

    def may_ask(target: Target) -> bool:
        return not (pause_reasons or blackouts.cover(target.version, target.address))

    def permits(target: Target) -> bool:
        """The guard's word, and the scope by a clock that was read just now: a worker is slow to start."""
        return guard.permits(target) and guard.scope.permits(target, given.clock.wall())

    name = str(client_of(given.settings)["application"]["name"])
    opinions = SecondOpinion(permits, app_name=name, may_ask=may_ask)
    return await stack.enter_async_context(opinions)


def follower(options: SweepOptions, directory: Path, first: Path, stack: AsyncExitStack) -> Follower | None:
    """Who copies a run's journal, from the segment `first` on, to stdout, where that was asked for."""
    if not options.stdout_lines:
        return None
    form = options.stdout_format
    convert = () if form == "native" else (*PROGRAM, "convert", "--to", form)
    return stack.enter_context(follow_journal(directory, first, convert))
