"""The dialogue against broken and hostile servers: bounded, and never a wrong open."""

from __future__ import annotations

import struct
from typing import Any

import bson
import pytest

from results.verdict import Verdict
from scanner.contact import Ending
from scanner.mongo.facts import Depth, Layer, Limits, Next
from scanner.mongo.judge import judge
from tests.mongo.talks import (
    HELLO,
    LISTED,
    MODERN,
    Recorder,
    ask,
    error,
    make,
)
from tests.support.converse import converse
from tests.support.replay import Message, reply_to
from tests.support.scripted import CLOSE, SILENT, Scripted


def test_a_cut_in_the_first_reply_gets_one_more_connection() -> None:
    half = reply_to(Message(1, 2004, "", []), bson.encode(HELLO))[:30]
    peer = Scripted({**MODERN, "isMaster": [half, HELLO]})
    dialogue = make()
    first = dialogue.connected(Layer.PLAIN)
    assert first
    dialogue.received(half)
    dialogue.ended(Ending.RESET)
    assert dialogue.next is Next.OPEN_PLAIN
    converse(dialogue, Scripted(dict(MODERN)))
    assert judge(dialogue.facts).verdict is Verdict.OPEN
    assert peer.connections == 0


def test_a_cut_before_the_list_gets_one_more_connection_and_no_more() -> None:
    peer = Scripted({**MODERN, "listDatabases": CLOSE})
    _dialogue, judgement = ask(peer)
    assert judgement.verdict is Verdict.UNKNOWN
    assert peer.connections == 2
    assert peer.commands()[3:] == ["isMaster by OP_QUERY", "listDatabases by OP_MSG"]


def test_connections_are_counted() -> None:
    dialogue, _ = ask(Scripted({"*": CLOSE}), limits=Limits(connections=1))
    assert len(dialogue.facts.attempts) == 1
    dialogue, _ = ask(Scripted({"*": CLOSE}), limits=Limits(connections=2))
    assert len(dialogue.facts.attempts) == 2


def raw(
    body: bytes, response_to: int = 1, opcode: int = 1, head: bytes = struct.pack("<iqii", 8, 0, 0, 1)
) -> bytes:
    return struct.pack("<iiii", 16 + len(head) + len(body), 5, response_to, opcode) + head + body


HOSTILE: list[tuple[str, bytes, Verdict]] = [
    ("length 0", struct.pack("<iiii", 0, 1, 1, 1), Verdict.NOT_MONGODB),
    ("length 15", struct.pack("<iiii", 15, 1, 1, 1), Verdict.NOT_MONGODB),
    ("negative length", struct.pack("<iiii", -1, 1, 1, 1), Verdict.NOT_MONGODB),
    ("2 GiB", struct.pack("<iiii", 2**31 - 1, 1, 1, 1), Verdict.UNKNOWN),
    ("over the cap", struct.pack("<iiii", 70_000, 1, 1, 1), Verdict.UNKNOWN),
    ("never ends", struct.pack("<iiii", 60_000, 1, 1, 1) + b"\x00" * 500, Verdict.UNKNOWN),
    ("wrong responseTo", raw(bson.encode(HELLO), response_to=7), Verdict.UNKNOWN),
    ("compressed", raw(bson.encode(HELLO), opcode=2012), Verdict.UNKNOWN),
    ("message to a query", raw(bson.encode(HELLO), opcode=2013, head=b"\x00" * 5), Verdict.UNKNOWN),
    ("unknown opcode", raw(bson.encode(HELLO), opcode=99), Verdict.NOT_MONGODB),
    ("no document", raw(b"", head=struct.pack("<iqii", 8, 0, 0, 0)), Verdict.UNKNOWN),
    ("bson lies", raw(struct.pack("<i", 30) + b"\x02a\x00" + b"\xff" * 23), Verdict.UNKNOWN),
    ("http", b"HTTP/1.1 200 OK\r\n\r\n", Verdict.NOT_MONGODB),
    ("ssh", b"SSH-2.0-x\r\n", Verdict.NOT_MONGODB),
    ("random", bytes(range(100, 190)), Verdict.NOT_MONGODB),
    ("zeroes", b"\x00" * 64, Verdict.NOT_MONGODB),
]


@pytest.mark.parametrize(("greeting", "verdict"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
def test_hostile_first_replies(greeting: bytes, verdict: Verdict) -> None:
    results = []
    for chunk in (0, 1, 5):
        dialogue = make()
        peer = Scripted({}, greeting=greeting)
        converse(dialogue, peer, chunk=chunk)
        results.append(judge(dialogue.facts))
        assert len(dialogue.facts.attempts) <= 5
    assert results[0] == results[1] == results[2]
    assert results[0].verdict is verdict


def test_an_echo_is_not_mongodb() -> None:
    class Echo(Scripted):
        def answer(self, request: bytes) -> Any:
            return super().answer(request)._replace(reply=request)

    _, judgement = ask(Echo({"*": SILENT}))
    assert (judgement.verdict, judgement.evidence[0].code) == (Verdict.NOT_MONGODB, "echo")


def test_a_second_reply_that_nobody_asked_for_is_never_an_answer() -> None:
    def twice(message: Message) -> bytes:
        return reply_to(message, bson.encode(HELLO)) + reply_to(message, bson.encode(LISTED))

    _, judgement = ask(Scripted({**MODERN, "isMaster": twice}))
    assert judgement.verdict is Verdict.UNKNOWN


def test_more_to_come_is_never_an_answer() -> None:
    def streaming(message: Message) -> bytes:
        reply = bytearray(reply_to(message, bson.encode(LISTED)))
        reply[16] = 2
        return bytes(reply)

    _, judgement = ask(Scripted({**MODERN, "listDatabases": streaming}))
    assert judgement.verdict is Verdict.UNKNOWN


def test_doubled_keys_are_never_an_answer() -> None:
    def doubled(message: Message) -> bytes:
        one, two = bson.encode(LISTED)[4:-1], bson.encode({"ok": 0.0})[4:-1]
        return reply_to(message, struct.pack("<i", len(one + two) + 5) + one + two + b"\x00")

    _, judgement = ask(Scripted({**MODERN, "listDatabases": doubled}))
    assert judgement.verdict is Verdict.UNKNOWN


def test_the_host_budget_ends_it() -> None:
    dialogue, judgement = ask(Scripted(dict(MODERN)), limits=Limits(host_bytes=100))
    assert dialogue.facts.attempts[-1].ending is Ending.TOO_MUCH
    assert judgement.verdict is Verdict.UNKNOWN


def test_a_list_over_the_cap_is_open_and_truncated() -> None:
    many = {"databases": [{"name": f"database {i}"} for i in range(100)], "ok": 1.0}
    limits = Limits(names_reply_bytes=1000)
    dialogue, judgement = ask(
        Scripted({**MODERN, "listDatabases": many}), limits=limits, depth=Depth.DATABASES, plan=Recorder([])
    )
    assert (judgement.verdict, judgement.evidence[0].code) == (Verdict.OPEN, "list-truncated")
    assert dialogue.facts.build_info is not None
    assert dialogue.facts.metadata_cut.startswith("too large")


def test_nothing_is_done_after_the_end() -> None:
    dialogue, _ = ask(Scripted(dict(MODERN)))
    before = dialogue.bytes_received
    assert dialogue.received(b"more") == b""
    dialogue.ended(Ending.CLOSED)
    dialogue.abort(Ending.TIMEOUT)
    assert dialogue.bytes_received == before
    assert dialogue.facts.attempts[-1].ending is None


def test_the_hosts_time_is_over() -> None:
    dialogue = make()
    dialogue.connected(Layer.PLAIN)
    dialogue.abort(Ending.TIMEOUT)
    assert dialogue.next is Next.DONE
    assert judge(dialogue.facts).evidence[0].code == "silent"
    never = make()
    never.abort(Ending.TIMEOUT)
    assert judge(never.facts).evidence[0].code == "not-asked"


def test_evidence_can_always_be_written_as_json() -> None:
    def refused(message: Message) -> bytes:
        body = bson.encode(error(13, "login ~~") | {"codeName": "~~"}).replace(b"~~", b"\xff\xff")
        return reply_to(message, body)

    _, judgement = ask(Scripted({**MODERN, "listDatabases": refused}))
    assert judgement.verdict is Verdict.AUTH_REQUIRED
    judgement.evidence[0].detail.encode("utf-8")
