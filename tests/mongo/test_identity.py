"""Which product answered, its role and version, on recordings and on the documents of look-alikes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from scanner.contact import TlsSession
from scanner.mongo import lookalikes
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Attempt, Depth, Facts, Layer, Limits, Reply
from scanner.mongo.identity import identify, topology
from scanner.mongo.judge import judge
from tests.support.converse import converse
from tests.support.reasons import by_certainty
from tests.support.recordings import nodes
from tests.support.replay import Replay

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LIMITS = {"maxBsonObjectSize": 16777216, "maxMessageSizeBytes": 48000000, "maxWriteBatchSize": 100000}
HELLO = LIMITS | {
    "ismaster": True,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
    "helloOk": True,
    "ok": 1.0,
}
BUILD = {
    "version": "7.0.28",
    "gitVersion": "abc",
    "modules": [],
    "storageEngines": ["devnull", "wiredTiger"],
    "ok": 1.0,
}
LIST = {"databases": [{"name": "admin"}], "ok": 1.0}
RECORDED = [
    ("2.6.0-rc1", "open_data", "", "standalone"),
    ("2.6.0-rc1", "rs_uninitiated", "", "uninitiated"),
    ("2.6.0-rc1", "rs_members_auth", "arbiter", "arbiter"),
    ("4.0.3", "rs_members", "primary", "primary"),
    ("4.0.3", "rs_members", "secondary", "secondary"),
    ("4.0.3", "rs_members", "arbiter", "arbiter"),
    ("4.0.3", "rs_members", "recovering", "recovering"),
    ("4.0.3", "rs_members", "lonely", "secondary"),
    ("4.0.3", "mongos_open", "router", "mongos"),
    ("4.0.3", "mongos_open", "shard", "primary"),
    ("4.0.3", "mongos_open", "config", "config_server"),
    ("4.0.3", "auth_user", "", "standalone"),
    ("7.1.0", "open_data", "", "standalone"),
    ("7.1.0", "rs_members", "recovering", "recovering"),
    ("7.1.0", "mongos_auth", "router", "mongos"),
    ("7.1.0", "rs_uninitiated_auth", "as_remote", "uninitiated"),
]


def facts(
    hello: dict[str, Any] | None = None,
    build: dict[str, Any] | None = None,
    listing: dict[str, Any] | None = None,
    by: str = "OP_MSG",
    **more: Any,
) -> Facts:
    shown = HELLO if hello is None else hello
    wire = shown.get("maxWireVersion")
    return Facts(
        hello=Reply(command="isMaster", document=shown, by="OP_REPLY"),
        build_info=Reply(command="buildInfo", document=BUILD if build is None else build, by=by),
        list_databases=Reply(command="listDatabases", document=LIST if listing is None else listing, by=by),
        max_wire_version=wire if isinstance(wire, int) else None,
        observed_at=NOW,
        **more,
    )


@pytest.mark.parametrize(("version", "scenario", "node", "role"), RECORDED)
def test_recorded_servers(version: str, scenario: str, node: str, role: str) -> None:
    assert node in nodes(version, scenario)
    dialogue = Dialogue(client={}, depth=Depth.VERDICT, limits=Limits(), loopback=False)
    converse(dialogue, Replay(version, scenario, node))
    dialogue.facts.observed_at = NOW
    server = identify(dialogue.facts, is_open=True)
    assert server.product == "mongodb"
    assert server.product_evidence == []
    assert server.version == {"2.6.0-rc1": "2.6.0-rc1", "4.0.3": "4.0.3", "7.1.0": "7.1.0-alpha"}[version]
    assert server.version_source == "buildInfo"
    assert server.topology == role
    assert server.max_wire_version == {"2.6.0-rc1": 2, "4.0.3": 7, "7.1.0": 22}[version]
    assert server.end_of_life is not None
    assert server.end_of_life.ended
    assert (server.started_at is not None) == (version == "7.1.0")
    assert server.clock_skew_seconds is not None
    assert not server.honeypot_suspected
    assert server.shard is (True if (version, node) == ("4.0.3", "shard") else None)
    assert bool(server.hosts and server.me) == (
        scenario.startswith("rs_members") or node in ("shard", "config")
    )
    assert server.build is not None
    assert server.build.bits == 64


@pytest.mark.parametrize(
    ("hello", "build", "product"),
    [
        ({"iscryptd": True}, {}, "mongocryptd"),
        ({}, {"ferretdbVersion": "v1.24.2", "ferretdbFeatures": {}, "version": "7.0.42"}, "ferretdb"),
        ({}, {"ferretdb": {"version": "v2.7.0", "package": "docker"}, "version": "7.0.77"}, "ferretdb"),
        ({"setName": "secantus"}, {"secantusVersion": "0.7.0b3", "version": "8.2.11"}, "secantusdb"),
        ({"setName": "secantus"}, {}, "secantusdb"),
        ({}, {"psmdbVersion": "6.0.11", "version": "6.0.11"}, "percona"),
        ({}, {"proFeatures": ["FIPSMode"]}, "percona"),
        ({}, {"version": "7.0.12-7"}, "percona"),
        ({}, {"tokumxVersion": "2.0.1", "version": "2.4.10"}, "tokumx"),
        ({"internal": {"documentdb_versions": []}, "msg": "isdbgrid"}, {}, "documentdb"),
        ({"internal": {"kind": "azuredocumentdb"}, "setName": "globaldb"}, {}, "cosmosdb"),
        ({"setName": "globaldb", "msg": "isdbgrid"}, {}, "cosmosdb"),
        ({"setName": "globaldb", "_t": "IsMasterResponse"}, {}, "cosmosdb"),
        ({"_t": "IsMasterResponse"}, {}, "cosmosdb"),
        ({"setName": "x", "hosts": ["a.mongo.cosmos.azure.com:10255"]}, {}, "cosmosdb"),
        ({"setName": "rs0", "me": "n.docdb.amazonaws.com:27017"}, {}, "amazon-documentdb"),
        ({"maxWriteBatchSize": 1000}, {}, "unknown"),
        ({}, {"version": "5.0.0"}, "unknown"),
        ({"internal": {"kind": "other"}}, {}, "mongodb"),
        ({}, {}, "mongodb"),
    ],
)
def test_products(hello: dict[str, Any], build: dict[str, Any], product: str) -> None:
    server = identify(facts(HELLO | hello, BUILD | build), is_open=True)
    assert server.product == product
    assert bool(server.product_evidence) == (product != "mongodb")
    if product not in ("mongodb", "percona"):
        assert server.vulnerabilities is None
    if product != "mongodb":
        assert server.end_of_life is None


def test_amazon_by_its_certificate() -> None:
    session = TlsSession(established=True, certificate_der=b"..CN=*.cluster.docdb.amazonaws.com..")
    seen = facts(attempts=[Attempt(layer=Layer.PLAIN), Attempt(layer=Layer.TLS, tls=session)])
    assert identify(seen, is_open=True).product == "amazon-documentdb"


def test_mindsdb_and_the_java_server_by_what_they_leave_out() -> None:
    mindsdb = {"ismaster": True, "minWireVersion": 0, "maxWireVersion": 9, "ok": 1}
    assert identify(facts(mindsdb), is_open=True).product == "mindsdb"
    hello = LIMITS | {"ismaster": True, "maxWireVersion": 8, "minWireVersion": 0, "localTime": NOW, "ok": 1.0}
    build = {"version": "5.0.0", "versionArray": [5, 0, 0], "maxBsonObjectSize": 16777216, "ok": 1.0}
    assert identify(facts(hello, build), is_open=True).product == "mongo-java-server"


def test_dionaea_answers_everything_alike_and_is_a_honeypot() -> None:
    answer = LIMITS | {
        "ismaster": True,
        "maxWriteBatchSize": 1000,
        "maxWireVersion": 5,
        "readOnly": False,
        "ok": 1,
    }
    server = identify(facts(answer, {}, answer), is_open=True)
    assert server.product == "dionaea"
    assert server.honeypot_suspected
    other = identify(facts(HELLO, BUILD, answer | {"maxWireVersion": 21}), is_open=True)
    assert other.product == "unknown"
    assert other.honeypot_suspected
    assert identify(facts(listing={"ok": 1.0}), is_open=True).honeypot_suspected
    assert identify(facts(listing={"databases": 3, "ok": 1.0}), is_open=True).honeypot_suspected


def test_an_op_query_answer_of_a_new_server_is_no_mongodb() -> None:
    server = identify(facts(by="OP_REPLY"), is_open=True)
    assert server.product == "unknown"
    assert "OP_QUERY" in server.product_evidence[0]


def test_one_oddity_is_noted_and_two_decide() -> None:
    build = {key: value for key, value in BUILD.items() if key != "gitVersion"}
    one = identify(facts(build=build), is_open=True)
    assert one.product == "mongodb"
    assert one.product_evidence == ["buildInfo without gitVersion"]
    two = identify(
        facts(HELLO | {"helloOk": False, "maxMessageSizeBytes": 64 * 1024 * 1024}, build), is_open=True
    )
    assert two.product == "unknown"
    assert len(two.product_evidence) == 3
    empty = identify(facts(listing={"databases": [], "ok": 1.0}), is_open=True)
    assert "empty list" in empty.product_evidence[0]
    whole = identify(facts(HELLO | {"setName": "rs0", "ok": 1}), is_open=True)
    assert "whole number" in whole.product_evidence[0]


@pytest.mark.parametrize(
    ("version", "wire", "agrees"),
    [
        ("7.0.5", 21, True),
        ("7.1.0-alpha", 22, True),
        ("8.0.0-rc1", 25, True),
        ("8.1.0-alpha", 25, True),
        ("4.1.13", 8, True),
        ("4.1.13", 7, True),
        ("8.2.11", 27, True),
        ("8.2.11", 26, True),
        ("2.4.9", 0, True),
        ("1.8.0", 0, True),
        ("9.5.0", 35, True),
        ("5.0.0", 8, False),
        ("7.0.0", 0, False),
        ("3.4.4", 21, False),
        ("8.2.11", 21, False),
    ],
)
def test_version_and_wire_version_must_agree(version: str, wire: int, *, agrees: bool) -> None:
    hello = HELLO | {"maxWireVersion": wire}
    product = lookalikes.recognise(facts(hello, BUILD | {"version": version}, by="OP_MSG"))
    assert (product.name == "mongodb") == agrees


@pytest.mark.parametrize(
    ("wire", "version"),
    [(0, "2.4 or older"), (None, "2.4 or older"), (7, "4.0.x"), (25, "8.0.x"), (77, "newer than 9.0")],
)
def test_without_build_info_the_version_is_a_range(wire: int | None, version: str) -> None:
    hello = {key: value for key, value in HELLO.items() if key != "maxWireVersion"}
    if wire is not None:
        hello["maxWireVersion"] = wire
    seen = facts(hello)
    seen.build_info = Reply(command="buildInfo", document={"ok": 0.0, "code": 13, "errmsg": "no"})
    server = identify(seen, is_open=True)
    assert (server.version, server.version_source) == (version, "maxWireVersion")
    assert set(by_certainty(server.vulnerabilities).values()) <= {"possible"}
    if wire == 25:
        assert "CVE-2025-14847" in by_certainty(server.vulnerabilities)


def test_nothing_known_is_nothing_said() -> None:
    server = identify(Facts(), is_open=True)
    assert (server.version, server.topology, server.vulnerabilities, server.end_of_life) == (
        "",
        "",
        None,
        None,
    )


def test_roles_that_no_recording_has() -> None:
    assert topology({"setName": "a", "hidden": True, "secondary": True}) == "hidden"
    assert topology({"setName": "a", "isWritablePrimary": True}) == "primary"
    assert topology({}) == ""


def advisories_of(seen: Facts) -> set[str]:
    is_open = judge(seen).verdict.is_open
    return set(by_certainty(identify(seen, is_open=is_open).vulnerabilities))


def test_advisories_follow_role_transport_and_access() -> None:
    alone = advisories_of(facts())
    member = advisories_of(facts(HELLO | {"setName": "rs0"}))
    router = advisories_of(facts(HELLO | {"msg": "isdbgrid"}, BUILD | {"version": "7.0.10"}))
    locked = advisories_of(facts(listing={"ok": 0.0, "code": 13, "errmsg": "no"}))
    assert "CVE-2026-118383" in member - alone
    assert {"CVE-2025-3083", "CVE-2025-6714"} <= router
    assert "CVE-2026-11933" in alone - locked
    older = BUILD | {"version": "7.0.5"}
    inside = [Attempt(layer=Layer.TLS, tls=TlsSession(established=True))]
    assert "CVE-2024-1351" in advisories_of(facts(build=older, attempts=inside))
    assert "CVE-2024-1351" not in advisories_of(facts(build=older))


def test_a_vendors_build_must_be_checked_with_the_vendor() -> None:
    server = identify(facts(build=BUILD | {"version": "7.0.12-7"}), is_open=True)
    assert set(by_certainty(server.vulnerabilities).values()) == {"check_vendor"}
    derived = identify(facts(build=BUILD | {"version": "7.0.12-ubuntu3"}), is_open=True)
    assert derived.product == "mongodb"
    assert set(by_certainty(derived.vulnerabilities).values()) == {"check_vendor"}


def test_modules_and_engine() -> None:
    server = identify(
        facts(build=BUILD | {"modules": ["enterprise", 3, ""], "storageEngines": ["wiredTiger", "mmapv1"]}),
        is_open=True,
    )
    assert server.modules == ["enterprise"]
    assert server.storage_engine == ""
    assert identify(facts(), is_open=True).storage_engine == "wiredTiger"
