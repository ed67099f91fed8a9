"""A stage that is killed and goes on: everybody is asked as if nothing had happened, and counted once."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.engine.order import Order
from scanner.network.syn.marks import Marks
from scanner.network.syn.messages import PIECE, Job, Kind, OrderParameters, Progress, TargetRange, line
from scanner.network.syn.snapshots import PIECE_BYTES, SnapshotSender, WalkHistory, WalkState, restore
from tests.network.syn.world import ATTEMPTS, SNAPSHOTS, WAIT, Kept, World, live_once
from tests.support.thinned import thinned

SIZE = 700


def marks_of(size: int, indices: set[int]) -> Marks:
    marks = Marks(size)
    marks.add(np.array(sorted(indices), dtype=np.uint64))
    return marks


class Box:
    """A pipe that keeps what it gets; `queued` is set by the test."""

    full = False
    queued = 0

    def __init__(self) -> None:
        self.messages: list[tuple[Kind, bytes]] = []

    def put(self, kind: Kind, payload: bytes) -> None:
        self.messages.append((kind, payload))

    @property
    def pieces(self) -> bytes:
        return b"".join(payload for kind, payload in self.messages if kind is Kind.MARKS)


def snapshots_into(box: Box, every: float | None = 1.0) -> SnapshotSender:
    pipe: Any = box
    return SnapshotSender(pipe, every, 0.0)


STATE = WalkState(1, 77, (), 5, (5, 2))
indices = st.sets(st.integers(0, 9_999), max_size=60)


class TestTheSnapshot:
    @given(indices, indices, st.lists(st.integers(0, 9_999), max_size=40))
    def test_what_is_sent_is_what_comes_back(
        self, live: set[int], refused: set[int], waiting: list[int]
    ) -> None:
        box = Box()
        columns = tuple(np.array(part, dtype=np.uint64) for part in (waiting[:7], waiting[7:]))
        state = STATE._replace(waiting=columns)
        snapshots_into(box).finish(0.0, state, 3, marks_of(10_000, live), marks_of(10_000, refused))

        found = Marks(10_000), Marks(10_000)
        assert restore(box.pieces, *found).tolist() == waiting
        assert [{i for i in range(10_000) if i in marks} for marks in found] == [live, refused]
        kind, payload = box.messages[0]
        progress = msgspec.json.decode(payload, type=Progress)
        assert kind is Kind.SNAPSHOT
        assert (progress.attempt, progress.position, progress.dropped) == (1, 77, 3)
        assert (progress.targets, progress.sent_by_round) == (5, [5, 2])
        assert progress.pieces == len(box.messages) - 1
        assert found[0].count() == len(live)
        assert found[1].without(found[0]) == len(refused - live)

    def test_it_is_of_one_moment_though_it_is_sent_in_pieces(self) -> None:
        box, size = Box(), 40 * PIECE_BYTES
        live, refused = marks_of(size, {0, size - 1}), Marks(size)
        snapshots = snapshots_into(box)
        snapshots.begin(1.0, STATE, 0, live, refused)
        live.add(np.arange(size, dtype=np.uint64))
        box.queued = 1 << 20
        snapshots.turn(1.1)
        assert len(box.messages) == 1, "the parent does not read"
        box.queued = 0
        for _ in range(9):
            snapshots.turn(1.2)

        found = Marks(size)
        restore(box.pieces, found, Marks(size))
        assert found.count() == 2
        assert msgspec.json.decode(box.messages[0][1], type=Progress).pieces == len(box.messages) - 1 == 2, (
            "empty pieces stay away"
        )

    def test_one_at_a_time_and_no_more_than_a_share_of_the_time(self) -> None:
        box = Box()
        snapshots = snapshots_into(box)
        assert [snapshots.due(now) for now in (0.9, 1.0)] == [False, True]
        snapshots.begin(1.0, STATE, 0, marks_of(10, {1}), Marks(10))
        assert not snapshots.due(9.0), "its pieces are not sent yet"
        snapshots.turn(3.0)
        assert [snapshots.due(now) for now in (12.9, 13.0)] == [False, True]
        box.full = True
        assert not snapshots.due(50.0)
        assert not snapshots_into(box, None).due(50.0)

    @pytest.mark.parametrize("cut", [1, PIECE.size, PIECE.size + 1])
    def test_half_a_piece_is_refused(self, cut: int) -> None:
        box = Box()
        snapshots_into(box).finish(0.0, STATE, 0, marks_of(900, {8}), marks_of(900, {9}))
        with pytest.raises(ValueError, match="in the middle of a piece"):
            restore(box.pieces[:-cut], Marks(900), Marks(900))

    def test_marks_of_another_size_are_refused(self) -> None:
        box = Box()
        snapshots_into(box).finish(0.0, STATE, 0, marks_of(90_000, {8}), Marks(90_000))
        with pytest.raises(ValueError, match="marks up to byte"):
            restore(box.pieces, Marks(900), Marks(900))


@given(st.lists(st.floats(0.001, 3.0), min_size=1, max_size=60))
def test_no_step_is_settled_before_its_answers_have_had_their_time(naps: list[float]) -> None:
    history, now, noted = WalkHistory(2.0, STATE._replace(position=-1)), 0.0, {-1: float("-inf")}
    for number, nap in enumerate(naps):
        now += nap

        def state(number: int = number, now: float = now) -> WalkState:
            noted[number] = now
            return STATE._replace(position=number)

        history.note(now, state)
        settled = history.settled(now).position
        assert noted[settled] <= now - 2.0
        assert all(at > now - 2.0 for position, at in noted.items() if position > settled), "it lags too far"


def test_a_job_that_goes_on_survives_its_line() -> None:
    progress = Progress(attempt=1, position=9, targets=4, sent_by_round=[4, 1], dropped=2, pieces=3)
    ranges, order = [TargetRange(4, 1, 2, (27017,))], OrderParameters(2, 3, 2, 1, 0, 1)
    job = Job(ranges=ranges, order=order, resume=progress, marks_bytes=7)

    assert msgspec.json.decode(line(job), type=Job) == job


@pytest.mark.parametrize("seed", thinned(range(14), 4))
@pytest.mark.parametrize("cap", [None, 400.0])
def test_after_any_deaths_everybody_is_found_and_counted_once(
    seed: int, cap: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed up to six times, or stopped. With a cap on prefixes many targets wait while the walk goes on."""
    random = Random(seed)
    world, kept = World.of(SIZE, random), Kept()
    fields: dict[str, Any] = {"prefix_rate": cap, "rate": 3000.0}
    for _ in range(random.randint(1, 6)):
        life = live_once(
            world,
            kept,
            monkeypatch,
            seed=seed,
            life=random.randint(1, 700),
            gently=random.random() < 0.3,
            **fields,
        )
        kept = life.kept
        if life.stats is not None:
            if life.stats.ended == "complete":
                break
            assert kept.announced == life.announced, "the last snapshot of a stop has everything"
    else:
        life = live_once(world, kept, monkeypatch, seed=seed, **fields)
    stats = life.stats
    assert stats is not None
    assert stats.ended == "complete"
    assert life.announced == world.live
    assert (stats.targets, stats.live, stats.refused) == (SIZE, len(world.live), len(world.closed))
    assert stats.silent == SIZE - len(world.live) - len(world.closed)
    assert stats.sent_by_round[0] == SIZE
    silent = set(range(SIZE)) - world.live - world.closed
    assert all(world.asked[index] >= ATTEMPTS for index in silent)


@pytest.mark.parametrize("seed", thinned(range(6), 2))
def test_a_part_goes_on_within_its_own_part(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(seed)
    world, kept, shard = World.of(SIZE, random), Kept(), (seed % 3, 3)
    ours = {index for _, index in Order(SIZE, seed, *shard).walk()}
    for life in (150, 250, 100):
        kept = live_once(world, kept, monkeypatch, seed=seed, shard=shard, life=life, rate=900.0).kept
    assert kept.progress is not None
    done = live_once(world, kept, monkeypatch, seed=seed, shard=shard)

    assert done.announced == world.live & ours
    assert set(world.asked) == ours
    assert done.stats is not None
    assert done.stats.targets == len(ours)


def test_what_is_asked_again_is_the_window_and_not_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(5)
    world = World.of(SIZE, random)
    rate = 500.0
    killed = live_once(world, Kept(), monkeypatch, seed=5, life=1300, rate=rate)
    before = sum(world.asked.values())
    progress = killed.kept.progress
    assert progress is not None
    settled = sum(progress.sent_by_round)
    window = rate * (WAIT * 9 / 8 + SNAPSHOTS + 0.1)
    assert before - settled <= window < 0.4 * before
    done = live_once(world, killed.kept, monkeypatch, seed=5, rate=rate)

    assert done.stats is not None
    whole = sum(done.stats.sent_by_round)
    assert sum(world.asked.values()) - before == whole - settled
