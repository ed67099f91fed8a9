"""What is laid over an exposure when it is read: the clock, the deadlines in force, and what people did.

Only actions whose place in the chain is proven count: an acceptance that nobody can vouch for hides nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from results.durations import between, plus
from results.ledger.actions import TOLD
from results.ledger.told import follow
from results.ledger.tracked import Acceptance, Breach
from results.record import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.ledger.actions import ActionRecord, Actions
    from results.ledger.told import Message
    from results.ledger.tracked import TrackedExposure

BREACH_SECONDS = 72 * 3600
"""GDPR article 33(1): not later than 72 hours after having become aware of it."""
_DAY = 86_400


class Deadlines(Struct, frozen=True, kw_only=True):
    """Within how many seconds of its first sight an exposure is to be closed, by severity; None: never."""

    critical: int | None = _DAY
    high: int | None = 3 * _DAY
    medium: int | None = 14 * _DAY
    low: int | None = 30 * _DAY
    info: int | None = None


def lay_over(
    exposures: Sequence[TrackedExposure], actions: Actions, now: str, deadlines: Deadlines
) -> list[TrackedExposure]:
    """The exposures in their order, with everything that depends on `now` and on people filled in."""
    deeds = Deeds()
    for record in actions.proven:
        deeds.take(record)
    unproven = {each for record in actions.unproven for each in record.exposure_ids}
    doubt = str(actions.broken) if actions.broken is not None else ""
    return [
        lay_one(exposure, deeds, doubt if unproven.intersection(ids_of(exposure)) else "", now, deadlines)
        for exposure in exposures
    ]


def lay_one(
    exposure: TrackedExposure, deeds: Deeds, doubt: str, now: str, deadlines: Deadlines
) -> TrackedExposure:
    """One of them. `doubt`: why actions that are about it prove nothing, "" where none are."""
    over = _over(exposure, deeds.of(exposure), now, deadlines)
    if doubt:
        over = replace(over, cautions=[*over.cautions, Reason(code="actions-unproven", detail=doubt)])
    if exposure.last_look > now:
        caution = Reason(code="look-in-the-future", detail=exposure.last_look)
        over = replace(over, cautions=[*over.cautions, caution])
    return over


def next_turn(exposure: TrackedExposure, laid: TrackedExposure, now: str) -> str:
    """The moment behind which what was laid over at `now` is no longer right, but for the upper bound of how
    long it is open, which grows all the time; "" where there is none."""
    until = laid.acceptance.until if laid.acceptance is not None else ""
    moments = (laid.due_at if exposure.is_open else "", until, exposure.closed_before, exposure.last_look)
    return min((moment for moment in moments if moment >= now), default="")


class Deeds:
    """Actions by the exposure that they are about, as they are written down one after the other; of messages
    those that arrived, at that time."""

    def __init__(self) -> None:
        self._by_exposure: dict[str, list[ActionRecord]] = {}
        self._messages: dict[str, Message] = {}
        self._arrived: dict[str, ActionRecord] = {}

    def take(self, record: ActionRecord) -> list[str]:
        """The next one; the ids of the exposures of which something else holds now."""
        if not record.message_id:
            return self._add(record)
        message = follow(self._messages.get(record.message_id), record)
        if message is None:
            return []
        self._messages[record.message_id] = message
        before = self._arrived.pop(record.message_id, None)
        if before is not None:
            for exposure_id in before.exposure_ids:
                self._by_exposure[exposure_id].remove(before)
        changed = before.exposure_ids if before is not None else []
        if message.stage == "done":
            arrived = self._arrived[record.message_id] = replace(message.intended, at=message.at)
            changed = [*changed, *self._add(arrived)]
        return changed

    def _add(self, record: ActionRecord) -> list[str]:
        for exposure_id in record.exposure_ids:
            self._by_exposure.setdefault(exposure_id, []).append(record)
        return record.exposure_ids

    def of(self, exposure: TrackedExposure) -> list[ActionRecord]:
        """Those about one, in time order."""
        done = [record for each in ids_of(exposure) for record in self._by_exposure.get(each, ())]
        return sorted(done, key=lambda record: record.at)


def ids_of(exposure: TrackedExposure) -> list[str]:
    """Its id and those that it had before."""
    return [exposure.exposure_id, *exposure.former_ids]


def spell_began_after(exposure: TrackedExposure) -> str:
    """What was done before this was about an earlier spell: the proof of its closure, or ""."""
    if len(exposure.spells) < 2:
        return ""
    return exposure.spells[-2].closed_before


def _over(
    exposure: TrackedExposure, done: list[ActionRecord], now: str, deadlines: Deadlines
) -> TrackedExposure:
    if exposure.state == "closed" and exposure.closed_before > now:
        exposure = replace(exposure, state="unreachable")  # no proof: a clock was wrong, and what came after?
    since = spell_began_after(exposure)
    done = [action for action in done if action.at > since]
    acceptance = _acceptance(done, now) if exposure.is_open else None
    accepted = acceptance is not None and exposure.state != "unreachable"
    told = [action.at for action in done if action.kind in TOLD and action.kind != "closure-told"]
    acknowledged = [action for action in done if action.kind == "acknowledged"]
    due_at = _due_at(exposure, acceptance, deadlines)
    return replace(
        exposure,
        state="accepted" if accepted else exposure.state,
        open_at_least_seconds=between(exposure.first_seen_open, exposure.last_seen_open),
        open_at_most_seconds=at_most(exposure, now),
        due_at=due_at,
        overdue=bool(due_at) and exposure.is_open and acceptance is None and now > due_at,
        warned_at=told[0] if told else "",
        last_warned_at=told[-1] if told else "",
        acknowledged_at=acknowledged[-1].at if acknowledged else "",
        acknowledged_by=acknowledged[-1].by if acknowledged else "",
        acceptance=acceptance,
        breach=_breach(exposure, done),
    )


def at_most(exposure: TrackedExposure, now: str) -> int | None:
    """For how many seconds it has been open at the most, where that is known."""
    if not exposure.opened_after:
        return None
    least = between(exposure.first_seen_open, exposure.last_seen_open)
    return max(least, between(exposure.opened_after, exposure.closed_before or now))


def _due_at(exposure: TrackedExposure, acceptance: Acceptance | None, deadlines: Deadlines) -> str:
    seconds: int | None = getattr(deadlines, exposure.severity.value)
    if seconds is None:
        return ""
    due_at = plus(exposure.first_seen_open, seconds)
    return max(due_at, acceptance.until) if acceptance is not None else due_at


def _acceptance(done: list[ActionRecord], now: str) -> Acceptance | None:
    """The last acceptance, unless it was withdrawn or has run out."""
    last = next((a for a in reversed(done) if a.kind in ("accepted", "acceptance-withdrawn")), None)
    if last is None or last.kind != "accepted" or now >= last.until:
        return None
    return Acceptance(by=last.by, at=last.at, until=last.until, reason=last.detail)


def _breach(exposure: TrackedExposure, done: list[ActionRecord]) -> Breach | None:
    """The 72 hours, where anything lay open at all: from the first sight, or from when a person says."""
    if exposure.database_count == 0:
        return None
    aware = next((action.since for action in reversed(done) if action.kind == "aware" and action.since), "")
    began = aware or exposure.first_seen_open
    why = "aware-noted" if aware else "first-seen-open"
    return Breach(began=began, ends=plus(began, BREACH_SECONDS), why=why, hints=list(exposure.hints))
