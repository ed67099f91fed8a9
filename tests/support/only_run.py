"""The run directory of whatever makes only one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.lines import observed

if TYPE_CHECKING:
    from pathlib import Path


class OnlyRun:
    """Something whose runs are in `runs`."""

    @property
    def runs(self) -> Path:
        """The output directory."""
        raise NotImplementedError

    @property
    def run_dir(self) -> Path:
        """The only run."""
        (manifest,) = self.runs.glob("2*/manifest.json")
        return manifest.parent

    @property
    def manifest(self) -> dict[str, Any]:
        """Its manifest."""
        found: dict[str, Any] = json.loads((self.run_dir / "manifest.json").read_bytes())
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The observations of its journal."""
        segments = sorted(self.run_dir.glob("observations-*.jsonl"))
        return observed(line for segment in segments for line in segment.read_bytes().splitlines())
