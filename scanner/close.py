"""How a sweep's accounts are closed: what it covered, whether it may say `complete`, and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.files import StorageError
from results.summary import Coverage as Accounts
from results.verdict import Verdict
from scanner.errors import ExitCode
from scanner.observe import timestamp
from scanner.progress import Summary

if TYPE_CHECKING:
    from results.manifest import State
    from scanner.sweep import Sweep


def close_accounts(sweep: Sweep) -> Summary:
    """Check that planned = outcomes + excluded + not reached, seal the run, and say how it ended.

    Raises the failure that stopped the sweep, after the run directory says so. Raises AccountsError
    when a target was lost or counted twice: that is never passed over.
    """
    ended_at = timestamp(sweep.clock.wall())
    directory = sweep.begun.directory
    if sweep.failure is not None:
        if isinstance(sweep.failure, StorageError):
            directory.fail([str(sweep.failure)], ended_at=ended_at)
        raise sweep.failure
    not_reached = sweep.engine.not_reached()
    state, reasons = _state(sweep, not_reached)
    if not_reached:
        sweep.save_checkpoint()
    coverage = sweep.coverage
    outcomes = {str(name): count for name, count in sorted(coverage.outcomes.items())}
    directory.finish(
        state,
        ended_at=ended_at,
        coverage=Accounts(
            planned=coverage.planned,
            outcomes=coverage.done,
            excluded=coverage.excluded,
            not_reached=not_reached,
        ),
        outcomes=outcomes,
        reasons=reasons,
    )
    found_open = coverage.outcomes[Verdict.OPEN] + coverage.outcomes[Verdict.OPEN_NO_DATA]
    return Summary(
        run_id=directory.run_id,
        run_dir=str(directory.path),
        state=state,
        reasons=tuple(reasons),
        planned=coverage.planned,
        outcomes=outcomes,
        excluded=coverage.excluded,
        not_reached=not_reached,
        elapsed=sweep.meter.elapsed,
        exit_code=_exit_code(state, found_open, sweep.options.fail_on),
        chain_head=directory.chain_head,
    )


def _state(sweep: Sweep, not_reached: int) -> tuple[State, list[str]]:
    """`complete` is earned: nothing left out, canaries heard, no prefix masked."""
    reasons = []
    if not_reached:
        reasons.append(f"{not_reached} targets were not reached: {sweep.engine.stop_reason or 'stopped'}")
    if sweep.coverage.excluded:
        reasons.append(f"{sweep.coverage.excluded} targets left the scope while the sweep ran")
    reasons += sweep.canaries.failures
    reasons += [f"masked by a middlebox: {prefix}" for prefix in sweep.scribe.prefixes.masked()]
    if sweep.engine.connector.pauses:
        reasons.append(
            f"the process was stopped {sweep.engine.connector.pauses} times; deadlines were extended"
        )
    if sweep.raw is not None and sweep.raw.trouble:
        reasons.append(sweep.raw.trouble)
    if sweep.pauses.interrupted.is_set() and not_reached:
        return "interrupted", reasons
    return ("degraded" if _spoils(sweep, not_reached) else "complete"), reasons


def _spoils(sweep: Sweep, not_reached: int) -> bool:
    return bool(
        not_reached
        or sweep.coverage.excluded
        or sweep.canaries.failures
        or sweep.scribe.prefixes.masked()
        or (sweep.raw is not None and sweep.raw.trouble)
    )


def _exit_code(state: State, found_open: int, fail_on: str) -> int:
    if state != "complete":
        return ExitCode.INCOMPLETE
    return ExitCode.OPEN if found_open and fail_on == "open" else ExitCode.CLEAN
