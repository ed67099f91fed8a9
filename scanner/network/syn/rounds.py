"""The stage itself: rounds of SYNs, answers, and RSTs for what was opened. One thread, no privilege.

A round walks the whole order; the next one skips what has answered. Between batches the receive rings are
read, so nothing waits for a lock and answers stream while SYNs still leave. Nothing is kept per target but
two bits. What a later start would need is sent to the parent now and then
(`scanner.network.syn.snapshots`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from scanner.network.syn.marks import Marks, distinct
from scanner.network.syn.messages import Job, Kind, Progress, Stats
from scanner.network.syn.packets import RST, SYN, EgressPath, Frames
from scanner.network.syn.rate import PrefixCap, RateLimiter
from scanner.network.syn.ring import TRANSMIT_START, Answers, ReceiveRing, TransmitRing
from scanner.network.syn.snapshots import SnapshotSender, WalkHistory, WalkState, restore
from scanner.network.syn.target_table import Batch, TargetTable
from scanner.network.syn.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.network.syn.cookie import U16, U32, U64, Addresses, Cookies
    from scanner.network.syn.pipe import Pipe
    from scanner.network.syn.scope_filter import ScopeFilter

BLOCK = 4096  # SYNs in one go at most: larger ones gain little, and answers wait longer
_STATS_EVERY = 0.25  # seconds
_AFTER_STOP = 0.2  # seconds in which what was opened is still closed
_LONGEST_PAUSE = 0.01  # seconds between two looks at the rings
_MOST_WAITING = 1 << 16  # targets that wait for their prefix before the walk itself waits


class ScopeBreach(Exception):  # noqa: N818 — the name says what was about to happen
    """A finished frame had a destination outside the scope. Nothing of its batch was sent. A bug of ours."""


class TransmitLane:
    """One lane's two transmit rings, and the scope filter that each frame must pass."""

    def __init__(self, interface: int, path: EgressPath, scope_filter: ScopeFilter, slots: int) -> None:
        self._scope_filter = scope_filter
        self._kinds: dict[int, tuple[TransmitRing, Frames]] = {}
        for flags, size in ((SYN, slots), (RST, max(1024, slots // 4))):
            length = frame_length(path, flags)
            ring = TransmitRing(interface, length, size)
            self._kinds[flags] = ring, Frames(ring.slots, TRANSMIT_START, path, flags)

    def send(self, flags: int, to: Addresses, our_port: U16, port: U16, sequence: U32) -> None:
        """Write, check and send one batch of any length. Raises ScopeBreach before anything wrong leaves."""
        ring, frames = self._kinds[flags]
        done, count = 0, len(port)
        while done < count:
            place = ring.place(count - done)
            part = slice(done, done + place.stop - place.start)
            frames.fill(place, to.where(part), our_port[part], port[part], sequence[part])
            inside = self._scope_filter.permits(frames.destinations(place), port[part])
            if not inside.all():
                raise ScopeBreach(
                    f"{int((~inside).sum())} of {len(inside)} frames had a destination out of scope"
                )
            ring.send(place)
            done = part.stop

    @property
    def congestion(self) -> int:
        """How often a device had no room."""
        return sum(ring.congestion for ring, _ in self._kinds.values())

    def close(self) -> None:
        """Give up the sending power."""
        for ring, _ in self._kinds.values():
            ring.close()


def frame_length(path: EgressPath, flags: int) -> int:
    """Bytes of one frame."""
    return (54 if path.version == 4 else 74) + (4 if flags & SYN else 0)


class Resources(NamedTuple):
    """What was opened while the process was still privileged."""

    lanes: Sequence[TransmitLane]
    receivers: Sequence[ReceiveRing]
    targets: TargetTable
    scope_filter: ScopeFilter
    cookies: Cookies


class SynRounds:
    """One run of the stage from its first frame to its last statistics. `pieces`: the marks of an earlier
    start, where the job has one; raises ValueError when they do not fit."""

    def __init__(self, job: Job, resources: Resources, pipe: Pipe, pieces: bytes = b"") -> None:
        self._job = job
        self._lanes, self._receivers, self._targets, self._scope_filter, self._cookies = resources
        self._pipe = pipe
        self._walk = Walk(job.order, BLOCK)
        self._live, self._refused = Marks(job.order.size), Marks(job.order.size)
        self._waiting: list[U64] = []  # indices whose prefix was busy
        now = time.monotonic()
        self._limiter = RateLimiter(job.rate, BLOCK, now)
        self._caps = PrefixCap(job.prefix_rate) if job.prefix_rate else None
        self.stats = Stats()
        self._began = now
        self._stats_at = self._drained_at = now
        self._sending = 0.0  # seconds spent in rounds, without the waits between them
        self._attempt = 0
        self._dropped_before = 0
        self.stats.sent_by_round.append(0)
        if job.resume is not None:
            self._resume(job.resume, pieces)
        self._history = WalkHistory(job.wait, self._walk_state())
        self._snapshots = SnapshotSender(pipe, job.snapshots, now)

    def _resume(self, before: Progress, pieces: bytes) -> None:
        """Stand where an earlier start stood."""
        waiting = restore(pieces, self._live, self._refused)
        self._waiting = [waiting] if len(waiting) else []
        self._attempt = before.attempt
        self._walk.go_on(before.position)
        self._dropped_before = before.dropped
        stats = self.stats
        stats.targets, stats.sent_by_round = before.targets, list(before.sent_by_round)
        stats.live = self._live.count()
        stats.refused = self._refused.without(self._live)

    def run(self) -> Stats:
        """Do it all; return the final counts."""
        for attempt in range(self._attempt, self._job.attempts):
            began = time.monotonic()
            self._round(attempt)
            self._sending += time.monotonic() - began
            self._rest(self._job.wait)
            self._drain()  # whatever held this process up, an answer that is in the ring is heard
            if self.stats.ended:
                break
        now = time.monotonic()
        self._snapshots.finish(now, self._history.settled(now), *self._kept())
        self.stats.ended = self.stats.ended or "complete"
        self._count()
        return self.stats

    def _walk_state(self) -> WalkState:
        stats = self.stats
        return WalkState(
            self._attempt,
            self._walk.position,
            tuple(self._waiting),
            stats.targets,
            tuple(stats.sent_by_round),
        )

    def _kept(self) -> tuple[int, Marks, Marks]:
        """What a snapshot has beside the step."""
        self._count()
        return self.stats.dropped, self._live, self._refused

    # -- sending

    def _round(self, attempt: int) -> None:
        if attempt > self._attempt:  # else we stand in it already, at its beginning or in the middle
            self._attempt = attempt
            self._walk.restart()
            self.stats.sent_by_round.append(0)
        while not self._over() and (self._waiting or not self._walk.ended):
            now = time.monotonic()
            allowed = 0 if self._pipe.full else self._limiter.available(now)
            sent = self._send(self._next(allowed, attempt > 0), now) if allowed else 0
            if attempt == 0:
                self.stats.targets += sent
                self.stats.position = self._walk.position
            self._turn(0.0 if sent else max(0.0002, min(self._limiter.pause(now), _LONGEST_PAUSE)))

    def _next(self, count: int, skip_answered: bool) -> U64:
        """The next indices, those that had to wait first; fewer or none where many have answered."""
        waiting = sum(len(part) for part in self._waiting)
        parts = self._waiting
        self._waiting = []
        if waiting < min(count, _MOST_WAITING) or (waiting < _MOST_WAITING and self._caps):
            parts = [*parts, self._walk.take(count)]
        index = parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else self._walk.take(0)
        if skip_answered:
            index = index[~(self._live.has(index) | self._refused.has(index))]
        return index

    def _send(self, index: U64, now: float) -> int:
        sent = 0
        for batch in self._targets.batches(index):
            if self._caps is not None:
                batch = self._hold_back(batch, self._caps.admit(batch, now))
            if len(batch.indices):
                sequence, our_port = self._cookies.make(batch.to, batch.port)
                self._lanes[batch.lane].send(SYN, batch.to, our_port, batch.port, sequence)
                sent += len(batch.indices)
        self._limiter.take(sent)
        self.stats.sent += sent
        self.stats.sent_by_round[-1] += sent
        return sent

    def _hold_back(self, batch: Batch, admitted: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Batch:
        if admitted.all():
            return batch
        self._waiting.append(batch.indices[~admitted])
        return Batch(batch.lane, batch.to.where(admitted), batch.port[admitted], batch.indices[admitted])

    # -- between batches

    def _over(self) -> bool:
        if self._pipe.stopped:
            self.stats.ended = "stopped"
        elif self._job.until is not None and time.time() >= self._job.until:
            self.stats.ended = "scope expired"
        return bool(self.stats.ended)

    def _rest(self, seconds: float) -> None:
        """Listen for a while; after a stop only as long as it takes to close what was opened."""
        until = time.monotonic() + (_AFTER_STOP if self.stats.ended else seconds)
        while (now := time.monotonic()) < until:
            if self._pipe.stopped and not self.stats.ended:
                self._over()
                until = min(until, now + _AFTER_STOP)
            self._turn(_LONGEST_PAUSE)

    def _turn(self, seconds: float) -> None:
        """Everything that is not sending SYNs: the parent, the answers, the statistics."""
        for rate in self._pipe.serve(seconds):
            self._limiter.set_ceiling(rate)
        now = time.monotonic()
        if self._limiter.rate is None or now - self._drained_at >= _LONGEST_PAUSE:
            self._drained_at = now
            self._drain()
        if now >= self._stats_at:
            self._stats_at = now + _STATS_EVERY
            self._count()
            self._limiter.review(
                now, self.stats.dropped - self._dropped_before, "answers found the receive ring full"
            )
            self._pipe.put(Kind.STATS, msgspec.json.encode(self.stats))
        self._history.note(now, self._walk_state)
        self._snapshots.turn(now)
        if self._snapshots.due(now):
            self._drain()  # the settled step's answers are in the ring at the latest
            self._snapshots.begin(now, self._history.settled(now), *self._kept())

    def _count(self) -> None:
        stats = self.stats
        stats.elapsed = time.monotonic() - self._began
        drops = sum(receiver.count_drops() for receiver in self._receivers)
        stats.dropped = self._dropped_before + drops
        stats.congestion = sum(lane.congestion for lane in self._lanes)
        stats.slowed_by = self._limiter.slowed_by
        stats.rate = stats.sent / (self._sending or stats.elapsed or 1.0)

    # -- receiving

    def _drain(self) -> None:
        for receiver in self._receivers:
            while (answers := receiver.take()) is not None:
                self._judge(answers)

    def _judge(self, answers: Answers) -> None:
        """Believe what repeats a cookie and stands in the scope; report what is new; close what is open."""
        valid = self._cookies.valid(answers.by, answers.port, answers.our_port, answers.acknowledged)
        index, inside = self._scope_filter.locate(answers.by, answers.port)
        valid &= inside
        reset = (answers.flags & np.uint8(RST)).astype(np.bool_)
        opened, closed = index[valid & ~reset], index[valid & reset]
        live, refused = self._live.add(opened), self._refused.add(closed)
        # A host may answer twice in different ways (a port that opens, a firewall): to have been open counts.
        refused = refused[~self._live.has(refused)]
        self.stats.live += len(live)
        self.stats.refused += len(refused) - int(self._refused.has(live).sum())
        if len(live):
            self._pipe.put(Kind.LIVE, live.astype("<u8").tobytes())
        if len(refused) and self._job.report_refused:
            self._pipe.put(Kind.REFUSED, refused.astype("<u8").tobytes())
        if len(opened):
            self._close(distinct(opened))

    def _close(self, index: U64) -> None:
        """RST for each half-open connection, so that no target keeps an entry or sends its SYN-ACK again."""
        for batch in self._targets.batches(index):
            sequence, our_port = self._cookies.make(batch.to, batch.port)
            self._lanes[batch.lane].send(RST, batch.to, our_port, batch.port, sequence + np.uint32(1))
