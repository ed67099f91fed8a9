"""A network of arrays on a turned clock, so that a stage can be killed and taken up again hundreds of times.

The stage is the real one but for its rings: the lane hands its SYNs to the world, the world's answers come
back some time later, and what was on its way when the stage dies is gone.
"""

from __future__ import annotations

import heapq
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from scanner.engine.order import Order
from scanner.network.syn.cookie import Addresses, Cookies
from scanner.network.syn.messages import Job, Kind, OrderParameters, Progress, Stats, TargetRange
from scanner.network.syn.packets import RST, SYN
from scanner.network.syn.ring import Answers
from scanner.network.syn.rounds import Resources, SynRounds
from scanner.network.syn.scope_filter import ScopeFilter
from scanner.network.syn.target_table import LaneRange, TargetTable

if TYPE_CHECKING:
    from random import Random

    import pytest

    from scanner.network.syn.cookie import U16, U32

FIRST = 0x0A4D0000  # 10.77.0.0
PORT = 27017
BASE = 20_000
WAIT = 0.3
SNAPSHOTS = 0.05
ATTEMPTS = 2


class KilledError(Exception):
    """The stage's process ends here."""


class Clock:
    """`time` for the stage: it passes when the stage waits, and a little with each look."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Seconds."""
        self.now += 0.00002
        return self.now

    def time(self) -> float:
        """Wall time; nothing expires here."""
        return self.now


@dataclass
class World:
    """Who answers how: `live` and `closed` to every SYN, `deaf` (live) only to the second, others never."""

    size: int
    random: Random
    live: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    deaf: set[int] = field(default_factory=set)
    asked: dict[int, int] = field(default_factory=dict)
    on_the_way: list[tuple[float, int, int, int, int]] = field(default_factory=list)

    @classmethod
    def of(cls, size: int, random: Random) -> World:
        """A tenth live, a tenth of those deaf at first, a quarter closed."""
        world = cls(size, random)
        for index in range(size):
            draw = random.random()
            if draw < 0.1:
                world.live.add(index)
                if draw < 0.01:
                    world.deaf.add(index)
            elif draw < 0.35:
                world.closed.add(index)
        return world

    def hear(self, now: float, index: int, our_port: int, sequence: int) -> None:
        """A SYN arrives; the answer leaves, and takes up to three quarters of the time that it has."""
        self.asked[index] = times = self.asked.get(index, 0) + 1
        if index in self.closed or (index in self.live and not (index in self.deaf and times == 1)):
            flags = 0x12 if index in self.live else RST
            due = now + self.random.uniform(0, 0.75 * WAIT)
            heapq.heappush(self.on_the_way, (due, index, our_port, (sequence + 1) & 0xFFFFFFFF, flags))

    def answers(self, now: float) -> list[tuple[float, int, int, int, int]]:
        """What has arrived by now."""
        found = []
        while self.on_the_way and self.on_the_way[0][0] <= now:
            found.append(heapq.heappop(self.on_the_way))
        return found


class Lane:
    """Stands where the transmit rings stand."""

    congestion = 0

    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock = world, clock

    def send(self, flags: int, to: Addresses, our_port: U16, port: U16, sequence: U32) -> None:
        """See `scanner.network.syn.rounds.TransmitLane.send`."""
        if flags == SYN:
            assert (port == PORT).all()
            for address, source, number in zip(to.low, our_port, sequence, strict=True):
                self._world.hear(self._clock.now, int(address) - FIRST, int(source), int(number))


class Receiver:
    """Stands where the receive ring stands."""

    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock = world, clock

    def take(self) -> Answers | None:
        """See `ReceiveRing.take`."""
        rows = self._world.answers(self._clock.now)
        if not rows:
            return None
        columns = np.array([row[1:] for row in rows], dtype=np.uint64).T
        return Answers(
            Addresses(columns[0] + np.uint64(FIRST)),
            np.full(len(rows), PORT, dtype=np.uint16),
            columns[1].astype(np.uint16),
            columns[2].astype(np.uint32),
            columns[3].astype(np.uint8),
        )

    def count_drops(self) -> int:
        """See `ReceiveRing.count_drops`."""
        return 0


class Parent:
    """The other end of the pipe: reads a little behind, and keeps what a parent keeps. Its `life` is a number
    of looks, after which both ends are dead (or the stage is told to stop, with `gently`)."""

    def __init__(self, clock: Clock, random: Random, kept: Kept, life: int, *, gently: bool) -> None:
        self.clock, self.random, self.life, self.gently = clock, random, life, gently
        self.kept = kept
        self.announced = set(kept.announced)
        self.queue: list[tuple[Kind, bytes]] = []
        self.stopped = False
        self.done: Stats | None = None
        self._coming: tuple[Progress, set[int], list[bytes]] | None = None

    @property
    def queued(self) -> int:
        """Bytes that were not read."""
        return sum(len(payload) for _, payload in self.queue)

    @property
    def full(self) -> bool:
        """Whether that is too much."""
        return self.queued > 1 << 19

    def put(self, kind: Kind, payload: bytes) -> None:
        """See `Pipe.put`."""
        self.queue.append((kind, payload))

    def serve(self, seconds: float) -> list[float | None]:
        """Time passes, some messages are read, and perhaps this is the end."""
        self.clock.now += seconds + self.random.choice((0.0, 0.00005, 0.001))
        self.read(self.random.randint(0, 4))
        self.life -= 1
        if self.life == 0:
            if not self.gently:
                raise KilledError
            self.stopped = True
        return []

    def read(self, most: int) -> None:
        """The next messages."""
        for _ in range(min(most, len(self.queue))):
            self._take(*self.queue.pop(0))

    def _take(self, kind: Kind, payload: bytes) -> None:
        if kind is Kind.LIVE:
            found = [int(index) for index in np.frombuffer(payload, dtype="<u8")]
            assert not self.announced & set(found), "announced twice"
            assert len(set(found)) == len(found)
            self.announced |= set(found)
        elif kind is Kind.SNAPSHOT:
            assert self._coming is None, "a snapshot within a snapshot"
            self._coming = msgspec.json.decode(payload, type=Progress), set(self.announced), []
        elif kind is Kind.MARKS:
            assert self._coming is not None
            self._coming[2].append(payload)
        if self._coming is not None and len(self._coming[2]) == self._coming[0].pieces:
            progress, announced, pieces = self._coming
            self.kept = Kept(progress, b"".join(pieces), announced)
            self._coming = None


@dataclass
class Kept:
    """What is durable: the last whole snapshot, and who had been announced when it began."""

    progress: Progress | None = None
    marks: bytes = b""
    announced: set[int] = field(default_factory=set)


@dataclass
class Life:
    """How one start of the stage ended."""

    kept: Kept
    announced: set[int]
    stats: Stats | None  # None: it was killed


def live_once(
    world: World,
    kept: Kept,
    monkeypatch: pytest.MonkeyPatch,
    *,
    seed: int,
    life: int = -1,
    gently: bool = False,
    shard: tuple[int, int] = (0, 1),
    **fields: Any,
) -> Life:
    """One start of the stage, from what is durable to its death or its end."""
    clock = Clock()
    monkeypatch.setattr("scanner.network.syn.rounds.time", clock)
    world.on_the_way.clear()
    order = Order(world.size, seed, *shard)
    job = Job(
        ranges=[TargetRange(4, FIRST, FIRST + world.size - 1, (PORT,))],
        order=OrderParameters(order.size, order.prime, order.generator, order.start, *shard),
        attempts=ATTEMPTS,
        wait=WAIT,
        snapshots=SNAPSHOTS,
        resume=kept.progress,
        **{"rate": 3000.0, **fields},
    )
    lanes: Any = [Lane(world, clock)]
    receivers: Any = [Receiver(world, clock)]
    targets = TargetTable([LaneRange(job.ranges[0], 0, 0)])
    resources = Resources(
        lanes, receivers, targets, ScopeFilter(job.ranges), Cookies(os.urandom(16), BASE, 64)
    )
    parent = Parent(clock, world.random, kept, life, gently=gently)
    pipe: Any = parent
    try:
        stats = SynRounds(job, resources, pipe, kept.marks).run()
    except KilledError:
        return Life(parent.kept, parent.announced, None)
    parent.read(len(parent.queue))
    return Life(parent.kept, parent.announced, stats)
