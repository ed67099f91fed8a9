"""The SYN stage in front of the engine: what it finds alive is fed to the engine while it still runs.

The stage is a process of its own (`scanner/network/syn`) with its own copy of the scope. Refused and silent
targets are settled from its final counts; a stage that breaks off leaves the rest not reached, never
silent. Now and then it says how far it is, and that goes into a checkpoint from which a later start's stage
goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import zlib
from bisect import bisect_left
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from results.verdict import Verdict
from scanner.contact import Refusal
from scanner.engine.unanswered import ACCEPTED, REFUSED, SILENT, VERDICT_OF
from scanner.network.syn.messages import OrderParameters, Progress, Stats, bitmaps
from scanner.network.syn.stage import (
    LiveTargets,
    SnapshotBegun,
    SnapshotWhole,
    StageTrouble,
    SynStage,
    job_for,
)
from scanner.sweep.checkpoint import PendingCheckpoint, PreviousStage, StagePoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scanner.engine.engine import Engine
    from scanner.engine.order import Order
    from scanner.engine.recorder import Recorder
    from scanner.engine.repetition import Repetition
    from scanner.engine.sources import FeedSource
    from scanner.engine.unanswered import Unanswered
    from scanner.setup.settings import SweepSettings
    from scanner.sweep.checkpoint import Checkpoint
    from targets.scope import Scope

BACKLOG = 20_000  # live targets waiting to be connected to; beyond it the stage is not read, so it slows
CHUNK_OF_MARKS = 65_536  # targets whose marks the engine is told at once
CHUNK = 1024  # targets of no lane handed to the engine at once
STILL = 1e-6  # SYNs a second while the sweep is paused
LOOK_INTERVAL = 0.25
LEAST_WAIT = 2.0  # seconds that an answer has at least
SNAPSHOT_INTERVAL = (
    5.0  # seconds; a kill costs as much of the stage's work, and what still waited for answers
)


class SynFeeder:
    """One run of the stage for one sweep. `start` raises StageTrouble when this machine cannot.

    What a checkpoint counts and the stage's marks must be of one moment: a live target has an outcome, or is
    in flight, if and only if it is marked.
    """

    def __init__(
        self,
        scope: Scope,
        order: Order,
        sweep: SweepSettings,
        source: FeedSource,
        before: PreviousStage | None = None,
    ) -> None:
        parameters = OrderParameters(
            order.size, order.prime, order.generator, order.start, order.shard, order.shards
        )
        # It stands still until `run`: nothing may be sent before the reasons to pause were looked at.
        job = job_for(scope, parameters, rate=STILL, wait=max(LEAST_WAIT, sweep.connect_timeout))
        self._job = msgspec.structs.replace(
            job, prefix_rate=sweep.per_prefix_rate, snapshots=SNAPSHOT_INTERVAL
        )
        self._before = before
        self._stage: SynStage | None = None  # None: an earlier start's has asked everything
        self._stats = Stats()
        self._rate = sweep.rate
        self._until = scope.expires
        self._order = order
        self._pick = scope.pick
        self._source = source
        self._direct: list[tuple[int, int]] = []
        self._fed = 0  # of the direct targets, how many the engine has got
        self._all_fed = False
        self._coming: tuple[Checkpoint, int, bool] | None = None  # at the beginning of a snapshot
        self._progress: Progress | None = None
        self._marks = b""
        self._kept: PendingCheckpoint | None = None
        self.trouble = ""
        self.over = False  # the stage has said its last word: nothing will be added but direct targets

    async def start(self) -> None:
        """Open the raw sockets and drop every privilege; nothing has been sent yet. Call it in the main
        thread: this process gives up the capability as well, which it had only to hand on."""
        from scanner.network.syn.privilege import StillPrivileged, renounce_net_raw

        _watch_without_a_thread()
        try:
            await self._start()
            self._source.direct = self._direct
        except StageTrouble:
            with contextlib.suppress(StillPrivileged, OSError):
                renounce_net_raw()  # the connect engine goes on, and has no use for it
            raise
        try:
            renounce_net_raw()
        except StillPrivileged as error:
            raise StageTrouble(
                f"CAP_NET_RAW could not be given up after the stage had it: {error}"
            ) from error

    async def _start(self) -> None:
        before = self._before
        if before is not None and before.point.last_word is not None:
            self._direct, self._fed = before.point.direct, before.point.fed
            self._stats = before.point.last_word
            self.over = True
            return
        job = (
            self._job if before is None else msgspec.structs.replace(self._job, resume=before.point.progress)
        )
        self._stage = SynStage(job, before.marks if before is not None else b"")
        await self._stage.start()
        if before is not None and self._stage.direct != before.point.direct:
            # Who asks which target has changed, and nobody knows which of them the other has asked.
            await self._stage.close()
            self._before = None
            await self._start()
            return
        self._direct = self._stage.direct
        if before is not None:
            self._fed = before.point.fed
            self._before = before._replace(marks=b"")  # they are with the stage now

    async def close(self) -> None:
        """Make sure that the process is gone."""
        if self._stage is not None:
            await self._stage.close()

    @property
    def resumed(self) -> bool:
        """Whether it goes on from where an earlier start was."""
        return self._before is not None

    @property
    def ran(self) -> bool:
        """Whether the stage runs in this start of the run, so that its answers could be lost."""
        return self._stage is not None

    @property
    def walked(self) -> tuple[int, int]:
        """How many were asked, and the step of the order before which all were. Those that no lane reaches
        are handed over in another order: until all of them were, no step is claimed."""
        stats = self._stage.stats if self._stage is not None else self._stats
        later = self._before is not None and self._before.point.progress.attempt > 0
        position = self._order.positions if later or stats.ended == "complete" else stats.position
        return stats.targets + self._fed, position if self._all_fed else 0

    @property
    def notes(self) -> list[str]:
        """What the stage has to say about lanes and routes."""
        return self._stage.notes if self._stage is not None else []

    async def run(
        self,
        engine: Engine,
        recorder: Recorder,
        notice: Callable[[str], None],
        take: Callable[[], Checkpoint],
    ) -> None:
        """Feed the engine until the stage has ended, then settle the accounts. `take` makes the sweep's
        checkpoint of this moment."""
        direct = asyncio.get_running_loop().create_task(self._feed_direct(engine))
        try:
            if self._stage is None:
                self._judge_losses(engine.repetition)
            else:
                await self._listen(self._stage, engine, recorder, notice, take)
            await direct
        finally:
            direct.cancel()
            self._source.close(cut_short=bool(self.trouble or engine.stop_reason))
            with contextlib.suppress(OSError):
                await self.close()

    async def _listen(
        self,
        stage: SynStage,
        engine: Engine,
        recorder: Recorder,
        notice: Callable[[str], None],
        take: Callable[[], Checkpoint],
    ) -> None:
        watcher = asyncio.get_running_loop().create_task(self._obey(stage, engine))
        watcher.add_done_callback(lambda watcher: self._watcher_ended(watcher, stage))
        try:
            async for event in stage.events():
                match event:
                    case LiveTargets(indices):
                        self._source.add(indices)
                        await self._room(engine)
                    case SnapshotBegun():
                        # No await before it: see `SynStage.events`. While our own link is down the answers
                        # to what was just sent are lost, and nothing moves anyway.
                        self._coming = take(), self._fed, bool(engine.pause_reasons)
                    case SnapshotWhole():
                        self._finish_snapshot(event)
            self._stats = stage.stats
            self._settle(engine)
            if self._stats.ended == "complete":
                await self._tell_unanswered(engine.repetition)
                self._record_watched(engine.repetition.unanswered, recorder)
            self.over = True
        except StageTrouble as error:
            self.trouble = f"the SYN stage broke off: {error}"
            notice(self.trouble)
        finally:
            watcher.cancel()

    def _watcher_ended(self, watcher: asyncio.Task[None], stage: SynStage) -> None:
        """A stage that nobody stops or slows down any more must not go on."""
        if not watcher.cancelled() and (error := watcher.exception()) is not None:
            self.trouble = self.trouble or f"nobody watched the SYN stage any more: {error}"
            stage.stop()

    async def _feed_direct(self, engine: Engine) -> None:
        """Targets that no lane reaches (on our own link, loopback, tunnels) go to the engine unseen."""
        ours = islice(self._left_to_the_engine(), self._fed, None)
        while (chunk := list(islice(ours, CHUNK))) and not engine.stop_reason:
            self._source.add(chunk)
            self._fed += len(chunk)
            await self._room(engine)
        self._all_fed = not engine.stop_reason

    async def _room(self, engine: Engine) -> None:
        """Wait until the engine has caught up: a stage that is not read sends slower."""
        while self._source.backlog > BACKLOG and not engine.stop_reason:  # noqa: ASYNC110 - nothing to set an
            await asyncio.sleep(0.01)  # event on: the engine's hot path tells nobody what it took

    def _left_to_the_engine(self) -> Iterator[int]:
        ranges = self._direct
        if not ranges:
            return
        if self._order.shards == 1:
            for begin, count in ranges:
                yield from range(begin, begin + count)
            return
        for _, index in self._order.walk():
            if self._is_direct(index):
                yield index

    async def _obey(self, stage: SynStage, engine: Engine) -> None:
        """Pass pauses and the end on to the stage. It is told within a quarter of a second."""
        paused = True
        while True:
            if engine.guard.now() >= self._until and not self.trouble:
                # The stage looks at the wall clock alone, which can be set back; the guard's cannot.
                self.trouble = "a part of the scope expired, so the SYN stage was stopped"
                stage.stop()
                return
            if engine.guard.narrowed and not self.trouble:
                # The stage has its own copy of the scope, so a smaller one holds there by stopping it.
                self.trouble = "the scope was narrowed, so the SYN stage was stopped"
            if engine.stop_reason or engine.guard.narrowed:
                stage.stop()
                return
            if bool(engine.pause_reasons) != paused:
                paused = not paused
                stage.set_rate(STILL if paused else self._rate)
            await asyncio.sleep(LOOK_INTERVAL)

    # --- checkpoints -------------------------------------------------------------------------------

    def _finish_snapshot(self, snapshot: SnapshotWhole) -> None:
        assert self._coming is not None
        checkpoint, fed, paused = self._coming
        self._progress, self._marks = snapshot.progress, snapshot.marks
        if not paused:
            point = StagePoint(progress=snapshot.progress, direct=self._direct, fed=fed)
            self._kept = PendingCheckpoint(msgspec.structs.replace(checkpoint, stage=point), snapshot.marks)

    def due(self) -> PendingCheckpoint | None:
        """The newest snapshot's checkpoint, once."""
        kept, self._kept = self._kept, None
        return kept

    def final(self, checkpoint: Checkpoint) -> PendingCheckpoint:
        """The checkpoint of this moment with where the stage is; only when that is `over`, for then its last
        snapshot holds."""
        assert self.over
        stats = self._stats
        if stats.ended == "complete":
            progress = Progress(
                attempt=self._job.attempts,
                position=0,
                targets=stats.targets,
                sent_by_round=stats.sent_by_round,
                dropped=stats.dropped,
            )
            point = StagePoint(progress=progress, direct=self._direct, fed=self._fed, last_word=stats)
            return PendingCheckpoint(msgspec.structs.replace(checkpoint, stage=point), None)
        assert self._progress is not None, "a stage that was stopped sends a last snapshot"
        point = StagePoint(progress=self._progress, direct=self._direct, fed=self._fed)
        return PendingCheckpoint(msgspec.structs.replace(checkpoint, stage=point), self._marks)

    def _settle(self, engine: Engine) -> None:
        stats = self._stats
        if stats.ended != "complete":
            self.trouble = self.trouble or f"the SYN stage was {stats.ended or 'cut short'}"
            return
        for verdict, count in ((Verdict.REFUSED, stats.refused), (Verdict.FILTERED, stats.silent)):
            if count:
                engine.accounts.outcomes[verdict] += count
        self._source.settle(stats.refused + stats.silent)
        self._judge_losses(engine.repetition)

    def _judge_losses(self, repetition: Repetition) -> None:
        stats = self._stats
        repetition.loss.stage_rounds(stats.sent_by_round, stats.live + stats.refused)
        if stats.dropped:
            self.trouble = f"{stats.dropped} answers were lost on this machine: the receive ring was full"

    async def _tell_unanswered(self, repetition: Repetition) -> None:
        """Who refused and who was silent, so that the engine can ask them again. The loop goes on between."""
        repetition.loss.heard_elsewhere(self._stats.refused, 0)
        if not self._marks:
            repetition.gaps = True
            return
        size = self._order.size
        live, refused = bitmaps(zlib.decompress(self._marks), size)
        if self._order.shards > 1:
            await self._tell_shard(repetition, live, refused)
            return
        for begin in range(0, size, CHUNK_OF_MARKS):
            end = min(begin + CHUNK_OF_MARKS, size)
            marks = _states(live[begin >> 3 : end + 7 >> 3], refused[begin >> 3 : end + 7 >> 3])[
                : end - begin
            ]
            for first, count in self._direct:
                if first < end and first + count > begin:
                    inside = slice(max(first, begin) - begin, min(first + count, end) - begin)
                    marks[inside] = bytes(inside.stop - inside.start)
            repetition.unanswered.put(begin, marks)
            await asyncio.sleep(0)

    def _record_watched(self, unanswered: Unanswered, recorder: Recorder) -> None:
        """Watched targets get their lines, before a checkpoint says that the stage is over. Those that the
        engine asked have them already."""
        if not self._marks:
            return
        live, _ = bitmaps(zlib.decompress(self._marks), self._order.size)
        for target in sorted(recorder.watched.targets):
            index = bisect_left(range(self._order.size), target, key=self._pick)
            state = unanswered[index]
            if state != ACCEPTED and not (live[index >> 3] & 1 << (index & 7) or self._is_direct(index)):
                detail = Refusal.RESET if state == REFUSED else ""
                recorder.record_silence(target, VERDICT_OF[state], detail)

    async def _tell_shard(self, repetition: Repetition, live: bytearray, refused: bytearray) -> None:
        """The same for a shard, whose targets lie everywhere."""
        for number, (_, index) in enumerate(self._order.walk()):
            place, bit = index >> 3, 1 << (index & 7)
            if not (live[place] & bit or self._is_direct(index)):
                repetition.unanswered.mark(index, REFUSED if refused[place] & bit else SILENT)
            if not number % CHUNK:
                await asyncio.sleep(0)

    def _is_direct(self, index: int) -> bool:
        return any(begin <= index < begin + count for begin, count in self._direct)


_EXPANDED = [bytes(byte >> bit & 1 for bit in range(8)) for byte in range(256)]  # a bitmap's byte as eight


def _states(live: bytearray, refused: bytearray) -> bytearray:
    """The marks of targets, one byte each, from their bitmaps: neither live nor refused was silent."""
    wide = [int.from_bytes(b"".join(map(_EXPANDED.__getitem__, bits)), "big") for bits in (live, refused)]
    every = int.from_bytes(b"\1" * (8 * len(live)), "big")
    silent, closed = every & ~(wide[0] | wide[1]), wide[1] & ~wide[0]
    return bytearray((silent * SILENT | closed * REFUSED).to_bytes(8 * len(live), "big"))


def _watch_without_a_thread() -> None:
    """Before 3.12 asyncio waits for a child in a thread, which would keep the capability that it starts
    with. (uvloop needs neither.)"""
    if sys.version_info < (3, 12) and hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):
            os.close(os.pidfd_open(os.getpid()))
            watcher = asyncio.PidfdChildWatcher()
            watcher.attach_loop(asyncio.get_running_loop())
            asyncio.set_child_watcher(watcher)
