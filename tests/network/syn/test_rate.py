"""The stage's rate, on a clock that the test turns."""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
import pytest

from scanner.network.syn.cookie import Addresses
from scanner.network.syn.rate import PrefixCap, RateLimiter
from scanner.network.syn.target_table import Batch


def drive(rate: float, seconds: float, naps: list[float]) -> list[tuple[float, int]]:
    """(time, SYNs) of every batch; the loop wakes when told, late by the naps in turn."""
    now, sent, turn = 0.0, [], 0
    limiter = RateLimiter(rate, 2048, now)
    while now < seconds:
        if count := limiter.available(now):
            limiter.take(count)
            sent.append((now, count))
        now += max(0.0002, limiter.pause(now)) + naps[turn % len(naps)]
        turn += 1
    return sent


@pytest.mark.parametrize("rate", [100, 1_000, 5_000, 22_000, 100_000, 400_000])
@pytest.mark.parametrize("naps", [[0.0], [0.00006], [0.0, 0.004, 0.001]])
def test_the_rate_is_exact_to_one_percent(rate: float, naps: list[float]) -> None:
    seconds = 20.0

    total = sum(count for _, count in drive(rate, seconds, naps))

    assert total == pytest.approx(rate * seconds, rel=0.01)


def test_no_second_gets_more_than_one_percent_above_the_rate() -> None:
    sent = drive(5_000, 30.0, [0.0, 0.0, 0.0, 0.3])  # long hiccups must not be made up for

    for began, _ in sent:
        window = sum(count for at, count in sent if began <= at < began + 1.0)
        assert window <= 5_000 * 1.01 + 1


def test_drops_halve_the_rate_and_quiet_brings_it_back() -> None:
    limiter = RateLimiter(10_000, 2048, 0.0)
    limiter.take(5_000)
    limiter.review(0.5, 7, "answers found the receive ring full")
    assert limiter.rate == pytest.approx(5_000)
    assert limiter.slowed_by == "7 answers found the receive ring full"

    for turn in range(2, 30):
        limiter.review(turn * 0.5, 7, "…")
    assert limiter.rate == 10_000
    assert limiter.slowed_by == ""


def test_without_a_rate_drops_set_one_from_what_was_measured() -> None:
    limiter = RateLimiter(None, 2048, 0.0)
    assert limiter.available(0.1) == 2048
    limiter.take(200_000)

    limiter.review(0.5, 1, "…")

    assert limiter.rate == pytest.approx(200_000)


def test_no_prefix_gets_more_than_its_cap_in_any_window() -> None:
    cap = PrefixCap(50.0)
    booked: dict[int, list[float]] = defaultdict(list)
    chance = np.random.default_rng(5)
    for tick in range(3_000):
        now = tick * 0.001
        low = chance.integers(10 << 24, (10 << 24) + 1024, 64).astype(np.uint64)  # four /24
        batch = Batch(0, Addresses(low), np.zeros(64, dtype=np.uint16), low)
        for address in low[cap.admit(batch, now)].tolist():
            booked[address >> 8].append(now)

    assert len(booked) == 4
    for times in booked.values():
        assert len(times) == pytest.approx(150, abs=8)
        gaps = [after - before for before, after in itertools.pairwise(times)]
        assert min(gaps) >= 1 / 50 - 1e-9
