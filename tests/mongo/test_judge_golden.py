"""The reply documents of the protocol reference, and the rules that no recording reaches, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from scanner.mongo.answers import (
    wire_version,
)
from scanner.mongo.facts import Facts, Reply
from scanner.mongo.judge import judge
from tests.mongo.list_cases import (
    AUTH,
    G16,
    G17,
    G25,
    LIST_CASES,
    NO_DATA,
    OPEN,
    STANDALONE,
    UNAUTHORIZED,
    UNKNOWN,
    Doc,
    error,
)
from tests.support.reasons import written

if TYPE_CHECKING:
    from results.verdict import Verdict


def said(document: Doc | None, command: str = "listDatabases", by: str = "OP_MSG", error: str = "") -> Reply:
    return Reply(command=command, document=document, by=by, error=error)


def facts(
    listed: Doc | None, hello: Doc | None = STANDALONE, *, loopback: bool = False, **more: Doc
) -> Facts:
    made = Facts(loopback=loopback)
    made.hello = said(hello, "isMaster", "OP_REPLY") if hello is not None else None
    made.list_databases = said(listed) if listed is not None else None
    made.max_wire_version = wire_version(hello or {}, "maxWireVersion")
    for slot, document in more.items():
        setattr(made, slot, said(document, slot))
    return made


@pytest.mark.parametrize(
    ("listed", "hello", "verdict", "rule"), [c[1:] for c in LIST_CASES], ids=[c[0] for c in LIST_CASES]
)
def test_list_databases(listed: Doc, hello: Doc, verdict: Verdict, rule: str) -> None:
    judgement = judge(facts(listed, hello))
    assert (judgement.verdict, judgement.evidence[0].code) == (verdict, rule)
    assert written(judgement.evidence)


EMPTY = {"databases": [], "totalSize": 0.0, "ok": 1.0}
INSUFFICIENT = error(13, "Insufficient permissions to list all databases", UNAUTHORIZED)
LOCAL_REFUSED = error(13, "not authorized on local to execute command { listCollections: 1 }", UNAUTHORIZED)
CURSOR = {"cursor": {"id": 0, "ns": "local.$cmd.listCollections", "firstBatch": []}, "ok": 1.0}
ATLAS = error(8000, "(AtlasError) Unallowed argument in listDatabases command", "AtlasError")


@pytest.mark.parametrize(
    ("confirm", "privilege", "verdict", "rule"),
    [
        (INSUFFICIENT, None, AUTH, "localhost-exception"),
        (EMPTY, LOCAL_REFUSED, AUTH, "localhost-exception"),
        (EMPTY, CURSOR, NO_DATA, "empty-but-privileged"),
        (EMPTY, G25, NO_DATA, "empty-but-privileged"),
        (EMPTY, error(59, "no such command"), UNKNOWN, "empty-list"),
        (G16, None, OPEN, "databases-listed"),
        (ATLAS, None, UNKNOWN, "empty-list"),
        (ATLAS, CURSOR, NO_DATA, "empty-but-privileged"),
        (ATLAS, LOCAL_REFUSED, AUTH, "localhost-exception"),
    ],
)
def test_an_empty_list_is_never_open(
    confirm: Doc, privilege: Doc | None, verdict: Verdict, rule: str
) -> None:
    made = facts(EMPTY, confirm_list=confirm)
    made.confirm_privilege = said(privilege, "listCollections") if privilege else None
    judgement = judge(made)
    assert (judgement.verdict, judgement.evidence[0].code) == (verdict, rule)
    if rule == "empty-but-privileged" and confirm is ATLAS:
        assert "unconfirmed" in [e.code for e in judgement.evidence]


def test_behind_the_gate_on_loopback_needs_a_privilege_too() -> None:
    for listed in (G25, error(13435, "not master and slaveOk=false")):
        assert judge(facts(listed, loopback=True)).verdict is UNKNOWN
        assert judge(facts(listed, loopback=True, confirm_privilege=LOCAL_REFUSED)).verdict is AUTH
        assert judge(facts(listed, loopback=True, confirm_privilege=G25)).verdict.is_open
        assert judge(facts(listed)).verdict.is_open


def test_from_loopback_an_open_old_server_says_that_it_may_be_the_exception() -> None:
    old = STANDALONE | {"maxWireVersion": 2}
    rules = [e.code for e in judge(facts(G17, old, loopback=True)).evidence]
    assert "localhost-exception-possible" in rules
    assert "localhost-exception-possible" not in [e.code for e in judge(facts(G17, old)).evidence]
    assert "localhost-exception-possible" not in [e.code for e in judge(facts(G16, loopback=True)).evidence]


def test_truncated_list_is_open() -> None:
    made = facts(None)
    made.list_databases = Reply(command="listDatabases", by="OP_MSG", error="too large", truncated_list=True)
    assert judge(made).verdict is OPEN


def test_a_reply_that_was_no_bson_is_unknown() -> None:
    made = facts(None)
    made.list_databases = said(None, error="bson: ok stands twice in the reply")
    judgement = judge(made)
    assert (judgement.verdict, judgement.evidence[0].code) == (UNKNOWN, "no-usable-answer")
    assert "ok stands twice" in judgement.evidence[0].detail


def test_notes_on_handshake_and_api_version() -> None:
    made = facts(G16, error(59, "no such command: 'hello'"))
    made.api_version_required = True
    assert [e.code for e in judge(made).evidence] == ["databases-listed", "api-version", "handshake"]
