"""One line of the actions, as a type: what a person did, or was told; and how a line is sealed and read."""

from __future__ import annotations

import hashlib
from sys import intern
from typing import Literal

import msgspec
from msgspec import Struct

from results.ledger.tracked import Action

ACTION = "mongosweep.action/1"
GENESIS = hashlib.sha256(ACTION.encode()).hexdigest()
"""What the first line follows from."""
MAX_LINE = 4 << 20  # bytes; a message that names 100,000 exposures is shorter
_SEAL = b',"hash":"'
_NONE: list[str] = []  # one for all records, which nobody changes

ActionKind = Literal[
    "warned",
    "reminded",
    "escalated",
    "closure-told",
    "acknowledged",
    "accepted",
    "acceptance-withdrawn",
    "noted",
    "aware",
    "vouched",
    "signed-in",
    "signed-out",
    "sign-in-failed",
    "denied",
    "ordered",
    "access-changed",
]
"""The first four are messages, which have a `stage`; the others people did. `aware`: the organisation knew of
it at `since`. `vouched`: a person looked at a broken chain, and stands for the lines as they are. From
`signed-in` on: what the page's visitors did or were refused, about no exposure; `by` is the name that was
told, proved only where they got in."""

TOLD: frozenset[str] = frozenset({"warned", "reminded", "escalated", "closure-told"})

AUDIT: frozenset[str] = frozenset(
    {"signed-in", "signed-out", "sign-in-failed", "denied", "ordered", "access-changed"}
)
"""Kinds that tell of the page's visitors."""

Stage = Literal["", "intended", "handing-over", "done", "failed", "unclear"]
"""How far a message came. `intended`: nothing was sent yet. `handing-over`: from here on the other side may
have it. `done`: it said that it has it. `failed`: it cannot have it. `unclear`: nobody knows, and it is not
sent again unless a person says so."""


class ActionRecord(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="schema", tag=ACTION, gc=False
):
    """One line. `exposure_ids` are those that it is about; of a message, `reminds` are those among them that
    `to` had been told of before. Later stages of a message name it by `message_id` alone."""

    at: str
    kind: ActionKind
    exposure_ids: list[str] = []
    by: str = ""
    to: list[str] = []
    detail: str = ""
    until: str = ""
    since: str = ""
    message_id: str = ""
    transport: str = ""
    stage: Stage = ""
    reminds: list[str] = []
    previous: str = ""
    hash: str = ""


def sealed(record: ActionRecord, previous: str) -> tuple[ActionRecord, bytes]:
    """A record as it follows from the line whose hash is `previous`, and its own line."""
    record = msgspec.structs.replace(record, previous=previous, hash="")
    body = msgspec.json.encode(record)[:-1]
    digest = hashlib.sha256(body).hexdigest()
    return msgspec.structs.replace(record, hash=digest), body + _SEAL + digest.encode() + b'"}\n'


_decoder = msgspec.json.Decoder(ActionRecord)


def read_line(line: bytes) -> tuple[ActionRecord | None, str]:
    """What a line says, and what is wrong with it, if anything."""
    try:
        record = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, "it does not read as an action"
    body, seal, _ = line.rpartition(_SEAL)
    expected = body + _SEAL + record.hash.encode() + b'"}'
    if not seal or line != expected or hashlib.sha256(body).hexdigest() != record.hash:
        return record, "it was changed after it was written"
    return record, ""


def slimmed(record: ActionRecord) -> ActionRecord:
    """The same without its hashes, sharing with others what names and empty lists they share."""
    return msgspec.structs.replace(
        record,
        by=intern(record.by),
        exposure_ids=[intern(each) for each in record.exposure_ids] or _NONE,
        to=[intern(each) for each in record.to] or _NONE,
        reminds=record.reminds or _NONE,
        message_id=intern(record.message_id),
        transport=intern(record.transport),
        previous="",
        hash="",
    )


def shown(record: ActionRecord, exposure_id: str = "") -> Action:
    """An action as faces show it; of a message, what it was for this exposure."""
    reminder = record.kind == "warned" and exposure_id in record.reminds
    return Action(
        at=record.at,
        kind="reminded" if reminder else record.kind,
        by=record.by,
        to=record.to,
        detail=record.detail,
        until=record.until,
    )
