"""How much was missed: the estimate against a simulated network whose truth the test knows."""

from __future__ import annotations

import random

import pytest

from scanner.second_look import RECALL, SecondLook, recall_of_rounds

LIVE, DEAD = 200, 56  # in each prefix


def simulate(losses: list[float], *, seed: int = 1) -> tuple[SecondLook, float]:
    """One prefix for each chance of loss; every target is asked as the engine does. Gives the true recall."""
    chance = random.Random(seed)
    look = SecondLook(len(losses) * 256, seed)
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
    look = SecondLook(256, 1)
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
    look = SecondLook(512, 1)
    for token in range(256):
        look.silent(token, 7)
    assert look.next_round() == []
    assert look.recall == 1.0


@pytest.mark.parametrize(
    ("sent", "answered", "recall"),
    [([1000, 0], 1000, 1.0), ([1000, 1000], 0, 1.0), ([1000], 500, 1.0), ([1000, 100], 990, 0.990)],
)
def test_the_stage_is_judged_by_its_rounds(sent: list[int], answered: int, recall: float) -> None:
    assert recall_of_rounds(sent, answered) == pytest.approx(recall, abs=0.003)
