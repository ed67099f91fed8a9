"""The honest servers, asked by MongoDB's official driver: what it reads must be what is there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import MongoClient
from pymongo.errors import NotPrimaryError, OperationFailure, ServerSelectionTimeoutError
from pymongo.read_preferences import ReadPreference
from pymongo.server_api import ServerApi

from results.verdict import Verdict
from scanner.lab import honest
from tests.support.servers import serve

if TYPE_CHECKING:
    from scanner.lab.personality import Personality
    from scanner.lab.server import LabServer

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


def driver(server: LabServer, **more: Any) -> MongoClient[dict[str, Any]]:
    """A client that asks this one server and waits for nobody.

    The threaded one: the asyncio one may leave a socket open when it is closed while its monitor connects.
    """
    if server.personality.security is not None and server.personality.name != "tls_prefer":
        more |= {"tls": True, "tlsInsecure": True}
    more |= {"directConnection": True, "serverSelectionTimeoutMS": 1_500, "serverMonitoringMode": "poll"}
    return MongoClient(server.host, server.port, **more)


def judged(server: LabServer) -> tuple[Verdict, tuple[str, ...]]:
    """What the driver says of a server: a verdict and the names of its databases."""
    more: dict[str, Any] = {"server_api": ServerApi("1")} if server.personality.name == "api_version" else {}
    names: list[str] = []
    with driver(server, **more) as client:
        try:
            names = client.list_database_names()
        except OperationFailure as error:
            return {13: Verdict.AUTH_REQUIRED}.get(error.code or 0, Verdict.OPEN_NO_DATA), ()
        except NotPrimaryError:
            return Verdict.OPEN_NO_DATA, ()
        except ServerSelectionTimeoutError:
            return Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED, ()
    # The localhost exception shows an empty list; an arbiter of 4.0 shows its own database.
    return (Verdict.OPEN if names else Verdict.AUTH_REQUIRED), tuple(names)


@pytest.mark.parametrize("personality", MODERN, ids=lambda each: each.name)
async def test_the_driver_sees_the_same(personality: Personality) -> None:
    async with serve(personality) as server:
        verdict, names = await asyncio.to_thread(judged, server)
    assert verdict is personality.verdict
    if verdict is Verdict.OPEN:
        assert names == personality.truth.databases


@pytest.mark.parametrize("name", ["open_4_4", "open_8_0", "open_9_0", "primary", "secondary", "mongos"])
async def test_the_driver_reads_names_sizes_and_counts(name: str) -> None:
    def read(server: LabServer) -> None:
        truth = server.personality.truth
        with driver(server) as client:
            shop = client.get_database("shop", read_preference=ReadPreference.SECONDARY_PREFERRED)
            sizes = list(client.list_databases())
            statistics = shop.command("dbStats")
            counts = {each: shop[each].estimated_document_count() for each in shop.list_collection_names()}
            stages: list[dict[str, Any]] = [{"$collStats": {"count": {}, "storageStats": {}}}]
            entries = list(shop["customers"].aggregate(stages))
            newest = shop["customers"].find_one({}, {"_id": 1}, sort=[("_id", -1)])
            info = client.server_info()
        own = ("admin", "config", "local")
        assert sum(each["sizeOnDisk"] for each in sizes if each["name"] not in own) == truth.total_size
        assert statistics["objects"] == sum(counts.values()) == truth.documents
        assert entries[0]["count"] == counts["customers"] == 12_000
        assert newest is not None
        assert newest["_id"].generation_time == truth.newest
        assert info["version"] == truth.version

    async with serve(name) as server:
        await asyncio.to_thread(read, server)


async def test_the_driver_pages_through_many_collections() -> None:
    def names(server: LabServer) -> list[str]:
        with driver(server) as client:
            return [each["name"] for each in client["warehouse"].list_collections(cursor={"batchSize": 100})]

    async with serve("crowded") as server:
        assert len(await asyncio.to_thread(names, server)) == 450
    assert "getMore" in [each.command for each in server.record.messages]
