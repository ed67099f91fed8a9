"""Reminders: an exposure that stays open is told again after each so many days of being open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from results.durations import between
from results.events.event import ChangeEvent
from results.events.snapshots import snapshot
from results.ledger.derive import change_id

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure
    from results.ledger.visit import Visit

_SEEN_OPEN: Final = frozenset({"new", "open", "changed", "reopened"})
"""States in which the last look saw it open, and nobody took it upon themselves."""


def due(exposure: TrackedExposure, every: int) -> str:
    """The id of the reminder that is due by the last look that saw it open, "" for none. `every`: seconds.

    How long it has been open counts from the first to the last look of its present spell that saw it so, and
    no clock. Of several that are due only the last is told. `exposure` has what people did laid over it.
    """
    if exposure.state not in _SEEN_OPEN:
        return ""
    nth = between(exposure.first_seen_open, exposure.last_seen_open) // every
    return change_id("reminder", exposure.exposure_id, exposure.first_seen_open, str(nth)) if nth else ""


def reminder(event_id: str, exposure: TrackedExposure, seen: Visit, organisation: str) -> ChangeEvent:
    """The reminder of this id; `seen` is the last look that saw the exposure open."""
    return ChangeEvent(
        event_id=event_id,
        exposure_id=exposure.exposure_id,
        finding_id=seen.finding_id,
        kind="reminder",
        at=seen.at,
        run_id=seen.run_id,
        observation_id=seen.event_id,
        vantage=seen.vantage,
        severity=exposure.severity,
        severity_number=exposure.severity_number,
        score=exposure.score,
        snapshot=snapshot(
            exposure,
            seen,
            at=seen.at,
            state=exposure.state,
            verdict=seen.verdict,
            organisation=organisation,
        ),
    )
