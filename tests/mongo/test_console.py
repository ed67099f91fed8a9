"""The old HTTP console: asked where it may be, only after silence, and told from other web servers."""

from __future__ import annotations

import pytest

from results.verdict import Verdict
from scanner.contact import Ending
from scanner.mongo import console
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Layer, Limits, Next
from scanner.mongo.judge import judge
from tests.mongo.console_pages import LOCKED, SHOWN
from tests.mongo.talks import CLIENT

OTHER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html><title>Welcome to nginx</title></html>"
NATIVE = (
    b"HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 85\r\n\r\n"
    b"It looks like you are trying to access MongoDB over HTTP on the native driver port.\r\n"
)


def titled(title: bytes) -> bytes:
    return SHOWN.replace(b"mongod db-a.example", title)


def asked(page: bytes, *, loopback: bool = False, chunk: int = 0) -> Dialogue:
    """Silence to the first write, then `page` to the next connection, then its end."""
    dialogue = Dialogue(client=CLIENT, depth=Depth.VERDICT, limits=Limits(), loopback=loopback, console=True)
    dialogue.connected(Layer.PLAIN)
    dialogue.ended(Ending.TIMEOUT)
    assert dialogue.next is Next.OPEN_PLAIN
    assert dialogue.connected(Layer.PLAIN) == b"GET / HTTP/1.0\r\n\r\n"
    size = chunk or len(page) or 1
    for begin in range(0, len(page), size):
        assert dialogue.received(page[begin : begin + size]) == b""
    dialogue.ended(Ending.CLOSED)
    return dialogue


@pytest.mark.parametrize("chunk", [0, 1])
@pytest.mark.parametrize(
    ("page", "loopback", "verdict", "rule"),
    [
        (SHOWN, False, Verdict.OPEN_NO_DATA, "http-console"),
        (SHOWN, True, Verdict.UNKNOWN, "http-console-on-loopback"),
        (LOCKED, False, Verdict.AUTH_REQUIRED, "http-console-login"),
        (LOCKED, True, Verdict.AUTH_REQUIRED, "http-console-login"),
        (OTHER, False, Verdict.NOT_MONGODB, "other-protocol"),
        (NATIVE, False, Verdict.UNKNOWN, "reply-cut-short"),
        (titled(b"mongodb db-a.example:27017"), False, Verdict.OPEN_NO_DATA, "http-console"),
        (titled(b"mongo-express"), False, Verdict.NOT_MONGODB, "other-protocol"),
        (titled(b"MongoDB Administration"), False, Verdict.NOT_MONGODB, "other-protocol"),
        (LOCKED.replace(b'"mongo"', b'"mongo-express"'), False, Verdict.NOT_MONGODB, "other-protocol"),
    ],
)  # fmt: skip
def test_verdicts(page: bytes, loopback: bool, verdict: Verdict, rule: str, chunk: int) -> None:
    judgement = judge(asked(page, loopback=loopback, chunk=chunk).facts)
    assert (judgement.verdict, judgement.evidence[0].code) == (verdict, rule)


def test_cut_anywhere_is_never_shown() -> None:
    whole = SHOWN.index(b"</title>") + len(b"</title>")
    for cut in range(1, whole):
        assert judge(asked(SHOWN[:cut]).facts).verdict in (Verdict.NOT_MONGODB, Verdict.UNKNOWN), cut


def test_no_more_is_read_than_is_needed() -> None:
    dialogue = asked(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1_000_000, chunk=500)
    assert len(dialogue.facts.console_page) == console.KEPT
    assert dialogue.bytes_received <= console.KEPT + 500
    assert dialogue.next is Next.DONE


def test_elsewhere_no_page_is_asked_for() -> None:
    dialogue = Dialogue(client=CLIENT, depth=Depth.VERDICT, limits=Limits(), loopback=False)
    dialogue.connected(Layer.PLAIN)
    dialogue.ended(Ending.TIMEOUT)
    assert dialogue.next is Next.OPEN_TLS


def test_silence_to_the_page_as_well_leads_on_to_tls() -> None:
    dialogue = Dialogue(client=CLIENT, depth=Depth.VERDICT, limits=Limits(), loopback=False, console=True)
    dialogue.connected(Layer.PLAIN)
    dialogue.ended(Ending.TIMEOUT)
    dialogue.connected(Layer.PLAIN)
    dialogue.ended(Ending.TIMEOUT)
    assert dialogue.next is Next.OPEN_TLS


def test_a_server_that_answers_is_not_asked_for_a_page() -> None:
    dialogue = Dialogue(client=CLIENT, depth=Depth.VERDICT, limits=Limits(), loopback=False, console=True)
    dialogue.connected(Layer.PLAIN)
    dialogue.ended(Ending.CLOSED)
    assert dialogue.next is Next.OPEN_TLS
