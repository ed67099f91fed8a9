"""Brings the log of events up to what runs and the ledger say: appends what is missing, and nothing twice."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from results.events.line import line_of
from results.events.log import EventLog
from results.events.run_events import end_id, ended, ids_of_complete, starts_of
from results.events.untold import Changed, Untold
from results.files import REAL, FileSystem, ResultsError, not_listed
from results.latest import is_link
from results.ledger.database import LEDGER_FILE, NoLedgerError
from results.ledger.intake import catch_up
from results.lock import is_held
from results.manifest import MANIFEST_FILE
from results.run import load_manifest
from results.runs import state_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from results.events.event import ChangeEvent, RunEnd, RunEvent
    from results.manifest import Manifest

_MANY_STARTS = 3  # of a run that is over: it is known by its last event, if it was not started more often
_COUNTED = frozenset({"complete", "degraded", "interrupted"})


class Published(Struct, frozen=True, kw_only=True):
    """What one bringing-up did: how many events it appended, and in one line why it could not tell all that
    changed; "" when it could."""

    appended: int = 0
    problem: str = ""


def bring_up(
    output: Path,
    *,
    remind_every: int | None = None,
    organisation: str = "",
    take_in: bool = True,
    fs: FileSystem = REAL,
) -> Published:
    """Append to the log of an output directory what is missing in it: for each run, oldest first, its starts,
    what changed with it, and how it ended.

    Idempotent: ids are functions of what happened, and what is there is left alone. `remind_every`: seconds
    of being open after which an exposure is told again; None: never. `organisation`: its name, where runs do
    not tell it. With `take_in` a ledger that is there takes in a run that ended before its end is told.

    A ledger that cannot be read costs the changes, and no event of a run. Raises `NotARunError` for a
    directory that cannot be listed, `DirectoryBusyError` when another process writes events for ten seconds,
    `StorageRefusedError` and `StorageError`.
    """
    if not output.is_dir():
        raise not_listed(output)
    work = _Work(output, remind_every, organisation)
    with EventLog.open(output, fs=fs) as log:
        behind = take_in and work.ledger_is_behind(log.ids)
        appended = 0 if behind else log.append(work.missing(log.ids))
    if behind:
        work.take_in()  # takes as long as it takes: others may tell of their runs meanwhile
        with EventLog.open(output, fs=fs) as log:
            appended = log.append(work.missing(log.ids))
    return Published(appended=appended, problem=work.problem)


class _Run(NamedTuple):
    manifest: Manifest
    state: RunEnd

    @property
    def order(self) -> tuple[str, str]:
        return self.manifest.created_at, self.manifest.run_id

    @property
    def end_id(self) -> str:
        """Of the event that tells how it ended; "" while it goes on."""
        if self.state == "running":
            return ""
        return end_id(self.manifest.run_id, max(1, len(self.manifest.starts)), self.state)


class _Work:
    """One bringing-up. `problem`: the first thing that kept it from telling all that changed."""

    def __init__(self, output: Path, remind_every: int | None, organisation: str) -> None:
        self._output = output
        self._remind_every = remind_every
        self._organisation = organisation
        self.problem = ""

    def ledger_is_behind(self, known: set[str]) -> bool:
        """Whether the ledger has not taken in a run whose end is to be told."""
        if not (self._output / LEDGER_FILE).exists():
            return False
        due = [run for run in self._runs(known) if run.end_id and run.end_id not in known]
        if not due:
            return False
        with self._reading(known) as untold:
            return untold is not None and not all(untold.has_taken_in(run.manifest, run.state) for run in due)

    def take_in(self) -> None:
        """Let the ledger take in what it has not."""
        try:
            catch_up(self._output)
        except ResultsError as error:
            self._note(error)

    def missing(self, known: set[str]) -> Iterator[tuple[str, bytes]]:
        """Events that are not in the log, by id, as lines."""
        runs = self._runs(known)
        with self._reading(known) as untold:
            for event in self._events(runs, untold, known):
                if event.event_id not in known:
                    yield event.event_id, line_of(event)

    @contextlib.contextmanager
    def _reading(self, known: set[str]) -> Iterator[Untold | None]:
        """The ledger; None where there is none, or it cannot be read."""
        with contextlib.ExitStack() as stack:
            untold = None
            try:
                untold = stack.enter_context(
                    Untold(self._output, known, self._remind_every, self._organisation)
                )
            except NoLedgerError:
                pass
            except ResultsError as error:
                self._note(error)
            yield untold

    def _note(self, error: ResultsError) -> None:
        self.problem = self.problem or str(error)

    def _runs(self, known: set[str]) -> list[_Run]:
        """Runs that something may have to be told of; of copies of one run that which has its name."""
        found: dict[str, _Run] = {}
        for path in _directories(self._output):
            if _is_told(path.name, known):
                continue
            run = _look(path)
            if run is not None and (path.name == run.manifest.run_id or run.manifest.run_id not in found):
                found[run.manifest.run_id] = run
        return list(found.values())

    def _events(
        self, runs: list[_Run], untold: Untold | None, known: set[str]
    ) -> Iterator[RunEvent | ChangeEvent]:
        """Everything that may be missing, run by run, the oldest first."""
        if untold is None:
            for run in sorted(runs, key=lambda run: run.order):
                yield from starts_of(run.manifest)
                if run.end_id:
                    yield ended(run.manifest, run.state)
            return
        by_id = {run.manifest.run_id: run for run in [*self._pruned(runs, untold, known), *runs]}
        ends = self._ends(by_id.values(), untold, known)
        order = {run_id: run.order for run_id, run in by_id.items()}
        for run_id in untold.run_ids:
            order.setdefault(run_id, (untold.began_at(run_id), run_id))
        for run_id in sorted(order, key=order.__getitem__):
            if run_id in by_id:
                yield from starts_of(by_id[run_id].manifest)
            try:
                yield from untold.events(run_id)
            except ResultsError as error:
                self._note(error)
            if run_id in ends:
                yield ends[run_id]

    def _pruned(self, runs: list[_Run], untold: Untold, known: set[str]) -> list[_Run]:
        here = {path.name for path in _directories(self._output)} | {run.manifest.run_id for run in runs}
        found = []
        try:
            for manifest, state in untold.pruned(here):
                if not _is_told(manifest.run_id, known):
                    found.append(_Run(manifest, "running" if state == "unreadable" else state))
        except ResultsError as error:
            self._note(error)
        return found

    def _ends(self, runs: Iterable[_Run], untold: Untold, known: set[str]) -> dict[str, RunEvent]:
        """How runs ended, by their ids, with what the ledger counts of those that it has taken in."""
        due = [run for run in runs if run.end_id and run.end_id not in known]
        ends = {run.manifest.run_id: ended(run.manifest, run.state) for run in due}
        try:
            taken_in = [run for run in due if untold.has_taken_in(run.manifest, run.state)]
            if taken_in:
                counts = untold.counts(ends, min(run.manifest.created_at for run in taken_in))
                for run in taken_in:
                    run_id, at = run.manifest.run_id, run.manifest.ended_at
                    changed = counts.get(run_id, Changed())
                    is_open = None
                    if at and run.state in _COUNTED and not untold.runs[run_id].damage:
                        is_open = untold.open_at(max(at, changed.last_at))
                    ends[run_id] = ended(run.manifest, run.state, changed.counts, is_open)
        except ResultsError as error:
            self._note(error)
        return ends


def _directories(output: Path) -> list[Path]:
    try:
        return sorted(
            entry for entry in output.iterdir() if (entry / MANIFEST_FILE).exists() and not is_link(entry)
        )
    except OSError as error:
        raise not_listed(output, error) from error


def _is_told(name: str, known: set[str]) -> bool:
    """Whether a run is complete and all of it was told: nothing is added to one, so that it is not read."""
    return any(known.issuperset(ids_of_complete(name, starts)) for starts in range(1, _MANY_STARTS + 1))


def _look(path: Path) -> _Run | None:
    """A run as it stands; None of one that cannot be read. A run that seems to be aborted is looked at twice:
    it may have been taken up, or have ended, between the look at its lock and the one at its manifest."""
    try:
        for _ in range(2):
            held = is_held(path)
            manifest, _data = load_manifest(path)
            state = state_of(manifest, held=held)
            if state != "aborted":
                break
    except ResultsError:
        return None
    assert state != "unreadable"  # it was read
    return _Run(manifest, state)
