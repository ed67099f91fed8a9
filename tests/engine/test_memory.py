"""One budget over all conversations: who goes on, who waits, and that somebody always goes on."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, cast

import pytest

from scanner.engine.memory import LONG_AT_ONCE, MOST_WAITING, SMALL, SMALLEST, Coming, MemoryBudget
from scanner.engine.plan_limit import FEWEST, UNHURRIED

if TYPE_CHECKING:
    from scanner.network.connect.base import Link

MIB = 1024 * 1024


class Talk:
    """A conversation and its link, as the budget sees them. `needs`: what it will hold, reply by reply."""

    def __init__(self, *needs: tuple[int, int]) -> None:
        self.weight = 0
        self.waited = False
        self.held = False
        self.needs = list(needs)

    def hold(self) -> None:
        assert not self.held
        self.held = True

    def go_on(self) -> None:
        assert self.held
        self.held = False

    def note(self, budget: MemoryBudget, held: int, coming: int = 0, *, exempt: bool = False) -> bool:
        """Whether it may go on."""
        budget.note(self, cast("Link", self), held, coming, exempt=exempt)
        return not self.held

    def plan(self, budget: MemoryBudget, held: int = 4096, size: int = 8192, *, exempt: bool = False) -> bool:
        """Whether its metadata may be asked for."""
        budget.note(self, cast("Link", self), held, size, kind=Coming.PLAN, exempt=exempt)
        return not self.held


def test_few_long_replies_come_in_at_a_time() -> None:
    budget = MemoryBudget(1024 * MIB)
    talks = [Talk() for _ in range(LONG_AT_ONCE + 5)]
    went_on = [talk.note(budget, 4096, 4 * MIB) for talk in talks]
    assert went_on == [True] * LONG_AT_ONCE + [False] * 5
    talks[0].note(budget, 3 * MIB)  # the whole reply is there, and decoded
    assert [talk.held for talk in talks] == [False] * (LONG_AT_ONCE + 1) + [True] * 4
    for talk in talks:
        budget.forget(talk)
    assert not any(talk.held for talk in talks)


def test_long_replies_leave_room_for_short_ones() -> None:
    budget = MemoryBudget(100 * MIB)
    talks = [Talk() for _ in range(40)]
    for talk in talks:
        if talk.note(budget, 4096, 4 * MIB):
            talk.note(budget, 4 * MIB)
    assert budget.held < 75 * MIB + 2 * 4 * MIB
    assert budget.full
    assert sum(talk.held for talk in talks) > 15
    assert all(Talk().note(budget, 20_000) for _ in range(100))


def test_who_holds_less_than_before_goes_on_beyond_the_budget() -> None:
    budget = MemoryBudget(MIB)
    first, other = Talk(), Talk()
    assert first.note(budget, 2 * MIB)
    assert not other.note(budget, 100_000)
    budget.forget(first)
    assert other.note(budget, 90_000)
    third = Talk()
    assert third.note(budget, 2 * MIB)
    assert other.note(budget, 80_000)


def test_a_canary_never_waits() -> None:
    budget = MemoryBudget(MIB)
    assert Talk().note(budget, 2 * MIB)
    assert Talk().note(budget, 2 * MIB, exempt=True)


def test_many_that_wait_are_a_reason_to_begin_nothing_new() -> None:
    budget = MemoryBudget(1024 * MIB)
    for _ in range(LONG_AT_ONCE + MOST_WAITING):
        assert not budget.full
        Talk().note(budget, 4096, MIB)
    assert budget.full


def test_plans_wait_for_their_turn_in_the_order_in_which_they_came() -> None:
    budget = MemoryBudget(1024 * MIB)
    talks = [Talk() for _ in range(UNHURRIED + MOST_WAITING)]
    assert [talk.plan(budget) for talk in talks] == [True] * UNHURRIED + [False] * MOST_WAITING
    assert budget.full, "who would only wait is not connected to"
    assert Talk().note(budget, 4096, SMALL), "others go on"
    for ended, begins in zip(talks, talks[UNHURRIED:], strict=False):
        assert begins.held
        budget.forget(ended)
        assert not begins.held
    assert not budget.full


def test_a_plan_that_waits_holds_no_memory_and_gets_no_place_by_holding_less() -> None:
    budget = MemoryBudget(1024 * MIB)
    for _ in range(UNHURRIED):
        Talk().plan(budget)
    before, last = budget.held, Talk()
    assert last.note(budget, 50_000)
    assert not last.plan(budget, held=4096, size=8192)
    assert budget.held == before + 4096


def test_plans_that_wait_begin_when_our_loop_keeps_up_and_fewer_when_it_does_not() -> None:
    budget = MemoryBudget(1024 * MIB)
    talks = [Talk() for _ in range(3 * UNHURRIED)]
    for talk in talks:
        talk.plan(budget)

    def under_way() -> int:
        return sum(not talk.held for talk in talks)

    budget.look(0.0)
    assert under_way() > UNHURRIED
    for _ in range(20):
        budget.look(0.0)
    assert under_way() == len(talks)
    for _ in range(50):
        budget.look(1.0)
    for talk in talks[:-FEWEST]:
        budget.forget(talk)
    late = [Talk() for _ in range(10)]
    assert not any(talk.plan(budget) for talk in late)
    budget.forget(talks[-1])
    assert sum(not talk.held for talk in late) == 1


def test_the_plan_of_a_canary_never_waits() -> None:
    budget = MemoryBudget(1024 * MIB)
    for _ in range(2 * UNHURRIED):
        Talk().plan(budget)
    assert Talk().plan(budget, exempt=True)


def test_a_conversation_that_goes_on_whatever_is_held_does_so_into_its_plan() -> None:
    """Else it would wait for a place, and those who have one for it."""
    budget = MemoryBudget(MIB)
    for _ in range(UNHURRIED):
        assert Talk().plan(budget, held=1000, size=1000)
    first = Talk()
    assert first.note(budget, 2 * MIB)
    assert first.plan(budget, held=2 * MIB)


def test_what_waits_for_a_second_opinion_counts() -> None:
    budget = MemoryBudget(100 * MIB)
    full = []
    for size in (80 * MIB, -80 * MIB):
        budget.add(size)
        full.append(budget.full)
    assert full == [True, False]
    assert budget.held == 0


def test_memory_that_cannot_be_had_makes_the_budget_smaller() -> None:
    budget = MemoryBudget(100 * MIB)
    Talk().note(budget, 40 * MIB)
    budget.shrink()
    assert budget.limit == 30 * MIB
    for _ in range(20):
        budget.shrink()
    assert budget.limit == SMALLEST


@pytest.mark.parametrize("seed", range(20))
def test_every_conversation_comes_to_its_end_and_the_budget_is_kept(seed: int) -> None:
    """Conversations in any order, each with replies of any length: none waits for ever, nothing is left."""
    draw = random.Random(seed)
    limit, largest = 40 * MIB, 5 * MIB
    budget = MemoryBudget(limit)

    def needs() -> list[tuple[int, int]]:
        coming = [0, 0, SMALL, largest]
        return [(draw.randrange(SMALL), draw.choice(coming)) for _ in range(draw.randrange(6))]

    talks = [Talk(*needs()) for _ in range(200)]
    planned: set[Talk] = set()  # who has been told to ask for metadata, or to wait with it
    alive, most = list(talks), 0
    for _ in range(20_000):
        ready = [talk for talk in alive if not talk.held]
        assert ready or not alive
        if not alive:
            break
        talk = draw.choice(ready)
        budget.look(draw.choice([0.0, 0.07, 5.0]))
        if talk not in planned and len(talk.needs) < 3:
            planned.add(talk)
            talk.plan(budget, talk.weight, draw.randrange(SMALL))
        elif talk.needs:
            grown, coming = talk.needs.pop()
            if talk.note(budget, talk.weight + grown, coming):
                talk.note(budget, talk.weight - coming // 2)
        else:
            budget.forget(talk)
            alive.remove(talk)
        most = max(most, budget.held)
    assert not alive
    assert budget.held == 0
    # Beyond the limit: what one may hold, and what each had read when it was told to wait.
    assert most <= limit + 6 * (largest + SMALL) + len(talks) * SMALL
