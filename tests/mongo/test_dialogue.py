"""The dialogue against scripted servers: versions, retries, fallbacks, and the localhost exception."""

from __future__ import annotations

from typing import Any

import pytest

from results.verdict import Verdict
from scanner.mongo.commands import Command
from scanner.mongo.facts import Facts, Layer
from tests.mongo.talks import (
    BUILD,
    EMPTY,
    HELLO,
    LISTED,
    LOGIN,
    MODERN,
    OLD,
    SILENT_TO_MSG,
    ask,
    error,
    make,
)
from tests.support.converse import Refusing
from tests.support.replay import Answer, parse, split
from tests.support.scripted import CLOSE, SILENT, Scripted


def test_one_write_and_one_read_settle_a_modern_server() -> None:
    peer = Scripted(dict(MODERN))
    dialogue, judgement = ask(peer)
    assert judgement.verdict is Verdict.OPEN
    assert peer.commands() == ["isMaster by OP_QUERY", "buildInfo by OP_MSG", "listDatabases by OP_MSG"]
    assert (dialogue.messages_sent, len(dialogue.facts.attempts)) == (3, 1)
    assert dialogue.bytes_sent == dialogue_bytes(peer)
    assert dialogue.facts.max_wire_version == 21


def dialogue_bytes(peer: Scripted) -> int:
    fresh = make()
    return len(fresh.connected(Layer.PLAIN))


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
    assert "api-version" in [e.code for e in judgement.evidence]
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
    assert ask(peer)[1].evidence[0].code == "api-version-required"


def test_13435_is_asked_once_more() -> None:
    not_yet = error(13435, "not master and slaveOk=false")
    local = {"listCollections": {"cursor": {"id": 0, "firstBatch": []}, "ok": 1.0}}
    peer = Scripted({**MODERN, "listDatabases": [not_yet, LISTED]})
    assert ask(peer)[1].evidence[0].code == "databases-listed"
    peer = Scripted({**MODERN, **local, "listDatabases": not_yet})
    assert ask(peer)[1].evidence[0].code == "not-primary"
    assert peer.commands().count("listDatabases by OP_MSG") == 2


# The traps of the localhost exception.


def test_empty_list_through_the_exception_of_4_0_is_not_open() -> None:
    """ok 1 and [] again with authorizedDatabases false, which 4.0 does not know."""
    refused = error(13, "not authorized on local to execute command")
    peer = Scripted({**MODERN, "listDatabases": EMPTY, "listCollections": refused})
    _, judgement = ask(peer, loopback=True)
    assert (judgement.verdict, judgement.evidence[0].code) == (Verdict.AUTH_REQUIRED, "localhost-exception")
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
