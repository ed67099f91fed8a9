"""How a sweep's accounts are closed: what it covered, whether it may say `complete`, and the exit code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from results.files import StorageError
from results.summary import Coverage as Accounts
from results.verdict import Verdict
from scanner.clock import timestamp
from scanner.engine.loss import RECALL
from scanner.errors import ExitCode
from scanner.sweep.progress import Summary
from scanner.sweep.stage_marks import forget_others

if TYPE_CHECKING:
    from results.manifest import State
    from results.sinks.stdout import Follower
    from scanner.sweep.sweep import Sweep

UNLOOKED = "packets were lost, and targets that were silent before the resume were not asked again"
STDOUT_PATIENCE = 1.5  # seconds; a reader of stdout that takes longer does not keep the run from its end


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
    try:
        return _close(sweep, ended_at)
    except StorageError as error:
        directory.fail([str(error)], ended_at=ended_at)
        raise


def _close(sweep: Sweep, ended_at: str) -> Summary:
    directory = sweep.begun.directory
    if sweep.follower is not None:
        sweep.follower.finish(STDOUT_PATIENCE)
    not_reached = sweep.engine.not_reached()
    state, reasons = _state(sweep, not_reached)
    if state != "complete":
        sweep.save_checkpoint()  # even when all is reached: a resume must not forget why it was degraded
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
    if state == "complete":
        forget_others(sweep.fs, directory.path, ())  # nobody goes on from here
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
    """`complete` is earned: nothing left out, canaries heard, no prefix masked, few packets lost."""
    faults = _faults(sweep, not_reached)
    reasons = faults + _remarks(sweep)
    if sweep.pauses.interrupted.is_set() and not_reached:
        return "interrupted", reasons
    return ("degraded" if faults else "complete"), reasons


def _faults(sweep: Sweep, not_reached: int) -> list[str]:
    """Everything that keeps a sweep from being complete, a sentence each."""
    engine, coverage, found = sweep.engine, sweep.coverage, []
    if not_reached:
        given_up = len(engine.given_up)
        why = engine.stop_reason or (_local(sweep) if given_up else "stopped")
        found.append(f"{not_reached} targets were not reached: {why}")
    if coverage.excluded:
        found.append(f"{coverage.excluded} targets left the scope while the sweep ran")
    found += lasting_faults(sweep)
    if sweep.second_look.recall < RECALL:
        found.append(sweep.second_look.words)
    found += [f"masked by a middlebox: {prefix}" for prefix in sweep.scribe.prefixes.masked()]
    if sweep.raw is not None:
        found += [sweep.raw.trouble] if sweep.raw.trouble else []
        if sweep.raw.recall < RECALL:
            found.append(f"packets were lost: the SYN stage's estimated recall is {sweep.raw.recall:.2%}")
    if sweep.follower is not None and sweep.follower.lost:
        found.append(_missing_on_stdout(sweep.follower.lost))
    return found


def lasting_faults(sweep: Sweep) -> list[str]:
    """Of these, what no resume can mend: it concerns targets that have an outcome already."""
    found = [*sweep.spoiled, *sweep.canaries.failures]
    before, look = sweep.begun.checkpoint, sweep.second_look
    silent_before = before is not None and before.outcomes.get(Verdict.FILTERED)
    if silent_before and look.gaps and look.words and UNLOOKED not in found:
        found.append(UNLOOKED)
    if sweep.raw is not None and sweep.raw.ran:
        found += [f"{outage}, while the SYN stage ran" for outage in sweep.pauses.all_outages]
    bugs = sweep.engine.bugs
    if bugs:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in bugs.most_common(3))
        found.append(f"{bugs.total()} failures of our own code, please report them: {kinds}")
    return found


def _local(sweep: Sweep) -> str:
    """The most frequent fault of this machine."""
    most = sweep.coverage.faults.most_common(1)
    return f"this machine could not ask them ({most[0][0]})" if most else "our own code failed on them"


def _remarks(sweep: Sweep) -> list[str]:
    """What a reader should know, though it took nothing from the result."""
    found = []
    if sweep.engine.connector.pauses:
        found.append(
            f"the program stood still {sweep.engine.connector.pauses} times (stopped, or too busy);"
            " deadlines were extended"
        )
    if sweep.raw is None or not sweep.raw.ran:
        found += [f"{outage}; what it touched was asked again" for outage in sweep.pauses.outages]
    if sweep.engine.halvings:
        found.append(f"the pace was halved {sweep.engine.halvings} times under stress")
    if sweep.second_look.recall >= RECALL and sweep.second_look.words:
        found.append(sweep.second_look.words)
    return found


def with_stdout(summary: Summary, follower: Follower | None) -> Summary:
    """The summary with what befell stdout when the run's end was already written."""
    if follower is None or not follower.lost:
        return summary
    missing = _missing_on_stdout(follower.lost)
    if missing in summary.reasons:
        return summary
    state = "degraded" if summary.state == "complete" else summary.state
    return replace(summary, state=state, reasons=(*summary.reasons, missing), exit_code=ExitCode.INCOMPLETE)


def _missing_on_stdout(lost: str) -> str:
    return f"{lost}; lines are missing there, and the run directory has them all"


def _exit_code(state: State, found_open: int, fail_on: str) -> int:
    if state != "complete":
        return ExitCode.INCOMPLETE
    return ExitCode.OPEN if found_open and fail_on == "open" else ExitCode.CLEAN
