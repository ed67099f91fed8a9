"""A report's content from the ledger: one reading of everything, so that all parts hold for the same
moment."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from msgspec.structs import replace

from results.chain import load_chain
from results.durations import instant
from results.files import ResultsError
from results.ledger.actions import shown
from results.ledger.choose import by_gravity
from results.report.content import LATELY, Asked, Content, Dossier, ReportedRun, retained
from results.report.hilbert import merged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from results.ledger.actions import ActionRecord
    from results.ledger.store import Ledger, LedgerRun
    from results.ledger.tracked import Change, TrackedExposure
    from results.ledger.view import View
    from results.report.content import Interval

EARLIER_RUNS = 60
"""So many runs before the last look are drawn as asked earlier: a year of weekly sweeps."""


def gather(view: View, output: Path, now: str, *, retain_seconds: int | None = None) -> Content:
    """Everything for the page of all exposures. What closed more than `retain_seconds` before `now` is left
    out."""
    kept, left_out = retained(by_gravity(view.exposures), now, retain_seconds)
    runs = view.ledger.runs()
    return Content(
        now=now,
        organisation=_organisation(runs),
        exposures=kept,
        changes=_by_exposure(view.ledger.changes(), kept),
        runs=[_reported(run, None) for run in runs],
        asked=_asked(view, runs),
        left_out=left_out,
        retained_seconds=retain_seconds,
        warnings=_warnings(view, runs),
    )


def gather_dossier(view: View, output: Path, exposure: TrackedExposure, now: str) -> Dossier:
    """Everything for the page of one exposure."""
    actions = view.actions.of([exposure.exposure_id, *exposure.former_ids])
    found = read_dossier(view.ledger, output, exposure, actions, now)
    return replace(found, warnings=_warnings(view, []))


def read_dossier(
    ledger: Ledger, output: Path, exposure: TrackedExposure, actions: Iterable[ActionRecord], now: str
) -> Dossier:
    """The same of an exposure that was laid over already, with the actions about it."""
    runs = ledger.runs()
    own = exposure.exposure_id
    looks = ledger.looks(own)
    wanted = {look.run_id for look in looks}
    return Dossier(
        now=now,
        organisation=_organisation(runs),
        exposure=exposure,
        changes=list(ledger.changes(own)),
        looks=looks,
        actions=[shown(record, own) for record in actions],
        runs={run.run_id: _reported(run, output) for run in runs if run.run_id in wanted},
    )


def _organisation(runs: Sequence[LedgerRun]) -> str:
    return next((run.organisation for run in reversed(runs) if run.organisation), "")


def _by_exposure(changes: Iterable[Change], kept: Sequence[TrackedExposure]) -> dict[str, list[Change]]:
    found: dict[str, list[Change]] = {each.exposure_id: [] for each in kept}
    for change in changes:
        if change.exposure_id in found:
            found[change.exposure_id].append(change)
    return found


def _reported(run: LedgerRun, output: Path | None) -> ReportedRun:
    """A run; with its directory and the head of its chain, where `output` is given and it still stands
    there."""
    head = folder = ""
    if output is not None and (output / run.path).is_dir():
        folder = str(output / run.path)
        with contextlib.suppress(ResultsError):  # a damaged chain: `audit` says how
            chain = load_chain(output / run.path)
            head = chain.head if chain is not None and run.ended_at else ""
    return ReportedRun(
        run_id=run.run_id,
        began=run.created_at,
        ended=run.ended_at,
        state=run.state,
        vantage=run.vantage,
        planned=run.planned,
        head=head,
        folder=folder,
    )


def _asked(view: View, runs: Sequence[LedgerRun]) -> Asked:
    """Which addresses the last runs set out to ask, and which only those before them."""
    ended = [run for run in runs if run.ended_at]
    if not ended:
        return Asked()
    since = instant(ended[-1].created_at) - LATELY
    last = [run for run in ended if instant(run.created_at) >= since]
    lately: dict[int, list[Interval]] = {4: [], 6: []}
    earlier: dict[int, list[Interval]] = {4: [], 6: []}
    uncertain, untold = [], []
    for run in ended[-EARLIER_RUNS - len(last) :]:
        coverage = view.ledger.coverage(run.run_id)
        recent = run in last
        if coverage is None:
            untold.append(run.run_id)
        elif recent and not coverage.certain:
            uncertain.append(run.run_id)
        if coverage is not None:
            for row in coverage.covered.rows():
                (lately if recent else earlier)[row.version].append((row.first, row.last))
    return Asked(
        lately=merged(lately[4]),
        earlier=merged(earlier[4]),
        lately6=merged(lately[6]),
        earlier6=merged(earlier[6]),
        runs=[run.run_id for run in last],
        uncertain=uncertain,
        untold=untold,
    )


def _warnings(view: View, runs: Sequence[LedgerRun]) -> list[str]:
    """What a reader must know first: a broken chain of what people did, and a last run that proves little."""
    found = []
    if view.actions.broken is not None and view.actions.broken.unproven:
        found.append(
            f"The file of what people did is broken at {view.actions.broken}; what stands there from then on "
            "does not count in this report."
        )
    ended = [run for run in runs if run.ended_at]
    if ended and ended[-1].state != "complete":
        found.append(
            f"The last run, {ended[-1].run_id}, is {ended[-1].state}: that it did not report a place "
            "proves nothing."
        )
    damaged = [run for run in runs if run.damage]
    if damaged:
        found.append(
            f"{len(damaged):,} runs are damaged and were not read to their end, {damaged[-1].run_id} "
            "among them."
        )
    return found
