"""From one look at a place, and what the ledger knows of it, to the answer. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.confirm.answer import Known, PlaceAnswer
from results.durations import as_text, between, instant
from results.ledger.proof import Round, doubts, missing
from results.ledger.tracked import Look
from results.record import Reason
from results.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.confirm.answer import Answer
    from results.ledger.tracked import Spell, TrackedExposure
    from results.record import Observation, Owner

_BY_VERDICT: dict[Verdict, Answer] = {
    Verdict.OPEN: "confirmed-open",
    Verdict.OPEN_NO_DATA: "open-no-data",
    Verdict.AUTH_REQUIRED: "asks-for-a-login",
    Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED: "asks-for-a-login",
    Verdict.NOT_MONGODB: "another-service",
    Verdict.REFUSED: "closed-now",
    Verdict.UNKNOWN: "unknown",
    Verdict.FILTERED: "not-reachable",
    Verdict.UNREACHABLE: "not-reachable",
}
_NEEDS_PROOF = frozenset({"closed-now", "not-reachable", "unknown"})
"""Answers that say why they prove no more than they do."""


def judged(seen: Observation | None, looked: Round) -> tuple[Answer, list[Reason]]:
    """What a look at a place says of it now, and what lacks where that is not settled. `seen` is null where
    the run ended before it was asked.

    A refusal is `closed-now` only where it is that of the port, as far as one look can tell: from the host
    itself, beside a neighbour that answers, in a complete run.
    """
    if seen is None:
        return "not-asked", [Reason(code="not-asked", detail="the run was stopped before it was asked")]
    codes = {reason.code for reason in seen.evidence}
    answer = _BY_VERDICT[seen.verdict]
    if answer in ("confirmed-open", "open-no-data"):
        return answer, []
    if "driver-says-open" in codes:
        return "unknown", [Reason(code="driver-says-open")]
    if "masked-prefix" in codes:
        return "not-reachable", [Reason(code="masked-prefix")]
    lacks = doubts(look_of(seen), looked) if answer in _NEEDS_PROOF else []
    if answer == "closed-now" and lacks:
        return "not-reachable", lacks
    return answer, lacks


def look_of(seen: Observation) -> Look:
    """An observation as the ledger has looks."""
    return Look(
        at=seen.observed_at,
        run_id=seen.run_id,
        verdict=seen.verdict,
        evidence=[reason.code for reason in seen.evidence],
        ip=seen.target.ip,
        port=seen.target.port,
    )


def place_answer(
    ip: str, port: int, owner: Owner, seen: Observation | None, looked: Round, exposure: Known | None
) -> PlaceAnswer:
    """The answer for one address and port that was to be asked; `owner` is whose it is by the scope."""
    answer, reasons = judged(seen, looked)
    if seen is None:
        return PlaceAnswer(ip=ip, port=port, answer=answer, reasons=reasons, owner=owner, exposure=exposure)
    confirmation = seen.confirmation
    return PlaceAnswer(
        ip=ip,
        port=port,
        answer=answer,
        reasons=reasons,
        at=seen.observed_at,
        event_id=seen.event_id,
        verdict=seen.verdict,
        evidence=[reason.code for reason in seen.evidence],
        driver=confirmation.verdict if confirmation is not None else "",
        agrees=confirmation.agrees if confirmation is not None else None,
        owner=owner,
        exposure=exposure,
    )


def known(
    exposure: TrackedExposure, reported: str, looks: Sequence[Look], looked: Round | None, run_id: str
) -> Known:
    """What the ledger says of an exposure, beside a report of the time `reported` ("" not told), and what it
    still needs to be called closed. `looks`: all that belong to it; `looked`: of the run `run_id` that asked
    it now, null where none did."""
    needs: list[Reason] = []
    not_before = ""
    ours = [look for look in looks if look.run_id == run_id]
    if looked is not None and ours:
        earlier = [look for look in looks if look.at < ours[-1].at]
        needs, not_before = missing(exposure, ours[-1], looked, earlier)
    spell = _spell_after(exposure, reported)
    ahead = None if spell is None else between(reported, spell.first_seen_open)
    looked_between = spell is not None and spell.opened_after > reported
    taken = exposure.acceptance if exposure.state == "accepted" else None
    return Known(
        exposure_id=exposure.exposure_id,
        state=exposure.state,
        severity=exposure.severity,
        first_seen_open=exposure.first_seen_open,
        last_seen_open=exposure.last_seen_open,
        opened_after=exposure.opened_after,
        opened_after_how=exposure.opened_after_how,
        closed_before=exposure.closed_before,
        closed_how=exposure.closed_how,
        warned_at=exposure.warned_at,
        acknowledged_at=exposure.acknowledged_at,
        acknowledged_by=exposure.acknowledged_by,
        accepted_by=taken.by if taken else "",
        accepted_until=taken.until if taken else "",
        reported_ahead_seconds=ahead,
        looked_between=spell.opened_after if spell is not None and looked_between else "",
        looked_between_how=spell.opened_after_how if spell is not None and looked_between else "",
        needs=needs,
        not_before=not_before,
    )


def _spell_after(exposure: TrackedExposure, reported: str) -> Spell | None:
    """The spell that the reporter saw before we did: the first that was not over at that time, where we had
    not seen it yet. None where they came later, or do not say when."""
    if not reported:
        return None
    spells = sorted(exposure.spells, key=lambda spell: spell.first_seen_open)
    first = next((each for each in spells if not each.closed_before or each.closed_before > reported), None)
    return first if first is not None and first.first_seen_open > reported else None


def moment(text: str) -> str:
    """A reporter's time as records write it; "" for none, or for what is no time with its zone."""
    try:
        return as_text(instant(text)) if text else ""
    except (ValueError, OverflowError):
        return ""
