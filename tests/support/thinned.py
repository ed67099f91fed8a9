"""Which rows of a long family run at every change: some from end to end; the rest is `exhaustive`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def thinned(rows: Iterable[Any], every: int) -> list[Any]:
    """For `parametrize`: the first, the last and every n-th row as they are, the others marked `exhaustive`.

    A row is one value, or a `pytest.param`.
    """
    params = [row if isinstance(row, type(pytest.param())) else pytest.param(row) for row in rows]
    return [
        row
        if at % every == 0 or at == len(params) - 1
        else pytest.param(*row.values, id=row.id, marks=(*row.marks, pytest.mark.exhaustive))
        for at, row in enumerate(params)
    ]


SOME_OR_REST = [
    pytest.param(True, id="some"),
    pytest.param(False, id="rest", marks=pytest.mark.exhaustive),
]
"""For `parametrize`: one row with some steps of a long walk, and one with all the others."""


def part(steps: Iterable[Any], every: int, *, some: bool, edge: int = 1) -> list[Any]:
    """The first and last `edge` steps and every n-th between them, or what that leaves out."""
    walk = list(steps)
    inner = range(edge, len(walk) - edge)
    return [step for at, step in enumerate(walk) if (at not in inner or at % every == 0) == some]
