"""How many were not heard: the arithmetic, against chances that the test knows."""

from __future__ import annotations

import math
import random

import pytest

from scanner.engine.loss import LossEstimator, Recovered, tries_within
from scanner.engine.missed import DOUBT, at_most


@pytest.mark.parametrize(("seconds", "tries"), [(0.4, 1), (1.0, 2), (3.5, 3), (7.5, 4), (20.0, 5)])
def test_syns_within_a_timeout_by_the_older_schedule(seconds: float, tries: int) -> None:
    assert tries_within(seconds) == tries


def heard(answered: int, lost: float, *, prefix: int = 7, tries: int = 3, seed: int = 1) -> LossEstimator:
    """An estimator of a network in which each SYN is lost with that chance."""
    chance, estimator = random.Random(seed), LossEstimator(tries)
    for _ in range(answered):
        attempts = [chance.random() >= lost for _ in range(tries)]
        if any(attempts):
            estimator.heard(prefix, late=not attempts[0])
    return estimator


@pytest.mark.parametrize("lost", [0.1, 0.3, 0.5])
def test_late_answers_tell_how_many_were_not_heard(lost: float) -> None:
    estimator = heard(20_000, lost)
    assert estimator.unheard == pytest.approx(20_000 - estimator.answered, rel=0.35)


def test_without_a_late_answer_there_is_no_doubt() -> None:
    assert heard(50, 0.0).unheard < DOUBT
    assert heard(100_000, 0.0).unheard < DOUBT


def test_a_bad_way_to_one_prefix_is_not_diluted_by_good_ones() -> None:
    estimator = heard(100_000, 0.0)
    for _ in range(12):
        estimator.heard(8, late=False)
        estimator.heard(8, late=True)
    assert estimator.unheard > 1


def test_a_few_answers_of_which_all_are_late_leave_much_doubt() -> None:
    estimator = LossEstimator(1)
    estimator.heard(3, late=True)
    assert estimator.unheard > 1


@pytest.mark.parametrize(
    ("sent", "answered", "least", "most"),
    [
        ([1000, 500], 500, 0.0, DOUBT),  # all that answered did so at once
        ([1000, 950], 100, 20, 80),  # half of them only in the second round
        ([1000], 100, 0.0, DOUBT),
        ([1000, 1000], 0, 0.0, DOUBT),
    ],
)
def test_the_syn_stage_is_judged_by_its_rounds(
    sent: list[int], answered: int, least: float, most: float
) -> None:
    estimator = LossEstimator(3)
    estimator.stage_rounds(sent, answered)
    assert least <= estimator.unheard <= most


class TestRecovered:
    """Who answered only when asked again."""

    @staticmethod
    def rounds(*counts: int, whole: bool = True) -> Recovered:
        recovered = Recovered()
        for count in counts:
            recovered.begin(whole=whole)
            for _ in range(count):
                recovered.add()
        return recovered

    @staticmethod
    def left(recovered: Recovered, unheard: float = 0.0, chance: float = 0.1) -> float:
        return recovered.remaining(unheard, lambda number: chance)

    def test_nobody_of_whom_nobody_is_expected(self) -> None:
        assert self.left(self.rounds(0, 0)) == 0.0

    def test_a_part_in_which_somebody_answered_has_no_bound(self) -> None:
        assert math.isinf(self.left(self.rounds(3, 0, whole=False)))

    def test_each_round_in_which_nobody_answers_leaves_fewer(self) -> None:
        left = [self.left(self.rounds(40, *[0] * quiet)) for quiet in range(5)]
        assert left == sorted(left, reverse=True)
        assert left[0] == pytest.approx(40 / 9)
        assert left[-1] < DOUBT

    def test_a_round_counts_for_what_an_asking_was_worth_in_it(self) -> None:
        """A limit that refuses is above the pace of later rounds."""
        recovered = self.rounds(0, 10, 0)
        assert recovered.remaining(0.0, {2: 0.5, 3: 0.5}.__getitem__) == pytest.approx(5.0)
        assert recovered.remaining(0.0, {2: 0.5, 3: 0.001}.__getitem__) < DOUBT + 0.001

    def test_a_host_that_failed_again_and_again_makes_all_rounds_worth_less(self) -> None:
        assert self.rounds().failing == 0.0
        assert self.rounds(10, 0, 0).failing < 0.05
        assert self.rounds(0, 0, 10).failing > 0.6

    def test_expected_hosts_are_looked_for_until_they_are_unlikely(self) -> None:
        assert self.left(self.rounds(0), 5.0) == pytest.approx(0.5)
        assert self.left(self.rounds(0, 0, 0), 5.0) == pytest.approx(0.005)
        assert self.left(self.rounds(0, 0, 0, whole=False), 5.0) == 5.0


@pytest.mark.parametrize(
    ("expected", "most"),
    [(0.0, 0), (0.01, 0), (0.02, 1), (1.0, 4), (10.0, 18), (1000.0, 1074), (math.inf, None)],
)
def test_the_number_that_is_not_exceeded_in_99_of_100_cases(expected: float, most: int | None) -> None:
    assert at_most(expected) == most
