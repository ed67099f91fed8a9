"""How a sweep ended, as the public interface says it: of one that has just ended, and of a run on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from results.chain import load_chain
from results.runs import state_of
from results.verdict import Verdict
from scanner.errors import ExitCode

if TYPE_CHECKING:
    from results.manifest import Manifest
    from results.runs import RunState
    from scanner.sweep.progress import RunSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a run ended. Counts are of targets: an address and a port. planned = all outcomes + excluded +
    not_reached.

    `run_dir`: None where the run was not kept. `state`: `complete`, `degraded` or `interrupted`; of a run
    that was read back also `failed`, `aborted` (its process is gone) and `running`. `reasons`: why it is not
    complete, and what a reader should know, a sentence each. `outcomes`: those that occurred. `elapsed`:
    seconds of work, None of a run that was read back. `exit_code`: that of the command line for the same.
    `chain_head`: the last hash over the run's files; worth keeping elsewhere.
    """

    run_id: str
    run_dir: Path | None
    state: RunState
    reasons: tuple[str, ...]
    planned: int
    outcomes: dict[Verdict, int]
    excluded: int
    not_reached: int
    elapsed: float | None
    exit_code: int
    chain_head: str

    @property
    def open(self) -> int:
        """How many servers answered without a password, with data or without."""
        return sum(count for verdict, count in self.outcomes.items() if verdict.is_open)


def summary_of(run: RunSummary, *, kept: bool) -> Summary:
    """Of a sweep that has just ended."""
    return Summary(
        run_id=run.run_id,
        run_dir=Path(run.run_dir) if kept else None,
        state=cast("RunState", run.state),
        reasons=run.reasons,
        planned=run.planned,
        outcomes=_outcomes(run.outcomes),
        excluded=run.excluded,
        not_reached=run.not_reached,
        elapsed=run.elapsed,
        exit_code=int(run.exit_code),
        chain_head=run.chain_head,
    )


def summary_on_disk(path: Path, manifest: Manifest, *, held: bool) -> Summary:
    """Of a run directory. `held`: a living process works on it. Raises `CorruptError` for a broken chain."""
    chain = load_chain(path)
    state, covered = state_of(manifest, held=held), manifest.coverage
    outcomes = _outcomes(manifest.outcomes)
    found_open = any(count and verdict.is_open for verdict, count in outcomes.items())
    code = ExitCode.OPEN if found_open else ExitCode.CLEAN
    return Summary(
        run_id=manifest.run_id,
        run_dir=path,
        state=state,
        reasons=tuple(manifest.reasons),
        planned=manifest.planned.targets,
        outcomes=outcomes,
        excluded=covered.excluded if covered is not None else 0,
        not_reached=covered.not_reached if covered is not None else 0,
        elapsed=None,
        exit_code=int(code if state == "complete" else ExitCode.INCOMPLETE),
        chain_head=chain.head if chain is not None else manifest.chain_head,
    )


def _outcomes(counts: dict[str, int]) -> dict[Verdict, int]:
    return {verdict: counts[verdict] for verdict in Verdict if counts.get(verdict)}
