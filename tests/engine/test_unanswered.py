"""Marks of targets against a plain dictionary, and what a sample of them is."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from scanner.engine import unanswered
from scanner.engine.unanswered import ACCEPTED, CLOSED, REFUSED, SILENT, UNREACHABLE, Unanswered

CHANCE = random.Random(1)
EVERY = (SILENT, REFUSED, UNREACHABLE)


def test_marks_are_what_was_set_last() -> None:
    marks, model = Unanswered(), Counter[int]()
    chance = random.Random(2)
    for _ in range(5000):
        token, state = chance.randrange(200_000), chance.choice((ACCEPTED, *EVERY))
        marks.mark(token, state)
        model[token] = state
    assert all(marks[token] == state for token, state in model.items())
    assert [marks.count((state,)) for state in EVERY] == [
        list(model.values()).count(state) for state in EVERY
    ]
    assert set(marks.each(CLOSED, CHANCE)) == {token for token, state in model.items() if state in CLOSED}
    assert marks[10**12] == ACCEPTED


def test_marks_may_change_while_they_are_walked() -> None:
    marks = Unanswered()
    marks.mark_new(range(1000), SILENT)
    seen = []
    for token in marks.each((SILENT,), CHANCE):
        seen.append(token)
        marks.mark(token, ACCEPTED if token % 2 else SILENT)
    assert sorted(seen) == list(range(1000))
    assert marks.count((SILENT,)) == 500


def test_each_walk_is_in_an_order_of_its_own() -> None:
    """Twenty silent targets, which stand in one block: the last of them is not always the same."""
    marks = Unanswered()
    marks.mark_new(range(20), SILENT)
    last = Counter(list(marks.each((SILENT,), CHANCE))[-1] for _ in range(400))
    assert len(last) == 20


@pytest.mark.parametrize("held", [3, 50, 40_000])
def test_a_sample_holds_each_once_and_nobody_else(held: int) -> None:
    marks = Unanswered()
    marks.mark_new(range(0, 3 * held, 3), SILENT)
    marks.mark_new(range(1, 3 * held, 3), REFUSED)
    sample = marks.sample((SILENT,), 20, CHANCE)
    assert len(sample) == len(set(sample)) == min(20, held)
    assert all(token % 3 == 0 for token in sample)


def test_a_sample_of_few_marks_in_a_wide_space_is_one_of_all_of_them() -> None:
    marks = Unanswered()
    marks.mark_new(range(0, 10_000_000, 200_000), SILENT)
    drawn = Counter(token for _ in range(200) for token in marks.sample((SILENT,), 10, CHANCE))
    assert len(drawn) == 50
    assert max(drawn.values()) < 80  # 40 expected


def test_marks_of_a_stage_join_those_that_are_there() -> None:
    marks = Unanswered()
    marks.mark(65_536 + 1, UNREACHABLE)
    marks.put(65_536, bytes([SILENT, 0, REFUSED]))
    assert [marks[65_536 + n] for n in range(4)] == [SILENT, UNREACHABLE, REFUSED, ACCEPTED]
    assert marks.counts[1:] == [1, 1, 1]


def test_beyond_the_room_for_them_marks_are_dropped_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unanswered, "MOST_CHUNKS", 1)
    marks = Unanswered()
    marks.mark_new([5, 70_000], SILENT)
    marks.mark(80_000, SILENT)
    assert not marks.whole
    assert (marks[5], marks[70_000], marks.counts[SILENT]) == (SILENT, ACCEPTED, 1)
