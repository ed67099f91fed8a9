"""What a person may write down beside an exposure from afar: checked as the command line checks it, and added
to what people did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from results.durations import as_text, between, end_of, instant
from results.text import address, minute, visible

if TYPE_CHECKING:
    from results.ledger.actions import ActionKind, ActionRecord, Actions
    from results.ledger.tracked import TrackedExposure

LONGEST_DAYS = 366
LONGEST_TEXT = 4000
"""Characters of one text: a note, not a report."""

Deed = Literal["acknowledge", "accept", "withdraw", "note"]
_KINDS: dict[Deed, ActionKind] = {
    "acknowledge": "acknowledged",
    "accept": "accepted",
    "withdraw": "acceptance-withdrawn",
    "note": "noted",
}


class NotTakenError(Exception):
    """What was written cannot be taken. `field` is the one that is wrong (`text`, `until`, `since`), "" where
    none is; the message is a sentence that says what to write instead."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class Checked(NamedTuple):
    """An action that can be added. `until` and `since` are times in a record's form, or ""."""

    kind: ActionKind
    detail: str
    until: str = ""
    since: str = ""


def check(
    deed: Deed, exposure: TrackedExposure, now: str, *, text: str = "", until: str = "", since: str = ""
) -> Checked:
    """What would be written down at `now`; `text`, `until` (a day) and `since` (a moment) as a person wrote
    them. Raises `NotTakenError`."""
    text = text.strip()
    where = address(exposure.place.ip, exposure.place.port)
    if len(text) > LONGEST_TEXT:
        raise NotTakenError("text", f"The text has {len(text):,} characters; write {LONGEST_TEXT:,} at most.")
    if exposure.state == "closed" and deed != "note":
        day = exposure.closed_before[:10]
        raise NotTakenError("", f"{where} was proved closed on {day}: nothing is to be done. Write a note.")
    if deed == "withdraw" and exposure.acceptance is None:
        raise NotTakenError("", f"{where} is not accepted, so there is nothing to withdraw.")
    if deed == "accept":
        if not text:
            raise NotTakenError("text", "Write why it may stay open.")
        return Checked(_KINDS[deed], text, until=_end(until, now))
    if deed == "note":
        if not text:
            raise NotTakenError("text", "The note is empty; write what is to be remembered.")
        if since:
            return Checked("aware", text, since=_moment(since, now))
    return Checked(_KINDS[deed], text)


def write_down(
    actions: Actions, exposure: TrackedExposure, checked: Checked, by: str, now: str
) -> ActionRecord:
    """Add it, durably. Raises `CorruptError` while the chain of actions is broken, and as `append` does."""
    return actions.append(
        checked.kind,
        [exposure.exposure_id],
        at=now,
        by=by,
        detail=checked.detail,
        until=checked.until,
        since=checked.since,
    )


def _end(until: str, now: str) -> str:
    until = until.strip()
    if not until:
        raise NotTakenError("until", "Write the last day on which it may stay open, such as 2026-12-31.")
    try:
        over = end_of(until)
    except (ValueError, OverflowError):
        raise NotTakenError(
            "until", f"{visible(until, 40)} is no day; write one such as 2026-12-31."
        ) from None
    if over <= now:
        raise NotTakenError("until", f"{visible(until, 40)} is over already; write a day to come.")
    if between(now, over) > LONGEST_DAYS * 86_400:
        raise NotTakenError(
            "until", f"{visible(until, 40)} is over a year ahead; write a nearer day, and look again then."
        )
    return over


def _moment(since: str, now: str) -> str:
    since = since.strip()
    try:
        if len(since) == 10:
            since += "T00:00:00Z"
        at = as_text(instant(since))
    except (ValueError, OverflowError):
        example = "2026-03-01T09:00:00Z"
        raise NotTakenError(
            "since", f"{visible(since, 40)} is no time; write one such as {example}."
        ) from None
    if at > now:
        raise NotTakenError("since", f"{minute(at)} is still to come; write a time that is over.")
    return at
