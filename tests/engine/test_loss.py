"""How much was missed: the estimate against a simulated network whose truth the test knows."""

from __future__ import annotations

import random
import zlib
from typing import TYPE_CHECKING

import msgspec
import pytest

from results.verdict import Verdict
from scanner.engine.congestion import CongestionFeedback
from scanner.engine.loss import RECALL, ROWS, TOKENS, LossEstimator, LossMemory, PrefixTally, recall_of_rounds
from scanner.engine.pace import Pace, PrefixCaps
from scanner.sweep.checkpoint import Checkpoint, decode
from targets.entries import Entry
from targets.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable

LIVE, DEAD = 200, 56  # in each prefix


def simulate(losses: list[float], *, seed: int = 1) -> tuple[LossEstimator, float]:
    """One prefix for each chance of loss; every target is asked as the engine does. Gives the true recall."""
    chance = random.Random(seed)
    look = LossEstimator(len(losses) * 256, seed)
    found: set[int] = set()

    def ask(token: int) -> None:
        prefix = token // 256
        if token % 256 < LIVE and chance.random() >= losses[prefix]:
            found.add(token)
            look.spoke(token, prefix, refused=token % 2 == 0)
        elif not look.fell_silent(token):
            look.silent(token, prefix)

    for token in chance.sample(range(len(losses) * 256), len(losses) * 256):
        ask(token)
    while wanted := look.next_round():
        for token in wanted + look.next_controls():
            ask(token)
    return look, len(found) / (LIVE * len(losses))


@pytest.mark.parametrize("loss", [0.02, 0.1, 0.3, 0.5])
def test_the_estimate_comes_near_the_truth(loss: float) -> None:
    look, truth = simulate([loss] * 40)
    assert look.recall == pytest.approx(truth, abs=0.02)
    assert (look.recall >= RECALL) == (truth >= RECALL) or abs(look.recall - truth) < 0.001


def test_loss_in_one_place_is_not_diluted_by_good_ones() -> None:
    look, truth = simulate([0.6] + [0.0] * 30)
    assert truth < RECALL
    assert look.recall < RECALL


def test_without_loss_nobody_is_asked_a_third_time() -> None:
    look, truth = simulate([0.0] * 10)
    assert (look.recall, truth, look.words) == (1.0, 1.0, "")
    assert look.asked == 10 * DEAD


def test_a_large_sweep_is_sampled_until_a_loss_shows() -> None:
    """At most one in twenty at first; the rest only when somebody answered late."""
    look, _ = simulate([0.0] * 400)
    assert look.asked == 400 * 256 // 20
    look, truth = simulate([0.1] * 400)
    assert look.asked > 400 * DEAD
    assert look.recall == pytest.approx(truth, abs=0.005)


def test_a_way_that_has_shut_shows_by_those_that_had_answered() -> None:
    """Nobody answers the repetition: not the silent, and not those that had refused."""
    look = LossEstimator(256, 1)
    for token in range(100):
        look.spoke(token, 0, refused=True)
    for token in range(100, 256):
        look.silent(token, 0)
    for token in look.next_round():
        look.silent(token, 0)
    controls = look.next_controls()
    assert controls
    assert all(look.fell_silent(token) for token in controls)
    assert look.recall < RECALL
    assert "had refused were silent" in look.words


def test_prefixes_where_nobody_answered_are_left_alone() -> None:
    look = LossEstimator(512, 1)
    for token in range(256):
        look.silent(token, 7)
    assert look.next_round() == []
    assert look.recall == 1.0


class Interrupted:
    """A sweep in two starts: what it asks, and which targets have answered. Loss is that of each start."""

    def __init__(self, prefixes: int) -> None:
        self.planned = prefixes * 256
        self.chance = random.Random(3)
        self.order = self.chance.sample(range(self.planned), self.planned)
        self.found: set[int] = set()
        self.look = LossEstimator(self.planned, 1)

    def ask(self, tokens: Iterable[int], loss: float) -> None:
        for token in tokens:
            if token % 256 < LIVE and self.chance.random() >= loss:
                self.found.add(token)
                self.look.spoke(token, token // 256, refused=token % 2 == 0)
            elif not self.look.fell_silent(token):
                self.look.silent(token, token // 256)

    def resume(self, in_flight: list[int]) -> LossMemory:
        """Through the bytes of a checkpoint."""
        point = decode(a_checkpoint(self.look.memory(in_flight)).encode())
        assert point.loss is not None
        self.look = LossEstimator(self.planned, 1)
        self.look.restore(point.loss, in_flight)
        return point.loss

    def end(self, loss: float) -> None:
        while wanted := self.look.next_round():
            self.ask(wanted + self.look.next_controls(), loss)

    @property
    def truth(self) -> float:
        return len(self.found) / (LIVE * self.planned // 256)


def a_checkpoint(memory: LossMemory | None) -> Checkpoint:
    return Checkpoint(
        run_id="r",
        scope_digest="s",
        settings_digest="t",
        seed=1,
        shard=(1, 1),
        after=0,
        in_flight=[],
        outcomes={},
        loss=memory,
    )


@pytest.mark.parametrize("share", [0.3, 0.7, 1.0])
def test_what_was_silent_before_a_resume_is_asked_again(share: float) -> None:
    """Packets were lost in the first start alone: the second one must not answer for both."""
    run = Interrupted(40)
    at = int(run.planned * share)
    run.ask(run.order[:at], 0.3)
    run.resume([])
    run.ask(run.order[at:], 0.0)
    before = run.truth
    run.end(0.0)
    assert before < 0.92
    assert run.truth > before + 0.05
    assert run.look.recovered > 0
    assert run.look.recall <= run.truth + 0.001
    assert run.look.recall > before


def test_loss_that_lasts_is_estimated_over_a_resume() -> None:
    run = Interrupted(40)
    run.ask(run.order[:5000], 0.3)
    run.resume([])
    run.ask(run.order[5000:], 0.3)
    run.end(0.3)
    assert run.look.recall == pytest.approx(run.truth, abs=0.02)
    assert run.look.recall < RECALL


@pytest.mark.parametrize("done", [0.0, 0.5, 1.0])
def test_a_repetition_that_was_broken_off_is_taken_up(done: float) -> None:
    """Silent targets and controls in flight are not taken for targets that were never asked."""
    run = Interrupted(40)
    run.ask(run.order, 0.1)
    asked = run.look.next_round() + run.look.next_controls()
    run.chance.shuffle(asked)
    at = int(len(asked) * done)
    run.ask(asked[:at], 0.1)
    run.resume(asked[at:])
    run.ask(asked[at:], 0.1)
    run.end(0.1)
    assert run.look.recall == pytest.approx(run.truth, abs=0.003)
    assert run.look.asked <= 40 * 256 - LIVE * 40 * 0.87
    assert run.look.recovered == len(run.found) - sum(tally.answered for tally in tallies(run.look))


def tallies(look: LossEstimator) -> list[PrefixTally]:
    return list(look._prefixes.values())


def test_controls_and_first_askings_in_flight_are_no_sign_of_loss() -> None:
    look = LossEstimator(256, 1)
    for token in range(100):
        look.spoke(token, 0, refused=True)
    for token in range(100, 200):
        look.silent(token, 0)
    in_flight = look.next_round() + look.next_controls()
    fresh = [200, 201]  # given up by this machine, and asked again by the next start
    again = LossEstimator(256, 1)
    again.restore(look.memory(in_flight + fresh), in_flight + fresh)
    for token in in_flight + fresh:
        if token in range(100, 200):
            again.silent(token, 0)
        else:
            again.spoke(token, 0, refused=True)
    assert (again.recovered, again.controls_lost, again.words) == (0, 0, "")


def silent_and_refusing() -> tuple[LossEstimator, list[int], list[int]]:
    """Of 200 targets 100 refused, and 100 were silent and are asked again now; so are some that refused."""
    look = LossEstimator(256, 1)
    for token in range(100):
        look.spoke(token, 0, refused=True)
    for token in range(100, 200):
        look.silent(token, 0)
    return look, look.next_round(), look.next_controls()


def resumed(look: LossEstimator, in_flight: list[int]) -> LossEstimator:
    again = LossEstimator(256, 1)
    again.restore(look.memory(in_flight), in_flight)
    return again


def test_the_next_start_leaves_alone_who_is_no_longer_silent_but_unreachable() -> None:
    """It would be taken from the count of the silent, where it is not any more."""
    look, wanted, controls = silent_and_refusing()
    signals = CongestionFeedback(Pace(100.0, 0.0), PrefixCaps(100.0, 24, 64), look)
    target = Scope([Entry.of("127.0.0.0/24", kind="lab")]).pick(7)
    signals.unanswered(target, wanted[0], Verdict.UNREACHABLE, 0.0)
    for token in wanted[1:]:
        look.silent(token, 0)
    for token in controls:
        look.spoke(token, 0, refused=True)
    assert sorted(resumed(look, []).next_round()) == sorted(wanted[1:])


def test_the_next_start_leaves_alone_who_had_refused_and_was_open_then() -> None:
    """It would be taken from the count of those that refused, and be counted as open twice."""
    look, wanted, controls = silent_and_refusing()
    look.spoke(controls[0], 0, refused=False)
    for token in controls[1:]:
        look.spoke(token, 0, refused=True)
    for token in wanted:
        look.silent(token, 0)
    again = resumed(look, [])
    assert again.next_round()
    assert sorted(again.next_controls()) == sorted(controls[1:])


def test_who_could_not_be_asked_again_is_not_taken_from_the_silent_twice() -> None:
    """This machine gave them up in both starts: they are in flight, and in no count."""
    look, wanted, controls = silent_and_refusing()
    for token in wanted[1:]:
        look.silent(token, 0)
    look.spoke(controls[1], 0, refused=True)
    again = resumed(look, [wanted[0], controls[0]])
    assert sorted(again.next_round()) == sorted(wanted[1:])
    assert sorted(again.next_controls()) == sorted(controls[1:])
    for token in wanted[1:]:
        again.silent(token, 0)
    assert again.next_round() == []


def test_a_checkpoint_keeps_a_bounded_part() -> None:
    run = Interrupted(3 * ROWS)
    run.ask(run.order, 0.1)
    memory = run.resume([])
    assert len(memory.rows) <= ROWS
    assert sum(len(row.kept) for row in memory.rows) <= TOKENS
    assert not memory.whole
    assert run.look.gaps
    answered = sum(row.answered for row in memory.rows) + memory.answered_elsewhere
    assert answered == len(run.found)
    run.end(0.1)
    assert run.look.recall < RECALL


def test_a_checkpoint_of_before_is_read() -> None:
    body = msgspec.json.decode(a_checkpoint(None).encode().partition(b"\n")[0])
    del body["second_look"]
    old = msgspec.json.encode(body)
    assert decode(old + b"\n%08x\n" % zlib.crc32(old)) == a_checkpoint(None)
    look = LossEstimator(256, 1)
    look.restore(None, [])
    assert look.gaps


@pytest.mark.parametrize(
    ("sent", "answered", "recall"),
    [([1000, 0], 1000, 1.0), ([1000, 1000], 0, 1.0), ([1000], 500, 1.0), ([1000, 100], 990, 0.990)],
)
def test_the_stage_is_judged_by_its_rounds(sent: list[int], answered: int, recall: float) -> None:
    assert recall_of_rounds(sent, answered) == pytest.approx(recall, abs=0.003)
