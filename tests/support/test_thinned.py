"""Nothing falls between what runs at every change and what is exhaustive."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.thinned import part, thinned


@given(st.lists(st.integers(), min_size=1, max_size=40), st.integers(1, 9))
def test_rows_stay_as_they_are(rows: list[int], every: int) -> None:
    found = thinned(rows, every)
    assert [row.values for row in found] == [(row,) for row in rows]
    left = [at for at, row in enumerate(found) if not row.marks]
    assert (left[0], left[-1]) == (0, len(rows) - 1)
    assert all(b - a <= every for a, b in itertools.pairwise(left))


def test_names_and_marks_of_a_row_stay() -> None:
    rows = [pytest.param(n, 2, id=f"row {n}", marks=pytest.mark.slow) for n in range(3)]
    found = thinned(rows, 2)
    assert [(row.values, row.id) for row in found] == [((n, 2), f"row {n}") for n in range(3)]
    marks = [[mark.name for mark in row.marks] for row in found]
    assert marks == [["slow"], ["slow", "exhaustive"], ["slow"]]


@given(st.lists(st.integers(), unique=True, max_size=60), st.integers(1, 9), st.integers(1, 9))
def test_both_parts_are_the_whole(steps: list[int], every: int, edge: int) -> None:
    some, rest = (part(steps, every, some=which, edge=edge) for which in (True, False))
    assert sorted(some + rest) == sorted(steps)
    assert steps[:edge] + steps[-edge:] == [*some[:edge], *some[-edge:]]
