"""What the ledger knows between two dates, and what it knows of two runs that they do not show. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from results.diff.difference import ORDER, Comparison, Difference, Kind
from results.ledger.tracked import Grown
from results.record import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from results.ledger.tracked import Change, TrackedExposure

_STANDING = frozenset({"opened", "reopened", "closed", "unreachable"})
_REPEATS = frozenset({"grew", "shrank"})


def between(
    exposures: Iterable[TrackedExposure],
    changes: Iterable[Change],
    since: str,
    until: str,
    *,
    unchanged: bool,
) -> Comparison:
    """What happened to exposures after `since` and not later than `until`. `unchanged`: list those, too."""
    by_exposure: dict[str, list[Change]] = {}
    for change in changes:
        if since < change.at <= until:
            by_exposure.setdefault(change.exposure_id, []).append(change)
    comparison = Comparison(since=since, until=until)
    same = 0
    for exposure in exposures:
        happened = by_exposure.get(exposure.exposure_id, [])
        if not happened and not _was_there(exposure, since, until):
            continue
        told = _told(exposure, happened)
        if told.kind == "unchanged" and not unchanged:
            same += 1
        else:
            comparison.differences.append(told)
    return comparison.finish(same)


def _was_there(exposure: TrackedExposure, since: str, until: str) -> bool:
    """Whether it was open, or not proved closed, at some time between the two."""
    return any(
        spell.first_seen_open <= until and not (spell.closed_before and spell.closed_before <= since)
        for spell in exposure.spells
    )


def _told(exposure: TrackedExposure, changes: Sequence[Change]) -> Difference:
    kinds: dict[Kind, None] = {}
    reasons: list[Reason] = []
    for change in changes:
        grew = {reason.code for reason in change.reasons} & _REPEATS if change.kind == "changed" else set()
        for code in sorted(grew):
            kinds["grew" if code == "grew" else "shrank"] = None
        told = [reason for reason in change.reasons if reason.code not in _REPEATS]
        if told or not grew:
            kinds[change.kind] = None
        reasons += told
    if not kinds:
        kinds["no_longer_covered" if _is_lost_sight_of(exposure) else "unchanged"] = None
        reasons = [Reason(code="not-covered-now")] if "no_longer_covered" in kinds else []
    ordered = sorted(kinds, key=ORDER.index)
    standing = [change.kind for change in changes if change.kind in _STANDING]
    if standing and standing[-1] == "closed":  # whatever was before: it is over
        ordered.sort(key=lambda kind: kind != "closed")
    return Difference(
        kind=ordered[0],
        also=ordered[1:],
        finding_id=exposure.finding_id,
        exposure_id=exposure.exposure_id,
        place=exposure.place,
        owner=exposure.owner,
        severity=exposure.severity,
        severity_number=exposure.severity_number,
        reasons=list(dict.fromkeys(reasons)) if len(reasons) < 20 else reasons[-20:],
        names=list(dict.fromkeys(name for change in changes for name in change.names))[:50],
        lost=next((change.lost for change in reversed(changes) if change.lost is not None), None),
        grown=_sum(change.grown for change in changes if change.kind == "changed"),
        moved_from=next((change.place for change in changes if change.kind == "moved"), None),
    )


def _is_lost_sight_of(exposure: TrackedExposure) -> bool:
    return exposure.covered_by_last_run is False and exposure.is_open


def _sum(parts: Iterable[Grown | None]) -> Grown | None:
    told = [part for part in parts if part is not None]
    if not told:
        return None
    sums = {}
    for name in Grown.__struct_fields__:
        counts = [count for part in told if (count := getattr(part, name)) is not None]
        sums[name] = sum(counts) if counts else None
    return Grown(**sums)


def with_ledger(
    comparison: Comparison, exposures: Iterable[TrackedExposure], changes: Iterable[Change]
) -> Comparison:
    """The same comparison of two runs with what takes more than two looks to know: which exposure it is,
    whether it had been closed before, and whether looks in between proved it closed."""
    assert comparison.old is not None
    assert comparison.new is not None
    since, until = comparison.old.created_at, comparison.new.ended_at
    ids = {exposure.finding_id: exposure.exposure_id for exposure in exposures}
    turns: dict[str, Change] = {}
    for change in changes:
        ids.setdefault(change.finding_id, change.exposure_id)
        if change.kind in _STANDING and since < change.at <= until:
            turns[change.exposure_id] = change
    same = comparison.counts.get("unchanged", 0) - sum(
        each.kind == "unchanged" for each in comparison.differences
    )
    comparison.differences = [
        _known(each, ids.get(each.finding_id, ""), turns) for each in comparison.differences
    ]
    return comparison.finish(same)


def _known(difference: Difference, exposure_id: str, turns: dict[str, Change]) -> Difference:
    turn = turns.get(exposure_id)
    made = replace(difference, exposure_id=exposure_id)
    if turn is None:
        return made
    if difference.kind == "opened" and turn.kind == "reopened":
        return replace(made, kind="reopened")
    if difference.kind == "unreachable" and turn.kind == "closed":
        return replace(made, kind="closed", reasons=turn.reasons)
    return made
