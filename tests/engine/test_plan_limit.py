"""How many ask for metadata at once, on a simulated loop: each costs it some work, and some time."""

from __future__ import annotations

import pytest

from scanner.engine.plan_limit import FEWEST, TOO_LATE, UNHURRIED, PlanLimit

TICK = 0.05


class Loop:
    """One processor. A server has `rounds` of questions; each costs us `cost` seconds, and it `delay`."""

    def __init__(self, servers: int, *, rounds: int, cost: float, delay: float) -> None:
        self.limit = PlanLimit()
        self.waiting, self.rounds, self.cost, self.delay = servers, rounds, cost, delay
        self.now = 0.0
        self.under_way: list[tuple[float, float, int]] = []  # when it answers, when it began, rounds to go
        self.longest = 0.0  # that one was under way
        self.most = 0
        self.lags: list[float] = []

    def turn(self) -> None:
        """Serve all that have answered; look at the clock when that is due."""
        began = self.now
        ready = [each for each in self.under_way if each[0] <= began]
        self.under_way = [each for each in self.under_way if each[0] > began]
        for _, since, left in ready:
            self.now += self.cost
            if left:
                self.under_way.append((self.now + self.delay, since, left - 1))
            else:
                self.longest = max(self.longest, self.now - since)
        while self.waiting and len(self.under_way) < self.limit.most:
            self.waiting -= 1
            self.under_way.append((self.now + self.delay, self.now, self.rounds))
        self.most = max(self.most, len(self.under_way))
        self.now = max(self.now, began + TICK)
        self.lags.append(self.now - began - TICK)
        self.limit.review(self.lags[-1], len(self.under_way))

    def run(self) -> None:
        while self.waiting or self.under_way:
            self.turn()


def test_servers_that_answer_at_once_are_asked_a_few_at_a_time_and_each_ends_soon() -> None:
    loop = Loop(2000, rounds=3, cost=0.007, delay=0.0)
    loop.run()
    assert loop.longest < 3.0  # all at once each would take a minute
    assert sorted(loop.lags)[len(loop.lags) // 2] < 2 * TOO_LATE
    assert loop.now < 1.05 * 2000 * 4 * 0.007, "the processor had work all the time"


def test_slow_servers_are_asked_by_the_thousand() -> None:
    loop = Loop(5000, rounds=30, cost=0.00001, delay=0.5)
    while loop.now < 2.5:
        loop.turn()
    assert len(loop.under_way) > 1000
    loop.run()
    assert loop.now < 60.0  # 32 at a time would take 2,400 s


def test_room_that_nobody_needed_is_not_there_for_a_crowd() -> None:
    loop = Loop(1000, rounds=10, cost=0.00001, delay=0.5)
    loop.run()
    assert loop.most > 500
    assert loop.limit.most <= UNHURRIED + UNHURRIED // 8


@pytest.mark.parametrize("under_way", [0, 1, FEWEST, 5000])
def test_some_go_on_however_late_we_are(under_way: int) -> None:
    limit = PlanLimit()
    for _ in range(100):
        limit.review(5.0, under_way)
        assert limit.most >= FEWEST
    for _ in range(100):
        limit.review(0.0, 0)
    assert limit.most == UNHURRIED
