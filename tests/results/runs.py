"""Run directories for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.files import (
    REAL,
    FileSystem,
)
from results.run import RunDirectory
from tests.results.examples import manifest

if TYPE_CHECKING:
    from pathlib import Path


def create(output: Path, run_id: str = "run-1", fs: FileSystem = REAL, need_bytes: int = 0) -> RunDirectory:
    """A new run under `output`."""
    return RunDirectory.create(output, run_id, manifest(run_id), fs, need_bytes=need_bytes)
