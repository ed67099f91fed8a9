"""The metadata plan on servers of every shape and size: order, forms by version, bounds, and its gaps."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scanner.mongo import commands
from scanner.mongo.commands import Command, Request, build_info, db_stats
from scanner.mongo.facts import Depth, Document, Limits, Reply
from scanner.mongo.metadata import MetadataPlan
from tests.mongo.model import NOW, YESTERDAY, Coll, Model, error, magazine
from tests.support.reasons import written


@pytest.mark.parametrize(
    ("wire", "names", "statistics", "newest"),
    [
        (0, Command.LEGACY_NAMESPACES, Command.COLL_STATS, Command.LEGACY_NEWEST_ID),
        (2, Command.LEGACY_NAMESPACES, Command.COLL_STATS, Command.LEGACY_NEWEST_ID),
        (3, Command.LIST_COLLECTIONS, Command.COLL_STATS, Command.LEGACY_NEWEST_ID),
        (4, Command.LIST_COLLECTIONS, Command.COLL_STATS, Command.NEWEST_ID),
        (5, Command.LIST_COLLECTIONS, Command.COLL_STATS, Command.NEWEST_ID),
        (6, Command.LIST_COLLECTIONS, Command.COLL_STATS_STAGE, Command.NEWEST_ID),
        (7, Command.LIST_COLLECTIONS, Command.COLL_STATS_STAGE, Command.NEWEST_DATE),
        (25, Command.LIST_COLLECTIONS, Command.COLL_STATS_STAGE, Command.NEWEST_DATE),
        (40, Command.LIST_COLLECTIONS, Command.COLL_STATS_STAGE, Command.NEWEST_DATE),
    ],
)
def test_each_version_gets_its_own_forms(
    wire: int, names: Command, statistics: Command, newest: Command
) -> None:
    model = magazine(wire=wire)
    del model.databases["lecteurs"]["v"]
    exposure = model.run()
    oldest = commands.oldest(Request(newest)).command
    used = {request.command for request in model.asked}
    counters = {Command.SERVER_STATUS, Command.TOP} | ({Command.INDEX_STATS} if wire >= 4 else set())
    expected = {names, statistics, newest, oldest} | counters
    assert used - {Command.LIST_DATABASES, Command.DB_STATS} == expected
    (readers,) = [d for d in exposure.databases if d.name == "lecteurs"]
    assert [(c.name, c.documents) for c in readers.collections if c.name == "abonnes"] == [
        ("abonnes", 693_000)
    ]
    assert exposure.last_write is not None
    assert exposure.last_write.at == NOW
    assert exposure.documents == 693_006


def test_sizes_and_counts_come_before_any_collection() -> None:
    model = magazine()
    model.run(window=1)
    order = [request.command for request in model.asked]
    assert order[0] is Command.LIST_DATABASES
    assert order.index(Command.LIST_COLLECTIONS) > max(
        i for i, c in enumerate(order) if c is Command.DB_STATS
    )
    assert order.index(Command.COLL_STATS_STAGE) > max(
        i for i, c in enumerate(order) if c is Command.LIST_COLLECTIONS
    )
    users_first = [request.database for request in model.asked if request.command is Command.DB_STATS]
    assert users_first[-1] == "admin"


def test_a_run_cut_short_has_every_size_and_says_what_is_missing() -> None:
    model = magazine()
    plan = MetadataPlan(model.facts(), Limits(), Depth.COLLECTIONS)
    model.play(plan, window=1, most=5)
    exposure = plan.exposure()
    assert all(database.size_bytes == 8192 for database in exposure.databases)
    assert exposure.documents == 693_006
    assert "names of collections: 2 not asked or not told" in exposure.truncated
    assert len(plan.next_requests(2)) == 2
    assert "questions without an answer: 2" in plan.exposure().truncated


def test_depth_verdict_asks_nothing_and_depth_databases_no_collection() -> None:
    assert magazine().run(depth=Depth.VERDICT).database_count == 3
    model = magazine()
    exposure = model.run(depth=Depth.DATABASES)
    assert {request.command for request in model.asked} == {Command.LIST_DATABASES, Command.DB_STATS}
    assert all(not database.collections_known for database in exposure.databases)


def test_views_series_system_and_empty_collections_are_not_asked_for_ids() -> None:
    collections = {
        "view": Coll(type="view"),
        "series": Coll(type="timeseries", documents=7),
        "system.profile": Coll(),
        "empty": Coll(0),
        "clustered": Coll(indexes={}),
        "bare": Coll(total_index_size=0),
        "good": Coll(indexes={"_id_": 4096}, newest=YESTERDAY),
    }
    model = Model({"db": collections})
    exposure = model.run()
    newest = [r.collection for r in model.asked if r.command is Command.NEWEST_DATE]
    assert newest == ["good"]
    stats = {r.collection for r in model.asked if r.command is Command.COLL_STATS_STAGE}
    assert stats == {"series", "empty", "clustered", "bare", "good"}
    found = {collection.name: collection for collection in exposure.databases[0].collections}
    assert found["series"].documents is None
    assert "a time series" in written(found["series"].notes)
    assert "no index on _id" in written(found["clustered"].notes)
    assert "no index on _id" in written(found["bare"].notes)
    assert exposure.databases[0].documents == sum(c.documents for c in collections.values())


def test_a_sharded_collection_is_summed_over_its_shards() -> None:
    exposure = Model({"db": {"c": Coll(10, shards=3, newest=YESTERDAY, capped=True)}}).run()
    (found,) = exposure.databases[0].collections
    assert (found.documents, found.size_bytes, found.storage_bytes) == (30, 3000, 12288)
    assert found.capped
    assert written(found.notes) == "spread over several shards: 3 shards"


def test_paging_reads_every_name_and_stops_at_its_bounds() -> None:
    many = {f"c{number:05}": Coll() for number in range(450)}
    model = Model({"db": many}, batch=100)
    exposure = model.run(Limits(collections_asked=0))
    assert len(exposure.databases[0].collections) == 450
    assert exposure.databases[0].collections_known
    assert [r.command for r in model.asked].count(Command.GET_MORE) == 4
    assert exposure.truncated == ["statistics of collections: 450 not asked or not told"]

    few = Model({"db": many}, batch=100).run(Limits(cursor_rounds=2, collections_asked=0))
    assert len(few.databases[0].collections) == 300
    assert not few.databases[0].collections_known
    assert "2 more batches" in written(few.databases[0].notes)

    kept = Model({"db": many, "other": {"c": Coll()}}, batch=100).run(
        Limits(collections_kept=120, collections_asked=0)
    )
    assert sum(len(database.collections) for database in kept.databases) == 120
    assert any("with a note" in words for words in kept.truncated)


@pytest.mark.parametrize(
    ("cursor", "words"),
    [
        ({"id": 5, "ns": "admin.system.users", "firstBatch": [{"name": "a"}]}, "names another collection"),
        ({"id": 5, "ns": "db.$cmd.listCollections", "firstBatch": []}, "without a new name"),
        ({"id": 2**64, "ns": "db.$cmd.listCollections", "firstBatch": [{"name": "a"}]}, "number is none"),
    ],
)
def test_a_cursor_that_lies_is_not_read_on(cursor: Document, words: str) -> None:
    model = Model({"db": {"a": Coll()}})
    model.instead[Command.LIST_COLLECTIONS] = lambda _: {"cursor": cursor, "ok": 1.0}
    exposure = model.run()
    assert words in written(exposure.databases[0].notes)
    assert Command.GET_MORE not in {request.command for request in model.asked}


def test_a_cursor_without_end_ends() -> None:
    model = Model({"db": {"a": Coll()}})
    numbers = iter(range(10_000))

    def batch(key: str) -> Document:
        name = f"c{next(numbers)}"
        return {"cursor": {"id": 9, "ns": "db.$cmd.listCollections", key: [{"name": name}]}, "ok": 1.0}

    model.instead[Command.LIST_COLLECTIONS] = lambda _: batch("firstBatch")
    model.instead[Command.GET_MORE] = lambda _: batch("nextBatch")
    model.instead[Command.COLL_STATS_STAGE] = error(26)
    exposure = model.run(Limits(cursor_rounds=20))
    assert len(exposure.databases[0].collections) == 21
    assert written(exposure.databases[0].collections[0].notes) == "gone between listing and asking"


def test_a_version_3_0_cursor_is_not_read_on() -> None:
    model = Model({"db": {f"c{n}": Coll() for n in range(3)}}, wire=3, batch=2)
    exposure = model.run()
    assert "one batch" in written(exposure.databases[0].notes)
    assert Command.GET_MORE not in {request.command for request in model.asked}


def test_ten_thousand_databases_are_counted_and_bounded() -> None:
    names = {f"db{number:05}": {"c": Coll()} for number in range(10_050)} | {"local": {"oplog.rs": Coll()}}
    model = Model(names)
    limits = Limits(databases_asked=300, collections_asked=50)
    exposure = model.run(limits)
    assert exposure.database_count == 10_051
    assert len(exposure.databases) == 10_000
    used = [request.command for request in model.asked]
    assert Command.LIST_DATABASES not in used
    assert used.count(Command.DB_STATS) == 300
    assert used.count(Command.COLL_STATS_STAGE) == 50
    assert exposure.truncated[:2] == [
        "databases: 51 of 10051 not kept",
        "counts of databases: 9700 not asked or not told",
    ]
    assert exposure.databases[0].size_bytes == 8192


def test_fifty_thousand_collections_are_kept_and_bounded() -> None:
    collections = {f"c{number:06}": Coll() for number in range(50_100)}
    model = Model({"db": collections})
    exposure = model.run()
    assert len(exposure.databases[0].collections) == 50_000
    assert len(model.asked) < 800  # 500 for statistics, 100 for indexes, 100 for newest ids, rest for names
    assert "databases with a note about what is missing: 1" in exposure.truncated
    assert "at most 50000" in written(exposure.databases[0].notes)


def test_two_passes_choose_the_same_collections_whatever_the_servers_order() -> None:
    names = [f"c{number:03}" for number in range(300)] + ["users"]
    forward = Model({"a": {name: Coll() for name in names}, "b": {"x": Coll()}})
    backward = Model({"b": {"x": Coll()}, "a": {name: Coll() for name in reversed(names)}})
    chosen = []
    for model in (forward, backward):
        model.run(Limits(collections_asked=20))
        stats = [r for r in model.asked if r.command is Command.COLL_STATS_STAGE]
        chosen.append([(r.database, r.collection) for r in stats])
    assert chosen[0] == chosen[1]
    assert chosen[0][:2] == [("a", "users"), ("b", "x")]


def test_names_that_cannot_be_sent_back_are_listed_only() -> None:
    odd = ["a.b", "a b", "a$b", "a/b", "x" * 64, "caf\ufffd", "nul\x00", "\udce9t\udce9"]
    model = Model(
        {name: {"c": Coll()} for name in odd} | {"fine": {"..": Coll(), "a$b": Coll(), "ok": Coll()}}
    )
    exposure = model.run()
    assert {request.database for request in model.asked} == {"admin", "fine"}
    notes = {database.name: written(database.notes) for database in exposure.databases}
    assert all("not asked" in note for name, note in notes.items() if name != "fine")
    (raw,) = [database for database in exposure.databases if database.name_hex == "e974e9"]
    assert raw.name == "\ufffdt\ufffd"
    found = {c.name: c for database in exposure.databases for c in database.collections}
    assert "not asked" in written(found[".."].notes)
    assert "not asked" in written(found["a$b"].notes)
    assert found["ok"].documents == 10


def test_a_long_name_is_cut_and_its_bytes_are_kept() -> None:
    exposure = Model({"é" * 5000: {}, "db": {"c" * 400: Coll()}}).run()
    long = next(database for database in exposure.databases if database.name != "db")
    assert len(long.name) == 256
    assert len(long.name_hex) == 1024
    (collection,) = next(database for database in exposure.databases if database.name == "db").collections
    assert len(collection.name) == 256
    assert collection.name_hex == (b"c" * 400).hex()


def test_impossible_numbers_are_dropped_and_the_row_stays() -> None:
    model = Model({"db": {"c": Coll()}})
    nan = float("nan")
    model.instead[Command.LIST_DATABASES] = lambda _: {
        "databases": [{"name": "db", "sizeOnDisk": nan}],
        "ok": 1,
    }
    model.instead[Command.DB_STATS] = lambda _: {"objects": -4, "storageSize": "9", "ok": 1.0}
    part = {"count": float("inf"), "storageStats": {"size": 1e308, "storageSize": True}}
    model.instead[Command.COLL_STATS_STAGE] = lambda _: {"cursor": {"firstBatch": [part]}, "ok": True}
    model.instead[Command.COLL_STATS] = lambda _: {"count": -1, "size": "9", "ok": 1}
    model.instead[Command.COUNT] = lambda _: {"n": nan, "ok": 1}
    model.instead[Command.NEWEST_DATE] = lambda _: {"cursor": {"firstBatch": [{"t": "now"}]}, "ok": 1}
    exposure = model.run()
    (database,) = exposure.databases
    (collection,) = database.collections
    assert (database.size_bytes, database.documents) == (None, None)
    assert (collection.documents, collection.size_bytes, collection.storage_bytes) == (None, None, None)
    assert exposure.documents is None
    assert exposure.total_size_bytes is None


def test_dbstats_gives_the_size_where_the_list_does_not() -> None:
    model = Model({"wt": {}, "mmap": {}})
    model.instead[Command.LIST_DATABASES] = error(13)
    answers: dict[str, Document] = {
        "wt": {"objects": 1, "storageSize": 10.0, "indexSize": 5, "ok": 1},
        "mmap": {"objects": 1, "storageSize": 10, "fileSize": 83886080, "nsSizeMB": 16, "ok": 1},
    }
    model.instead[Command.DB_STATS] = lambda request: answers[request.database]
    exposure = model.run()
    assert {d.name: d.size_bytes for d in exposure.databases} == {"wt": 15, "mmap": 83886080}
    why = "listDatabases by OP_MSG: 13: refused"
    assert f"sizes of databases: 1 not asked or not told ({why})" in exposure.truncated


def test_an_empty_database_is_not_asked_at_all() -> None:
    """On 2.6 `admin` is listed with a size of 1 and nothing in it."""
    model = Model({"admin": {}, "db": {"c": Coll()}}, wire=2)
    facts = model.facts()
    assert facts.list_databases is not None
    assert facts.list_databases.document is not None
    facts.list_databases.document["databases"][0]["sizeOnDisk"] = 1.0
    plan = MetadataPlan(facts, Limits(), Depth.COLLECTIONS)
    model.play(plan)
    admin = next(database for database in plan.exposure().databases if database.name == "admin")
    of_server = (Command.SERVER_STATUS, Command.TOP)
    assert {request.database for request in model.asked if request.command not in of_server} == {"db"}
    assert (admin.size_bytes, admin.documents, admin.collections_known) == (0, 0, True)


def test_answers_to_questions_that_were_never_asked_change_nothing() -> None:
    plan = MetadataPlan(magazine().facts(), Limits(), Depth.COLLECTIONS)
    before = plan.exposure()
    plan.answered(build_info(), Reply(command="buildInfo", document={"ok": 1.0}))
    plan.answered(db_stats("nowhere"), Reply(command="dbStats", document={"ok": 1.0, "objects": 5}))
    stray = Request(Command.COLL_STATS, "lecteurs", {"collection": "nowhere"})
    plan.answered(stray, Reply(command="collStats", document={"ok": 1.0, "count": 5}))
    assert plan.exposure() == before


def test_a_list_that_was_too_long_to_read_is_said() -> None:
    facts = magazine().facts()
    facts.list_databases = Reply(command="listDatabases", truncated_list=True, error="too large")
    plan = MetadataPlan(facts, Limits(), Depth.COLLECTIONS)
    assert plan.next_requests(64) == []
    assert "longer than a reply may be" in plan.exposure().truncated[0]


def test_ids_of_the_future_and_of_prehistory_are_labelled_and_never_the_answer() -> None:
    model = Model(
        {
            "db": {
                "future": Coll(newest=NOW + timedelta(hours=5)),
                "made_up": Coll(newest=NOW.replace(year=1970)),
                "real": Coll(newest=YESTERDAY),
            }
        }
    )
    exposure = model.run()
    assert exposure.last_write is not None
    assert exposure.last_write.at == YESTERDAY
    doubtful = [caution for write in exposure.activity for caution in write.cautions]
    assert {"future", "implausible"} <= set(doubtful)


def test_a_duplicate_in_the_list_is_one_database() -> None:
    model = Model({"db": {"c": Coll()}})
    facts = model.facts()
    assert facts.list_databases is not None
    assert facts.list_databases.document is not None
    facts.list_databases.document["databases"] *= 3
    plan = MetadataPlan(facts, Limits(), Depth.COLLECTIONS)
    assert plan.exposure().database_count == 1


def test_a_servers_lying_clock_does_not_move_the_bound_of_ids() -> None:
    model = Model({"db": {"c": Coll(newest=YESTERDAY)}}, hello={"localTime": NOW.replace(year=2012)})
    exposure = model.run()
    (asked,) = [request for request in model.asked if request.command is Command.NEWEST_DATE]
    assert asked.arguments["before"] == int((NOW + timedelta(days=1)).timestamp())
    assert exposure.last_write is not None
    assert exposure.last_write.at == YESTERDAY
