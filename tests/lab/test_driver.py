"""The honest servers, asked by MongoDB's official driver: what it reads must be what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import NotPrimaryError, OperationFailure, ServerSelectionTimeoutError
from pymongo.read_preferences import ReadPreference

from results.verdict import Verdict
from scanner.lab import honest
from tests.support.servers import serve

if TYPE_CHECKING:
    from scanner.lab.personality import Personality
    from scanner.lab.server import Server

# The driver of today refuses servers before 4.4 (wire version 9).
REFUSED = ("2.4.", "2.6.", "3.2.", "3.6.", "4.0.")
MODERN = [
    each
    for each in honest.personalities()
    if (
        not each.truth.version
        or int(each.truth.version.split(".")[0]) >= 5
        or each.truth.version.startswith("4.4")
    )
    and each.name != "slow"
]


def driver(server: Server, **more: Any) -> AsyncMongoClient[dict[str, Any]]:
    """A client that asks this one server and waits for nobody."""
    if server.personality.security is not None and server.personality.name != "tls_prefer":
        more |= {"tls": True, "tlsInsecure": True}
    return AsyncMongoClient(
        server.host, server.port, directConnection=True, serverSelectionTimeoutMS=1_500, **more
    )


@pytest.mark.parametrize("personality", MODERN, ids=lambda each: each.name)
async def test_the_driver_sees_the_same(personality: Personality) -> None:
    more: dict[str, Any] = {}
    if personality.name == "api_version":
        from pymongo.server_api import ServerApi

        more["server_api"] = ServerApi("1")
    async with serve(personality) as server, driver(server, **more) as client:
        verdict = Verdict.OPEN
        names: list[str] = []
        try:
            names = await client.list_database_names()
        except OperationFailure as error:
            verdict = Verdict.AUTH_REQUIRED if error.code == 13 else Verdict.UNKNOWN
        except NotPrimaryError:
            verdict = Verdict.OPEN_NO_DATA
        except ServerSelectionTimeoutError:
            verdict = Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED
        if verdict is Verdict.OPEN and not names:
            verdict = Verdict.AUTH_REQUIRED  # the localhost exception shows nothing
    if personality.verdict is Verdict.OPEN_NO_DATA:
        assert verdict in (Verdict.OPEN_NO_DATA, Verdict.UNKNOWN)
        return
    assert verdict is personality.verdict
    if verdict is Verdict.OPEN:
        assert tuple(names) == personality.truth.databases


@pytest.mark.parametrize("name", ["open_4_4", "open_8_0", "open_9_0", "primary", "secondary", "mongos"])
async def test_the_driver_reads_names_sizes_and_counts(name: str) -> None:
    async with serve(name) as server, driver(server) as client:
        truth = server.personality.truth
        shop = client.get_database("shop", read_preference=ReadPreference.SECONDARY_PREFERRED)
        sizes = [each async for each in await client.list_databases()]
        collections = await shop.list_collection_names()
        statistics = await shop.command("dbStats")
        counts = {each: await shop[each].estimated_document_count() for each in collections}
        stages: list[dict[str, Any]] = [{"$collStats": {"count": {}, "storageStats": {}}}]
        entries = [each async for each in await shop["customers"].aggregate(stages)]
        newest = await shop["customers"].find_one({}, {"_id": 1}, sort=[("_id", -1)])
        info = await client.server_info()
    assert sum(each["sizeOnDisk"] for each in sizes) == truth.total_size
    assert statistics["objects"] == sum(counts.values()) == truth.documents
    assert entries[0]["count"] == counts["customers"] == 12_000
    assert newest is not None
    assert newest["_id"].generation_time == truth.newest
    assert info["version"] == truth.version


async def test_the_driver_pages_through_many_collections() -> None:
    async with serve("crowded") as server, driver(server) as client:
        cursor = await client["warehouse"].list_collections(cursor={"batchSize": 100})
        names = [each["name"] async for each in cursor]
    assert len(names) == 450
    assert [each.command for each in server.record.messages].count("getMore") >= 1
