"""The ledger as its readers see it: exposures, their changes and looks, runs and what they covered. It reads
what `intake.py` derived and computes nothing.
"""

from __future__ import annotations

import contextlib
import time
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from results.durations import as_text, plus
from results.ledger import database
from results.ledger.database import LEDGER_FILE, LedgerError
from results.ledger.tracked import Change, Look, TrackedExposure

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container, Iterator, Sequence
    from pathlib import Path

    from results.covered import RunCoverage
    from results.ledger.tracked import Place
    from results.ledger.visit import Visit
    from results.manifest import Manifest

_exposure: Final = msgspec.json.Decoder(TrackedExposure).decode
_change: Final = msgspec.json.Decoder(Change).decode
_NEAREST: Final = 3
_STEPS: Final = 50_000  # of SQLite's machine between two looks at the clock
CLOSED_FOR_DAYS: Final = 90  # an exposure is watched after it was closed


class UnknownExposureError(LedgerError):
    """No exposure has this id; `nearest` are those that look like it."""

    def __init__(self, path: Path, exposure_id: str, nearest: list[str]) -> None:
        self.nearest = nearest
        advice = f"did you mean {' or '.join(nearest)}?" if nearest else "`mongosweep exposures` lists them"
        super().__init__(path, f"no exposure has the id {exposure_id!r}", advice)


class LedgerRun(Struct, frozen=True, kw_only=True):
    """One run that was taken in. `path` is its directory within the output folder, which is gone where
    `pruned`; `covered`: whether the run told what it covered; `whole`: all of it was taken in; `damage`: why
    it was not."""

    run_id: str
    path: str
    state: str
    created_at: str
    ended_at: str = ""
    vantage: str = ""
    purpose: str = ""
    organisation: str = ""
    planned: int = 0
    covered: bool = False
    pruned: bool = False
    whole: bool = False
    damage: str = ""


class Ledger:
    """The ledger of an output directory, open for reading. Use it as a context manager, or call `close`."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, output: Path, *, write: bool = False) -> Ledger:
        """Open it; with `write` it is made where it is missing.

        Raises `LedgerError`: `NoLedgerError` where there is none, `DamagedLedgerError`, or one of another
        program or a newer version.
        """
        return cls(output / LEDGER_FILE, database.connect(output, write=write))

    def close(self) -> None:
        """Let go of the file. Safe to repeat."""
        self._connection.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def exposures(self, *, beside_last_sweep: bool = True) -> list[TrackedExposure]:
        """All, gravest first, then those that are open longest; without what people did. Without
        `beside_last_sweep`, `covered_by_last_run` is not looked up."""
        with self._translating():
            rows = self._rows(
                "SELECT body FROM exposures"
                " ORDER BY state = 'closed', severity_number DESC, first_seen_open, exposure_id"
            )
            found = [_exposure(row[0]) for row in rows]
            return self._beside_last_sweep(found) if beside_last_sweep else found

    def exposure(self, exposure_id: str) -> TrackedExposure:
        """One of them, also by an id that it had before. Raises `UnknownExposureError`."""
        with self._translating():
            (row,) = self._rows(
                "SELECT body FROM exposures WHERE exposure_id = ?", (self._current_id(exposure_id),)
            )
            return self._beside_last_sweep([_exposure(row[0])])[0]

    def bodies(self) -> list[tuple[str, bytes]]:
        """Every exposure by its id, not read yet: what a reader that stays compares with what it has."""
        with self._translating():
            return self._rows("SELECT exposure_id, body FROM exposures")

    def parsed(self, body: bytes) -> TrackedExposure:
        """One of `bodies`."""
        with self._translating():
            return _exposure(body)

    def newest_sweep(self) -> tuple[Any, ...]:
        """What `covered_by_last_run` is told by: another one whenever that may be another. () of none."""
        with self._translating():
            rows = self._rows(
                "SELECT run, created_at, ended_at, state, coverage, facts FROM runs WHERE ended_at != ''"
                " AND purpose = '' ORDER BY created_at DESC, run_id DESC LIMIT 1"
            )
            return tuple(rows[0]) if rows else ()

    def beside_last_sweep(self, exposures: Sequence[TrackedExposure]) -> list[TrackedExposure]:
        """With `covered_by_last_run`, which any run may change for every exposure."""
        with self._translating():
            return self._beside_last_sweep(exposures)

    def version(self) -> int:
        """Another number whenever another process has written since this ledger was opened."""
        with self._translating():
            return int(self._rows("PRAGMA data_version")[0][0])

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Everything that is read inside is of one moment."""
        with self._translating():
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with self._translating():
                self._connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """What is read inside ends with a `LedgerError` when that time is over."""
        over = time.monotonic() + seconds
        self._connection.set_progress_handler(lambda: time.monotonic() > over, _STEPS)
        try:
            yield
        finally:
            self._connection.set_progress_handler(None, 0)

    def _beside_last_sweep(self, exposures: Sequence[TrackedExposure]) -> list[TrackedExposure]:
        from results.ledger.reading import Coverages
        from results.ledger.visit import PlaceKey

        newest = self.newest_sweep()
        if not newest:
            return list(exposures)
        run, created_at = newest[:2]
        coverages = Coverages(self._connection)
        found = []
        for exposure in exposures:
            place = exposure.place
            asked = exposure.last_look >= created_at or coverages.asked(
                run, PlaceKey(place.site, place.ip, place.port)
            )
            found.append(replace(exposure, covered_by_last_run=asked))
        return found

    def changes(
        self, exposure_id: str | None = None, *, after: str = "", before: str = ""
    ) -> Iterator[Change]:
        """What happened, in time order: of one exposure or of all, later than `after` and earlier than
        `before`."""
        values = [after, before or "~"]  # "~" follows every time in the alphabet
        query = "SELECT body FROM changes WHERE at > ? AND at < ?"
        if exposure_id is not None:
            query, values = f"{query} AND exposure_id = ?", [*values, self._current_id(exposure_id)]
        with self._translating():
            # All at once: an open cursor would keep the writer's log from ending.
            rows = self._rows(f"{query} ORDER BY at, rank, change_id", values)
        for row in rows:
            with self._translating():
                yield _change(row[0])

    def changes_but(self, known: Container[str]) -> list[Change]:
        """Those whose ids are not among the known ones, in time order."""
        with self._translating():
            ids = [
                row[0]
                for row in self._rows("SELECT change_id FROM changes ORDER BY at, rank, change_id")
                if row[0] not in known
            ]
            bodies = (self._rows("SELECT body FROM changes WHERE change_id = ?", (each,)) for each in ids)
            return [_change(rows[0][0]) for rows in bodies if rows]  # a writer may have taken one away

    def visit_in(self, exposure_id: str, run_id: str, event_id: str) -> Visit | None:
        """The visit of a run to an exposure's place that has this id."""
        from results.ledger.reading import visit_in

        with self._translating():
            rows = self._rows(
                "SELECT l.place, l.run FROM runs r JOIN looks l ON l.run = r.run"
                " WHERE r.run_id = ? AND l.exposure_id = ?",
                (run_id, exposure_id),
            )
            visits = (visit_in(self._connection, place, run) for place, run in rows)
            return next((visit for visit in visits if visit and visit.event_id == event_id), None)

    def last_open(self, exposure: TrackedExposure, at: str) -> Visit | None:
        """The last visit up to `at` that saw an exposure open.

        Where other servers were open at its place at other times, looks in the midst of a spell are left out
        that may have been of one of them.
        """
        from results.ledger.reading import visit_in

        certain = {
            moment for spell in exposure.spells for moment in (spell.first_seen_open, spell.last_seen_open)
        }
        with self._translating():
            for place, run, seen_at in self._rows(_OPEN_LOOKS, (exposure.exposure_id, at)):
                shared = self._rows(_ALSO_OF_ANOTHER, (exposure.exposure_id, place, run))
                if seen_at in certain or not shared:
                    return visit_in(self._connection, place, run)
        return None

    def manifest(self, run_id: str) -> Manifest | None:
        """What is kept of a run's manifest: all but the text of its scope and of its configuration."""
        from results.ledger.reading import manifest_of

        with self._translating():
            rows = self._rows("SELECT facts FROM runs WHERE run_id = ?", (run_id,))
            return manifest_of(rows[0][0]) if rows else None

    def by_fleet(self, run_id: str) -> bool:
        """Whether workers of a fleet did a run."""
        manifest = self.manifest(run_id)
        return manifest is not None and "fleet" in manifest.configuration

    def looks(self, exposure_id: str) -> list[Look]:
        """The visits that belong to an exposure, in time order. Raises `UnknownExposureError`."""
        from results.ledger.reading import loader, visit_in

        found = []
        with self._translating():
            opened = loader(self._connection)
            for place, run, state in self._rows(
                "SELECT l.place, l.run, r.state FROM looks l JOIN runs r ON r.run = l.run"
                " WHERE l.exposure_id = ?",
                (self._current_id(exposure_id),),
            ):
                visit = visit_in(self._connection, place, run, opened)
                if visit is not None:
                    found.append(_look(visit, state))
        return sorted(found, key=lambda look: (look.at, look.run_id, look.ip, look.port))

    def runs(self) -> list[LedgerRun]:
        """Every run that was taken in, oldest first."""
        with self._translating():
            rows = self._rows(
                "SELECT run_id, directory, state, created_at, ended_at, vantage, purpose, organisation,"
                " planned, coverage IS NOT NULL, pruned, read_to_end != '', damage FROM runs"
                " ORDER BY created_at, run_id"
            )
        return [
            LedgerRun(
                run_id=run_id,
                path=directory,
                state="unreadable" if damage else state,
                created_at=created_at,
                ended_at=ended_at,
                vantage=vantage,
                purpose=purpose,
                organisation=organisation,
                planned=planned,
                covered=bool(covered),
                pruned=bool(pruned),
                whole=bool(whole),
                damage=damage,
            )
            for (
                run_id,
                directory,
                state,
                created_at,
                ended_at,
                vantage,
                purpose,
                organisation,
                planned,
                covered,
                pruned,
                whole,
                damage,
            ) in rows
        ]

    def coverage(self, run_id: str) -> RunCoverage | None:
        """What a run asked; None where it does not tell, or is not known."""
        from results.ledger.reading import Coverages

        with self._translating():
            rows = self._rows("SELECT run FROM runs WHERE run_id = ?", (run_id,))
            return Coverages(self._connection).of(rows[0][0]) if rows else None

    def watched(self, now: str = "") -> frozenset[tuple[str, int]]:
        """Address and port of what is to be asked by every sweep: exposures that are not closed, or closed
        for less than `CLOSED_FOR_DAYS` at `now` (by default the beginning of the newest run)."""
        with self._translating():
            if not now:
                now = self._rows("SELECT coalesce(max(created_at), '') FROM runs")[0][0]
            rows = self._rows(
                "SELECT ip, port FROM exposures WHERE state != 'closed' OR closed_before > ?",
                (_days_before(now),),
            )
        return frozenset((ip, port) for ip, port in rows)

    def answering_near(self, place: Place, most: int) -> list[tuple[str, int]]:
        """Other places near one (the same /24 or /64, or all of 127/8, and the same site) that answered as a
        server does when they were last seen: the open ones last, then the latest first. At most `most`."""
        from results.ledger.reading import answering_near
        from results.ledger.visit import PlaceKey

        with self._translating():
            return answering_near(self._connection, PlaceKey(place.site, place.ip, place.port), most)

    def _current_id(self, exposure_id: str) -> str:
        with self._translating():
            for query in (
                "SELECT exposure_id FROM exposures WHERE exposure_id = ?",
                "SELECT min(exposure_id) FROM former_ids WHERE former_id = ? HAVING count(*)",
            ):
                if rows := self._rows(query, (exposure_id,)):
                    return str(rows[0][0])
            known = [row[0] for row in self._rows("SELECT exposure_id FROM exposures ORDER BY exposure_id")]
        nearest = get_close_matches(exposure_id, known, n=_NEAREST, cutoff=0.5)
        raise UnknownExposureError(self.path, exposure_id, nearest)

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        with database.translating(self.path):
            try:
                yield
            except msgspec.MsgspecError as error:
                raise database.damaged(self.path, str(error)) from error


_OPEN_LOOKS: Final = (
    "SELECT l.place, l.run, v.at FROM looks l"
    " JOIN visits v ON v.place = l.place AND v.run = l.run AND v.is_open"
    " WHERE l.exposure_id = ? AND v.at <= ? ORDER BY v.at DESC"
)
_ALSO_OF_ANOTHER: Final = (
    "SELECT 1 FROM exposures own"
    " JOIN exposures e ON e.component = own.component AND e.exposure_id != own.exposure_id"
    " JOIN looks l ON l.exposure_id = e.exposure_id"
    " WHERE own.exposure_id = ? AND l.place = ? AND l.run = ? LIMIT 1"
)


def _look(visit: Visit, state: str) -> Look:
    write = visit.last_write
    return Look(
        at=visit.at,
        run_id=visit.run_id,
        run_state=state,
        event_id=visit.event_id,
        vantage=visit.vantage,
        verdict=visit.verdict,
        evidence=visit.evidence,
        documents=visit.documents,
        bytes=visit.bytes,
        databases=visit.database_count,
        newest_write=as_text(write.at) if write else "",
        newest_write_method=write.method if write else "",
        ip=visit.place.ip,
        port=visit.place.port,
        segment=visit.segment,
        offset=visit.offset,
        line_sha256=visit.line_sha256,
    )


def _days_before(now: str) -> str:
    """The same moment `CLOSED_FOR_DAYS` earlier; "" of ""."""
    return plus(now, -CLOSED_FOR_DAYS * 86_400) if now else ""
