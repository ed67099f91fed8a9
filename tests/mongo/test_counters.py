"""A server's own counters: asked once, within budgets, read from hostile replies, and never at a price."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from bson import Int64

from results.past import Counters, Index
from scanner.mongo.commands import Command, Request
from scanner.mongo.counters import FIELDS_KEPT, INDEXES_KEPT, NAME_LENGTH
from scanner.mongo.facts import Depth, Document, Limits
from scanner.mongo.identity import identify
from scanner.mongo.metadata import MetadataPlan
from tests.mongo.model import NOW, YESTERDAY, Answerer, Coll, Model, error

if TYPE_CHECKING:
    from datetime import datetime

    from results.record import Collection, Exposure, Server

RELEASES = {2: "2.6.12", 5: "3.4.24", 7: "4.0.28", 21: "7.0.14", 25: "8.0.4"}
STARTED = NOW - timedelta(days=6)
MADE = NOW - timedelta(hours=5)
STATUS: Document = {
    "localTime": NOW,
    "uptimeMillis": Int64(6 * 86_400_000),
    "connections": {"current": 4, "available": 800},
    "opcounters": {"insert": 2095, "query": 31, "update": 7, "delete": 1, "getmore": 3, "command": 200},
    "opcountersRepl": {"insert": 11, "query": 0, "update": 2, "delete": 1, "getmore": 0, "command": 5},
    "metrics": {"document": {"inserted": 2095, "updated": 9, "deleted": 2, "returned": 40}},
    "ok": 1.0,
}
ASKED_OF_THE_PAST = (Command.SERVER_STATUS, Command.TOP, Command.INDEX_STATS)


def row(name: Any = "_id_", key: Any = None, ops: Any = 3, since: Any = MADE, **more: Any) -> Document:
    """One row of `$indexStats`."""
    return {"name": name, "key": key or {"_id": 1}, "accesses": {"ops": ops, "since": since}, **more}


def rows(*every: Document, cursor: int = 0) -> Answerer:
    return lambda _: {"cursor": {"id": cursor, "firstBatch": list(every), "ns": "db.c"}, "ok": 1.0}


def by_collection(answers: dict[str, list[Document]]) -> Answerer:
    return lambda request: rows(*answers.get(request.collection, []))(request)


def latency(reads: Any, writes: Any, shards: int = 1) -> Answerer:
    part = {
        "count": 10,
        "storageStats": {"size": 1000, "storageSize": 4096, "totalIndexSize": 4096},
        "latencyStats": {"reads": {"ops": reads}, "writes": {"ops": writes}},
    }
    return lambda _: {"cursor": {"id": 0, "firstBatch": [part] * shards}, "ok": 1.0}


def model(wire: int = 21, **instead: Answerer) -> Model:
    """One collection, of a process that began six days ago."""
    answers: dict[Command, Answerer] = {Command.SERVER_STATUS: lambda _: STATUS}
    answers |= {Command[name]: answer for name, answer in instead.items()}
    return Model(
        {"db": {"c": Coll(10, newest=YESTERDAY)}},
        wire=wire,
        build={"version": RELEASES[wire]},
        instead=answers,
    )


def look(server: Model, limits: Limits | None = None) -> tuple[Server, Exposure]:
    facts = server.facts()
    plan = MetadataPlan(facts, limits or Limits(), Depth.COLLECTIONS)
    server.play(plan)
    exposure = plan.exposure()
    return identify(facts, is_open=True), exposure


def only(exposure: Exposure) -> Collection:
    (database,) = [each for each in exposure.databases if not each.system]
    (found,) = database.collections
    return found


def asked(server: Model) -> list[Command]:
    return [request.command for request in server.asked]


def test_the_counters_of_the_server_and_the_start_of_its_process() -> None:
    server, _ = look(model())
    assert server.started_at == STARTED
    assert server.counters == Counters(
        read_at=NOW,
        documents_inserted=2095,
        documents_updated=9,
        documents_deleted=2,
        insert_operations=2095,
        update_operations=7,
        delete_operations=1,
        query_operations=31,
        copied_operations=14,
        other_connections=3,
    )


def test_queries_of_this_look_are_taken_off() -> None:
    """Names are queries before 3.0: one for each database."""
    old = model(wire=2, SERVER_STATUS=lambda _: STATUS | {"opcounters": {"query": 31}})
    old.databases |= {"other": {"c": Coll(1)}, "third": {"c": Coll(1)}}
    server, _ = look(old)
    assert asked(old).count(Command.LEGACY_NAMESPACES) == 3
    assert server.counters is not None
    assert server.counters.query_operations == 28


@pytest.mark.parametrize(
    ("status", "started"),
    [
        ({"localTime": NOW, "uptime": 60.0, "ok": 1.0}, NOW - timedelta(minutes=1)),  # 2.x, without the other
        ({"localTime": NOW, "uptimeMillis": -5, "opcounters": {"insert": 1}, "ok": 1.0}, None),
        ({"localTime": NOW, "uptimeMillis": 2**62, "opcounters": {"insert": 1}, "ok": 1.0}, None),
        ({"localTime": "today", "uptimeMillis": 5, "opcounters": {"insert": 1}, "ok": 1.0}, None),
        ({"uptimeMillis": 5, "opcounters": [], "metrics": 7, "connections": None, "ok": 1.0}, None),
        ({"ok": 1.0}, None),
    ],
)
def test_hostile_and_old_answers_about_the_server(status: Document, started: datetime | None) -> None:
    server, exposure = look(model(SERVER_STATUS=lambda _: status))
    assert server.started_at == started
    assert only(exposure).documents == 10
    untold = "counters of the server: 1 not asked or not told (serverStatus by OP_MSG: ok 1.0)"
    assert (untold in exposure.truncated) == (server.counters is None)


def test_a_collection_made_after_the_start_is_dated_and_its_use_counted() -> None:
    served = rows(row(), row("email_1", {"email": 1, "name": -1}, 12_040), row("x_1", {"x": 1}, 5, NOW))
    server, exposure = look(model(COLL_STATS_STAGE=latency(9, 48_211), INDEX_STATS=served))
    found = only(exposure)
    assert (found.made_at, found.counted_since) == (MADE, MADE)
    assert (found.read_operations, found.write_operations) == (9, 48_211)
    assert found.indexes == [
        Index(name="_id_", fields=["_id"], operations=3),
        Index(name="email_1", fields=["email", "name"], operations=12_040),
        Index(name="x_1", fields=["x"], operations=5, counted_since=NOW),
    ]
    assert [(event.code, event.where, event.at) for event in exposure.past] == [
        ("made-after-start", "db.c", MADE)
    ]
    assert exposure.last_write is not None
    assert (exposure.last_write.method, exposure.last_write.at) == ("collection_made", MADE)
    assert server.started_at == STARTED


def test_shards_are_summed_and_the_earliest_time_stands_for_all() -> None:
    """A router's own start says nothing of its shards, so nothing is dated by it."""
    parts = rows(row(ops=3, shard="a"), row(ops=4, since=STARTED, shard="b"))
    routed = model(COLL_STATS_STAGE=latency(2, 5, shards=2), INDEX_STATS=parts)
    routed.hello = {"msg": "isdbgrid"}
    _, exposure = look(routed)
    found = only(exposure)
    assert (found.counted_since, found.made_at) == (STARTED, None)
    assert (found.read_operations, found.write_operations) == (4, 10)
    assert found.indexes == [Index(name="_id_", fields=["_id"], operations=7)]
    assert Command.TOP not in asked(routed)


@pytest.mark.parametrize(
    ("every", "kept"),
    [
        (
            [
                row(name=7),
                row(name=""),
                row(name=None),
                {"name": "a"},
                {"name": "b", "key": [], "accesses": {}},
                {},
            ],
            0,
        ),
        ([row(ops=-1), row("b_1", {"b": 1}, "many"), row("c_1", {"c": 1}, 2**70)], 3),
        ([row(since="now"), row("b_1", {"b": 1}, since=None)], 2),
        ([row(f"i{number}", {"f": 1}) for number in range(1000)], INDEXES_KEPT),
        ([row("n" * 5000, {"f" * 5000: 1})], 1),
        ([row("wide", {f"f{number}": 1 for number in range(40)})], 1),
    ],
)
def test_hostile_rows_about_indexes(every: list[Document], kept: int) -> None:
    _, exposure = look(model(INDEX_STATS=rows(*every)))
    indexes = only(exposure).indexes
    assert len(indexes) == kept
    assert all(0 <= (index.operations or 0) < 2**63 for index in indexes)
    assert all(len(index.fields) <= FIELDS_KEPT for index in indexes)
    assert all(len(text) <= NAME_LENGTH for index in indexes for text in [index.name, *index.fields])


@pytest.mark.parametrize("since", [NOW + timedelta(days=30), NOW - timedelta(days=9000)])
def test_an_impossible_moment_is_no_time(since: datetime) -> None:
    _, exposure = look(model(INDEX_STATS=rows(row(since=since))))
    found = only(exposure)
    assert (found.made_at, found.counted_since) == (None, None)
    assert exposure.past == []


def test_rows_beyond_one_batch_are_told() -> None:
    _, exposure = look(model(INDEX_STATS=rows(row(), cursor=77)))
    assert only(exposure).counted_since == MADE
    assert "use of indexes: 1 not asked or not told (more rows than one batch has)" in exposure.truncated


def test_a_server_that_opened_its_collections_late_did_not_make_them() -> None:
    """It recovered for half an hour. `local.startup_log` was there before, and counts since then."""
    late = STARTED + timedelta(minutes=30)
    told = by_collection({"startup_log": [row(since=late)], "c": [row(since=late + timedelta(seconds=20))]})
    slow = model(INDEX_STATS=told)
    slow.databases["local"] = {"startup_log": Coll(4)}
    _, exposure = look(slow)
    assert [each.made_at for database in exposure.databases for each in database.collections] == [None, None]
    slow.databases["local"] = {}
    _, exposure = look(slow)
    assert only(exposure).made_at == late + timedelta(seconds=20)


def test_operations_come_from_one_list_where_collections_do_not_tell_them() -> None:
    totals = {
        "note": "all times in microseconds",
        "db.c": {
            **{name: {"time": 5, "count": 1} for name in ("insert", "update", "remove")},
            **{name: {"time": 5, "count": 4} for name in ("queries", "getmore", "commands")},
        },
        "db.odd": {"insert": {"count": "many"}},
    }
    old = model(wire=2, TOP=lambda _: {"totals": totals, "ok": 1.0})
    old.databases["db"] |= {"odd": Coll(3), "unused": Coll(3), "system.users": Coll(1)}
    _, exposure = look(old)
    found = {each.name: each for each in exposure.databases[0].collections}
    assert asked(old).count(Command.TOP) == 1
    assert (found["c"].write_operations, found["c"].read_operations) == (3, 8)
    assert (found["odd"].write_operations, found["odd"].read_operations) == (None, None)
    assert (found["unused"].write_operations, found["unused"].read_operations) == (0, 0)


def test_the_list_of_all_operations_is_not_asked_where_it_would_be_long() -> None:
    many = Model(
        {"db": {f"c{number}": Coll(1) for number in range(12)}}, wire=2, build={"version": RELEASES[2]}
    )
    exposure = many.run(Limits(namespaces_counted=10))
    assert Command.TOP not in asked(many)
    assert "operations on all collections: 1 not asked or not told" in exposure.truncated


def test_a_collection_that_told_its_operations_asks_for_no_list() -> None:
    server = model(COLL_STATS_STAGE=latency(0, 0))
    _, exposure = look(server)
    assert Command.TOP not in asked(server)
    assert only(exposure).write_operations == 0


@pytest.mark.parametrize(
    ("hello", "writes", "told"),
    [
        ({"setName": "rs0", "ismaster": False, "secondary": True}, 0, None),
        ({"setName": "rs0", "ismaster": False, "secondary": True}, 6, 6),
        ({"setName": "rs0", "ismaster": True}, 0, 0),
        ({"ismaster": True}, 0, 0),
    ],
)
def test_a_member_that_copies_is_not_silent_about_writes(
    hello: Document, writes: int, told: int | None
) -> None:
    server = model(COLL_STATS_STAGE=latency(0, writes))
    server.hello = hello
    _, exposure = look(server)
    assert only(exposure).write_operations == told


def test_the_gravest_are_asked_first_about_their_indexes() -> None:
    server = Model(
        {"db": {f"c{number:03}": Coll(1000 + number) for number in range(60)} | {"patients": Coll(5)}},
        build={"version": RELEASES[21]},
    )
    exposure = server.run(Limits(indexes_asked=3))
    chosen = [request.collection for request in server.asked if request.command is Command.INDEX_STATS]
    assert chosen == ["patients", "c059", "c058"]
    assert "use of indexes: 58 not asked or not told" in exposure.truncated


def test_no_budget_asks_nothing_about_indexes() -> None:
    server = model()
    _, exposure = look(server, Limits(indexes_asked=0))
    assert Command.INDEX_STATS not in asked(server)
    assert "use of indexes: 1 not asked or not told" in exposure.truncated


@pytest.mark.parametrize("depth", [Depth.VERDICT, Depth.DATABASES])
def test_nothing_of_the_past_is_asked_at_a_lesser_depth(depth: Depth) -> None:
    server = model()
    server.run(depth=depth)
    assert not set(asked(server)) & set(ASKED_OF_THE_PAST)


REFUSALS = {
    "login": error(13, "not authorized on admin to execute command"),
    "atlas": error(8000, "(Unauthorized) not authorized"),
    "no such command": error(59, "no such command"),
    "no such stage": error(40324, "Unrecognized pipeline stage name: '$indexStats'"),
    "no such stage, 2.6": error(16436, "Unrecognized pipeline stage name"),
    "on a view": error(166, "cannot be used on a view"),
    "gone": error(26, "ns does not exist"),
    "not a member that answers": error(13435, "not master and slaveOk=false"),
    "time": error(50, "operation exceeded time limit"),
    "strict": error(323, "not in API Version 1"),
    "inside": error(8, "something went wrong"),
    "empty": lambda _: {"ok": 1.0},
    "another shape": lambda _: {"cursor": {"firstBatch": "none"}, "totals": [], "uptime": "long", "ok": 1.0},
}


def two_collections(wire: int, **instead: Answerer) -> Model:
    server = model(wire=wire, **instead)
    server.databases["db"] |= {"readers": Coll(2000, newest=YESTERDAY)}
    return server


@pytest.mark.parametrize("wire", sorted(RELEASES))
@pytest.mark.parametrize("refusal", sorted(REFUSALS))
def test_refusals_of_all_that_is_new_cost_nothing_that_was_known(refusal: str, wire: int) -> None:
    """What was asked before is answered as before, in the same words, and the record says what was not."""
    refuse = REFUSALS[refusal]
    bare = two_collections(wire, SERVER_STATUS=refuse, TOP=refuse, INDEX_STATS=refuse)
    _, told = look(two_collections(wire))
    server, exposure = look(bare)
    for each in ("access", "answered", "refused", "documents", "total_size_bytes", "hints", "ransom"):
        assert getattr(exposure, each) == getattr(told, each), each
    for mine, theirs in zip(exposure.databases, told.databases, strict=True):
        assert (mine.documents, mine.collections_known, mine.notes) == (
            theirs.documents,
            theirs.collections_known,
            theirs.notes,
        )
        for one, other in zip(mine.collections, theirs.collections, strict=True):
            for each in ("name", "documents", "size_bytes", "storage_bytes", "last_write", "type"):
                assert getattr(one, each) == getattr(other, each), each
    assert server.counters is None
    assert any(
        gap.startswith("counters of the server: 1 not asked or not told (") for gap in exposure.truncated
    )


def of_latency(refuse: Answerer) -> Answerer:
    """Refuses statistics that ask for operations as well, and answers the others."""

    def answer(request: Request) -> Document:
        return refuse(request) if request.arguments.get("operations") else latency(0, 0)(request)

    return answer


@pytest.mark.parametrize("code", [9, 40324, 40415, 72, 8000, 16436, 40602])
def test_a_server_that_does_not_tell_operations_tells_statistics_still(code: int) -> None:
    server = model(COLL_STATS_STAGE=of_latency(error(code, "no latencyStats")))
    _, exposure = look(server)
    found = only(exposure)
    assert (found.documents, found.size_bytes) == (10, 1000)
    assert found.notes == []


@pytest.mark.parametrize("code", [13, 50, 59, 8, 72, 13435])
def test_a_server_that_does_not_tell_uuids_tells_names_still(code: int) -> None:
    server = model()

    def names(request: Request) -> Document:
        return error(code)(request) if not request.arguments["name_only"] else server.ordinary(request)

    server.instead[Command.LIST_COLLECTIONS] = names
    _, exposure = look(server)
    found = only(exposure)
    assert (found.name, found.uuid, found.documents) == ("c", "", 10)
    assert exposure.databases[0].collections_known
    assert (exposure.access, exposure.refused) == ("full", [])
    (gap,) = exposure.truncated
    assert (
        gap == f"UUIDs of collections: 1 not asked or not told (listCollections by OP_MSG: {code}: refused)"
    )
