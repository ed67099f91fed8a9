"""The closed list: every message that can be encoded, read back with an independent `bson`."""

from __future__ import annotations

import inspect
from typing import Any

import bson
import pytest

from scanner.mongo import command_bodies, commands
from scanner.mongo.commands import Command, RefusedRequest, Request, UnsafeName, client_metadata, encode
from scanner.mongo.facts import Document, Limits
from scanner.mongo.names import is_plain
from scanner.mongo.wire import MAX_MESSAGE_BYTES, Opcode
from tests.support.recordings import VERSIONS, load
from tests.support.replay import Message, parse, split

CLIENT = client_metadata("Example", "soc@example.com", "1.2.3")
SURROGATE = chr(0xDCFF)  # what a lenient decoder makes of a byte that is no UTF-8
NOW = 1_700_000_000
ALL: list[Request] = [
    commands.is_master(CLIENT),
    commands.hello(CLIENT),
    commands.build_info(),
    commands.list_databases(),
    commands.list_databases(name_only=False),
    commands.list_databases(authorized_databases=False),
    commands.list_collections("shop"),
    commands.list_collections("local", batch_size=1, authorized=False),
    commands.list_collections("shop", name_only=False),
    commands.get_more("shop", 2**40),
    commands.db_stats("abonnés"),
    commands.coll_stats("shop", "orders"),
    commands.coll_stats_stage("shop", "orders.2024"),
    commands.coll_stats_stage("shop", "orders.2024", operations=True),
    commands.coll_stats_stage("shop", "orders", storage=False),
    commands.index_stats("shop", "orders"),
    commands.server_status(),
    commands.top(),
    commands.count("shop", "orders"),
    commands.newest_id("shop", "orders", NOW),
    commands.newest_date("shop", "orders", NOW),
    commands.legacy_newest_id("shop", "orders", NOW),
    commands.oldest(commands.newest_id("shop", "orders", NOW)),
    commands.oldest(commands.newest_date("shop", "orders", NOW)),
    commands.oldest(commands.legacy_newest_id("shop", "orders", NOW), beyond=True),
    commands.legacy_namespaces("shop"),
]
READ_ONLY = {
    "isMaster": {"helloOk", "client"},
    "hello": {"helloOk", "client"},
    "buildInfo": set(),
    "listDatabases": {"nameOnly", "authorizedDatabases"},
    "listCollections": {"nameOnly", "authorizedCollections", "cursor"},
    "getMore": {"collection", "batchSize"},
    "dbStats": {"scale"},
    "collStats": {"scale"},
    "count": set(),
    "top": set(),
    "serverStatus": {*command_bodies._SECTIONS, "metrics"},
    "find": {"filter", "projection", "sort", "hint", "limit", "singleBatch"},
    "aggregate": {"pipeline", "cursor", "hint"},
}
# Handshakes have no limit, and in a getMore the field means another thing.
UNLIMITED = ("getMore", "hello", "isMaster", "buildInfo")
FORMS = {"maxTimeMS", "$db", "$readPreference", "apiVersion"}
NEVER = {
    "readConcern",
    "writeConcern",
    "afterClusterTime",
    "$clusterTime",
    "lsid",
    "txnNumber",
    "topologyVersion",
    "maxAwaitTimeMS",
    "compression",
    "saslSupportedMechs",
    "speculativeAuthenticate",
    "internalClient",
    "loadBalanced",
    "$out",
    "$merge",
    "$where",
    "$function",
}


def outputs() -> list[tuple[Request, Opcode, bytes]]:
    made = []
    for request in ALL:
        for by in Opcode:
            for time_limit in (True, False):
                for api_version in (True, False):
                    try:
                        message = encode(request, 7, by, time_limit=time_limit, api_version=api_version)
                    except RefusedRequest:
                        assert commands.is_legacy(request.command)
                        assert by is Opcode.OP_MSG
                        continue
                    made.append((request, by, message))
    return made


def read(message: bytes) -> Message:
    parsed = parse(message)
    assert parsed is not None
    assert parsed.request_id == 7
    return parsed


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in keys(inner)}
    if isinstance(value, list):
        return {key for inner in value for key in keys(inner)}
    return set()


def test_every_command_is_among_the_outputs() -> None:
    assert {request.command for request in ALL} == set(Command)


@pytest.mark.parametrize(("request_", "by", "message"), outputs())
def test_every_output_is_a_small_read_only_question(request_: Request, by: Opcode, message: bytes) -> None:
    parsed = read(message)
    assert len(message) < 2048
    assert int.from_bytes(message[:4], "little") == len(message)
    assert message[8:12] == b"\x00" * 4  # responseTo: 0 means "no TLS" to the server
    assert parsed.opcode == (2004 if by is Opcode.OP_QUERY else 2013)
    assert message[16:20] == (b"\x04\x00\x00\x00" if by is Opcode.OP_QUERY else b"\x00\x00\x00\x00")
    assert not keys(parsed.documents) & NEVER
    if commands.is_legacy(request_.command):
        _check_legacy(parsed)
        return
    document = parsed.documents[0]
    assert len(parsed.documents) == 1
    assert set(document) - {parsed.command} - FORMS <= READ_ONLY[parsed.command]
    assert ("$db" in document) == (by is Opcode.OP_MSG)
    assert not ("maxTimeMS" in document and parsed.command in UNLIMITED)
    assert not ("apiVersion" in document and (parsed.command == "getMore" or by is Opcode.OP_QUERY))
    if parsed.command in ("find", "aggregate"):
        _check_reads_no_document(document, 1 if "oldest" in request_.command else -1)


@pytest.mark.parametrize("request_", ALL, ids=lambda request: request.command)
def test_what_may_take_long_has_a_limit_of_seconds(request_: Request) -> None:
    opcode = Opcode.OP_QUERY if commands.is_legacy(request_.command) else Opcode.OP_MSG
    parsed = read(encode(request_, 7, opcode))
    bounded = parsed.command not in UNLIMITED and request_.command is not Command.LEGACY_NAMESPACES
    limits = [parsed.documents[0].get(key) for key in ("maxTimeMS", "$maxTimeMS")]
    assert any(limit and 1000 <= limit <= 10_000 for limit in limits) == bounded


def _check_legacy(parsed: Message) -> None:
    query, selector = parsed.documents
    if parsed.namespace.endswith(".system.namespaces"):
        assert (query, selector) == ({}, {"name": 1})
        return
    assert set(query) <= {"$query", "$orderby", "$hint", "$maxTimeMS"}
    assert set(query["$query"]) == {"_id"}
    assert selector == {"_id": 1}


def _check_reads_no_document(document: Document, end: int) -> None:
    """Either statistics, or one key of the `_id` index."""
    stages = document.get("pipeline", [])
    if stages and "$collStats" in stages[0]:
        assert all(set(stage) <= {"$collStats", "$project"} for stage in stages)
        return
    if stages and "$indexStats" in stages[0]:
        assert stages == [{"$indexStats": {}}]
        return
    bounds = document.get("filter") or stages[0]["$match"]
    assert set(bounds) == {"_id"}
    assert set(bounds["_id"]) == {"$gte", "$lt"}
    assert document["hint"] == {"_id": 1}
    if stages:
        assert stages[1:] == [
            {"$sort": {"_id": end}},
            {"$limit": 1},
            {"$project": {"_id": 0, "t": {"$toDate": "$_id"}}},
        ]
    else:
        assert (document["projection"], document["sort"]) == ({"_id": 1}, {"_id": end})
        assert document["limit"] == 1


def test_administrative_questions_are_put_to_admin_alone() -> None:
    """Elsewhere MongoDB answers code 13 before it looks at access: an open server would look locked."""
    for command in (
        *(Command.IS_MASTER, Command.HELLO, Command.BUILD_INFO, Command.LIST_DATABASES),
        *(Command.SERVER_STATUS, Command.TOP),
    ):
        request = next(request for request in ALL if request.command is command)
        for by in Opcode:
            assert read(encode(request, 7, by)).namespace == "admin.$cmd"
            with pytest.raises(RefusedRequest, match="admin only"):
                encode(Request(command, "test", request.arguments), 7, by)


def test_the_wrong_database_really_answers_13_on_open_servers() -> None:
    for version in ("4.0.3", "7.1.0"):
        step = next(
            s for s in load(version, "open_data") if (s.family, s.name) == ("msg", "listDatabases_wrong_db")
        )
        assert bson.decode(step.reply[21:])["code"] == 13


def test_secondaries_are_asked_to_answer() -> None:
    for request in ALL:
        if request.command in (Command.LIST_DATABASES, Command.DB_STATS, Command.COUNT, Command.NEWEST_DATE):
            document = read(encode(request, 7, Opcode.OP_MSG)).documents[0]
            assert document["$readPreference"] == {"mode": "secondaryPreferred"}


def test_get_more_is_for_listed_collections_only() -> None:
    document = read(encode(commands.get_more("shop", -5), 7, Opcode.OP_MSG)).documents[0]
    assert document == {"getMore": -5, "collection": "$cmd.listCollections", "batchSize": 200, "$db": "shop"}
    assert isinstance(document["getMore"], bson.Int64)
    for cursor_id in (0, 2**63, -(2**63) - 1):
        with pytest.raises(RefusedRequest):
            encode(commands.get_more("shop", cursor_id), 7, Opcode.OP_MSG)


@pytest.mark.parametrize(
    "name",
    ["", "a" * 64, "é" * 32, "a.b", "a/b", "a\\b", 'a"b', "a$b", "a b", "a\x00b", "a\ufffdb", SURROGATE],
)
def test_unsafe_database_names_never_go_back(name: str) -> None:
    for request in (
        commands.db_stats(name),
        commands.list_collections(name),
        commands.legacy_namespaces(name),
    ):
        with pytest.raises(UnsafeName):
            encode(request, 7, Opcode.OP_QUERY)


@pytest.mark.parametrize(
    "name", ["", ".a", "a.", "a$b", "$cmd", "a\x00b", "a\ufffdb", SURROGATE, "a" * 251, "é" * 126]
)
def test_unsafe_collection_names_never_go_back(name: str) -> None:
    for make in (commands.count, commands.coll_stats, commands.coll_stats_stage):
        with pytest.raises(UnsafeName):
            encode(make("shop", name), 7, Opcode.OP_QUERY)


def test_a_name_that_is_too_long_to_be_sent_is_not_remembered() -> None:
    is_plain.cache_clear()
    for length in (256, 100_000):
        with pytest.raises(UnsafeName):
            encode(commands.count("shop", "a" * length), 7, Opcode.OP_MSG)
    assert not is_plain.cache_info().currsize


def test_odd_but_safe_names_do_go_back() -> None:
    for database, collection in (
        ("abonnés", "lecteurs.été"),
        ("a" * 63, "x" * 191),
        ("=cmd|'x'!A0", "; drop"),
    ):
        assert (
            read(encode(commands.count(database, collection), 7, Opcode.OP_MSG)).namespace
            == f"{database}.$cmd"
        )


@pytest.mark.parametrize(
    ("database", "collection"),
    [("admin", "x"), ("local", "oplog.rs"), ("config", "x"), ("shop", "system.users")],
)
def test_newest_ids_are_asked_of_user_data_alone(database: str, collection: str) -> None:
    for make in (commands.newest_id, commands.newest_date, commands.legacy_newest_id):
        with pytest.raises(RefusedRequest, match="system collection"):
            encode(make(database, collection, NOW), 7, Opcode.OP_QUERY)
    for before in (0, -1, 2**32):
        with pytest.raises(RefusedRequest, match="time"):
            encode(commands.newest_id("shop", "orders", before), 7, Opcode.OP_MSG)


def test_a_request_that_grew_too_large_stays_here() -> None:
    long_client = {"application": {"name": "x" * 3000}}
    with pytest.raises(RefusedRequest, match="bytes"):
        encode(commands.is_master(long_client), 7, Opcode.OP_QUERY)


def test_reply_caps_follow_what_is_expected() -> None:
    limits = Limits()
    assert commands.reply_cap(Command.IS_MASTER, limits) == limits.verdict_reply_bytes
    assert commands.reply_cap(Command.LIST_DATABASES, limits) == limits.names_reply_bytes
    assert commands.reply_cap(Command.DB_STATS, limits) == limits.stats_reply_bytes
    assert commands.reply_cap(Command.LEGACY_NAMESPACES, limits) == limits.names_reply_bytes
    assert all(commands.reply_cap(command, limits) <= MAX_MESSAGE_BYTES for command in Command)


@pytest.mark.interpreted("looks at functions of Python, which have signatures")
def test_there_is_one_maker_of_bytes() -> None:
    """Nothing public besides `encode` returns bytes."""
    makers = [
        name
        for name, function in inspect.getmembers(commands, inspect.isfunction)
        if function.__module__ == commands.__name__ and not name.startswith("_")
        if str(inspect.signature(function).return_annotation) == "bytes"
    ]
    assert makers == ["encode"]


# The client metadata document.


def test_client_metadata_is_small_and_names_the_asker() -> None:
    assert CLIENT["application"]["name"] == "mongosweep security scan: Example soc@example.com"
    assert CLIENT["driver"] == {"name": "mongosweep", "version": "1.2.3"}
    assert CLIENT["os"] == {"type": "Linux"}
    assert len(bson.encode(CLIENT)) <= 512
    assert client_metadata("", "", "1")["application"]["name"] == "mongosweep security scan"


def test_client_metadata_that_is_too_long_says_what_to_write() -> None:
    name = "x" * 200
    with pytest.raises(ValueError, match=r"226 bytes of at most 128.*shorter contact"):
        client_metadata(name, "", "1")
    with pytest.raises(ValueError, match="512 bytes"):
        client_metadata("Example", "soc@example.com", "1" * 500)
    exact = "x" * (128 - len("mongosweep security scan: "))
    assert len(client_metadata(exact, "", "1")["application"]["name"]) == 128
    with pytest.raises(ValueError, match="129 bytes"):
        client_metadata(exact + "x", "", "1")


@pytest.mark.parametrize("text", ["two\nlines", "bell\x07", "\x1b[31mred", "bad\ud800"])
def test_client_metadata_with_control_characters_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plain text"):
        client_metadata("Example", text, "1")


# Against what real servers let through before a login.

LOCKED = {
    "2.6.0-rc1": [("auth_user", "")],
    "4.0.3": [("auth_user", "")],
    "7.1.0": [("auth_user", ""), ("mongos_auth", "router")],
}
PASSES_BEFORE_LOGIN = {"isMaster", "hello", "buildInfo"}


def refused(reply: bytes) -> int | None:
    start = {1: 36, 2013: 21}[int.from_bytes(reply[12:16], "little")]
    if len(reply) <= start:
        return None
    document = bson.decode_all(reply[start:])[0]
    return None if document.get("ok") == 1 else int(document.get("code", 0))


@pytest.mark.parametrize("version", VERSIONS)
def test_only_the_handshake_and_the_build_pass_a_locked_server(version: str) -> None:
    """So the verdict rests on commands that a locked server does refuse, and on no other."""
    ours = {_name(request) for request in ALL}
    passed, stopped = set(), set()
    for scenario, node in LOCKED[version]:
        for step in load(version, scenario):
            message = parse(step.request) if len(list(split(step.request))) == 1 else None
            if (
                step.node != node
                or step.family not in ("query", "msg", "legacy")
                or message is None
                or not step.reply
            ):
                continue
            if message.command not in ours:
                continue
            code = refused(step.reply)
            if code is None:
                passed.add(message.command)
            elif code == 13:
                stopped.add(message.command)
    assert passed <= PASSES_BEFORE_LOGIN
    assert {"listDatabases", "dbStats", "collStats", "count", "find"} <= stopped
    assert not stopped & PASSES_BEFORE_LOGIN
    if version != "2.6.0-rc1":
        assert {"listCollections", "aggregate"} <= stopped


def _name(request: Request) -> str:
    return read(encode(request, 7, Opcode.OP_QUERY)).command
