"""What happened to an exposure, dated and in time order: changes that runs saw, and what people did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from results.ledger.reach import NOT_OPEN_FROM, OPEN_FROM
from results.ledger.words import (
    bounds,
    grown_in,
    how,
    lost_in,
    names_in,
    place_words,
    reasons_in,
    vantage_words,
)
from results.record import Reason
from results.text import minute, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.ledger.tracked import Action, Change, ChangeKind, TrackedExposure


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened. `at` is its moment, or the latest that it can be; `when` tells that, or both
    bounds, in words; `kind` is that of the change, or of the action."""

    at: str
    kind: str
    when: str
    sentence: str


def timeline(exposure: TrackedExposure, changes: Iterable[Change], actions: Iterable[Action]) -> list[Event]:
    """Everything in time order; of one moment, what was seen before what was done."""
    changes = list(changes)
    dated: dict[str, str] = {}
    for change in changes:
        if change.dated and change.observation_id:
            dated[change.observation_id] = min(change.dated, dated.get(change.observation_id, change.dated))
    events = [
        # What one look shows stands together: a wipe that nothing dates before the note that something does,
        # and an opening before what it let happen; but nothing before the look that it came after.
        (
            change.dated or max(change.after, dated.get(change.observation_id, change.at)),
            0,
            KINDS.index(change.kind),
            _change(exposure, change),
        )
        for change in changes
    ]
    events += [(action.at, 1, 0, _action(action)) for action in actions]
    return [event for *_, event in sorted(events, key=lambda item: item[:3])]


KINDS: tuple[ChangeKind, ...] = (
    *("opened", "reopened", "moved", "wiped", "ransomed", "restored", "changed"),
    *("reach_changed", "unreachable", "closed"),
)


def _change(exposure: TrackedExposure, change: Change) -> Event:
    if change.dated:
        method = f" ({how(change.dated_how)})" if change.dated_how else ""
        when = f"at {visible(change.dated[:19]).replace('T', ' ')} UTC{method}"
    elif change.after:
        when = bounds(change.after, change.at)
    else:
        when = f"at an unknown time before {minute(change.at)}"
    return Event(
        at=change.dated or change.at, kind=change.kind, when=when, sentence=happened(exposure, change)
    )


def happened(exposure: TrackedExposure, change: Change) -> str:
    """What a change says, as a sentence."""
    if change.kind == "reach_changed":
        return _reach_changed(change)
    what = _OPENINGS[change.kind]
    if change.kind == "moved" and change.place is not None:
        what = f"It moved from {place_words(change.place)}"
    parts = [what]
    lost = lost_in(change.lost)
    if change.names and not (lost and change.lost and change.lost.databases):
        parts.append(names_in(change.names))
    if lost:
        parts.append(f"lost were {lost}")
    if grown := grown_in(change.grown):
        parts.append(grown)
    # What the opening or the names say already is not said again.
    told = [
        Reason(code=reason.code) if change.names else reason
        for reason in change.reasons
        if reason.code not in _SAID
    ]
    if reasons := reasons_in(told):
        parts.append(reasons)
    head, *rest = parts
    several = change.vantage and len(exposure.vantages) > 1
    vantage = f" (seen from {visible(change.vantage, 40)})" if several else ""
    return head + (": " + "; ".join(rest) if rest else "") + vantage + "."


def _reach_changed(change: Change) -> str:
    """`Its reach changed: it is open from the internet now, and not open from office any more.`"""
    now, gone = (
        " and ".join(vantage_words(reason.detail) for reason in change.reasons if reason.code == code)
        for code in (OPEN_FROM, NOT_OPEN_FROM)
    )
    said = [f"open from {now} now"] if now else []
    said += [f"not open from {gone} any more"] if gone else []
    return f"Its reach changed: it is {', and '.join(said) or 'seen from elsewhere'}."


_SAID = frozenset({"open", "open_no_data", "note-left"})
_OPENINGS = {
    "opened": "It was opened",
    "changed": "It changed",
    "wiped": "It was wiped",
    "ransomed": "An extortionist's note was left",
    "restored": "It was restored",
    "moved": "It moved",
    "unreachable": "It no longer answered, which proves nothing",
    "closed": "It was closed",
    "reopened": "It was opened again",
    "reach_changed": "Its reach changed",
}


def _action(action: Action) -> Event:
    by = f" by {visible(action.by, 100)}" if action.by else ""
    until = f", until {minute(action.until)}" if action.until else ""
    said = {
        "warned": f"{names_in(action.to) or 'Somebody'} was told{by}",
        "acknowledged": f"It was acknowledged{by}",
        "accepted": f"The risk was accepted{by}{until}",
        "acceptance-withdrawn": f"The acceptance was withdrawn{by}",
        "noted": f"A note was made{by}",
    }.get(action.kind, f"{visible(action.kind, 40)}{by}")
    detail = f": {visible(action.detail, 300)}" if action.detail else ""
    return Event(at=action.at, kind=action.kind, when=f"at {minute(action.at)}", sentence=said + detail + ".")
