"""Runs the hostile suite: the lab in one process, the one who asks in another, to tell their memory apart."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.support.kinds import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_SECONDS = 90.0
"""Host and a margin: what one hostile server may cost a sweep in which all slots are busy with such. Time in
which a busy machine let nobody run moves every deadline, so the margin is wide."""


@dataclass(frozen=True)
class Row:
    """One server and what became of asking it. Bytes and seconds; `peak` is 0 unless it was asked alone.

    `late`: in the crowd it answered after the deadline, and the verdict is that of asking it again.
    """

    name: str
    description: str
    hostile: bool
    right: tuple[str, ...]
    verdict: str
    rule: str
    seconds: float
    received: int
    databases: int
    peak: int = 0
    late: bool = False

    @property
    def is_right(self) -> bool:
        """Whether the verdict is one of the right ones."""
        return self.verdict in self.right


@dataclass(frozen=True)
class Outcome:
    """The rows, the honest servers asked again afterwards, the growth of memory (bytes), and the seconds."""

    rows: list[Row]
    honest_after: list[Row]
    growth: int
    seconds: float


@contextlib.contextmanager
def lab(count: int) -> Iterator[str]:
    """The lab in a process of its own; gives its line of JSON."""
    command = [sys.executable, "-m", "tests.accuracy.hostile_lab", str(count)]
    # Measured, it would be half as fast; what it runs is measured where each server has a test of its own.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        try:
            yield running.stdout.readline()
        finally:
            running.stdin.close()
            running.wait(20)


def run(mode: str, count: int = 0) -> Outcome:
    """Ask all servers `together`, or each `alone`."""
    with lab(count) as line:
        places: list[list[Any]] = json.loads(line)
        done = subprocess.run(
            [sys.executable, "-m", "tests.accuracy.hostile_run", mode],
            cwd=ROOT,
            input=line,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    honest = [place for place in places if not place[3]]
    return Outcome(
        [_row(*pair) for pair in zip(places, found["rows"], strict=True)],
        [_row(*pair) for pair in zip(honest, found["honest_after"], strict=True)],
        found["growth"],
        found["seconds"],
    )


def _row(place: list[Any], seen: dict[str, Any]) -> Row:
    _, _, name, hostile, right, description = place
    return Row(name, description, hostile, tuple(right), **seen)
