"""The status page: asked where it may be, only after silence, told from other web servers; its head alone is
read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.record import Reason, StatusPage
from results.verdict import Severity, Verdict
from scanner.contact import Ending
from scanner.lab.status_page import HOST, StatusPageTalk
from scanner.lab.versions import V2_4, V2_6, V3_2, Release
from scanner.mongo import console
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Layer, Limits, Next
from scanner.mongo.identity import identify
from scanner.mongo.judge import judge
from scanner.mongo.severity import assess
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


@pytest.mark.parametrize("chunk", [0, 1, 7])
@pytest.mark.parametrize("release", [V2_4, V2_6, V3_2])
def test_the_head_tells_host_version_and_uptime(release: Release, chunk: int) -> None:
    dialogue = asked(StatusPageTalk(release, uptime=90_061).answer("/"), chunk=chunk)
    dialogue.facts.observed_at = datetime(2026, 3, 4, 12, 0, 0, 250_000, UTC)
    server = identify(dialogue.facts, is_open=True)
    assert (server.product, server.version, server.version_source) == ("mongodb", release.text, "status page")
    assert (server.topology, server.status_page) == ("status_page", StatusPage(shown=True, host=HOST))
    assert server.started_at == datetime(2026, 3, 3, 10, 58, 59, tzinfo=UTC)
    assert server.end_of_life is not None
    assert server.end_of_life.ended


@pytest.mark.parametrize("chunk", [0, 1, 7])
def test_nothing_behind_the_head_is_kept(chunk: int) -> None:
    """There are clients, collections and the log, in which values of documents may stand."""
    whole = StatusPageTalk().answer("/")
    dialogue = asked(whole, chunk=chunk)
    assert b"A VALUE OF A DOCUMENT" in whole
    assert dialogue.facts.console_page.endswith(b"uptime: 86400 seconds")
    assert dialogue.next is Next.DONE
    without = whole.replace(b"uptime: 86400 seconds\n", b"")
    assert asked(without, chunk=chunk).facts.console_page.endswith(b"</pre><hr>")


def test_what_a_page_shows_is_graver_than_an_empty_server() -> None:
    """From the internet by one step more; the version's own dangers stand beside it, and a login ends it."""
    facts = asked(SHOWN).facts
    server = identify(facts, is_open=True)
    level, reasons, score = assess(Verdict.OPEN_NO_DATA, server, None)
    assert (level, score) == (Severity.MEDIUM, 24)
    assert reasons == [Reason(code="status-page-open", detail="db-a.example", points=24)]
    assert assess(Verdict.OPEN_NO_DATA, server, None, "internet").severity is Severity.HIGH
    locked = identify(asked(LOCKED).facts, is_open=False)
    assert locked.status_page == StatusPage(shown=False)
    assert assess(Verdict.AUTH_REQUIRED, locked, None).severity is Severity.INFO


@given(st.binary(max_size=300), st.binary(max_size=40), st.integers(1, 50))
def test_a_hostile_page_is_read_without_harm(between: bytes, host: bytes, chunk: int) -> None:
    page = (
        b"HTTP/1.0 200 OK\r\n\r\n<title>mongod "
        + host
        + b"</title>"
        + between
        + b"uptime: 999999999999 seconds"
    )
    dialogue = asked(page, chunk=chunk)
    dialogue.facts.observed_at = datetime(2026, 3, 4, tzinfo=UTC)
    assert len(dialogue.facts.console_page) <= console.KEPT
    if console.recognise(page) is not None:
        server = identify(dialogue.facts, is_open=True)
        assert server.started_at is None  # before the year 1
        assert server.status_page is not None
        assert len(server.status_page.host) <= console.HOST_LENGTH


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
