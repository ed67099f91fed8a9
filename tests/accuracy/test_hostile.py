"""Hostile servers, two hundred at once: bounded memory and time, the right verdict, nobody else harmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scanner.lab import hostile
from scanner.lab.estate import catalogue
from scanner.lab.personality import Group
from tests.accuracy.hostile_cases import CASES, ELSEWHERE, named
from tests.accuracy.hostile_suite import LIMIT_SECONDS, run
from tests.support.kinds import ROOT
from tests.support.printed import note

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE = 200
MEMORY = 64 * 1024**2
TITLE = f"{AT_ONCE} hostile servers at once"


def test_every_case_has_its_server() -> None:
    """And every hostile server stands for a case."""
    known = {each.name for each in catalogue(Group)}
    covered = {name for names in CASES.values() for name in named(names, known)}
    mine = {each.name for each in hostile.personalities()}
    lengths = {name for name in mine if name.startswith(("length_", "list_length_", "fin_at_", "reset_at_"))}
    assert mine - covered - lengths == set()
    for test in ELSEWHERE.values():
        file, _, name = test.partition("::")
        assert name in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.slow
def test_two_hundred_at_once(record_property: Callable[[str, object], None]) -> None:
    outcome = run("together", AT_ONCE)
    hostility = [row for row in outcome.rows if row.hostile]
    wrong = [row for row in outcome.rows if not row.is_right]
    late = [row.name for row in outcome.rows if row.late]
    slowest = max(outcome.rows, key=lambda row: row.seconds)
    note(
        record_property,
        TITLE,
        {
            "servers": str(len(hostility)),
            "right": str(len(hostility) - sum(row.hostile for row in wrong)),
            "late": str(len(late)),
            "seconds": f"{outcome.seconds:.1f}",
            "slowest": f"{slowest.name} ({slowest.seconds:.1f} s)",
            "growth of memory": f"{outcome.growth / 1024**2:.1f} MiB",
        },
    )
    assert len(hostility) >= AT_ONCE
    assert wrong == []
    assert len(late) <= AT_ONCE // 10, late
    assert outcome.growth < MEMORY
    assert slowest.seconds < LIMIT_SECONDS
    # The honest servers among them, and the same ones afterwards.
    honest = [row for row in outcome.rows if not row.hostile]
    assert [(row.verdict, row.databases) for row in honest] == [
        (row.verdict, row.databases) for row in outcome.honest_after
    ]
    assert all(row.is_right for row in outcome.honest_after)
