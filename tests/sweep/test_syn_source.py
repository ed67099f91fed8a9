"""The SYN stage feeds the engine, and a checkpoint is of the moment at which its snapshot began."""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from scanner.engine.order import Order
from scanner.engine.sources import FeedSource
from scanner.network.syn.messages import Kind, Stats, frame
from scanner.setup.settings import SweepSettings
from scanner.sweep import syn_source
from scanner.sweep.checkpoint import Checkpoint
from scanner.sweep.syn_source import SynSource
from targets.entries import Entry
from targets.scope import Scope
from tests.network.syn.scripted import indices, saying, snapshot

if TYPE_CHECKING:
    from scanner.sweep.checkpoint import PendingCheckpoint

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

    @property
    def door(self) -> Engine:
        """Its own."""
        return self

    def now(self) -> float:
        """Nothing expires."""
        return 0.0

    async def turn(self) -> None:
        """Take what there is until nothing can come."""
        while not self.feed.exhausted:
            if (taken := self.feed.take()) is not None:
                self.taken.append(taken[0])
            await asyncio.sleep(0)


def kept_of(
    script: bytes, *, pauses: tuple[str, ...] = (), backlog: int = 0
) -> tuple[PendingCheckpoint | None, list[int]]:
    """Run a source on what a stage says; the checkpoint that is due, and what the engine got."""

    async def run() -> tuple[PendingCheckpoint | None, list[int]]:
        feed = FeedSource(SCOPE)
        engine = Engine(feed, list(pauses))

        def take() -> Checkpoint:
            return Checkpoint(
                run_id="r",
                scope_digest="s",
                settings_digest="t",
                seed=1,
                shard=(1, 1),
                after=-1,
                in_flight=sorted({*engine.taken, *feed.waiting}),
                outcomes={},
            )

        source = SynSource(SCOPE, Order(len(SCOPE), 1), SweepSettings(), feed)
        source._stage = saying(script)
        whole: Any = engine
        await asyncio.gather(source.run(whole, lambda _: None, take), engine.turn())
        return source.due(), engine.taken

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(syn_source, "BACKLOG", backlog)
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
