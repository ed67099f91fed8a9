"""The metadata plan on recorded servers: what 2.6, 4.0 and 7.1 hold, and what the questions cost them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import bson
import pytest

from results.verdict import Severity, Verdict
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Limits
from scanner.mongo.identity import identify
from scanner.mongo.metadata import MetadataPlan
from scanner.mongo.severity import assess
from scanner.mongo.values import moment
from tests.support.converse import converse
from tests.support.reasons import written
from tests.support.recordings import load
from tests.support.replay import Replay

if TYPE_CHECKING:
    from results.record import Collection, Exposure

CLIENT = {
    "application": {"name": "mongosweep"},
    "driver": {"name": "mongosweep", "version": "0"},
    "os": {"type": "Linux"},
}
OPEN = [("2.6.0-rc1", "open_data", ""), ("4.0.3", "open_data", ""), ("7.1.0", "open_data", "")]
ROUTERS = [("4.0.3", "mongos_open", "router"), ("7.1.0", "mongos_open", "router")]
ALL = OPEN + ROUTERS


@cache
def talk(version: str, scenario: str, node: str) -> tuple[Dialogue, Replay, Exposure]:
    peer = Replay(version, scenario, node)
    dialogue = Dialogue(
        client=CLIENT, depth=Depth.COLLECTIONS, limits=Limits(), loopback=False, plan_factory=MetadataPlan
    )
    converse(dialogue, peer)
    assert isinstance(dialogue.plan, MetadataPlan)
    return dialogue, peer, dialogue.plan.exposure()


def collections(exposure: Exposure, database: str = "lecteurs") -> dict[str, Collection]:
    (found,) = [entry for entry in exposure.databases if entry.name == database]
    return {collection.name: collection for collection in found.collections}


@pytest.mark.parametrize(("version", "scenario", "node"), ALL)
def test_names_and_sizes_are_the_recorded_ones(version: str, scenario: str, node: str) -> None:
    _, _, exposure = talk(version, scenario, node)
    sizes = {database.name: database.size_bytes for database in exposure.databases}
    assert {"lecteurs", "abonnés", "shop-eu", "a+b@c", "READ_ME_TO_RECOVER_YOUR_DATA", "x" * 63} <= set(sizes)
    on_disk = {"2.6.0-rc1": 17825792, "4.0.3": 126976, "7.1.0": 135168}[version]
    assert sizes["lecteurs"] == on_disk
    assert exposure.total_size_bytes == sum(
        size or 0 for name, size in sizes.items() if name not in ("admin", "config", "local")
    )


@pytest.mark.parametrize(("version", "scenario", "node"), ALL)
def test_counts_of_the_readers(version: str, scenario: str, node: str) -> None:
    _, _, exposure = talk(version, scenario, node)
    readers = collections(exposure)["readers"]
    assert readers.documents == 2000
    assert readers.size_bytes == (224000 if version == "2.6.0-rc1" else 187780)
    assert readers.storage_bytes == (696320 if version == "2.6.0-rc1" else 4096)
    assert exposure.documents == (2107 if version == "2.6.0-rc1" else 2087)


@pytest.mark.parametrize(("version", "scenario", "node"), ALL)
def test_collections_of_every_kind(version: str, scenario: str, node: str) -> None:
    _, _, exposure = talk(version, scenario, node)
    found = collections(exposure)
    assert {"readers", "comments", "sessions", "mixed", "empty", "log"} <= set(found)
    if version == "2.6.0-rc1":
        assert not any("$" in name for name in found)
        return
    assert found["v_readers"].type == "view"
    assert found["v_readers"].documents is None
    assert found["log"].capped
    assert found["log"].documents == 20
    assert set(collections(exposure, "abonnés")) == {"with space", "orders.2024"}


@pytest.mark.parametrize(("version", "scenario", "node"), ALL)
def test_the_newest_id_is_minutes_old_by_the_servers_clock(version: str, scenario: str, node: str) -> None:
    dialogue, _, exposure = talk(version, scenario, node)
    hello = dialogue.facts.hello
    assert hello is not None
    assert hello.document is not None
    local = moment(hello.document["localTime"])
    newest = collections(exposure)["readers"].last_write
    assert newest is not None
    assert local is not None
    assert timedelta(0) <= local - newest.at < timedelta(minutes=5)
    assert newest.where == "lecteurs.readers"
    assert exposure.last_write == newest


@pytest.mark.parametrize(("version", "scenario", "node"), ALL)
def test_ransom_hints_and_severity(version: str, scenario: str, node: str) -> None:
    dialogue, _, exposure = talk(version, scenario, node)
    assert exposure.ransom.level == "likely"
    assert exposure.ransom.names == ["READ_ME_TO_RECOVER_YOUR_DATA"]
    assert exposure.ransom.wiped is False
    assert ("lecteurs", "people", "fr") in {
        (hint.name, hint.category, hint.language) for hint in exposure.hints
    }
    level, reasons, _ = assess(Verdict.OPEN, identify(dialogue.facts, is_open=True), exposure)
    assert level is Severity.CRITICAL
    assert "extortionist" in written(reasons)


@pytest.mark.parametrize(("version", "scenario", "node"), ALL)
def test_a_view_is_never_asked_for_its_newest_id(version: str, scenario: str, node: str) -> None:
    _, peer, _ = talk(version, scenario, node)
    asked = [message for message in peer.seen if "v_readers" in str(message.documents)]
    assert asked == []


@pytest.mark.parametrize(("version", "scenario", "node"), ALL)
def test_no_database_is_asked_that_was_not_listed(version: str, scenario: str, node: str) -> None:
    """On 2.6 a question about a missing database makes it appear in the list."""
    dialogue, peer, exposure = talk(version, scenario, node)
    listed = {database.name for database in exposure.databases}
    assert {message.namespace.partition(".")[0] for message in peer.seen} <= listed | {"admin"}
    assert dialogue.messages_sent < 60


@pytest.mark.parametrize(
    ("version", "scenario", "node", "started", "since", "writes"),
    [
        ("2.6.0-rc1", "open_data", "", "10:51:24.085", "", 4),
        ("4.0.3", "open_data", "", "10:32:28.774", "10:32:31.102", 4),
        ("7.1.0", "open_data", "", "10:43:44.268", "10:43:44.989", 4),
        ("7.1.0", "rs_members", "primary", "10:44:17.350", "10:44:33.403", 4),
        ("4.0.3", "mongos_open", "router", "10:30:14.934", "10:30:18.341", None),
    ],
)
def test_what_its_counters_tell_of_the_readers(
    version: str, scenario: str, node: str, started: str, since: str, writes: int | None
) -> None:
    """Recorded seconds after the start, so nothing is dated by it."""
    dialogue, peer, exposure = talk(version, scenario, node)
    readers, server = collections(exposure)["readers"], identify(dialogue.facts, is_open=True)
    assert server.started_at is not None
    assert f"{server.started_at:%T.%f}"[:-3] == started
    told = readers.counted_since
    assert (f"{told:%T.%f}"[:-3] if told is not None else "") == since
    assert (readers.made_at, readers.write_operations, exposure.past) == (None, writes, [])
    assert len(readers.uuid) == (0 if version == "2.6.0-rc1" else 36)
    fields = [index.fields for index in readers.indexes]
    assert fields == ([] if version == "2.6.0-rc1" else [["_id"], ["email"]])
    assert server.counters is not None
    assert server.counters.insert_operations in (2095, 2096, 2097)
    asked = [message.command for message in peer.seen]
    assert asked.count("serverStatus") == 1
    assert asked.count("top") == (0 if node == "router" else 1)


@pytest.mark.parametrize("version", ["4.0.3", "7.1.0"])
def test_a_secondary_tells_what_it_copied_and_is_not_silent_about_writes(version: str) -> None:
    dialogue, _, exposure = talk(version, "rs_members", "secondary")
    counters = identify(dialogue.facts, is_open=True).counters
    assert counters is not None
    assert counters.copied_operations is not None
    assert counters.copied_operations > 2095
    assert {found.write_operations for found in collections(exposure).values()} == {None}


def profiled(version: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for step in load(version, "open_profile"):
        if step.family != "profile" or step.name != "lecteurs":
            continue
        if version == "2.6.0-rc1":
            entries += bson.decode_all(step.reply[36:])
        else:
            entries += bson.decode(step.reply[21:])["cursor"]["firstBatch"]
    return entries


def examined(entry: dict[str, Any]) -> tuple[Any, Any]:
    keys = entry.get("keysExamined", entry.get("nscanned"))
    return keys, entry.get("docsExamined", entry.get("nscannedObjects"))


@pytest.mark.parametrize("version", ["2.6.0-rc1", "4.0.3", "7.1.0"])
def test_newest_id_reads_an_index_key_and_no_document(version: str) -> None:
    """The profiler of the server itself: the question that the plan asks examines no document."""
    costs = []
    for entry in profiled(version):
        asked = entry.get("command") or entry.get("query") or {}
        covered = "'hint': {'_id': 1}" in str(asked) or "'$hint': {'_id': 1}" in str(asked)
        if covered and entry["ns"] == "lecteurs.readers" and "explain" not in str(asked):
            costs.append(examined(entry))
    measured = [cost for cost in costs if cost[1] is not None]
    assert measured
    assert all(documents == 0 and keys <= 2 for keys, documents in measured)


@pytest.mark.parametrize("version", ["4.0.3", "7.1.0"])
def test_the_same_question_on_a_view_would_read_every_document(version: str) -> None:
    """Why views are left out."""
    costs = [examined(entry) for entry in profiled(version) if entry["ns"] == "lecteurs.v_readers"]
    assert (2000, 2000) in costs


@pytest.mark.parametrize("version", ["4.0.3", "7.1.0"])
def test_counts_and_statistics_examine_nothing(version: str) -> None:
    for entry in profiled(version):
        asked = entry.get("command") or {}
        if "count" in asked or "$collStats" in str(asked):
            assert examined(entry) in ((0, 0), (None, None))


def test_a_set_shows_its_last_operation_beside_the_newest_id() -> None:
    dialogue, _, exposure = talk("4.0.3", "rs_single", "")
    methods = {write.method: write.at for write in exposure.activity}
    assert methods["replica_set_last_operation"] == datetime(2026, 11, 24, 10, 35, 1, tzinfo=UTC)
    assert identify(dialogue.facts, is_open=True).topology == "primary"


@pytest.mark.parametrize(("version", "scenario", "node"), OPEN)
def test_depth_databases_asks_for_no_collection(version: str, scenario: str, node: str) -> None:
    peer = Replay(version, scenario, node)
    dialogue = Dialogue(
        client=CLIENT, depth=Depth.DATABASES, limits=Limits(), loopback=False, plan_factory=MetadataPlan
    )
    converse(dialogue, peer, chunk=7)
    assert isinstance(dialogue.plan, MetadataPlan)
    exposure = dialogue.plan.exposure()
    assert exposure.documents == (2107 if version == "2.6.0-rc1" else 2087)
    assert all(not database.collections for database in exposure.databases)
    assert {message.command for message in peer.seen} <= {
        "isMaster",
        "buildInfo",
        "listDatabases",
        "dbStats",
    }
