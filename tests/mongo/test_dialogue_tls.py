"""The dialogue and TLS: when it is tried, what its failures mean, and when old TLS comes."""

from __future__ import annotations

import pytest

from results.verdict import Verdict
from scanner.contact import Ending
from scanner.mongo.facts import Layer, Next
from scanner.mongo.judge import judge
from tests.mongo.talks import (
    BUILD,
    CLOSING,
    HELLO,
    LOGIN,
    MODERN,
    ask,
    make,
    session,
)
from tests.support.converse import TlsPeer, converse
from tests.support.scripted import CLOSE, SILENT, Scripted


def test_tls_after_a_plain_close() -> None:
    _, judgement = ask(Scripted(CLOSING), TlsPeer(session(), Scripted(dict(MODERN))))
    assert judgement.verdict is Verdict.OPEN
    assert judgement.evidence[1].code == "tls-only"


def test_tls_after_a_plain_alert() -> None:
    peer = Scripted({}, greeting=b"\x15\x03\x03\x00\x02\x02\x46")
    dialogue, judgement = ask(peer, TlsPeer(session(), Scripted(dict(MODERN))))
    assert judgement.verdict is Verdict.OPEN
    assert dialogue.facts.attempts[0].protocol_error.startswith("TLS alert")


def test_tls_after_silence() -> None:
    dialogue, judgement = ask(Scripted({"*": SILENT}), TlsPeer(session(), Scripted(dict(MODERN))))
    assert judgement.verdict is Verdict.OPEN
    assert dialogue.facts.attempts[0].ending is Ending.TIMEOUT


def test_silence_on_both_is_silent() -> None:
    dialogue = make()
    dialogue.connected(Layer.PLAIN)
    dialogue.ended(Ending.TIMEOUT)
    steps = [dialogue.next]
    dialogue.ended(Ending.TIMEOUT)
    steps.append(dialogue.next)
    assert steps == [Next.OPEN_TLS, Next.DONE]
    assert judge(dialogue.facts).evidence[0].code == "silent"


def test_a_full_server_is_not_taken_for_one_that_requires_tls() -> None:
    """It closes without a byte, in the clear and inside TLS."""
    peer = Scripted({}, closes_at_once=True)
    dialogue, judgement = ask(peer)
    assert (judgement.verdict, judgement.evidence[0].code) == (Verdict.UNKNOWN, "closed-without-reply")
    assert len(dialogue.facts.attempts) == 3


def test_a_bare_close_after_the_handshake_is_a_missing_client_certificate() -> None:
    inside = Scripted(dict(CLOSING))
    _, judgement = ask(Scripted(dict(CLOSING)), TlsPeer(session(certificate_requested=True), inside))
    assert judgement.verdict is Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED
    assert inside.connections == 1


def test_a_close_inside_tls_without_a_certificate_request_gets_hello_by_op_msg() -> None:
    inside = Scripted({"isMaster": CLOSE, "hello": HELLO, "buildInfo": BUILD, "listDatabases": LOGIN})
    _, judgement = ask(Scripted(dict(CLOSING)), TlsPeer(session(), inside))
    assert judgement.verdict is Verdict.AUTH_REQUIRED
    assert inside.connections == 2


@pytest.mark.parametrize(
    "alert",
    [
        "tlsv1 alert protocol version",
        "UNSUPPORTED_PROTOCOL",
        "SSLV3_ALERT_HANDSHAKE_FAILURE",
        "DH_KEY_TOO_SMALL",
    ],
)
def test_old_tls_comes_last_and_is_recorded(alert: str) -> None:
    dialogue = make()
    old = TlsPeer(session(version="TLSv1", legacy=True), Scripted(dict(MODERN)))
    converse(
        dialogue, Scripted(dict(CLOSING)), TlsPeer(session(established=False, alert=alert)), legacy_tls=old
    )
    assert judge(dialogue.facts).verdict is Verdict.OPEN
    last = dialogue.facts.attempts[-1].tls
    assert last is not None
    assert last.legacy
    assert len(dialogue.facts.attempts) == 3


def test_something_else_than_tls_gets_no_old_tls() -> None:
    dialogue = make()
    wrong = TlsPeer(session(established=False, alert="WRONG_VERSION_NUMBER"))
    converse(dialogue, Scripted({}, closes_at_once=True), wrong)
    assert [a.layer for a in dialogue.facts.attempts] == [Layer.PLAIN, Layer.TLS, Layer.PLAIN]


def test_a_tls_session_may_become_known_at_the_end() -> None:
    dialogue = make()
    dialogue.connected(Layer.PLAIN)
    dialogue.ended(Ending.CLOSED)
    dialogue.connected(Layer.TLS, session())
    dialogue.ended(
        Ending.TLS_FAILED, session(certificate_requested=True, alert="TLSV13_ALERT_CERTIFICATE_REQUIRED")
    )
    assert judge(dialogue.facts).verdict is Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED
