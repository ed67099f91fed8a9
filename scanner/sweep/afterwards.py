"""What is done once a run is sealed: the ledger takes it in, the link `latest` names it, old runs go.

Whatever is wrong with any of it is said in one line, and changes nothing of the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from results.files import ResultsError
from results.latest import point_at
from results.text import plural, visible
from results.verdict import Verdict
from scanner.sweep.findings import Findings, open_severities
from scanner.sweep.remembered import Taken, take_in, tell

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.clock import Clock
    from scanner.setup.settings import Settings
    from scanner.sweep.progress import RunSummary

    Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Afterwards:
    """What is wanted after a sweep. `ledger`: it takes the run in, and events are told. `keep`: seconds for
    which runs stay that the ledger holds; None: for ever. `counted`: severities and what is new are asked
    for."""

    ledger: bool = True
    keep: int | None = None
    counted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What came of it. `changed`: what the run changed, in one line; "" where that is not known. `removed`:
    names of run directories."""

    findings: Findings
    changed: str = ""
    removed: list[str] = field(default_factory=list)


def afterwards(
    run: RunSummary,
    wanted: Afterwards,
    settings: Settings,
    clock: Clock,
    *,
    say: Say,
    remark: Say,
) -> Left:
    """Do it all, in this order, for the run of a sweep. `say` is told what went wrong, `remark` what need not
    be known."""
    path = Path(run.run_dir)
    taken = Taken()
    if wanted.ledger:
        taken = take_in(path.parent, run, say)
        tell(path.parent, settings, say)
    note_latest(path, remark)
    findings = _findings(run, taken.new, wanted, say)
    removed: list[str] = []
    if wanted.keep is not None and wanted.ledger:
        removed = _prune(run, wanted.keep, settings, clock, say)
    if removed:
        names = "the run" if len(removed) == 1 else f"{plural(len(removed), 'run')}, the oldest"
        remark(f"removed {names} {removed[0]}: the ledger holds what was in it")
    return Left(findings=findings, changed=taken.line, removed=removed)


def note_latest(run: Path, remark: Say) -> None:
    """Let the link `latest` name a run that has ended."""
    if problem := point_at(run):
        remark(f"no link to the latest run: {visible(problem, 300)}")


def _findings(run: RunSummary, new: int | None, wanted: Afterwards, say: Say) -> Findings:
    found_open = sum(run.outcomes.get(each.value, 0) for each in Verdict if each.is_open)
    unknown = run.outcomes.get(Verdict.UNKNOWN.value, 0)
    if not wanted.counted:
        return Findings(open=found_open, unknown=unknown)
    try:
        severities = open_severities(Path(run.run_dir))
    except ResultsError as error:
        say(f"open servers could not be counted by severity: {visible(str(error), 300)}")
        severities = {"critical": found_open}  # the worst that can be true
    new = _new(run) if new is None else new
    return Findings(open=found_open, severities=severities, new=new, unknown=unknown)


def _new(run: RunSummary) -> int | None:
    """Open servers that were not open in the last comparable run; all where there is none."""
    from results.diff.difference import NEW
    from results.diff.pick import NothingToCompareError, last_comparable, load_run
    from results.diff.runs import diff_runs

    try:
        ours = load_run(Path(run.run_dir))
        before = last_comparable(ours, Path(run.run_dir).parent)
        return sum(each.kind in NEW for each in diff_runs(before, ours).differences)
    except NothingToCompareError:
        return sum(run.outcomes.get(each.value, 0) for each in Verdict if each.is_open)
    except ResultsError:
        return None


def _prune(run: RunSummary, keep: int, settings: Settings, clock: Clock, say: Say) -> list[str]:
    from results.ledger.prune import prune
    from scanner.clock import timestamp

    try:
        report = prune(
            Path(run.run_dir).parent,
            timedelta(seconds=keep),
            timestamp(clock.wall()),
            organisation=settings.organisation.name,
            spare=run.run_id,
        )
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the sweep is over, and what it says stands
        say(f"old runs stay, the next sweep tries again: {visible(' '.join(str(error).split()), 300)}")
        return []
    return report.removed
