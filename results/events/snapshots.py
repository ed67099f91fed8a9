"""An exposure as it stood with a change: a pure function of what is known of it now, and of two looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.events.event import ChangeEvent, Snapshot
from results.ledger.exposed import told_of
from results.ledger.states import REACHABLE
from results.ledger.tracked import Place
from results.verdict import Verdict

if TYPE_CHECKING:
    from results.ledger.tracked import Change, Spell, State, TrackedExposure
    from results.ledger.visit import Visit


def with_snapshot(
    change: Change, exposure: TrackedExposure, seen: Visit, shows: Visit | None, organisation: str
) -> ChangeEvent:
    """A change of the ledger as an event. `seen` is the last look up to it that saw the exposure open, and
    `shows` the one that the change names, None where no line does."""
    return ChangeEvent(
        **{name: getattr(change, name) for name in change.__struct_fields__},
        snapshot=snapshot(
            exposure,
            seen,
            at=change.at,
            state=_state(change, exposure),
            verdict=shows.verdict if shows is not None else Verdict.UNKNOWN,
            organisation=organisation,
        ),
    )


def snapshot(
    exposure: TrackedExposure, seen: Visit, *, at: str, state: State, verdict: Verdict, organisation: str
) -> Snapshot:
    """The exposure as it stood at `at`."""
    spell = _spell(exposure, at)
    is_over = bool(spell.closed_before) and spell.closed_before <= at
    return Snapshot(
        state=state,
        place=_place(exposure, seen),
        organisation=organisation,
        verdict=verdict,
        severity_reasons=seen.severity_reasons,
        first_seen_open=spell.first_seen_open,
        last_seen_open=seen.at,
        closed_before=spell.closed_before if is_over else "",
        closed_how=spell.closed_how if is_over else "",
        **told_of(seen),
    )


def _state(change: Change, exposure: TrackedExposure) -> State:
    """By what the change is, and whether the look is the first that saw it open, or open again."""
    if change.kind in ("closed", "unreachable"):
        return change.kind
    if change.at == exposure.spells[0].first_seen_open:
        return "new"
    if any(change.at == spell.first_seen_open for spell in exposure.spells):
        return "reopened"
    return "open" if any(reason.code == REACHABLE for reason in change.reasons) else "changed"


def _spell(exposure: TrackedExposure, at: str) -> Spell:
    """The last that had begun."""
    return next(
        (spell for spell in reversed(exposure.spells) if spell.first_seen_open <= at), exposure.spells[0]
    )


def _place(exposure: TrackedExposure, seen: Visit) -> Place:
    """Where it was seen, and since when it had been there."""
    site, ip, port = seen.place
    here = (place for place in exposure.places if (place.site, place.ip, place.port) == (site, ip, port))
    first = next((place.first_seen for place in here), seen.at)
    return Place(ip=ip, port=port, site=site, first_seen=first, last_seen=seen.at)
