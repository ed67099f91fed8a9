"""Removing old run directories whose content is in the ledger, and none that holds what an exposure rests
on."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

from msgspec import Struct

from results.durations import as_text, instant
from results.files import ResultsError, explain, remedy_for
from results.latest import forget_dangling
from results.ledger import database
from results.ledger.database import LEDGER_FILE, LedgerError, transaction
from results.ledger.intake import Intake, IntakeReport, locked
from results.ledger.store import Ledger
from results.lock import Lock
from results.manifest import MANIFEST_FILE
from results.run import load_manifest

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path

    from results.ledger.intake import Progress
    from results.ledger.store import LedgerRun
    from results.ledger.tracked import TrackedExposure


class KeptRun(Struct, frozen=True, kw_only=True):
    """A run that is old enough, and stays: why."""

    run_id: str
    directory: str
    reason: str


class PruneReport(Struct, kw_only=True):
    """What was removed, or would be: directories, oldest first, and their bytes; and what stays although it
    is old."""

    removed: list[str] = []
    bytes: int = 0
    kept: list[KeptRun] = []
    intake: IntakeReport


def prune(
    output: Path,
    keep: timedelta,
    now: str,
    *,
    dry_run: bool = False,
    organisation: str = "",
    progress: Callable[[Progress], None] | None = None,
    spare: str = "",
) -> PruneReport:
    """Remove the directories of runs that ended more than `keep` before `now`, once the ledger holds all of
    them; not the run of the id `spare`.

    One stays that goes on or never ended, was not read to its end, or holds the first or the last look that
    saw an exposure open, or a proof that it was closed, as long as that exposure is not closed. What was
    removed stays in the ledger. Raises as `catch_up` does, and `LedgerError` when a directory cannot be
    removed.
    """

    def work() -> PruneReport:
        intake = Intake(output, organisation, progress)
        report = _Prune(output, intake.run(), dry_run=dry_run, spare=spare).run(as_text(instant(now) - keep))
        forget_dangling(output)
        return report

    return locked(output, work)


class _Prune:
    def __init__(self, output: Path, intake: IntakeReport, *, dry_run: bool, spare: str) -> None:
        self._output = output
        self._spare = spare
        self._dry_run = dry_run
        self._report = PruneReport(intake=intake)

    def run(self, before: str) -> PruneReport:
        """All of it."""
        with (
            Ledger.open(self._output) as ledger,
            contextlib.closing(database.connect(self._output, write=True)) as connection,
        ):
            needed = _needed(ledger)
            for run in ledger.runs():
                path = self._output / run.path
                if not path.is_dir() or path.is_symlink() or (run.ended_at or run.created_at) >= before:
                    continue
                if run.run_id == self._spare:
                    continue
                if reason := self._why_it_stays(run, path, needed):
                    self._report.kept.append(KeptRun(run_id=run.run_id, directory=run.path, reason=reason))
                    continue
                self._report.bytes += sum(file.lstat().st_size for file in path.rglob("*"))
                self._report.removed.append(run.path)
                if not self._dry_run:
                    self._remove(run, path, connection)
        return self._report

    def _why_it_stays(self, run: LedgerRun, path: Path, needed: dict[str, str]) -> str:
        if run.pruned:
            return ""  # a removal that was broken off
        if not run.ended_at or run.state in ("running", "aborted"):
            return "it never ended: resume it, or remove it by hand"
        if run.damage or not run.whole:
            return f"it is not in the ledger wholly{': ' if run.damage else ''}{run.damage}"
        try:
            manifest = load_manifest(path)[0]
        except ResultsError as error:
            return f"its manifest does not read: {error.reason}"
        if (manifest.run_id, manifest.ended_at) != (run.run_id, run.ended_at):
            return "its manifest is another one than the ledger knows"
        return needed.get(run.run_id, "")

    def _remove(self, run: LedgerRun, path: Path, connection: sqlite3.Connection) -> None:
        """The ledger says so first; then the manifest goes, and with it the run. What is left is removed next
        time."""
        lock = Lock.acquire(path, "pruning")
        try:
            with database.translating(self._output / LEDGER_FILE), transaction(connection):
                connection.execute("UPDATE runs SET pruned = 1 WHERE run_id = ?", (run.run_id,))
            try:
                (path / MANIFEST_FILE).unlink(missing_ok=True)
                shutil.rmtree(path)
            except OSError as error:
                raise LedgerError(
                    path, f"cannot be removed: {explain(error)}", remedy_for(error) or "remove it by hand"
                ) from error
        finally:
            lock.release()


def _needed(ledger: Ledger) -> dict[str, str]:
    """Runs by their id that hold what an exposure which is not closed rests on, and what that is."""
    found: dict[str, str] = {}
    for exposure in ledger.exposures():
        if not exposure.is_open:
            continue
        moments = _moments(exposure)
        looks = ledger.looks(exposure.exposure_id)
        for look in looks:
            if look.at in moments:
                found.setdefault(look.run_id, f"{exposure.exposure_id} rests on it, and is not closed")
    return found


def _moments(exposure: TrackedExposure) -> set[str]:
    """When it was first and last seen open in each spell, and when it was proved closed."""
    moments = {exposure.first_seen_open, exposure.last_seen_open, exposure.opened_after}
    for spell in exposure.spells:
        moments |= {spell.first_seen_open, spell.last_seen_open, spell.opened_after, spell.closed_before}
    moments |= {vantage.last_seen_open for vantage in exposure.vantages}
    moments |= {vantage.closed_at for vantage in exposure.vantages}
    return moments - {""}
