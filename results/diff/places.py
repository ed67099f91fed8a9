"""What happened to the exposures of one place, or of two that a server moved between, by the ledger's rules.

Two runs are a very short history: whatever it takes more than one look to prove is not proved by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.diff.difference import ORDER, Difference, Kind, Side
from results.ledger.compare import Holding, grown
from results.ledger.derive import derive
from results.ledger.identity import Identity
from results.ledger.incidents import Incidents
from results.ledger.tracked import Change, Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.ledger.incidents import Incident
    from results.ledger.tracked import Grown
    from results.ledger.visit import PlaceKey, RunFacts, Visit
    from results.record import Reason

_NOT_THE_SAME: frozenset[Kind] = frozenset({"opened", "reopened", "closed", "unreachable"})
_INCIDENTS: frozenset[Kind] = frozenset({"wiped", "ransomed", "restored"})
_REPEATS = frozenset({"grew", "shrank"})  # codes that the kinds say, too


def side(visit: Visit | None) -> Side | None:
    """What a visit showed, in short."""
    if visit is None:
        return None
    return Side(
        at=visit.at,
        verdict=visit.verdict,
        databases=visit.database_count,
        documents=visit.documents,
        bytes=visit.bytes,
        severity=visit.severity,
    )


def difference(
    kind: Kind, old: Visit | None, new: Visit | None, reasons: Sequence[Reason] = ()
) -> Difference:
    """A difference of one place, of which at least one visit is there."""
    shown = new if new is not None and new.verdict.is_open else old or new
    assert shown is not None
    return Difference(
        kind=kind,
        finding_id=shown.finding_id,
        place=_place(shown.place),
        owner=shown.owner,
        severity=shown.severity,
        severity_number=shown.severity.number,
        reasons=list(reasons),
        old=side(old),
        new=side(new),
    )


def _place(key: PlaceKey) -> Place:
    return Place(ip=key.ip, port=key.port, site=key.site)


def stayed_open(before: Visit, after: Visit, runs: dict[str, RunFacts]) -> list[Difference]:
    """What happened at one place that was open in both: as `happened`, and deriving nothing besides."""
    if Identity.of([before]).contradicts(after):
        return happened([before], [after], runs)
    incidents = Incidents()
    incidents.at_first_sight(Holding.of(before))
    return [_told(incidents.since(Holding.of(after)), before, after)]


def happened(old: Sequence[Visit], new: Sequence[Visit], runs: dict[str, RunFacts]) -> list[Difference]:
    """What happened at these places between the visits of the old run and those of the new one.

    `runs`: both, by id; `new` holds a visit. A difference for each exposure that derives from them, those
    unchanged among them.
    """
    new_run = new[0].run_id
    by_place: dict[PlaceKey, list[Visit]] = {}
    for visit in (*old, *new):
        by_place.setdefault(visit.place, []).append(visit)
    derived = derive(by_place, runs)
    olds, news = ({visit.place: visit for visit in visits} for visits in (old, new))
    by_event = {visit.event_id: visit for visit in (*old, *new)}
    events: dict[str, list[Visit]] = {}
    for exposure_id, event_id in derived.looks:
        events.setdefault(exposure_id, []).append(by_event[event_id])
    found = []
    for exposure in derived.exposures:
        changes = [
            change
            for change in derived.changes
            if change.exposure_id == exposure.exposure_id and change.run_id == new_run
        ]
        seen = events.get(exposure.exposure_id, [])
        before = _shown([visit for visit in seen if visit.run_id != new_run])
        after = _shown([visit for visit in seen if visit.run_id == new_run])
        if before is None and after is not None:
            before = olds.get(after.place)
        if after is None and before is not None:
            after = news.get(before.place)
        found.append(_told(changes, before, after))
    return found


def _shown(visits: list[Visit]) -> Visit | None:
    """The visit that found it open, or else the last one."""
    return next((visit for visit in visits if visit.verdict.is_open), visits[-1] if visits else None)


def _told(changes: Sequence[Change | Incident], before: Visit | None, after: Visit | None) -> Difference:
    kinds: dict[Kind, None] = {}
    reasons: list[Reason] = []
    made = difference("unchanged", before, after)
    more: Grown | None = None
    both_open = before is not None and after is not None and before.verdict.is_open and after.verdict.is_open
    if both_open:
        assert before is not None
        assert after is not None
        more = grown(before, after)
    for change in changes:
        told = [reason for reason in change.reasons if reason.code not in _REPEATS]
        if change.kind != "changed" or told:
            kinds[change.kind] = None
        reasons += told
    if kinds.keys() & _NOT_THE_SAME:
        more = None
    elif more is not None and not kinds.keys() & _INCIDENTS and (grew := _grew(more)):
        kinds[grew] = None
    ordered = sorted(kinds, key=ORDER.index) or ["unchanged"]
    moved = next((change.place for change in changes if isinstance(change, Change) and change.place), None)
    lost = next((change.lost for change in changes if change.lost is not None), None)
    return Difference(
        kind=ordered[0],
        also=ordered[1:],
        finding_id=made.finding_id,
        place=made.place,
        owner=made.owner,
        severity=made.severity,
        severity_number=made.severity_number,
        reasons=reasons,
        names=list(dict.fromkeys(name for change in changes for name in change.names))[:50],
        lost=lost,
        grown=more if any(kind != "unchanged" for kind in ordered) else None,
        moved_from=moved,
        old=made.old,
        new=made.new,
    )


def _grew(more: Grown) -> Kind | None:
    """`grew` or `shrank` by documents, and where those are the same or unknown, by databases and bytes."""
    for count in (more.documents, more.databases, more.bytes):
        if count:
            return "grew" if count > 0 else "shrank"
    return None
