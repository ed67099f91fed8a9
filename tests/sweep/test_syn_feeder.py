"""The SYN stage feeds the engine, and a checkpoint is of the moment at which its snapshot began."""

from __future__ import annotations

import asyncio
import math
import zlib
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from results.verdict import Verdict
from scanner.contact import Refusal
from scanner.engine import unanswered as unanswered_marks
from scanner.engine.order import Order
from scanner.engine.sources import FeedSource
from scanner.engine.unanswered import SILENT, Unanswered
from scanner.network.syn.messages import LIVE, PIECE, REFUSED, Kind, Stats, frame
from scanner.setup.settings import SweepSettings
from scanner.sweep import syn_feeder
from scanner.sweep.checkpoint import Checkpoint
from scanner.sweep.syn_feeder import SynFeeder
from targets.entries import Entry
from targets.scope import Scope
from tests.network.syn.scripted import indices, saying, snapshot

if TYPE_CHECKING:
    from scanner.sweep.checkpoint import PendingCheckpoint

NOBODY_WATCHED: Any = SimpleNamespace(watched=SimpleNamespace(targets=frozenset()))
SCOPE = Scope([Entry.of("10.9.0.0/24", owner="x")], [], ports=(27017,))
SCRIPT = (
    indices(Kind.LIVE, 1, 2, 3)
    + snapshot(1, position=10)
    + indices(Kind.LIVE, 4, 5)
    + frame(Kind.MARKS, b"marks of 1, 2, 3")
    + indices(Kind.LIVE, 6)
    + frame(Kind.DONE, msgspec.json.encode(Stats(targets=200, live=6, ended="stopped")))
)


@dataclass
class Engine:
    """As much of an engine as the source looks at: it takes one target in each turn of the loop."""

    feed: FeedSource
    pause_reasons: list[str] = field(default_factory=list)
    stop_reason: str = ""
    narrowed: bool = False
    taken: list[int] = field(default_factory=list)
    time: float = 0.0

    @property
    def guard(self) -> Engine:
        """Its own."""
        return self

    def now(self) -> float:
        """The guard's clock."""
        return self.time

    async def turn(self) -> None:
        """Take what there is until nothing can come."""
        while not self.feed.exhausted:
            if (taken := self.feed.take()) is not None:
                self.taken.append(taken[0])
            await asyncio.sleep(0)


def checkpoint_of(engine: Engine) -> Checkpoint:
    """As the sweep takes it."""
    return Checkpoint(
        run_id="r",
        scope_digest="s",
        settings_digest="t",
        seed=1,
        shard=(1, 1),
        after=-1,
        in_flight=sorted({*engine.taken, *engine.feed.waiting}),
        outcomes={},
    )


def kept_of(
    script: bytes, *, pauses: tuple[str, ...] = (), backlog: int = 0
) -> tuple[PendingCheckpoint | None, list[int]]:
    """Run a source on what a stage says; the checkpoint that is due, and what the engine got."""

    async def run() -> tuple[PendingCheckpoint | None, list[int]]:
        feed = FeedSource(SCOPE)
        engine = Engine(feed, list(pauses))

        source = SynFeeder(SCOPE, Order(len(SCOPE), 1), SweepSettings(), feed)
        source._stage = saying(script)
        whole: Any = engine
        await asyncio.gather(
            source.run(whole, NOBODY_WATCHED, lambda _: None, lambda: checkpoint_of(engine)), engine.turn()
        )
        return source.due(), engine.taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(syn_feeder, "BACKLOG", backlog)
        return asyncio.run(asyncio.wait_for(run(), 10))


@pytest.mark.parametrize("backlog", [0, 100], ids=["the engine keeps up", "all is read at once"])
def test_a_checkpoint_counts_who_came_before_its_snapshot_and_nobody_else(backlog: int) -> None:
    kept, taken = kept_of(SCRIPT, backlog=backlog)

    assert taken == [1, 2, 3, 4, 5, 6]
    assert kept is not None
    assert kept.checkpoint.in_flight == [1, 2, 3]
    assert kept.checkpoint.stage is not None
    assert kept.checkpoint.stage.progress.position == 10
    assert kept.marks is not None
    assert zlib.decompress(kept.marks) == b"marks of 1, 2, 3"


def test_a_snapshot_that_began_in_a_pause_is_no_checkpoint() -> None:
    assert kept_of(SCRIPT, pauses=("our link is down",))[0] is None


def test_a_snapshot_that_did_not_become_whole_is_no_checkpoint() -> None:
    assert kept_of(SCRIPT.replace(frame(Kind.MARKS, b"marks of 1, 2, 3"), b""))[0] is None


class Told:
    """As much of a stage as its watcher tells something."""

    def __init__(self) -> None:
        self.stops = 0
        self.rates: list[float | None] = []

    def stop(self) -> None:
        self.stops += 1

    def set_rate(self, rate: float | None) -> None:
        self.rates.append(rate)


def watched(engine: Engine) -> tuple[Told, str]:
    """Let the watcher look once; what the stage was told, and what is the trouble."""
    source, told = SynFeeder(SCOPE, Order(len(SCOPE), 1), SweepSettings(rate=7), engine.feed), Told()
    stage, whole = told, engine

    async def look(stage: Any = stage, whole: Any = whole) -> None:
        watcher = asyncio.create_task(source._obey(stage, whole))
        await asyncio.sleep(0)
        watcher.cancel()

    asyncio.run(look())
    return told, source.trouble


@pytest.mark.parametrize(
    ("change", "trouble"),
    [
        ({"narrowed": True}, "the scope was narrowed, so the SYN stage was stopped"),
        ({"time": math.inf}, "a part of the scope expired, so the SYN stage was stopped"),
        ({"stop_reason": "interrupted"}, ""),
    ],
)
def test_a_smaller_scope_and_a_stop_stop_the_stage_at_once(change: dict[str, Any], trouble: str) -> None:
    told, said = watched(Engine(FeedSource(SCOPE), **change))
    assert (told.stops, told.rates, said) == (1, [], trouble)


def test_the_stage_stands_still_while_the_sweep_is_paused() -> None:
    assert watched(Engine(FeedSource(SCOPE), ["the stop file exists"]))[0].rates == []
    assert watched(Engine(FeedSource(SCOPE)))[0].rates == [7]


def test_a_stage_that_nobody_watches_any_more_is_stopped_and_told() -> None:
    class Blind(Engine):
        @property
        def guard(self) -> Engine:
            raise RuntimeError("no guard")

    feed = FeedSource(SCOPE)
    source = SynFeeder(SCOPE, Order(len(SCOPE), 1), SweepSettings(), feed)
    stops: list[None] = []

    async def run(engine: Any) -> None:
        source._stage = stage = saying(SCRIPT)
        stage.stop = lambda: stops.append(None)  # type: ignore[method-assign]  # to see it called
        await asyncio.gather(
            source.run(engine, NOBODY_WATCHED, lambda _: None, lambda: checkpoint_of(engine)), engine.turn()
        )

    asyncio.run(asyncio.wait_for(run(Blind(feed)), 10))
    assert source.trouble == "nobody watched the SYN stage any more: no guard"
    assert stops


def test_watched_targets_that_the_stage_alone_asked_have_their_lines() -> None:
    """Those that are alive, or are none of the stage's, are the engine's to write down."""
    live, refused = 1 | 1 << 2, 1 << 3 | 1 << 4
    marks = b"".join(
        PIECE.pack(which, 0, 1) + bytes([bits]) for which, bits in ((LIVE, live), (REFUSED, refused))
    )
    source = SynFeeder(SCOPE, Order(len(SCOPE), 1), SweepSettings(), FeedSource(SCOPE))
    source._marks = zlib.compress(marks)
    source._direct = [(7, 1)]
    unanswered, told = Unanswered(), []
    unanswered.mark_new([1, 5, 6, 7], SILENT)
    unanswered.mark_new([2, 3, 4], unanswered_marks.REFUSED)  # 2 was alive, and refused the engine
    recorder: Any = SimpleNamespace(
        watched=SimpleNamespace(targets=frozenset(map(SCOPE.pick, (0, 2, 3, 6, 7)))),
        record_silence=lambda target, outcome, detail: told.append((target.ip, outcome, detail)),
    )
    source._record_watched(unanswered, recorder)
    assert told == [
        ("10.9.0.3", Verdict.REFUSED, Refusal.RESET),
        ("10.9.0.6", Verdict.FILTERED, ""),
    ]
