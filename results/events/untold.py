"""What the ledger holds and the log of events does not, as events, by the run that showed it."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from results.events.event import ChangeEvent
from results.events.reminders import due, reminder
from results.events.snapshots import with_snapshot
from results.ledger.actions import Actions
from results.ledger.overlay import Deadlines, lay_over
from results.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping
    from pathlib import Path

    from results.ledger.store import LedgerRun
    from results.ledger.tracked import Change, TrackedExposure
    from results.manifest import Manifest
    from results.runs import RunState


class Changed(NamedTuple):
    """How many changes of each kind a run showed, and when the last was: after its end, where the clock was
    set back meanwhile."""

    counts: Mapping[str, int] = {}
    last_at: str = ""


class Untold:
    """One reading of a ledger. Use it as a context manager.

    `known`: ids that are in the log; `remind_every`: seconds, None for never; `organisation`: its name, where
    a run does not tell it. Every method raises `LedgerError`.
    """

    def __init__(
        self, output: Path, known: Container[str], remind_every: int | None, organisation: str
    ) -> None:
        self._known = known
        self._organisation = organisation
        self._ledger = Ledger.open(output)
        try:
            self.runs: dict[str, LedgerRun] = {run.run_id: run for run in self._ledger.runs()}
            self._by_run: dict[str, list[Change]] = defaultdict(list)
            for change in self._ledger.changes_but(known):
                self._by_run[change.run_id].append(change)
            self._exposures: dict[str, TrackedExposure] | None = None
            if remind_every is not None:
                self._reminders(output, remind_every)
        except BaseException:
            self._ledger.close()
            raise

    def __enter__(self) -> Untold:
        return self

    def __exit__(self, *_: object) -> None:
        self._ledger.close()

    @property
    def run_ids(self) -> Iterable[str]:
        """Runs that something is to be told of."""
        return self._by_run.keys()

    def events(self, run_id: str) -> Iterator[ChangeEvent]:
        """What is to be told of what a run showed, in time order; reminders last."""
        organisation = self._organisation_of(run_id)
        for item in self._by_run.get(run_id, ()):
            event = item if isinstance(item, ChangeEvent) else self._event(item, organisation)
            if event is not None:
                yield event

    def began_at(self, run_id: str) -> str:
        """When a run began; where that is not known, when the first happened of what is to be told of it."""
        run = self.runs.get(run_id)
        return run.created_at if run is not None else self._by_run[run_id][0].at

    def counts(self, run_ids: Container[str], since: str) -> dict[str, Changed]:
        """What changed with each of these runs, where anything did; none of them began before `since`."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        last_at: dict[str, str] = {}
        for change in self._ledger.changes(after=since[:-1]):
            if change.run_id in run_ids:
                found[change.run_id][change.kind] += 1
                last_at[change.run_id] = max(change.at, last_at.get(change.run_id, ""))
        return {run_id: Changed(dict(count), last_at[run_id]) for run_id, count in found.items()}

    def open_at(self, at: str) -> int:
        """How many exposures were not closed at a time, as far as it is known now."""
        return sum(
            any(
                spell.first_seen_open <= at and not (spell.closed_before and spell.closed_before <= at)
                for spell in exposure.spells
            )
            for exposure in self._exposures_by_id.values()
        )

    def has_taken_in(self, manifest: Manifest, state: str) -> bool:
        """Whether the ledger holds all of a run as it stands, or as much as it ever will."""
        run = self.runs.get(manifest.run_id)
        if run is None or not (run.whole or run.damage):
            return False
        kept = self._ledger.manifest(manifest.run_id)
        same = kept is not None and (kept.state, kept.starts, kept.ended_at) == (
            manifest.state,
            manifest.starts,
            manifest.ended_at,
        )
        return same and run.state in (state, "unreadable")

    def pruned(self, here: Container[str]) -> Iterator[tuple[Manifest, RunState]]:
        """Runs of which only the ledger knows."""
        for run in self.runs.values():
            if run.run_id not in here and (manifest := self._ledger.manifest(run.run_id)) is not None:
                yield manifest, run.state  # type: ignore[misc]  # a `RunState` was written

    @property
    def _exposures_by_id(self) -> dict[str, TrackedExposure]:
        if self._exposures is None:
            found = self._ledger.exposures(beside_last_sweep=False)
            self._exposures = {exposure.exposure_id: exposure for exposure in found}
        return self._exposures

    def _organisation_of(self, run_id: str) -> str:
        run = self.runs.get(run_id)
        return (run.organisation if run is not None else "") or self._organisation

    def _event(self, change: Change, organisation: str) -> ChangeEvent | None:
        """None when the exposure is gone: it was derived anew just now, and will be told next time."""
        exposure = self._exposures_by_id.get(change.exposure_id)
        if exposure is None:
            return None
        shows = None
        if change.observation_id:
            shows = self._ledger.visit_in(change.exposure_id, change.run_id, change.observation_id)
        seen = shows
        if shows is None or not shows.verdict.is_open or change.kind in ("closed", "unreachable"):
            seen = self._ledger.last_open(exposure, change.at)
        return with_snapshot(change, exposure, seen, shows, organisation) if seen is not None else None

    def _reminders(self, output: Path, every: int) -> None:
        candidates = [
            exposure
            for exposure in self._exposures_by_id.values()
            if (event_id := due(exposure, every)) and event_id not in self._known
        ]
        if not candidates:
            return
        actions = Actions.open(output)
        for exposure in candidates:
            # As it was when it was last seen open: whose acceptance had run out by then is told again.
            (laid,) = lay_over([exposure], actions, exposure.last_seen_open, Deadlines())
            if event_id := due(laid, every):
                seen = self._ledger.last_open(exposure, exposure.last_seen_open)
                if seen is not None:
                    organisation = self._organisation_of(seen.run_id)
                    self._by_run[seen.run_id].append(reminder(event_id, laid, seen, organisation))
