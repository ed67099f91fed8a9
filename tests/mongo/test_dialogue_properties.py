"""Whatever a server sends, in whatever pieces: no exception, a known verdict, the same as in one piece."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import bson
from hypothesis import given, settings
from hypothesis import strategies as st

from results.verdict import Verdict
from scanner.contact import Ending, TlsSession
from scanner.mongo import commands
from scanner.mongo.facts import Depth, Layer, Limits, Next, Reply
from scanner.mongo.judge import Judgement, judge
from tests.mongo.talks import make
from tests.support.recordings import load
from tests.support.replay import parse, split

if TYPE_CHECKING:
    from scanner.mongo.commands import Request

VERDICTS = {v for v in Verdict if not v.is_connection_outcome}
HELLO: dict[str, Any] = {"ismaster": True, "maxWireVersion": 21, "ok": 1.0}
ENDINGS = st.sampled_from([Ending.CLOSED, Ending.RESET, Ending.TIMEOUT, Ending.TLS_FAILED])
DOCUMENTS = st.sampled_from(
    [
        HELLO,
        {"ismaster": True, "maxWireVersion": 2, "ok": 1.0},
        {"ismaster": True, "ok": 1},
        {"version": "4.0.3", "ok": 1.0},
        {"databases": [{"name": "shop"}], "ok": 1.0},
        {"databases": [], "ok": 1.0},
        {"ok": 1.0},
        {"ok": "1"},
        {"ok": 0.0, "code": 13, "errmsg": "command requires authentication"},
        {"ok": 0.0, "code": 13435},
        {"ok": 0.0, "code": 13436},
        {"ok": 0.0, "code": 352},
        {"ok": 0.0, "code": 59},
        {"ok": 0.0, "code": 498870},
        {"ok": 0.0, "code": 115, "errmsg": "not supported prior to authentication"},
        {"cursor": {"id": 0, "firstBatch": []}, "ok": 1.0},
        {"$err": "unauthorized", "code": 10057},
    ]
)


def framed(document: dict[str, Any], request_id: int, opcode: int) -> bytes:
    body = bson.encode(document)
    head = struct.pack("<iqii", 8, 0, 0, 1) if opcode == 1 else b"\x00" * 5
    return struct.pack("<iiii", 16 + len(head) + len(body), 5, request_id, opcode) + head + body


FRAMES = st.builds(framed, DOCUMENTS, st.integers(1, 8), st.sampled_from([1, 2013]))
GARBLED = st.builds(
    lambda data, at, bit: (
        data[: at % len(data)] + bytes([data[at % len(data)] ^ bit]) + data[at % len(data) + 1 :]
    ),
    FRAMES,
    st.integers(0, 400),
    st.integers(1, 255),
)
STREAMS = st.lists(FRAMES | GARBLED | st.binary(max_size=40), max_size=6).map(b"".join)


class Endless:
    """A plan that never has enough."""

    def next_requests(self, room: int) -> list[Request]:
        return [commands.db_stats("shop"), commands.get_more("shop", 5), commands.db_stats("a.b")][:room]

    def answered(self, request: Request, reply: Reply) -> None:
        assert reply.document is not None or reply.error


class Once(Endless):
    """A plan of a few questions."""

    def __init__(self) -> None:
        self.left = 3

    def next_requests(self, room: int) -> list[Request]:
        take = min(room, self.left)
        self.left -= take
        return super().next_requests(take)


def run(streams: list[bytes], endings: list[Ending], size: int, *, tls: TlsSession) -> Judgement:
    """Each connection gets its stream in pieces of `size`, then ends in its way."""
    dialogue = make(Depth.COLLECTIONS, Limits(window=4), Once())
    wanted = Next.OPEN_PLAIN
    for number in range(10):
        stream = streams[number % len(streams)]
        ending = endings[number % len(endings)]
        if wanted is Next.OPEN_PLAIN:
            sent = dialogue.connected(Layer.PLAIN)
        elif ending is Ending.TLS_FAILED:
            dialogue.ended(ending, tls)
            wanted = dialogue.next
            if wanted is Next.DONE:
                break
            continue
        else:
            sent = dialogue.connected(Layer.TLS, tls)
        for at in range(0, len(stream), size):
            sent += dialogue.received(stream[at : at + size])
        assert all(parse(message) is not None for message in split(sent))
        if dialogue.next is Next.WAIT:
            dialogue.ended(ending, tls if wanted is not Next.OPEN_PLAIN else None)
        wanted = dialogue.next
        assert wanted is not Next.WAIT
        if wanted is Next.DONE:
            break
    assert dialogue.next is Next.DONE
    assert len(dialogue.facts.attempts) <= Limits().connections
    return judge(dialogue.facts)


SESSIONS = st.builds(
    TlsSession,
    established=st.booleans(),
    certificate_requested=st.booleans(),
    alert=st.sampled_from(
        ["", "WRONG_VERSION_NUMBER", "TLSV1_ALERT_PROTOCOL_VERSION", "CERTIFICATE_REQUIRED"]
    ),
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(STREAMS, min_size=1, max_size=3),
    st.lists(ENDINGS, min_size=1, max_size=4),
    st.integers(1, 50),
    SESSIONS,
)
def test_any_stream_in_any_chunking(
    streams: list[bytes], endings: list[Ending], size: int, tls: TlsSession
) -> None:
    whole = run(streams, endings, 10**6, tls=tls)
    assert whole.verdict in VERDICTS
    assert whole.evidence[0].code
    assert run(streams, endings, size, tls=tls) == whole


REAL = [
    step.reply
    for version in ("2.6.0-rc1", "4.0.3", "7.1.0")
    for step in load(version, "auth_user")
    if step.name in ("pipeline_query_msg", "pipeline_three", "pipeline_query_query")
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(REAL), st.integers(0, 2500), st.integers(1, 255), st.integers(1, 40))
def test_real_replies_with_one_byte_flipped(real: bytes, at: int, bit: int, size: int) -> None:
    """Replies of locked servers: no single flipped byte makes one open."""
    at %= len(real)
    flipped = real[:at] + bytes([real[at] ^ bit]) + real[at + 1 :]
    whole = run([flipped], [Ending.TIMEOUT], 10**6, tls=TlsSession(established=False))
    assert whole.verdict is not Verdict.OPEN
    assert run([flipped], [Ending.TIMEOUT], size, tls=TlsSession(established=False)) == whole


def test_an_endless_plan_is_ended_by_the_hosts_deadline() -> None:
    dialogue = make(Depth.DATABASES, plan=Endless())
    out = dialogue.connected(Layer.PLAIN)
    answers = [HELLO, {"version": "7.0.0", "ok": 1.0}, {"databases": [{"name": "shop"}], "ok": 1.0}]
    for _ in range(20):
        replies = b""
        for raw in split(out):
            message = parse(raw)
            assert message is not None
            answer = answers.pop(0) if answers else {"ok": 1.0}
            replies += framed(answer, message.request_id, 1 if message.opcode == 2004 else 2013)
        out = dialogue.received(replies)
        assert out
    dialogue.abort(Ending.TIMEOUT)
    assert dialogue.facts.metadata_cut == "timeout"
    assert judge(dialogue.facts).verdict is Verdict.OPEN
