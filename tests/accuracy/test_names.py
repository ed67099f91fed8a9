"""Names as servers really have them, and in numbers that no list is meant for, through real sockets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from bson import Int64

from results.lines import MAX_LINE, MAX_OBSERVATION, to_lines
from results.verdict import Verdict
from scanner.lab import wire
from scanner.lab.data import StoredCollection, StoredDatabase, data_set
from scanner.lab.estate import find
from scanner.lab.hostile.base import base_profile, databases
from scanner.lab.mongod import Mongod, Session
from scanner.lab.others import Changed
from scanner.lab.personality import Personality
from scanner.lab.profile import Profile
from scanner.lab.server import LabServer
from scanner.lab.versions import V2_6, V3_2, V7_0, Release
from scanner.mongo.facts import Depth, Limits
from scanner.network.connect.base import Timeouts
from tests.accuracy.asking import ask
from tests.support.lines import read_back
from tests.support.reasons import written

if TYPE_CHECKING:
    from results.record import Exposure, Observation
    from scanner.lab.channel import ServerConnection
    from scanner.lab.wire import ClientMessage, Document

USUAL = Timeouts(connect=3.5, reply=10.0, host=60.0)


def served(talk: Any) -> Personality:
    """A server with this talk."""
    return Personality(name="names", description="", verdict=Verdict.OPEN, talk=talk)


async def asked_of(server: Personality, **options: Any) -> Observation:
    """The record of one server, which must have been in order itself."""
    async with LabServer(server, "127.97.2.1", 0) as running:
        record = (await ask((running.host, running.port), **options)).record
        running.record.messages.clear()
    assert running.record.failures == []
    return record


def exposure_of(record: Observation) -> Exposure:
    """What lies open; something does."""
    assert record.verdict is Verdict.OPEN, record.evidence
    assert record.exposure is not None
    return record.exposure


async def raw_list(channel: ServerConnection, names: tuple[bytes, ...]) -> None:
    """An honest server but for its list of databases, which has these names as they are."""
    honest = Mongod(base_profile())
    session = Session(channel.number, "127.0.0.1:1")
    while (raw := await honest.next_message(channel)) is not None:
        request = wire.parse(raw)
        if request.command == "listDatabases":
            document = wire.raw_document(databases(*names), b"\x01ok\x00" + bytes(6) + b"\xf0\x3f")
            await channel.send(wire.answer(request, document))
            continue
        answer = await honest.respond(raw, session)
        assert answer
        await channel.send(answer)


RAW = (b"latin-\xe9t\xe9", b"\xff\xfe", b"broken-\xc3", b"a.b.c", b"with space", b"shop", "données".encode())


async def test_names_that_are_no_utf8_keep_their_bytes_to_the_last_line() -> None:
    """From the socket to the line of the journal: the bytes stand in hex, and are never sent back."""

    async def talk(channel: ServerConnection) -> None:
        await raw_list(channel, RAW)

    record = await asked_of(served(talk))
    found = {database.name: database for database in exposure_of(record).databases}
    assert found["latin-\ufffdt\ufffd"].name_hex == RAW[0].hex()
    assert found["\ufffd\ufffd"].name_hex == RAW[1].hex()
    assert found["broken-\ufffd"].name_hex == RAW[2].hex()
    assert found["données"].name_hex == found["shop"].name_hex == found["a.b.c"].name_hex == ""
    for name in ("latin-\ufffdt\ufffd", "\ufffd\ufffd", "broken-\ufffd", "a.b.c", "with space"):
        assert "not asked" in written(found[name].notes), name
        assert found[name].documents is None
    assert found["shop"].notes == []
    lines = to_lines(record)
    assert all(line.isascii() for line in lines)
    again = read_back(lines)
    assert again.exposure is not None
    assert [d.name_hex for d in again.exposure.databases] == [d.name_hex for d in found.values()]
    assert json.loads(lines[0])["exposure"]["database_count"] == len(RAW)


@pytest.mark.parametrize("version", [V2_6, V3_2, V7_0], ids=lambda v: v.text)
async def test_dots_and_brackets_in_names_of_collections(version: Release) -> None:
    names = ("a.b.c", "with space", "<script>alert(1)</script>", "ключ", "=1+1", "x" * 100)
    made = tuple(
        StoredCollection(name=name, count=number, size=100) for number, name in enumerate(names, start=1)
    )
    profile = Profile(version=version, data=data_set(StoredDatabase(name="odd", collections=made)))
    record = await asked_of(served(Mongod(profile).talk))
    (odd,) = [database for database in exposure_of(record).databases if database.name == "odd"]
    found = {each.name: each.documents for each in odd.collections if not each.name.startswith("system.")}
    assert found == {name: number for number, name in enumerate(names, start=1)}
    assert odd.collections_known


@pytest.mark.parametrize("version", [V3_2, V7_0], ids=lambda v: v.text)
async def test_ten_thousand_databases(version: Release) -> None:
    """All are named and counted; sizes and counts are of those that are asked; the rest is said to lack."""
    many = [StoredDatabase(name=f"tenant_{number:05d}") for number in range(10_000)]
    profile = Profile(version=version, data=data_set(*many))
    record = await asked_of(served(Mongod(profile).talk), timeouts=USUAL)
    exposure = exposure_of(record)
    assert exposure.database_count == 10_003
    assert len(exposure.databases) == 10_000
    assert any("3 of 10003 not kept" in gap for gap in exposure.truncated), exposure.truncated
    told = [database for database in exposure.databases if database.documents is not None]
    assert len(told) >= 1_000
    assert any("counts of databases" in gap for gap in exposure.truncated), exposure.truncated
    lines = to_lines(record)
    assert len(lines[0]) <= MAX_OBSERVATION
    assert len(lines) == 10_001
    assert json.loads(lines[0])["exposure"]["database_count"] == 10_003
    assert read_back(lines) == record


async def test_fifty_thousand_collections() -> None:
    """All names by cursor within the host's own time; statistics of as many as are asked; the rest told."""
    crowd = tuple(StoredCollection(name=f"c{number:05d}", count=1, size=100) for number in range(50_010))
    profile = Profile(version=V7_0, data=data_set(StoredDatabase(name="crowd", collections=crowd)))
    record = await asked_of(served(Mongod(profile).talk), timeouts=USUAL)
    exposure = exposure_of(record)
    (found,) = [database for database in exposure.databases if database.name == "crowd"]
    assert 49_900 <= len(found.collections) <= 50_000
    assert not found.collections_known
    assert "names of collections not all kept" in written(found.notes)
    assert sum(each.documents == 1 for each in found.collections) == Limits().collections_asked
    assert any("statistics of collections" in gap for gap in exposure.truncated), exposure.truncated
    lines = to_lines(record)
    assert len(lines[0]) <= MAX_OBSERVATION
    assert max(map(len, lines)) <= MAX_LINE
    assert read_back(lines) == record


@pytest.mark.exhaustive
async def test_a_hundred_thousand_databases() -> None:
    """A list within the cap of a reply, and ten times what the record keeps: cut, told, in whole lines."""
    names = tuple(f"n{number:06d}".encode() for number in range(100_000))

    async def talk(channel: ServerConnection) -> None:
        await raw_list(channel, names)

    record = await asked_of(served(talk), timeouts=USUAL, depth=Depth.DATABASES)
    exposure = exposure_of(record)
    assert exposure.database_count == 100_000
    assert len(exposure.databases) == Limits().databases_kept
    assert any("90000 of 100000 not kept" in gap for gap in exposure.truncated), exposure.truncated
    lines = to_lines(record)
    assert len(lines) == 1 + Limits().databases_kept
    assert len(lines[0]) <= MAX_OBSERVATION
    assert read_back(lines) == record


@pytest.mark.parametrize("size", [3 * 1024**2, 16 * 1024**2])
async def test_a_server_whose_one_name_is_megabytes_long(size: int) -> None:
    """Within the cap of a reply it is cut to what is kept; over it the list proves itself and no more."""

    async def talk(channel: ServerConnection) -> None:
        await raw_list(channel, (b"x" * size,))

    record = await asked_of(served(talk), timeouts=USUAL)
    exposure = exposure_of(record)
    lines = to_lines(record)
    assert sum(map(len, lines)) < MAX_OBSERVATION
    if size < Limits().names_reply_bytes:
        assert len(exposure.databases[0].name) == Limits().name_length
        assert "not asked" in written(exposure.databases[0].notes)
    else:
        assert record.evidence[0].code == "list-truncated"
        assert any("none of it was kept" in gap for gap in exposure.truncated)


TWINS = ("shop", "Shop", "SHOP", "café", "cafe\u0301", "\u212bland", "\u00c5land", "A\u030aland")


async def test_names_that_differ_only_in_case_or_by_combining_marks_are_as_many() -> None:
    """MongoDB itself refuses databases that differ in case alone; what a server says stands all the same."""
    crowd = tuple(StoredCollection(name=name, count=n, size=100) for n, name in enumerate(TWINS, start=1))
    profile = Profile(version=V7_0, data=data_set(StoredDatabase(name="twins", collections=crowd)))
    record = await asked_of(served(Mongod(profile).talk))
    again = read_back(to_lines(record))
    assert again == record
    (found,) = [database for database in exposure_of(again).databases if database.name == "twins"]
    held = {each.name: each.documents for each in found.collections if not each.name.startswith("system.")}
    assert held == {name: n for n, name in enumerate(TWINS, start=1)}

    async def talk(channel: ServerConnection) -> None:
        await raw_list(channel, tuple(name.encode() for name in TWINS))

    listed = read_back(to_lines(await asked_of(served(talk), depth=Depth.VERDICT)))
    assert {database.name for database in exposure_of(listed).databases} == set(TWINS)


async def test_replies_of_48_mb_break_no_cap() -> None:
    """A list of databases is proven by its beginning; one of collections is given up, and that is told."""
    listed = await asked_of(find("list_48mb"), timeouts=USUAL)
    assert listed.verdict is Verdict.OPEN
    assert listed.evidence[0].code == "list-truncated"
    assert listed.timing.bytes_received < 2 * 1024**2
    assert any("none of it was kept" in gap for gap in exposure_of(listed).truncated)
    collections = await asked_of(find("collections_48mb"), timeouts=USUAL)
    exposure = exposure_of(collections)
    assert collections.timing.bytes_received < 8 * 1024**2
    (shop,) = [database for database in exposure.databases if database.name == "shop"]
    assert "too large" in written(shop.notes)
    assert shop.size_bytes
    assert any("a note about what is missing" in gap for gap in exposure.truncated)


async def test_views_time_series_and_capped_collections() -> None:
    kinds = (
        StoredCollection(name="plain", count=5, size=100),
        StoredCollection(name="view", type="view"),
        StoredCollection(name="metrics", type="timeseries", count=9, size=900),
        StoredCollection(name="log", count=3, size=90, capped=True),
    )
    profile = Profile(data=data_set(StoredDatabase(name="k", collections=kinds)))
    record = await asked_of(served(Mongod(profile).talk))
    (found,) = [database for database in exposure_of(record).databases if database.name == "k"]
    told = {each.name: each for each in found.collections}
    assert (told["plain"].type, told["plain"].documents) == ("collection", 5)
    assert (told["view"].type, told["view"].documents, told["view"].last_write) == ("view", None, None)
    assert (told["metrics"].type, told["metrics"].documents) == ("timeseries", None)
    assert "a time series" in written(told["metrics"].notes)
    assert told["log"].capped


async def test_the_parts_of_a_sharded_collection_are_summed() -> None:
    def two_shards(request: ClientMessage, document: Document) -> Document:
        if request.command != "aggregate" or "$collStats" not in str(request.document):
            return document
        stats = {"size": 4_000, "storageSize": 512}
        part: Document = {"ns": "shop.carts", "count": 155, "storageStats": stats}
        parts = [{**part, "shard": "a"}, {**part, "shard": "b", "count": 45}]
        return {"cursor": {"id": Int64(0), "ns": "shop.carts", "firstBatch": parts}, "ok": 1.0}

    record = await asked_of(served(Changed(base_profile(), two_shards).talk))
    (shop,) = [database for database in exposure_of(record).databases if database.name == "shop"]
    assert {each.documents for each in shop.collections if not each.name.startswith("system.")} == {200}
    assert {each.size_bytes for each in shop.collections if not each.name.startswith("system.")} == {8_000}


async def test_sizes_that_would_be_costly_are_not_asked_of_many_databases() -> None:
    """Beyond 200 databases no list with sizes is asked for: only names, and statistics one by one."""
    many = [StoredDatabase(name=f"tenant_{number:03d}") for number in range(250)]
    async with LabServer(served(Mongod(Profile(data=data_set(*many))).talk), "127.97.2.1", 0) as running:
        record = (await ask((running.host, running.port), depth=Depth.DATABASES)).record
        lists = [m.document for m in running.record.messages if m.command == "listDatabases"]
    assert lists
    assert all(document.get("nameOnly") for document in lists)
    assert all(database.documents is not None for database in exposure_of(record).databases)
    assert "truncated" not in msgspec.json.decode(to_lines(record)[0])["exposure"]
