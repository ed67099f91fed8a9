"""Taking in runs: every run directory of an output folder, each from where the ledger stopped reading it.

Idempotent, in any order, and safe to kill at any moment: what was read and how far stand in one transaction,
and what follows from it is derived behind that, in another. docs/ledger.md has the rules.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec
from msgspec import Struct

from results.covered import RunCoverage, parse_covered, read_covered
from results.durations import as_text, instant
from results.files import CorruptError, ResultsError, not_listed
from results.follow import Cursor
from results.latest import is_link
from results.ledger import database
from results.ledger.contents import squeeze
from results.ledger.database import LEDGER_FILE, DamagedLedgerError, transaction
from results.ledger.derive import derive as derive_exposures
from results.ledger.identity import evidence_of
from results.ledger.rederive import Rederiver
from results.ledger.run_reader import RunReader
from results.ledger.salvage import salvage
from results.ledger.writing import RunRow, Writer
from results.lines import RecordError
from results.lock import Lock, is_held
from results.manifest import MANIFEST_FILE, Manifest
from results.run import load_manifest
from results.runs import organisation_of, state_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from results.ledger.rederive import Derive

T = TypeVar("T")
LOCK_FILE: Final = "ledger.lock"
DERIVATION: Final = "4"
"""Raised when what is derived of the same visits changes: then all is derived anew."""
_BATCH: Final = 4000  # observations of one transaction
_CHECKED_ALWAYS: Final = 4 << 20
"""Bytes of a ledger below which all of it is checked each time; a larger one only before it is added to."""
_MOST_IN_SQLITE: Final = (1 << 63) - 1
_TRIES: Final = 1200  # looks for another process that takes in, within a minute


class PassedOver(Struct, frozen=True, kw_only=True):
    """A run that was not taken in, or not to its end, and why."""

    directory: str
    reason: str


class IntakeReport(Struct, kw_only=True):
    """What one taking-in did. `set_aside`: the new name of a ledger that was damaged."""

    runs: int = 0
    observations: int = 0
    exposures: int = 0
    passed_over: list[PassedOver] = []
    set_aside: str = ""
    notes: list[str] = []


class Progress(Struct, frozen=True, kw_only=True):
    """How far it came: `run` of `runs` directories, `observations` in all; `left`: places still to be
    derived."""

    run: int = 0
    runs: int = 0
    observations: int = 0
    left: int | None = None


def catch_up(
    output: Path,
    *,
    organisation: str = "",
    progress: Callable[[Progress], None] | None = None,
    derive: Derive = derive_exposures,
) -> IntakeReport:
    """Take in what the runs of an output directory hold and the ledger does not; make it where there is none.

    `organisation`: whose runs to take in; by default that of the ledger, or else of the oldest run. A ledger
    that is damaged is renamed and made again. Raises `LedgerError`, `NotARunError` for a folder that cannot
    be listed, and `DirectoryBusyError` when another process takes in for a minute.
    """
    return locked(output, Intake(output, organisation, progress, derive).run)


def rebuild(
    output: Path,
    *,
    organisation: str = "",
    progress: Callable[[Progress], None] | None = None,
    derive: Derive = derive_exposures,
) -> IntakeReport:
    """Read every run again from its beginning. What only the ledger has (runs that were pruned, or whose
    directory is gone) stays. Raises as `catch_up` does."""
    return locked(output, lambda: Intake(output, organisation, progress, derive).run(again=True))


def locked(output: Path, work: Callable[[], T]) -> T:
    """Do something as the one process that writes the ledger of an output directory. Raises `NotARunError`
    and `DirectoryBusyError`."""
    if not output.is_dir():
        raise not_listed(output)
    lock = Lock.acquire(output, "taking in", name=LOCK_FILE, by="process", tries=_TRIES)
    try:
        return work()
    finally:
        lock.release()


class Intake:
    """One taking-in of an output directory. The caller holds its lock (`locked`)."""

    def __init__(
        self,
        output: Path,
        organisation: str,
        progress: Callable[[Progress], None] | None = None,
        derive: Derive = derive_exposures,
    ) -> None:
        self._output = output
        self._organisation = organisation
        self._progress = progress or (lambda _: None)
        self._derive = derive
        self._report = IntakeReport()

    def run(self, *, again: bool = False) -> IntakeReport:
        """All of it; a second time from the beginning where the ledger turns out to be damaged."""
        try:
            self._take_in(again=again)
        except DamagedLedgerError:
            now = datetime.now(UTC).isoformat(timespec="seconds")
            aside = database.set_aside(self._output, now)
            self._report = IntakeReport(set_aside=str(aside))
            self._take_in(again=False, aside=aside)
        return self._report

    def _take_in(self, *, again: bool, aside: Path | None = None) -> None:
        with contextlib.closing(database.connect(self._output, write=True)) as connection:
            path = self._output / LEDGER_FILE
            with database.translating(path):
                self._connection = connection
                checked = again or path.stat().st_size < _CHECKED_ALWAYS
                if checked:
                    database.require_whole(connection, path)
                self._writer = Writer(connection, evidence_of)
                if again:
                    with transaction(connection):
                        self._writer.begin_again({path.name for path in self._directories()})
                if aside is not None:
                    self._salvage(aside)
                self._take_in_runs(checked=checked)
                self._derive_stale()

    def _salvage(self, aside: Path) -> None:
        """What only the damaged ledger held."""
        saved, lost, unreadable = salvage(
            aside, {path.name for path in self._directories()}, self._connection, self._writer
        )
        if saved:
            self._report.notes.append(f"{saved} runs without a directory were saved from it")
        if lost:
            self._report.notes.append(f"runs without a directory that could not be saved: {', '.join(lost)}")
        if unreadable:
            self._report.notes.append("whether it held runs without a directory does not read")

    def _directories(self) -> list[Path]:
        try:
            return sorted(
                entry
                for entry in self._output.iterdir()
                if entry.is_dir() and (entry / MANIFEST_FILE).exists() and not is_link(entry)
            )
        except OSError as error:
            raise not_listed(self._output, error) from error

    # --- runs -----------------------------------------------------------------------------------------

    def _take_in_runs(self, *, checked: bool) -> None:
        directories = self._directories()
        known = {
            row[0]: (row[1], row[2])
            for row in self._connection.execute("SELECT directory, read_to_end, run_id FROM runs")
        }
        news = [
            path for path in directories if not self._is_unchanged(path, known.get(path.name, ("", ""))[0])
        ]
        if news and not checked:
            database.require_whole(self._connection, self._output / LEDGER_FILE)
        loaded = list(self._load(news))
        ours = self._of_the_organisation(loaded)
        for number, (path, signature, manifest) in enumerate(self._once_each(ours, directories), start=1):
            self._progress(Progress(run=number, runs=len(news), observations=self._report.observations))
            self._take_in_run(path, signature, manifest, (number, len(news)))

    def _is_unchanged(self, path: Path, read_to_end: str) -> bool:
        return bool(read_to_end) and _signature(path) == read_to_end and not is_held(path)

    def _load(self, paths: list[Path]) -> Iterator[tuple[Path, str, Manifest]]:
        for path in paths:
            signature = _signature(path)  # before it is read: what changes afterwards is read again
            try:
                manifest = load_manifest(path)[0]
                _require_readable(path, manifest)
            except ResultsError as error:
                self._pass_over(path, error.reason)
            except ValueError as error:
                self._pass_over(path, f"its manifest does not read: {error}")
            else:
                yield path, signature, _bare(manifest)

    def _of_the_organisation(
        self, loaded: list[tuple[Path, str, Manifest]]
    ) -> list[tuple[Path, str, Manifest]]:
        name = self._organisation or self._meta("organisation")
        for _, _, manifest in sorted(loaded, key=lambda run: (run[2].created_at, run[2].run_id)):
            name = name or organisation_of(manifest)
        if _folded(name) != _folded(self._meta("organisation")):
            with transaction(self._connection):
                self._put_meta("organisation", name)
        ours = []
        for path, signature, manifest in loaded:
            other = organisation_of(manifest)
            if other and _folded(other) != _folded(name):
                self._pass_over(
                    path, f"it is of another organisation, {other!r}, and this ledger is of {name!r}"
                )
            else:
                ours.append((path, signature, manifest))
        return ours

    def _once_each(
        self, loaded: list[tuple[Path, str, Manifest]], directories: list[Path]
    ) -> Iterator[tuple[Path, str, Manifest]]:
        """Each run once, the oldest first; of copies the one whose directory has the run's name, or else the
        first."""
        here = {path.name for path in directories}
        known = self._connection.execute("SELECT run_id, directory FROM runs")
        taken = {run_id: directory for run_id, directory in known if directory in here}
        copies = {run_id: {directory} for run_id, directory in taken.items()}
        for path, _, manifest in loaded:
            copies.setdefault(manifest.run_id, set()).add(path.name)
        for run_id, names in copies.items():
            taken[run_id] = run_id if run_id in names else min(names)
            for name in sorted(names - {taken[run_id]}):
                self._pass_over(self._output / name, f"it is a copy of run {run_id} in {taken[run_id]}")
        for path, signature, manifest in sorted(loaded, key=lambda run: (run[2].created_at, run[2].run_id)):
            if taken[manifest.run_id] == path.name:
                yield path, signature, manifest

    def _pass_over(self, path: Path, reason: str) -> None:
        name = path.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        self._report.passed_over.append(PassedOver(directory=name, reason=reason))

    # --- one run --------------------------------------------------------------------------------------

    def _take_in_run(self, path: Path, signature: str, manifest: Manifest, count: tuple[int, int]) -> None:
        covered = self._read_covered(path, manifest)
        with transaction(self._connection):
            coverage = self._writer.content(squeeze(covered)) if covered is not None else None
            row = _row(path, manifest, state_of(manifest, held=is_held(path)))
            run = self._writer.put_run(row._replace(coverage=coverage))
        cursor = Cursor(
            *self._connection.execute("SELECT segment, offset FROM runs WHERE run = ?", (run,)).fetchone()
        )
        reader = RunReader(path, cursor, manifest)
        self._report.runs += 1
        damage = ""
        while not (reader.at_rest or damage):
            try:
                with transaction(self._connection):
                    before = self._report.observations
                    try:
                        self._report.observations += reader.take(self._writer, run, _BATCH)
                    except (CorruptError, RecordError) as error:
                        self._report.observations += reader.taken
                        damage = error.reason if isinstance(error, CorruptError) else str(error)
                    self._writer.put_cursor(run, *reader.cursor)
                    if self._report.observations > before:
                        self._writer.mark_doubtful_stale(run)
                    if reader.at_rest or damage:
                        done = signature if reader.at_end and not damage else ""
                        self._writer.put_end(run, read_to_end=done, damage=damage)
            except BaseException:
                self._writer.forget_cache()
                reader.close()
                raise
            self._progress(Progress(run=count[0], runs=count[1], observations=self._report.observations))
        reader.close()
        if damage:
            self._pass_over(path, f"damaged, and read only so far: {damage}")

    def _read_covered(self, path: Path, manifest: Manifest) -> bytes | None:
        try:
            data = read_covered(path, manifest)
            if data is not None:
                RunCoverage(parse_covered(data), manifest)
        except (CorruptError, ValueError) as error:
            self._pass_over(path, f"its silence proves nothing: {error}")
            return None
        return data

    # --- what follows from it -------------------------------------------------------------------------

    def _derive_stale(self) -> None:
        with transaction(self._connection):
            if self._meta("derivation") != DERIVATION:
                self._writer.mark_all_stale()
                self._put_meta("derivation", DERIVATION)
            self._report.exposures = Rederiver(self._connection, self._derive).run(
                lambda left: self._progress(Progress(observations=self._report.observations, left=left))
            )

    def _meta(self, name: str) -> str:
        row = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return row[0] if row else ""

    def _put_meta(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (name, value))


def _folded(name: str) -> str:
    """A name without what people spell now so, now otherwise."""
    return " ".join(name.split()).casefold()


def _require_readable(path: Path, manifest: Manifest) -> None:
    """Raise `ValueError` where the ledger could not compare or keep what the manifest says."""
    path.name.encode()
    for at in (manifest.created_at, manifest.ended_at or manifest.created_at):
        if as_text(instant(at)) != at:
            raise ValueError(f"{at!r} is no time of a run")


def _bare(manifest: Manifest) -> Manifest:
    """Without what may be large and says nothing here."""
    kept = {"organisation": manifest.configuration.get("organisation")}
    if "fleet" in manifest.configuration:
        kept["fleet"] = manifest.configuration["fleet"]
    return msgspec.structs.replace(
        manifest,
        authorisations=[],
        configuration=kept,
        scope=msgspec.structs.replace(manifest.scope, entries=[], text=""),
    )


def _row(path: Path, manifest: Manifest, state: str) -> RunRow:
    return RunRow(
        run_id=manifest.run_id,
        directory=path.name,
        created_at=manifest.created_at,
        ended_at=manifest.ended_at,
        state=state,
        vantage=manifest.vantage,
        purpose=manifest.purpose,
        organisation=organisation_of(manifest),
        planned=min(manifest.planned.targets, _MOST_IN_SQLITE),
        facts=squeeze(msgspec.json.encode(manifest)),
    )


def _signature(path: Path) -> str:
    """Changes whenever the manifest is written anew."""
    try:
        status = (path / MANIFEST_FILE).stat()
    except OSError:
        return ""
    return f"{status.st_ino}.{status.st_mtime_ns}.{status.st_size}"
