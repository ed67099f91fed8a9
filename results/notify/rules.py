"""Who is to be told of what now: a pure function of exposures, of what was told before, and of rules."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import Struct

from results.durations import plus
from results.ledger.overlay import ids_of, spell_began_after
from results.ledger.told import Message, messages
from results.ledger.tracked import TrackedExposure
from results.verdict import INTERNET

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from results.ledger.actions import ActionRecord

ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
NoticeKind = Literal["warned", "reminded", "escalated", "closure-told"]


class Recipient(Struct, frozen=True):
    """Whom to tell for an owner; `language` "" is that of the rules."""

    to: tuple[str, ...]
    language: str = ""


class Rules(Struct, frozen=True, kw_only=True):
    """When somebody is told again; lengths are seconds from the first message. `recipients` by owner."""

    remind_after: tuple[int, ...] = ()
    escalate_after: int | None = None
    escalate_to: tuple[str, ...] = ()
    fallback_to: tuple[str, ...] = ()
    closed_notice: bool = False
    language: str = "en"
    recipients: dict[str, Recipient] = {}


class Notice(Struct, frozen=True, kw_only=True):
    """One message to be sent: to one owner, or about one owner to whom it is escalated.

    `reminds` are those of `exposures` of which `to` was told before. `earlier`: the ids of the messages that
    told of them; `first_told`: when the first did. `message_id` follows from what is told, to whom, and how
    often it was told before: a second attempt has the same.
    """

    kind: NoticeKind
    owner: str
    to: tuple[str, ...]
    language: str
    exposures: tuple[TrackedExposure, ...]
    reminds: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    first_told: str = ""
    message_id: str


class _Row(NamedTuple):
    """Something that was done about an exposure; of a message, the time and the message itself."""

    at: str
    record: ActionRecord
    message: Message | None


class _Past(Struct, frozen=True):
    """What was told of an exposure in its present spell, oldest first."""

    told: list[tuple[str, Message]]
    escalated: bool
    closure_told: bool
    since: str


def due(
    exposures: Sequence[TrackedExposure],
    records: Sequence[ActionRecord],
    rules: Rules,
    now: str,
    domain: str = "localhost",
) -> list[Notice]:
    """What is to be sent at `now`, in the exposures' order of gravity. `records` are the proven actions;
    `exposures` are laid over with them. Those of whom nobody is to be told are in no notice."""
    by_exposure = _by_exposure(records)
    gathered: dict[tuple[str, str], list[tuple[TrackedExposure, _Past, bool]]] = {}
    for exposure in exposures:
        past = _past(exposure, by_exposure, now)
        for audience, again in _wanted(exposure, past, rules, now):
            gathered.setdefault((audience, exposure.owner.owner), []).append((exposure, past, again))
    return [_notice(audience, owner, rows, rules, domain) for (audience, owner), rows in gathered.items()]


def _wanted(
    exposure: TrackedExposure, past: _Past, rules: Rules, now: str
) -> Iterable[tuple[Literal["owner", "escalation", "closure"], bool]]:
    """For whom there is a message about this exposure, and whether it is a further one."""
    if exposure.state == "closed":
        if rules.closed_notice and past.told and not past.closure_told:
            yield "closure", True
        return
    if exposure.acceptance is not None:
        return
    if not past.told:
        yield "owner", False
        return
    first, last = past.told[0][0], past.told[-1][0]
    # Whoever was told of it while it was open inside does not know that everybody sees it now.
    news = exposure.reach == INTERNET and last < exposure.reach_since <= now
    quiet = bool(exposure.acknowledged_at) and not exposure.overdue
    if news or (not quiet and any(last < plus(first, length) <= now for length in rules.remind_after)):
        yield "owner", True
    wait = rules.escalate_after if rules.escalate_to and not past.escalated else None
    if wait is not None and plus(first, wait) <= now:
        yield "escalation", True


def _notice(
    audience: str, owner: str, rows: list[tuple[TrackedExposure, _Past, bool]], rules: Rules, domain: str
) -> Notice:
    exposures = tuple(exposure for exposure, _, _ in rows)
    to, language = recipients(owner, exposures, rules)
    reminds = tuple(exposure.exposure_id for exposure, _, again in rows if again)
    kind: NoticeKind = "warned" if len(reminds) < len(rows) else "reminded"
    if audience == "escalation":
        kind, to, language = "escalated", rules.escalate_to, rules.language
    elif audience == "closure":
        kind = "closure-told"
    earlier = dict.fromkeys(
        message.intended.message_id for _, past, again in rows if again for _, message in past.told
    )
    parts = sorted(
        (exposure.exposure_id, exposure.first_seen_open, past.since, len(past.told))
        for exposure, past, _ in rows
    )
    identity = json.dumps([audience, owner, sorted(to), parts], separators=(",", ":"))
    digest = hashlib.sha256(identity.encode("utf-8", "backslashreplace")).hexdigest()
    return Notice(
        kind=kind,
        owner=owner,
        to=to,
        language=language,
        exposures=exposures,
        reminds=reminds,
        earlier=tuple(earlier),
        first_told=min((past.told[0][0] for _, past, again in rows if again and past.told), default=""),
        message_id=f"{_slug(owner)}.{audience}.{digest[:24]}@{domain}",
    )


def recipients(owner: str, exposures: Iterable[TrackedExposure], rules: Rules) -> tuple[tuple[str, ...], str]:
    """The addresses and the language: those configured, or else the allow-list's contacts."""
    configured = rules.recipients.get(owner)
    if configured is not None:
        return configured.to, configured.language or rules.language
    contacts = dict.fromkeys(
        word for exposure in exposures for word in re.split(r"[\s,;<>]+", exposure.owner.contact)
    )
    found = tuple(word for word in contacts if ADDRESS.fullmatch(word))
    return found or rules.fallback_to, rules.language


def _slug(owner: str) -> str:
    """What file names and message ids may hold of an owner's name."""
    return re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-")[:40].strip("-") or "owner"


def _by_exposure(
    records: Sequence[ActionRecord],
) -> dict[str, list[_Row]]:
    """Actions by exposure with their times; of messages, those that may have arrived."""
    found: dict[str, list[_Row]] = {}
    arrived = [message for message in messages(records).values() if message.may_have_arrived]
    rows = [_Row(message.at, message.intended, message) for message in arrived]
    rows += [_Row(record.at, record, None) for record in records if not record.message_id]
    for row in sorted(rows, key=lambda row: row.at):
        for exposure_id in row.record.exposure_ids:
            found.setdefault(exposure_id, []).append(row)
    return found


def _past(exposure: TrackedExposure, by_exposure: dict[str, list[_Row]], now: str) -> _Past:
    """What happened since its spell began, and since an acceptance ended: then it counts as new again."""
    rows = sorted(
        (row for each in ids_of(exposure) for row in by_exposure.get(each, ())), key=lambda row: row.at
    )
    since = spell_began_after(exposure)
    for at, record, _ in rows:
        if at <= since:
            continue
        if record.kind == "accepted" and record.until <= now:
            since = record.until
        elif record.kind == "acceptance-withdrawn":
            since = at
    rows = [row for row in rows if row.at > since]
    kinds = {row.record.kind for row in rows}
    return _Past(
        [(at, message) for at, record, message in rows if message and record.kind in ("warned", "reminded")],
        "escalated" in kinds,
        "closure-told" in kinds,
        since,
    )
