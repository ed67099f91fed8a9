"""Adds up the statistics that fuzzing left: `python -m tests.fuzz.summary FILE ...` prints the table.

Each file holds the lines of one process (see `tests.fuzz.one`); the last line of each process counts.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class Total:
    """What all processes of one target did."""

    executions: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0


def totals(paths: Iterable[Path]) -> dict[str, Total]:
    """By target. A line with fewer executions than the one before it begins another process."""
    found: dict[str, Total] = defaultdict(Total)
    for path in paths:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for row, after in zip(rows, [*rows[1:], None], strict=True):
            if after is None or after["executions"] < row["executions"]:
                total = found[row["target"]]
                total.executions += row["executions"]
                total.cpu_seconds += row["cpu_seconds"]
                total.wall_seconds += row["wall_seconds"]
    return dict(found)


def table(found: dict[str, Total]) -> str:
    """Target, executions, CPU and wall time; the last row is the sum."""
    rows = sorted(found.items())
    every = Total(
        sum(t.executions for _, t in rows),
        sum(t.cpu_seconds for _, t in rows),
        sum(t.wall_seconds for _, t in rows),
    )
    lines = ["| target | executions | CPU minutes | wall minutes |", "|---|--:|--:|--:|"]
    lines += [
        f"| {name} | {total.executions:,} | {total.cpu_seconds / 60:.1f} | {total.wall_seconds / 60:.1f} |"
        for name, total in [*rows, ("all", every)]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(totals(map(Path, sys.argv[1:]))))  # noqa: T201 - the program's output
