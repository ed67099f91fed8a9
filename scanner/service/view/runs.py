"""The runs of an output directory as the page and the API list them, one of them whole, and two compared."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from results.diff.dated import with_ledger
from results.diff.pick import load_run
from results.diff.runs import diff_runs
from results.durations import between
from results.files import ResultsError
from results.latest import is_link
from results.ledger.database import NoLedgerError
from results.ledger.store import Ledger
from results.manifest import MANIFEST_FILE
from results.runs import run_info
from results.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from results.diff.difference import Comparison
    from results.ledger.store import LedgerRun
    from results.ledger.tracked import TrackedExposure
    from results.manifest import Manifest

_MOST_KEPT: Final = 8  # comparisons
PATIENCE: Final = 0.2  # seconds that a reader waits for a comparison


class RunLine(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run. Times are RFC 3339 in UTC, "" not yet. `state` is that of `results.runs.RunState`.

    `purpose` is "verify" where exposures were asked again, "confirm" where the rows of an outside report
    were, "" for a sweep. Counts are of targets, and null where they are not told: they stand in a manifest
    once the run was judged. `missed_at_most`: servers, with 99 % confidence; null also where no bound can be
    given. `here`: its directory still is; without it a run can be read in the ledger, but not compared.
    `problem`: why the ledger could not take it in.
    """

    run_id: str
    state: str
    began: str = ""
    ended: str = ""
    seconds: int | None = None
    purpose: str = ""
    vantage: str = ""
    shard: str = "1/1"
    planned: int | None = None
    not_reached: int | None = None
    open: int | None = None
    missed_at_most: int | None = None
    reasons: list[str] = []
    here: bool = False
    problem: str = ""

    @property
    def can_compare(self) -> bool:
        """Whether it can be one of two: it has ended, its journal is here, and it is a sweep."""
        return self.here and not self.purpose and self.state not in ("running", "unreadable")


class RunList:
    """Reads runs, each once for as long as its manifest does not change."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._lock = asyncio.Lock()
        self._comparing = asyncio.Lock()  # one at a time: each reads two journals
        self._known: dict[tuple[str, str, str, bool], RunLine] = {}
        self._compared: OrderedDict[tuple[object, ...], asyncio.Future[Comparison]] = OrderedDict()

    async def current(self, runs: Sequence[LedgerRun]) -> list[RunLine]:
        """Every run, the newest first: those of the ledger, and directories that it does not have (yet).

        Raises `ResultsError`.
        """
        async with self._lock:
            return await asyncio.to_thread(self._read, runs)

    async def manifest(self, run_id: str) -> Manifest | None:
        """What the ledger keeps of a run's manifest; None where it does not know the run."""
        return await asyncio.to_thread(self._manifest, run_id)

    async def compare(
        self, old: RunLine, new: RunLine, runs: Sequence[LedgerRun], exposures: Sequence[TrackedExposure]
    ) -> Comparison | None:
        """What changed from one run to another; both `can_compare`. None where it takes longer than
        `PATIENCE`: then it goes on, and who asks again gets it. Raises `ResultsError`."""
        key = (old.run_id, old.ended, new.run_id, new.ended)
        found = self._compared.get(key)
        if found is None or (found.done() and (found.cancelled() or found.exception() is not None)):
            paths = {run.run_id: run.path for run in runs}
            both = (self._path(paths, old), self._path(paths, new))
            found = self._compared[key] = asyncio.ensure_future(self._compare_alone(*both, exposures))
            found.add_done_callback(lambda done: done.cancelled() or done.exception())  # who asks is told
            while len(self._compared) > _MOST_KEPT:
                self._compared.popitem(last=False)[1].cancel()
        self._compared.move_to_end(key)
        done, _ = await asyncio.wait({found}, timeout=PATIENCE)
        return found.result() if done else None

    async def _compare_alone(self, old: Path, new: Path, exposures: Sequence[TrackedExposure]) -> Comparison:
        async with self._comparing:
            return await asyncio.to_thread(self._compare, old, new, exposures)

    def _path(self, paths: dict[str, str], run: RunLine) -> Path:
        """The directory of a run that was found here; nothing that a client sent becomes a path."""
        return self._output / paths.get(run.run_id, run.run_id)

    def _compare(self, old: Path, new: Path, exposures: Sequence[TrackedExposure]) -> Comparison:
        first, second = load_run(old), load_run(new)
        comparison = diff_runs(first, second)
        with contextlib.suppress(NoLedgerError), Ledger.open(self._output) as ledger:
            changes = ledger.changes(after=first.side.created_at)
            return with_ledger(comparison, exposures, changes)
        return comparison

    def _manifest(self, run_id: str) -> Manifest | None:
        try:
            with Ledger.open(self._output) as ledger:
                return ledger.manifest(run_id)
        except NoLedgerError:
            return None

    def _read(self, runs: Sequence[LedgerRun]) -> list[RunLine]:
        marks = [(run.run_id, run.state, run.ended_at, run.pruned) for run in runs]
        missing = [run for run, mark in zip(runs, marks, strict=True) if mark not in self._known]
        if missing:
            with contextlib.suppress(NoLedgerError), Ledger.open(self._output) as ledger:
                for run in missing:
                    self._known[run.run_id, run.state, run.ended_at, run.pruned] = _line(run, ledger)
        self._known = {mark: self._known[mark] for mark in marks if mark in self._known}
        found = list(self._known.values())
        found += self._beside({run.path for run in runs})
        return sorted(found, key=lambda run: (run.began, run.run_id), reverse=True)

    def _beside(self, taken_in: set[str]) -> Iterator[RunLine]:
        """Run directories that the ledger does not have: new ones, and those that it could not read."""
        try:
            folders = sorted(
                each for each in self._output.iterdir() if each.name not in taken_in and not is_link(each)
            )
        except OSError:  # the directory is not made yet: there are none
            return
        for folder in folders:
            if (folder / MANIFEST_FILE).is_file():
                info = run_info(folder)
                yield RunLine(
                    run_id=info.run_id,
                    state=info.state,
                    began=info.created_at,
                    ended=info.ended_at,
                    seconds=_lasted(info.created_at, info.ended_at),
                    purpose=info.purpose,
                    vantage=info.vantage,
                    shard=info.shard or "1/1",
                    planned=info.planned,
                    not_reached=info.not_reached,
                    open=info.open,
                    reasons=info.reasons,
                    here=folder.name == info.run_id,
                    problem=info.reasons[0] if info.state == "unreadable" and info.reasons else "",
                )


def _line(run: LedgerRun, ledger: Ledger) -> RunLine:
    line = RunLine(
        run_id=run.run_id,
        state=run.state,
        began=run.created_at,
        ended=run.ended_at,
        seconds=_lasted(run.created_at, run.ended_at),
        purpose=run.purpose,
        vantage=run.vantage,
        planned=run.planned,
        here=not run.pruned,
        problem=run.damage,
    )
    try:
        manifest = ledger.manifest(run.run_id)
    except ResultsError:  # what stands in columns is shown all the same
        return line
    if manifest is None:
        return line
    line = replace(line, shard=manifest.shard, reasons=manifest.reasons)
    if not manifest.ended_at or manifest.state in ("running", "failed"):
        return line
    return replace(
        line,
        not_reached=manifest.coverage.not_reached if manifest.coverage else None,
        open=sum(manifest.outcomes.get(verdict, 0) for verdict in Verdict if verdict.is_open),
        missed_at_most=manifest.loss.missed_at_most if manifest.loss else None,
    )


def _lasted(began: str, ended: str) -> int | None:
    return between(began, ended) if began and ended else None


def find(runs: Sequence[RunLine], run_id: str) -> RunLine | None:
    """The run of an id, among those that there are."""
    return next((run for run in runs if run.run_id == run_id), None)


def before(runs: Sequence[RunLine], run: RunLine) -> RunLine | None:
    """The last run before one that can be compared with it and looks from the same place."""
    older = [
        each
        for each in runs
        if each.can_compare
        and each.vantage == run.vantage
        and (each.began, each.run_id) < (run.began, run.run_id)
    ]
    return max(older, key=lambda each: (each.began, each.run_id), default=None)
