"""Shortcuts for ordinary servers say what the tables say, of servers with any odd fields too."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from bson import Int64, ObjectId
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from results.verdict import Verdict
from scanner.contact import TlsSession
from scanner.mongo.exposure import of_list
from scanner.mongo.facts import Attempt, Depth, Facts, Layer, Limits, Reply
from scanner.mongo.identity import identify
from scanner.mongo.judge import RULES, judge, judge_by_table
from scanner.mongo.lookalikes import MONGODB, recognise, recognise_by_rules
from scanner.mongo.metadata import MetadataPlan
from scanner.mongo.notes import notes, notes_by_table

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HELLO = {
    "helloOk": True,
    "ismaster": True,
    "setName": "rs0",
    "hosts": ["db-1.example:27017"],
    "me": "db-1.example:27017",
    "primary": "db-1.example:27017",
    "maxBsonObjectSize": 16777216,
    "maxMessageSizeBytes": 48000000,
    "maxWriteBatchSize": 100000,
    "localTime": NOW,
    "lastWrite": {"lastWriteDate": NOW},
    "topologyVersion": {"processId": ObjectId("665000000000000000000000"), "counter": Int64(6)},
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
    "ok": 1.0,
    "$clusterTime": {},
}
BUILD = {
    "version": "7.0.5",
    "gitVersion": "a" * 40,
    "modules": [],
    "bits": 64,
    "debug": False,
    "versionArray": [7, 0, 5, 0],
    "storageEngines": ["devnull", "wiredTiger"],
    "ok": 1.0,
    "$clusterTime": {},
}
LISTING = {
    "databases": [
        {"name": "admin", "sizeOnDisk": Int64(40960), "empty": False},
        {"name": "users", "sizeOnDisk": Int64(1 << 33), "empty": False},
        {"name": "shop_17", "sizeOnDisk": 8192.0, "empty": False},
    ],
    "totalSize": Int64(1 << 34),
    "ok": 1.0,
}
ABSENT = object()

# What may be odd of a server, each with the sign that it gives: what stands in evidence, or "" for none.
ODD_FIELDS: tuple[tuple[str, str, object, str], ...] = (
    ("hello", "iscryptd", True, "iscryptd"),
    ("hello", "setName", "secantus", "secantus"),
    ("hello", "setName", "globaldb", "globaldb"),
    ("hello", "setName", ABSENT, ""),
    ("hello", "internal", {"kind": "azuredocumentdb"}, "vCore"),
    ("hello", "internal", {"documentdb_versions": ["0.1"]}, "documentdb_versions"),
    ("hello", "_t", "IsMasterResponse", "_t"),
    ("hello", "hosts", ["x.documents.azure.com:10255"], "documents.azure.com"),
    ("hello", "me", "x.cosmos.azure.com:10255", "cosmos.azure.com"),
    ("hello", "primary", "x.docdb.amazonaws.com:27017", "docdb.amazonaws.com"),
    ("hello", "hosts", ["x.docdb-elastic.amazonaws.com"], "docdb-elastic"),
    ("hello", "hosts", [1, None], ""),
    ("hello", "helloOk", ABSENT, "helloOk"),
    ("hello", "ok", 1, ""),
    ("hello", "$clusterTime", ABSENT, ""),
    ("hello", "localTime", "now", "localTime"),
    ("hello", "localTime", DatetimeMS(2**62), "localTime"),
    ("hello", "localTime", ABSENT, ""),
    ("hello", "version", "7.0.5", "names a version"),
    ("hello", "maxMessageSizeBytes", 64 * 1024 * 1024, "64 MiB"),
    ("hello", "maxWriteBatchSize", 1000, "maxWriteBatchSize"),
    ("hello", "arbiterOnly", True, ""),
    ("hello", "isreplicaset", True, ""),
    ("hello", "ok", 0.0, ""),
    ("build_info", "ferretdbVersion", "v1.24", "FerretDB"),
    ("build_info", "secantusVersion", "0.7", "secantusVersion"),
    ("build_info", "psmdbVersion", "7.0.5-3", "psmdbVersion"),
    ("build_info", "version", "7.0.5-3", "Percona"),
    ("build_info", "version", "4.0.5", "does not go with"),
    ("build_info", "version", 7, ""),
    ("build_info", "tokumxVersion", "2.0", "tokumxVersion"),
    ("build_info", "gitVersion", ABSENT, "without gitVersion"),
    ("build_info", "gitVersion", "v1 of mine", "no version of git"),
    ("build_info", "versionArray", [6, 0, 5, 0], "versionArray"),
    ("build_info", "versionArray", [7.0, 0, 5, 0], ""),
    ("build_info", "debug", 1, ""),
    ("build_info", "bits", Int64(64), ""),
    ("build_info", "ok", 0.0, ""),
    ("list_databases", "databases", [], "empty list"),
    ("list_databases", "databases", "many", "without a list"),
    ("list_databases", "databases", [{"name": 1}], ""),
    ("list_databases", "databases", ABSENT, "without a list"),
    ("list_databases", "ok", 0.0, ""),
    ("list_databases", "ok", "1", ""),
)


def a(reply: str, key: str, value: object) -> Callable[[Facts], None]:
    def change(facts: Facts) -> None:
        document = getattr(facts, reply).document
        if value is ABSENT:
            document.pop(key, None)
        else:
            document[key] = value

    return change


def _four_fields(facts: Facts) -> None:
    assert facts.hello is not None
    facts.hello.document = {"ismaster": True, "minWireVersion": 0, "maxWireVersion": 21, "ok": 1.0}


def _whole_number(facts: Facts) -> None:
    a("hello", "ok", 1)(facts)
    a("hello", "$clusterTime", ABSENT)(facts)


def _build_of_four(facts: Facts) -> None:
    assert facts.build_info is not None
    facts.build_info.document = {
        "version": "7.0.5",
        "versionArray": [7, 0, 5, 0],
        "maxBsonObjectSize": 1,
        "ok": 1.0,
    }
    a("hello", "readOnly", ABSENT)(facts)


def _all_alike(facts: Facts) -> None:
    assert facts.list_databases is not None
    facts.list_databases.document = {"ismaster": True, "maxWireVersion": 5, "ok": 1.0}


def _by_query(facts: Facts) -> None:
    assert facts.list_databases is not None
    facts.list_databases.by = "OP_REPLY"


def _inside_tls(facts: Facts) -> None:
    session = TlsSession(established=True, certificate_der=b"..x.docdb.amazonaws.com..")
    facts.attempts.append(Attempt(layer=Layer.TLS, replies=3, tls=session))


def _truncated(facts: Facts) -> None:
    assert facts.list_databases is not None
    facts.list_databases.truncated_list = True


def _is(name: str, value: object) -> Callable[[Facts], None]:
    return lambda facts: setattr(facts, name, value)


ODD: tuple[tuple[Callable[[Facts], None], str], ...] = (
    *((a(reply, key, value), sign) for reply, key, value, sign in ODD_FIELDS),
    (_four_fields, "four fields and no limits"),
    (_whole_number, "whole number"),
    (_build_of_four, "no readOnly"),
    (_all_alike, "handshake's document"),
    (_by_query, "over OP_QUERY"),
    (_inside_tls, "the certificate names"),
    (_truncated, ""),
    (_is("inventions", {"an answer that nobody gives"}), "an answer that nobody gives"),
    (_is("answers_out_of_kind", True), "answered by OP_MSG"),
    (_is("max_wire_version", 9), "does not go with"),
    (_is("max_wire_version", 2), "does not go with"),
    (_is("max_wire_version", None), "does not go with"),
    (_is("loopback", True), ""),
    (_is("refused", {"dbStats"}), ""),
    (_is("answered", {"dbStats", "listCollections"}), ""),
    (_is("api_version_required", True), ""),
    (_is("hello", None), ""),
    (_is("build_info", None), ""),
    (_is("list_databases", None), ""),
    (_is("confirm_list", Reply(command="listDatabases", document={"ok": 0.0, "code": 13})), ""),
    (_is("confirm_privilege", Reply(command="listCollections", document={"ok": 0.0, "code": 13})), ""),
    (_is("attempts", []), ""),
    (_is("observed_at", None), ""),
)


def ordinary() -> Facts:
    return Facts(
        attempts=[Attempt(layer=Layer.PLAIN, replies=3, bytes_received=900)],
        hello=Reply(command="isMaster", document=deepcopy(HELLO), by="OP_REPLY"),
        build_info=Reply(command="buildInfo", document=deepcopy(BUILD), by="OP_MSG"),
        list_databases=Reply(command="listDatabases", document=deepcopy(LISTING), by="OP_MSG"),
        max_wire_version=21,
        min_wire_version=0,
        observed_at=NOW,
    )


def changed(changes: list[Callable[[Facts], None]]) -> Facts:
    """An ordinary server with these changes, as far as the replies that they are of are still there."""
    facts = ordinary()
    for change in changes:
        try:
            change(facts)
        except (AttributeError, AssertionError):
            continue
    return facts


odd_servers = st.lists(st.sampled_from([change for change, _ in ODD]), max_size=4).map(changed)


def test_nothing_is_said_against_an_ordinary_server() -> None:
    facts = ordinary()
    assert recognise(facts) == recognise_by_rules(facts)
    assert (recognise(facts).name, recognise(facts).evidence) == (MONGODB, [])
    assert judge(facts) == judge_by_table(facts)
    assert judge(facts).verdict is Verdict.OPEN
    assert len(judge(facts).evidence) == 1


@pytest.mark.parametrize(("change", "sign"), ODD, ids=range(len(ODD)))
def test_a_glance_misses_no_sign(change: Callable[[Facts], None], sign: str) -> None:
    recognise(ordinary())
    facts = changed([change])
    found = recognise(facts)
    assert found == recognise_by_rules(facts)
    assert any(sign in evidence for evidence in found.evidence) if sign else True


@given(odd_servers)
def test_products_are_those_of_all_rules(facts: Facts) -> None:
    assert recognise(facts) == recognise_by_rules(facts)


@given(odd_servers)
def test_verdicts_are_those_of_the_table(facts: Facts) -> None:
    assert judge(facts) == judge_by_table(facts)
    for rule in RULES:
        assert notes(facts, rule.verdict) == notes_by_table(facts, rule.verdict)


entries = st.fixed_dictionaries(
    {
        "name": st.sampled_from(
            ["admin", "local", "users", "shop", "READ_ME_TO_RECOVER", "shop\udcff", "a" * 300]
        )
    },
    optional={
        "sizeOnDisk": st.sampled_from([0, 1, 4096, Int64(1 << 62), 8192.0, -1, float("nan"), True, "x"]),
        "empty": st.sampled_from([False, True, 0, None]),
        "shards": st.sampled_from([{}, {"a": 5}, {"a": "x"}, []]),
    },
)


@given(odd_servers, st.lists(entries, max_size=6), st.integers(0, 4), st.sampled_from([None, 2, 21]))
def test_a_mere_list_lays_open_what_a_plan_without_questions_says(
    facts: Facts, found: list[dict[str, Any]], kept: int, wire: int | None
) -> None:
    if facts.list_databases is not None and facts.list_databases.document is not None:
        facts.list_databases.document["databases"] = found
    facts.max_wire_version = wire
    limits = replace(Limits(), databases_kept=kept)
    assert of_list(facts, limits) == MetadataPlan(facts, limits, Depth.VERDICT).exposure()


@pytest.mark.parametrize(
    ("key", "one", "other"), [("debug", True, 1), ("bits", 64, 64.0), ("modules", ["x"], ["y"])]
)
def test_what_a_build_says_is_not_told_of_another(key: str, one: object, other: object) -> None:
    first, second = changed([a("build_info", key, one)]), changed([a("build_info", key, other)])
    for facts in (first, second, first):
        facts.observed_at = NOW
    alone = identify(changed([a("build_info", key, other), a("build_info", "sysInfo", key)]), is_open=True)
    identify(first, is_open=True)
    assert identify(second, is_open=True).build == alone.build
    assert identify(second, is_open=True).modules == alone.modules
