"""Notes that go with a verdict as further evidence, without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.record import Reason
from results.verdict import Verdict
from scanner.mongo.answers import describe, is_handshake, succeeded
from scanner.mongo.facts import Facts, Layer

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAIN = Layer.PLAIN
_LAST_WIRE_WITH_OPEN_EXCEPTION = 2  # up to 2.6 the localhost exception lets everything pass


def _note_tls(facts: Facts, verdict: Verdict) -> Reason | None:
    worked = any(a.layer is Layer.TLS and a.replies for a in facts.attempts)
    if not worked:
        return None
    plain = [a for a in facts.attempts if a.layer is Layer.PLAIN]
    return Reason(code="tls-only" if plain and all(not a.replies for a in plain) else "tls")


def _note_localhost(facts: Facts, verdict: Verdict) -> Reason | None:
    old = (facts.max_wire_version or 0) <= _LAST_WIRE_WITH_OPEN_EXCEPTION
    if verdict is Verdict.OPEN and facts.loopback and old and is_handshake(facts.hello):
        return Reason(code="localhost-exception-possible")
    if verdict is Verdict.OPEN_NO_DATA and facts.loopback:
        return Reason(code="asked-from-loopback")
    return None


def _note_unconfirmed(facts: Facts, verdict: Verdict) -> Reason | None:
    if verdict is Verdict.OPEN_NO_DATA and facts.confirm_list and not succeeded(facts.confirm_list):
        return Reason(code="unconfirmed", detail=describe(facts.confirm_list))
    return None


def _note_api_version(facts: Facts, verdict: Verdict) -> Reason | None:
    return Reason(code="api-version") if facts.api_version_required else None


def _note_handshake(facts: Facts, verdict: Verdict) -> Reason | None:
    if facts.hello is None or is_handshake(facts.hello):
        return None
    return Reason(code="handshake", detail=describe(facts.hello))


def _note_partial(facts: Facts, verdict: Verdict) -> Reason | None:
    refused = sorted(facts.refused)
    return Reason(code="partial-access", detail=", ".join(refused)) if verdict.is_open and refused else None


NOTES: tuple[Callable[[Facts, Verdict], Reason | None], ...] = (
    _note_tls,
    _note_localhost,
    _note_unconfirmed,
    _note_api_version,
    _note_handshake,
    _note_partial,
)


def notes(facts: Facts, verdict: Verdict) -> list[Reason]:
    """What qualifies a verdict. That is nothing where a server was asked once, in the clear and from another
    machine, and refused nothing."""
    if (
        len(facts.attempts) == 1
        and facts.attempts[0].layer is _PLAIN
        and is_handshake(facts.hello)
        and not (facts.loopback or facts.refused or facts.api_version_required or facts.confirm_list)
    ):
        return []
    return notes_by_table(facts, verdict)


def notes_by_table(facts: Facts, verdict: Verdict) -> list[Reason]:
    """What `notes` gives, by every note."""
    return [note for says in NOTES if (note := says(facts, verdict)) is not None]
