"""The dialogue against scripted servers: retries, fallbacks, traps of real servers, hostile peers, plans."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Any

import bson
import pytest

from results.verdict import Verdict
from scanner.mongo import commands
from scanner.mongo.commands import Command, Request, client_metadata
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Ending, Facts, Layer, Limits, Next, Reply, TlsSession
from scanner.mongo.judge import Judgement, judge
from tests.support.converse import Refusing, TlsPeer, converse
from tests.support.replay import Answer, Message, parse, reply_to, split
from tests.support.scripted import CLOSE, SILENT, Script, Scripted

CLIENT = client_metadata("Example", "soc@example.com", "0.1")
HELLO = {"ismaster": True, "maxWireVersion": 21, "minWireVersion": 0, "ok": 1.0}
OLD = HELLO | {"maxWireVersion": 2}
BUILD = {"version": "7.0.1", "ok": 1.0}
LISTED = {"databases": [{"name": "admin"}, {"name": "shop"}], "ok": 1.0}
EMPTY = {"databases": [], "ok": 1.0}
LOGIN = {"ok": 0.0, "errmsg": "command listDatabases requires authentication", "code": 13}
SILENT_TO_MSG: dict[str, Script] = {"buildInfo by OP_MSG": SILENT, "listDatabases by OP_MSG": SILENT}
MODERN: dict[str, Script] = {"isMaster": HELLO, "buildInfo": BUILD, "listDatabases": LISTED}


def make(
    depth: Depth = Depth.VERDICT, limits: Limits | None = None, plan: Any = None, loopback: bool = False
) -> Dialogue:
    factory = (lambda *_: plan) if plan is not None else None
    return Dialogue(
        client=CLIENT, depth=depth, limits=limits or Limits(), loopback=loopback, plan_factory=factory
    )


def ask(peer: Scripted, tls: TlsPeer | None = None, **more: Any) -> tuple[Dialogue, Judgement]:
    dialogue = make(**more)
    converse(dialogue, peer, tls)
    assert dialogue.next is Next.DONE
    assert dialogue.asking == "nothing"
    return dialogue, judge(dialogue.facts)


def error(code: int, text: str) -> dict[str, Any]:
    return {"ok": 0.0, "errmsg": text, "code": code}


def test_one_write_and_one_read_settle_a_modern_server() -> None:
    peer = Scripted(dict(MODERN))
    dialogue, judgement = ask(peer)
    assert judgement.verdict is Verdict.OPEN
    assert peer.commands() == ["isMaster by OP_QUERY", "buildInfo by OP_MSG", "listDatabases by OP_MSG"]
    assert (dialogue.messages_sent, len(dialogue.facts.attempts)) == (3, 1)
    assert dialogue.bytes_sent == dialogue_bytes(peer)
    assert dialogue.facts.max_wire_version == 21
    assert dialogue.bytes_buffered == 0


def dialogue_bytes(peer: Scripted) -> int:
    fresh = make()
    return len(fresh.connected(Layer.PLAIN))


def test_asking_says_what_is_waited_for() -> None:
    dialogue = make()
    assert dialogue.asking == "a connection"
    dialogue.connected(Layer.PLAIN)
    assert dialogue.asking == "isMaster on admin"
    dialogue.ended(Ending.CLOSED)
    assert dialogue.asking == "a connection, because no reply in the clear"


# Older servers, newer servers.


def test_a_server_that_is_silent_about_op_msg_is_asked_by_op_query() -> None:
    peer = Scripted({**SILENT_TO_MSG, "isMaster": OLD, "buildInfo": BUILD, "listDatabases": LISTED})
    dialogue, judgement = ask(peer)
    assert judgement.verdict is Verdict.OPEN
    assert peer.commands()[3:] == ["listDatabases by OP_QUERY", "buildInfo by OP_QUERY"]
    assert dialogue.facts.list_databases is not None
    assert dialogue.facts.list_databases.by == "OP_REPLY"
    assert dialogue.facts.attempts[0].ending is None


@pytest.mark.parametrize(("wire", "limited"), [(None, False), (0, False), (1, True), (5, True)])
def test_time_limits_are_left_out_before_2_6(wire: int | None, limited: bool) -> None:
    hello = {"ismaster": True, "ok": 1.0} | ({} if wire is None else {"maxWireVersion": wire})
    peer = Scripted(
        {"isMaster": hello, "*": LISTED, "buildInfo by OP_MSG": SILENT, "listDatabases by OP_MSG": SILENT}
    )
    ask(peer)
    listing = next(m for m in peer.seen if m.command == "listDatabases" and m.opcode == 2004)
    assert ("maxTimeMS" in listing.documents[0]) == limited


def test_an_old_server_that_hangs_up_on_op_msg_gets_a_second_connection() -> None:
    peer = Scripted(
        {
            "isMaster": OLD,
            "buildInfo by OP_MSG": CLOSE,
            "listDatabases by OP_MSG": CLOSE,
            "buildInfo": BUILD,
            "listDatabases": LISTED,
        }
    )
    _dialogue, judgement = ask(peer)
    assert judgement.verdict is Verdict.OPEN
    assert peer.connections == 2
    assert peer.commands()[-3:] == [
        "isMaster by OP_QUERY",
        "listDatabases by OP_QUERY",
        "buildInfo by OP_QUERY",
    ]


def test_a_server_that_claims_an_old_wire_version_but_answers_op_msg() -> None:
    dialogue, judgement = ask(Scripted({"isMaster": OLD, "buildInfo": BUILD, "listDatabases": LISTED}))
    assert judgement.verdict is Verdict.OPEN
    assert len(dialogue.facts.attempts) == 1


def test_352_is_no_verdict_and_is_asked_again_by_op_msg() -> None:
    """Open and locked servers say it in the same words."""
    refused = error(352, "Unsupported OP_QUERY command: listDatabases")
    for answer, verdict in ((LISTED, Verdict.OPEN), (LOGIN, Verdict.AUTH_REQUIRED)):
        peer = Scripted(
            {
                "isMaster": OLD,
                "buildInfo": BUILD,
                "listDatabases by OP_QUERY": refused,
                "listDatabases by OP_MSG": [SILENT, answer],
                "buildInfo by OP_MSG": SILENT,
            }
        )
        _, judgement = ask(peer)
        assert judgement.verdict is verdict
    peer = Scripted({"isMaster": OLD, "buildInfo": BUILD, "listDatabases": refused})
    assert ask(peer)[1].verdict is Verdict.UNKNOWN


def test_op_query_refused_even_for_the_handshake() -> None:
    peer = Scripted(
        {**MODERN, "isMaster by OP_QUERY": error(352, "Unsupported OP_QUERY command"), "hello": HELLO}
    )
    dialogue, judgement = ask(peer)
    assert judgement.verdict is Verdict.OPEN
    assert dialogue.facts.max_wire_version == 21
    assert len(dialogue.facts.attempts) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        error(59, "no such command: 'hello'"),
        error(115, "Command Hello not supported prior to authentication"),
        {"ok": 0.0, "errmsg": "no such cmd: hello"},
    ],
)
def test_hello_refused_is_asked_again_as_is_master(refusal: dict[str, Any]) -> None:
    if refusal.get("code") == 115:
        refusal = error(115, "Command Hello not supported")
    peer = Scripted({**MODERN, "isMaster by OP_QUERY": error(352, "no"), "hello": refusal})
    dialogue, _ = ask(peer)
    assert peer.commands()[-2:] == ["hello by OP_MSG", "isMaster by OP_MSG"]
    assert dialogue.facts.max_wire_version == 21


def test_cosmos_refuses_hello_before_a_login_and_answers_is_master() -> None:
    refusal = error(115, "Command Hello not supported prior to authentication") | {
        "codeName": "CommandNotSupported"
    }
    peer = Scripted(
        {
            "isMaster by OP_QUERY": refusal,
            "hello": refusal,
            "isMaster by OP_MSG": HELLO,
            "listDatabases": LOGIN,
        }
    )
    dialogue, judgement = ask(peer)
    assert judgement.verdict is Verdict.AUTH_REQUIRED
    assert dialogue.facts.max_wire_version == 21


def test_a_server_that_hangs_up_on_op_query_gets_hello_by_op_msg() -> None:
    peer = Scripted({"isMaster": CLOSE, "hello": HELLO, "buildInfo": BUILD, "listDatabases": LISTED})
    dialogue, judgement = ask(peer)
    assert judgement.verdict is Verdict.OPEN
    assert [a.layer for a in dialogue.facts.attempts] == [Layer.PLAIN, Layer.TLS, Layer.PLAIN]
    assert peer.commands()[1:] == ["hello by OP_MSG", "listDatabases by OP_MSG", "buildInfo by OP_MSG"]


def test_a_server_that_skips_op_query_gets_hello_by_op_msg() -> None:
    peer = Scripted({"isMaster": SILENT, "hello": HELLO, "buildInfo": BUILD, "listDatabases": LISTED})
    dialogue, judgement = ask(peer)
    assert judgement.verdict is Verdict.OPEN
    assert dialogue.facts.attempts[0].protocol_error.startswith("out of order")


def test_api_version_is_sent_when_demanded() -> None:
    def strict(answer: dict[str, Any]) -> Any:
        refusal = error(498870, "The apiVersion parameter is required")
        return lambda m: answer if m.documents[0].get("apiVersion") == "1" else refusal

    peer = Scripted(
        {"isMaster by OP_QUERY": HELLO, "buildInfo": strict(BUILD), "listDatabases": strict(LISTED)}
    )
    dialogue, judgement = ask(peer)
    assert judgement.verdict is Verdict.OPEN
    assert "api-version" in [e.rule for e in judgement.evidence]
    assert dialogue.facts.build_info is not None
    assert dialogue.facts.build_info.document == BUILD
    peer = Scripted(
        {
            "isMaster by OP_QUERY": error(352, "no"),
            "hello": strict(HELLO),
            "buildInfo": strict(BUILD),
            "listDatabases": strict(LISTED),
        }
    )
    assert ask(peer)[0].facts.max_wire_version == 21
    peer = Scripted({**MODERN, "listDatabases": error(498870, "apiVersion")})
    assert ask(peer)[1].evidence[0].rule == "api-version-required"


def test_13435_is_asked_once_more() -> None:
    not_yet = error(13435, "not master and slaveOk=false")
    local = {"listCollections": {"cursor": {"id": 0, "firstBatch": []}, "ok": 1.0}}
    peer = Scripted({**MODERN, "listDatabases": [not_yet, LISTED]})
    assert ask(peer)[1].evidence[0].rule == "databases-listed"
    peer = Scripted({**MODERN, **local, "listDatabases": not_yet})
    assert ask(peer)[1].evidence[0].rule == "not-primary"
    assert peer.commands().count("listDatabases by OP_MSG") == 2


# The traps of the localhost exception.


def test_empty_list_through_the_exception_of_4_0_is_not_open() -> None:
    """ok 1 and [] again with authorizedDatabases false, which 4.0 does not know."""
    refused = error(13, "not authorized on local to execute command")
    peer = Scripted({**MODERN, "listDatabases": EMPTY, "listCollections": refused})
    _, judgement = ask(peer, loopback=True)
    assert (judgement.verdict, judgement.evidence[0].rule) == (Verdict.AUTH_REQUIRED, "localhost-exception")
    assert peer.seen[-1].namespace == "local.$cmd"
    assert "authorizedCollections" not in peer.seen[-1].documents[0]


def test_empty_list_through_the_exception_of_7_1_is_not_open() -> None:
    refused = error(13, "Insufficient permissions to list all databases")
    peer = Scripted({**MODERN, "listDatabases": [EMPTY, refused]})
    assert ask(peer)[1].verdict is Verdict.AUTH_REQUIRED
    assert peer.seen[-1].documents[0]["authorizedDatabases"] is False


def test_empty_list_of_a_mongos_is_confirmed_on_admin() -> None:
    router = HELLO | {"msg": "isdbgrid"}
    passed = {"cursor": {"id": 0, "firstBatch": []}, "ok": 1.0}
    peer = Scripted({**MODERN, "isMaster": router, "listDatabases": EMPTY, "listCollections": passed})
    assert ask(peer)[1].verdict is Verdict.OPEN_NO_DATA
    assert peer.seen[-1].namespace == "admin.$cmd"


def test_empty_list_of_an_old_server_is_confirmed_by_system_namespaces() -> None:
    peer = Scripted(
        {
            "isMaster": OLD,
            "listDatabases": EMPTY,
            "buildInfo": BUILD,
            "buildInfo by OP_MSG": SILENT,
            "listDatabases by OP_MSG": SILENT,
            "find": {"$err": "not authorized for query on local.system.namespaces", "code": 13},
        }
    )
    assert ask(peer)[1].verdict is Verdict.AUTH_REQUIRED
    assert peer.seen[-1].namespace == "local.system.namespaces"


def test_empty_list_and_a_confirmation_that_names_databases() -> None:
    peer = Scripted({**MODERN, "listDatabases": [EMPTY, LISTED]})
    assert ask(peer)[1].verdict is Verdict.OPEN


def test_atlas_refuses_the_confirmation_and_is_asked_for_a_privilege() -> None:
    atlas = error(8000, "(AtlasError) Unallowed argument in listDatabases command: authorizedDatabases")
    peer = Scripted(
        {**MODERN, "listDatabases": [EMPTY, atlas], "listCollections": error(13, "not authorized")}
    )
    assert ask(peer)[1].verdict is Verdict.AUTH_REQUIRED


def test_13436_of_a_locked_member_on_loopback_is_not_open() -> None:
    peer = Scripted(
        {
            **MODERN,
            "listDatabases": error(13436, "node is not in primary or recovering state"),
            "listCollections": error(13, "not authorized on local"),
        }
    )
    assert ask(peer, loopback=True)[1].verdict is Verdict.AUTH_REQUIRED


# TLS.


def session(**more: Any) -> TlsSession:
    return replace(TlsSession(established=True, version="TLSv1.3"), **more)


CLOSING: dict[str, Script] = {"*": CLOSE}


def test_tls_after_a_plain_close() -> None:
    _, judgement = ask(Scripted(CLOSING), TlsPeer(session(), Scripted(dict(MODERN))))
    assert judgement.verdict is Verdict.OPEN
    assert "inside TLS" in judgement.evidence[1].detail


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
    assert judge(dialogue.facts).evidence[0].rule == "silent"


def test_a_full_server_is_not_taken_for_one_that_requires_tls() -> None:
    """It closes without a byte, in the clear and inside TLS."""
    peer = Scripted({}, closes_at_once=True)
    dialogue, judgement = ask(peer)
    assert (judgement.verdict, judgement.evidence[0].rule) == (Verdict.UNKNOWN, "closed-without-reply")
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


# Broken and hostile peers.


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
    assert (judgement.verdict, judgement.evidence[0].rule) == (Verdict.NOT_MONGODB, "echo")


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
    assert (judgement.verdict, judgement.evidence[0].rule) == (Verdict.OPEN, "list-truncated")
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
    assert judge(dialogue.facts).evidence[0].rule == "silent"
    never = make()
    never.abort(Ending.TIMEOUT)
    assert judge(never.facts).evidence[0].rule == "not-asked"


# Plans.


@dataclass
class Recorder:
    """A plan that asks a list of requests and keeps the answers."""

    requests: list[Request]
    answers: list[tuple[Request, Reply]] = field(default_factory=list)
    largest: int = 0
    flying: int = 0

    def next_requests(self, room: int) -> list[Request]:
        assert room > 0
        taken, self.requests = self.requests[:room], self.requests[room:]
        self.flying += len(taken)
        self.largest = max(self.largest, self.flying)
        return taken

    def answered(self, request: Request, reply: Reply) -> None:
        self.flying -= 1
        self.answers.append((request, reply))


STATS = [commands.db_stats(f"d{i}") for i in range(200)]
STATS_OK = {"objects": 1, "ok": 1.0}


def test_a_plan_is_pipelined_within_its_window() -> None:
    plan = Recorder(list(STATS))
    dialogue, judgement = ask(
        Scripted({**MODERN, "dbStats": STATS_OK}),
        depth=Depth.COLLECTIONS,
        plan=plan,
        limits=Limits(window=16),
    )
    assert judgement.verdict is Verdict.OPEN
    assert [request for request, _ in plan.answers] == STATS
    assert all(reply.document == STATS_OK for _, reply in plan.answers)
    assert plan.largest == 16
    assert dialogue.facts.metadata_cut == ""
    assert len(dialogue.facts.attempts) == 1


def test_a_plan_is_the_same_byte_by_byte() -> None:
    sent = []
    for chunk in (0, 1):
        plan = Recorder(list(STATS[:50]))
        dialogue = make(Depth.DATABASES, Limits(window=4), plan)
        converse(dialogue, Scripted({**MODERN, "dbStats": STATS_OK}), chunk=chunk)
        sent.append((dialogue.messages_sent, dialogue.bytes_sent, [r.database for r, _ in plan.answers]))
    assert sent[0] == sent[1]


@pytest.mark.parametrize(
    ("script", "depth"),
    [
        ({**MODERN, "listDatabases": LOGIN}, Depth.COLLECTIONS),
        ({**MODERN}, Depth.VERDICT),
        ({**MODERN, "isMaster": HELLO | {"arbiterOnly": True}}, Depth.COLLECTIONS),
    ],
)
def test_no_plan_unless_open_and_wanted(script: dict[str, Script], depth: Depth) -> None:
    plan = Recorder(list(STATS))
    ask(Scripted(script), depth=depth, plan=plan)
    assert plan.answers == []


def test_an_old_server_gets_the_plan_by_op_query() -> None:
    plan = Recorder([commands.db_stats("shop"), commands.legacy_namespaces("shop")])
    peer = Scripted(
        {
            "isMaster": OLD,
            "buildInfo": BUILD,
            "listDatabases": LISTED,
            "dbStats": STATS_OK,
            "buildInfo by OP_MSG": SILENT,
            "listDatabases by OP_MSG": SILENT,
            "find": {"name": "shop.orders"},
        }
    )
    ask(peer, depth=Depth.COLLECTIONS, plan=plan)
    assert peer.commands()[-2:] == ["dbStats by OP_QUERY", "find by OP_QUERY"]
    document = plan.answers[1][1].document
    assert document == {"cursor": {"id": 0, "firstBatch": [{"name": "shop.orders"}]}, "ok": 1.0}


def test_a_legacy_find_that_fails_is_an_error() -> None:
    plan = Recorder([commands.legacy_namespaces("shop")])
    ask(Scripted({**MODERN, "find": {"$err": "no", "code": 13}}), depth=Depth.COLLECTIONS, plan=plan)
    assert plan.answers[0][1].document == {"$err": "no", "code": 13}
    plan = Recorder([commands.legacy_namespaces("shop")])
    ask(
        Scripted({**MODERN, "find": lambda m: reply_to(m, b"\x05\x00\x00\x00\x01")}),
        depth=Depth.COLLECTIONS,
        plan=plan,
    )
    assert plan.answers[0][1].error.startswith("bson")


def test_an_unsafe_name_is_answered_without_being_asked() -> None:
    plan = Recorder([commands.db_stats("a.b"), commands.db_stats("shop"), commands.count("shop", "$x")])
    peer = Scripted({**MODERN, "dbStats": STATS_OK})
    ask(peer, depth=Depth.COLLECTIONS, plan=plan)
    errors = {
        request.database + str(request.arguments.get("collection", "")): reply.error
        for request, reply in plan.answers
    }
    assert errors["a.b"].startswith("not asked")
    assert errors["shop$x"].startswith("not asked")
    assert errors["shop"] == ""
    assert peer.commands()[3:] == ["dbStats by OP_MSG"]


def test_a_failure_in_the_plan_never_changes_the_verdict() -> None:
    plan = Recorder(list(STATS[:3]))
    _, judgement = ask(
        Scripted({**MODERN, "dbStats": error(13, "not authorized")}), depth=Depth.COLLECTIONS, plan=plan
    )
    assert judgement.verdict is Verdict.OPEN


def test_a_connection_lost_in_the_plan_is_opened_once_more() -> None:
    plan = Recorder(list(STATS[:20]))
    said: list[Any] = [*[STATS_OK] * 5, CLOSE, STATS_OK]
    peer = Scripted({**MODERN, "dbStats": said})
    dialogue, judgement = ask(peer, depth=Depth.COLLECTIONS, plan=plan)
    assert judgement.verdict is Verdict.OPEN
    assert peer.connections == 2
    assert sorted(r.database for r, _ in plan.answers) == sorted(r.database for r in STATS[:20])
    assert all(reply.document == STATS_OK for _, reply in plan.answers)
    assert dialogue.facts.metadata_cut == ""
    assert len(plan.answers) == 20


def test_a_connection_lost_twice_cuts_the_plan() -> None:
    plan = Recorder(list(STATS[:20]))
    dialogue, judgement = ask(
        Scripted({**MODERN, "dbStats": [STATS_OK, STATS_OK, CLOSE]}), depth=Depth.COLLECTIONS, plan=plan
    )
    assert judgement.verdict is Verdict.OPEN
    assert dialogue.facts.metadata_cut == "closed"
    assert len(plan.answers) == 20
    assert [reply.error for _, reply in plan.answers].count("closed") == 18


def test_a_deadline_in_the_plan_cuts_it() -> None:
    for stop in ("ended", "abort"):
        plan = Recorder(list(STATS[:20]))
        dialogue = make(Depth.COLLECTIONS, plan=plan)
        out = dialogue.connected(Layer.PLAIN)
        out = dialogue.received(Scripted(dict(MODERN)).answer(out).reply)
        assert out
        getattr(dialogue, stop)(Ending.TIMEOUT)
        assert dialogue.next is Next.DONE
        assert dialogue.facts.metadata_cut == "timeout"
        assert {reply.error for _, reply in plan.answers} == {"timeout"}
        assert len(plan.answers) == 20
        assert judge(dialogue.facts).verdict is Verdict.OPEN


def test_a_reply_over_its_cap_costs_one_item_and_one_connection() -> None:
    plan = Recorder(list(STATS[:3]))
    large = {"x": "y" * 300_000, "ok": 1.0}
    peer = Scripted({**MODERN, "dbStats": [large, STATS_OK]})
    ask(peer, depth=Depth.COLLECTIONS, plan=plan)
    errors = {request.database: reply.error for request, reply in plan.answers}
    assert errors.pop("d0").startswith("too large")
    assert set(errors.values()) == {""}
    assert peer.connections == 2


def test_a_list_over_the_cap_in_the_plan() -> None:
    plan = Recorder([commands.list_databases(name_only=False), commands.db_stats("shop")])
    many = {"databases": [{"name": f"database {i}"} for i in range(100)], "ok": 1.0}
    peer = Scripted({**MODERN, "listDatabases": [LISTED, many], "dbStats": STATS_OK})
    ask(peer, depth=Depth.COLLECTIONS, plan=plan, limits=Limits(names_reply_bytes=1000))
    assert plan.answers[0][1].truncated_list
    assert plan.answers[1][1].document == STATS_OK


def test_a_lost_connection_with_nothing_left_to_ask_ends_after_the_handshake() -> None:
    plan = Recorder([commands.db_stats("shop")])
    large = {"x": "y" * 300_000, "ok": 1.0}
    dialogue, _ = ask(Scripted({**MODERN, "dbStats": large}), depth=Depth.COLLECTIONS, plan=plan)
    assert len(plan.answers) == 1
    assert dialogue.next is Next.DONE


def test_a_plan_resumes_in_the_form_that_worked() -> None:
    plan = Recorder(list(STATS[:2]))
    peer = Scripted(
        {
            "isMaster": CLOSE,
            "hello": HELLO,
            "buildInfo": BUILD,
            "listDatabases": LISTED,
            "dbStats": [CLOSE, STATS_OK],
        }
    )
    ask(peer, depth=Depth.COLLECTIONS, plan=plan)
    assert peer.commands()[-3:] == ["hello by OP_MSG", "dbStats by OP_MSG", "dbStats by OP_MSG"]


def test_a_wanted_plan_that_never_began_says_so() -> None:
    plan = Recorder(list(STATS))
    dialogue = make(Depth.COLLECTIONS, plan=plan)
    dialogue.connected(Layer.PLAIN)
    listed = [
        reply_to(Message(i, op, "", []), bson.encode(doc))
        for i, op, doc in ((1, 2004, HELLO), (2, 2013, BUILD))
    ]
    dialogue.received(b"".join(listed))
    dialogue.abort(Ending.TIMEOUT)
    assert dialogue.facts.metadata_cut == ""
    assert plan.answers == []


def test_every_byte_that_leaves_is_a_known_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with an independent decoder, over a whole conversation with everything in it."""
    peer = Scripted({**MODERN, "listDatabases": EMPTY})
    sent: list[bytes] = []
    answer = peer.answer

    def spy(request: bytes) -> Answer:
        sent.append(request)
        return answer(request)

    monkeypatch.setattr(peer, "answer", spy)
    ask(peer)
    for request in sent:
        assert sum(len(message) for message in split(request)) == len(request)
        assert all(parse(message) is not None for message in split(request))
    assert {m.command for m in peer.seen} <= {c.value for c in Command}


def test_facts_say_where_we_stand() -> None:
    assert make(loopback=True).facts.loopback
    assert isinstance(make().facts, Facts)
    assert Refusing.session.established is False
