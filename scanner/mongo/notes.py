"""Notes that go with a verdict as further evidence, without changing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.mongo.answers import describe, is_handshake, succeeded
from scanner.mongo.facts import Facts, Layer

if TYPE_CHECKING:
    from collections.abc import Callable

_LAST_WIRE_WITH_OPEN_EXCEPTION = 2  # up to 2.6 the localhost exception lets everything pass


def _note_tls(facts: Facts, verdict: Verdict) -> str:
    worked = any(a.layer is Layer.TLS and a.replies for a in facts.attempts)
    if not worked:
        return ""
    plain = [a for a in facts.attempts if a.layer is Layer.PLAIN]
    if plain and all(not a.replies for a in plain):
        return (
            "in the clear the server gave no reply, inside TLS it talked (its certificate was not verified)"
        )
    return "the conversation stood on TLS (the server's certificate was not verified)"


def _note_localhost(facts: Facts, verdict: Verdict) -> str:
    old = (facts.max_wire_version or 0) <= _LAST_WIRE_WITH_OPEN_EXCEPTION
    if verdict is Verdict.OPEN and facts.loopback and old and is_handshake(facts.hello):
        return (
            "asked from loopback: up to 2.6 a server with access control and no user yet shows everything to"
            " a local client, so this may be the localhost exception; ask again from another host"
        )
    if verdict is Verdict.OPEN_NO_DATA and facts.loopback:
        return "asked from loopback, where the localhost exception may apply; ask again from another host"
    return ""


def _note_unconfirmed(facts: Facts, verdict: Verdict) -> str:
    if verdict is Verdict.OPEN_NO_DATA and facts.confirm_list and not succeeded(facts.confirm_list):
        return f"the confirmation was not answered: {describe(facts.confirm_list)}"
    return ""


def _note_api_version(facts: Facts, verdict: Verdict) -> str:
    return "the server demands apiVersion, which was sent" if facts.api_version_required else ""


def _note_handshake(facts: Facts, verdict: Verdict) -> str:
    if facts.hello is None or is_handshake(facts.hello):
        return ""
    return f"no usable handshake: {describe(facts.hello)}"


def _note_partial(facts: Facts, verdict: Verdict) -> str:
    refused = sorted(facts.refused)
    if not verdict.is_open or not refused:
        return ""
    return f"open in part: {', '.join(refused)} wanted a login"


NOTES: tuple[tuple[str, Callable[[Facts, Verdict], str]], ...] = (
    ("tls", _note_tls),
    ("localhost-exception-possible", _note_localhost),
    ("unconfirmed", _note_unconfirmed),
    ("api-version", _note_api_version),
    ("handshake", _note_handshake),
    ("partial-access", _note_partial),
)
