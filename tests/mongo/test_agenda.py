"""Newest ids are asked first of what is large or telling, within a budget that the record names."""

from __future__ import annotations

from scanner.mongo.commands import Command
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Facts, Layer, Limits, Next
from scanner.mongo.metadata import MetadataPlan
from tests.mongo.answering import BUILD, HELLO
from tests.mongo.model import YESTERDAY, Coll, Model
from tests.mongo.talks import CLIENT
from tests.support.scripted import Script, Scripted

PLAIN = {f"c{number:03}": Coll(1000 + number, newest=YESTERDAY) for number in range(300)}
TELLING = {
    "patients": Coll(50, newest=YESTERDAY),
    "README_TO_RECOVER": Coll(1, newest=YESTERDAY),
    "huge": Coll(9_000_000, newest=YESTERDAY),
}


def asked_for_newest(model: Model) -> list[str]:
    return [request.collection for request in model.asked if request.command is Command.NEWEST_DATE]


def test_the_large_and_the_telling_come_first_and_the_rest_is_named() -> None:
    model = Model({"db": PLAIN | TELLING}, build={"version": "7.0.14"})
    exposure = model.run(Limits(newest_asked=10))
    first = asked_for_newest(model)
    assert len(first) == 10
    assert set(first[:5]) >= {"patients", "huge", "README_TO_RECOVER"}
    assert set(first[5:]) <= {f"c{number:03}" for number in range(290, 300)}
    assert "newest ids: 293 not asked or not told" in exposure.truncated


def test_what_is_both_large_and_telling_is_asked_once() -> None:
    model = Model({"db": PLAIN | {"patients": Coll(9_000_000, newest=YESTERDAY)}})
    exposure = model.run(Limits(newest_asked=10))
    first = asked_for_newest(model)
    assert first[0] == "patients"
    assert len(set(first)) == 10
    assert "newest ids: 291 not asked or not told" in exposure.truncated


def test_every_collection_of_an_ordinary_server_is_asked() -> None:
    model = Model({f"db{number}": {"a": Coll(3, newest=YESTERDAY), "b": Coll(0)} for number in range(20)})
    exposure = model.run()
    assert asked_for_newest(model) == ["a"] * 20
    assert exposure.truncated == []


def test_all_statistics_of_twenty_times_twenty_collections_are_asked() -> None:
    model = Model(
        {
            f"db{number}": {f"c{each}": Coll(each + 1, newest=YESTERDAY) for each in range(20)}
            for number in range(20)
        }
    )
    exposure = model.run()
    kept = [found for database in exposure.databases for found in database.collections]
    assert len(kept) == 400
    assert all(found.documents is not None for found in kept)
    assert sum(found.last_write is not None for found in kept) == Limits().newest_asked
    assert exposure.truncated == [
        "use of indexes: 300 not asked or not told",
        "newest ids: 300 not asked or not told",
    ]


def test_newest_ids_wait_until_every_statistic_is_in() -> None:
    model = Model({"db": PLAIN | TELLING})
    model.run(Limits(newest_asked=10), window=7)
    commands = [request.command for request in model.asked]
    assert commands.index(Command.NEWEST_DATE) > len(commands) - 1 - commands[::-1].index(
        Command.COLL_STATS_STAGE
    )


def test_no_budget_asks_for_no_newest_id() -> None:
    model = Model({"db": TELLING})
    exposure = model.run(Limits(newest_asked=0))
    assert asked_for_newest(model) == []
    assert exposure.truncated == ["newest ids: 3 not asked or not told"]


def test_a_conversation_learns_the_same_by_shapes_and_without_them() -> None:
    """The first collection teaches the shape by which the others are read; without `told` none is used."""
    exposures = []
    for plan_factory in (MetadataPlan, _Plain):
        dialogue = Dialogue(
            client=CLIENT, depth=Depth.COLLECTIONS, limits=Limits(), loopback=False, plan_factory=plan_factory
        )
        server = Scripted(_script())
        server.connect()
        request = dialogue.connected(Layer.PLAIN)
        while dialogue.next is Next.WAIT:
            request = dialogue.received(server.answer(request).reply)
        assert dialogue.plan is not None
        exposures.append(dialogue.plan.exposure())
    assert exposures[0] == exposures[1]
    assert [found.documents for found in exposures[0].databases[0].collections] == [70] * 8


class _Plain:
    """A plan without `told`, so that no reply is read by its shape."""

    def __init__(self, facts: Facts, limits: Limits, depth: Depth) -> None:
        plan = MetadataPlan(facts, limits, depth)
        self.next_requests, self.answered, self.exposure = plan.next_requests, plan.answered, plan.exposure
        self._plan = plan

    @property
    def held(self) -> int:
        return self._plan.held


def _script() -> dict[str, Script]:
    names = [{"name": f"c{number}", "type": "collection"} for number in range(8)]
    sizes = {"size": 7000, "count": 70, "storageSize": 40960, "totalIndexSize": 4096, "capped": False}
    part = {"ns": "library.c", "host": "db:27017", "count": 70, "storageStats": sizes}
    dated = {"cursor": {"firstBatch": [{"t": YESTERDAY}], "id": 0, "ns": "library.c"}, "ok": 1.0}
    counted = {"cursor": {"firstBatch": [part], "id": 0, "ns": "library.c"}, "ok": 1.0}
    return {
        "isMaster": HELLO,
        "buildInfo": BUILD,
        "listDatabases": {"databases": [{"name": "library", "sizeOnDisk": 8192, "empty": False}], "ok": 1.0},
        "dbStats": {"db": "library", "collections": 8, "objects": 560, "storageSize": 8192.0, "ok": 1.0},
        "listCollections": {
            "cursor": {"id": 0, "ns": "library.$cmd.listCollections", "firstBatch": names},
            "ok": 1.0,
        },
        "aggregate": lambda m: counted if "$collStats" in m.documents[0]["pipeline"][0] else dated,
    }
