"""Run directories for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.files import (
    REAL,
    FileSystem,
)
from results.run import RunDirectory
from results.summary import Coverage
from tests.results.examples import manifest, observation
from tests.support.lines import line_of

if TYPE_CHECKING:
    from pathlib import Path


def create(output: Path, run_id: str = "run-1", fs: FileSystem = REAL, need_bytes: int = 0) -> RunDirectory:
    """A new run under `output`."""
    return RunDirectory.create(output, run_id, manifest(run_id), fs, need_bytes=need_bytes)


LINES = [line_of(observation(f"127.0.0.{n}")) for n in range(1, 5)]
WHOLE = Coverage(planned=4, outcomes=4)


def finish(run: RunDirectory) -> None:
    """End a run as complete."""
    run.finish(
        "complete", ended_at="2026-03-01T09:00:00.000Z", coverage=WHOLE, outcomes={"open": 1}, reasons=[]
    )


def crashed(tmp_path: Path, tail: bytes = b"") -> Path:
    """A run whose process ended without a word, with `tail` after three lines."""
    run = create(tmp_path)
    for line in LINES[:3]:
        run.journal().append(line)
    run.journal().sync()
    run._lock.release()
    path = run.path / "observations-0001.jsonl"
    path.write_bytes(path.read_bytes() + tail)
    (run.path / "checkpoint.json.tmp").write_text("half")
    return run.path
