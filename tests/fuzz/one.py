"""Runs one target under atheris: `python -m tests.fuzz.one TARGET STATISTICS [libFuzzer options, corpora]`.

Every ten seconds one line goes to the file STATISTICS: executions, seconds of CPU, seconds of the wall.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

import atheris  # type: ignore[import-untyped]  # it has no stubs

CPU_SECONDS = 2.0  # for one input; a wall clock would blame a busy machine
EVERY = 10.0


class ProgressMeter:
    """Counts executions and CPU time into a file now and then, because libFuzzer ends without a farewell."""

    def __init__(self, target: str, path: Path) -> None:
        self._target = target
        self._path = path
        self._begun = time.monotonic()
        self._due = self._begun + EVERY
        self.executions = 0

    def count(self) -> None:
        """One input is through."""
        self.executions += 1
        now = time.monotonic()
        if now >= self._due:
            self._due = now + EVERY
            self.write(now)

    def write(self, now: float) -> None:
        """Append where things stand."""
        row = {
            "target": self._target,
            "executions": self.executions,
            "cpu_seconds": round(time.process_time(), 2),
            "wall_seconds": round(now - self._begun, 2),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def main(arguments: list[str]) -> None:
    """Never returns: libFuzzer ends the process."""
    name, statistics, *options = arguments
    with atheris.instrument_imports(include=["scanner", "targets", "results"]):
        target = importlib.import_module("tests.fuzz.registry").TARGETS[name]
    meter = ProgressMeter(name, Path(statistics))

    def one(data: bytes) -> None:
        begun = time.process_time()
        target(data)
        spent = time.process_time() - begun
        if spent > CPU_SECONDS:
            raise AssertionError(f"one input of {len(data)} bytes took {spent:.1f} s of CPU")
        meter.count()

    # libFuzzer starts itself again, through a shell, when it merges corpora.
    again = f"{sys.executable} -m tests.fuzz.one {name} {statistics}"
    atheris.Setup([again, *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
