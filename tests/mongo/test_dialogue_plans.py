"""The metadata plan inside the dialogue: window, order, refusals, lost connections, deadlines."""

from __future__ import annotations

from typing import Any

import bson
import pytest

from results.verdict import Verdict
from scanner.contact import Ending
from scanner.mongo import commands
from scanner.mongo.facts import Depth, Layer, Limits, Next
from scanner.mongo.judge import judge
from tests.mongo.talks import (
    BUILD,
    HELLO,
    LISTED,
    LOGIN,
    MODERN,
    OLD,
    STATS,
    STATS_OK,
    Recorder,
    ask,
    error,
    make,
)
from tests.support.converse import converse
from tests.support.replay import Message, reply_to
from tests.support.scripted import CLOSE, SILENT, Script, Scripted


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
    errors = {request.database + request.collection: reply.error for request, reply in plan.answers}
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


def test_names_that_are_no_utf8_keep_their_bytes_and_never_go_back() -> None:
    def listed(message: Message) -> bytes:
        body = bson.encode({"databases": [{"name": "caf?"}], "ok": 1.0}).replace(b"caf?", b"caf\xe9")
        return reply_to(message, body)

    plan = Recorder([commands.db_stats("caf\udce9")])
    dialogue, judgement = ask(Scripted({**MODERN, "listDatabases": listed}), depth=Depth.DATABASES, plan=plan)
    assert judgement.verdict is Verdict.OPEN
    listing = dialogue.facts.list_databases
    assert listing is not None
    name = (listing.document or {})["databases"][0]["name"]
    assert name.encode("utf-8", "surrogateescape") == b"caf\xe9"
    assert plan.answers[0][1].error.startswith("not asked")
