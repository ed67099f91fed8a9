"""The runs under a directory, each with its state."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from results.files import ResultsError, not_listed
from results.latest import is_link
from results.lock import is_held
from results.manifest import MANIFEST_FILE, CoveredFile, Manifest
from results.progress import Progress, read_progress
from results.run import load_manifest
from results.verdict import Verdict

if TYPE_CHECKING:
    from pathlib import Path

RunState = Literal["running", "complete", "degraded", "interrupted", "failed", "aborted", "unreadable"]


class RunInfo(Struct, frozen=True, kw_only=True):
    """One line of the list. `aborted`: its process is gone and never wrote how the run ended.

    `organisation`: the name in its configuration. `scope`: the digest; parts of one sweep (`shard`) have the
    same one, and the same seed. `covered`: what `results.covered.load_coverage` reads; None: not known.
    `progress`: of one that goes on, or was aborted, how far it is, as it said last.
    """

    run_id: str
    path: str
    state: RunState
    created_at: str = ""
    ended_at: str = ""
    planned: int | None = None
    not_reached: int | None = None
    open: int | None = None
    vantage: str = ""
    purpose: str = ""
    organisation: str = ""
    scope: str = ""
    seed: int | None = None
    shard: str = ""
    covered: CoveredFile | None = None
    reasons: list[str] = []
    progress: Progress | None = None

    @property
    def can_resume(self) -> bool:
        """True when `sweep --resume` would take it up. A `verify` is asked anew instead."""
        return not self.purpose and self.state in ("degraded", "interrupted", "failed", "aborted")


def list_runs(output: Path) -> list[RunInfo]:
    """Every run directory under `output`, oldest first. Raises `NotARunError` when it cannot be listed."""
    try:
        entries = sorted(entry for entry in output.iterdir() if entry.is_dir() and not is_link(entry))
    except OSError as error:
        raise not_listed(output, error) from error
    runs = [run_info(entry) for entry in entries if os.path.lexists(entry / MANIFEST_FILE)]
    return sorted(runs, key=lambda run: (run.created_at, run.run_id))


def run_info(path: Path) -> RunInfo:
    """One run's line; damage becomes the state `unreadable` with its reason, so that the list stays whole.

    Counts stand in a manifest only once the run was judged: of one that goes on, or died, or failed, nobody
    knows them without reading all its lines.
    """
    held = is_held(path)
    try:
        manifest, _ = load_manifest(path)
    except ResultsError as error:
        return RunInfo(run_id=path.name, path=str(path), state="unreadable", reasons=[error.reason])
    state = state_of(manifest, held=held)
    counted = bool(manifest.ended_at) and manifest.state not in ("running", "failed")
    return RunInfo(
        run_id=manifest.run_id,
        path=str(path),
        state=state,
        created_at=manifest.created_at,
        ended_at=manifest.ended_at,
        planned=manifest.planned.targets,
        not_reached=manifest.coverage.not_reached if counted and manifest.coverage else None,
        open=sum(manifest.outcomes.get(verdict, 0) for verdict in Verdict if verdict.is_open)
        if counted
        else None,
        vantage=manifest.vantage,
        purpose=manifest.purpose,
        organisation=organisation_of(manifest),
        scope=manifest.scope.digest,
        seed=manifest.seed,
        shard=manifest.shard,
        covered=manifest.covered,
        reasons=manifest.reasons,
        progress=progress_of(path, manifest) if state in ("running", "aborted") else None,
    )


def progress_of(path: Path, manifest: Manifest) -> Progress | None:
    """What the run in a directory said last of how far it is, if that is its own."""
    found = read_progress(path)
    return found if found is not None and found.run_id == manifest.run_id else None


def organisation_of(manifest: Manifest) -> str:
    """Its name; empty where none was configured, or what stands there is no name."""
    organisation = manifest.configuration.get("organisation")
    name = organisation.get("name") if isinstance(organisation, dict) else ""
    return name if isinstance(name, str) else ""


def state_of(manifest: Manifest, *, held: bool) -> RunState:
    """A run's state by its manifest, and by whether a living process holds its lock."""
    if manifest.state == "running":
        return "running" if held else "aborted"
    return manifest.state
