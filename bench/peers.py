"""What people would write instead: a Motor loop, a PyMongo-async loop, uvloop with the same dialogue.

    python -m bench.peers motor|pymongo|pymongo-databases|pymongo-collections|uvloop FIRST COUNT PORT AT_ONCE

Prints {"found": …} as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from typing import TYPE_CHECKING, Any, cast

from bson import ObjectId

from bench.dialogue import REQUESTS, complete
from bench.limit import addresses
from scanner.mongo.facts import Limits

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_OPTIONS: dict[str, Any] = {
    "directConnection": True,
    "serverSelectionTimeoutMS": 10_000,  # the loop itself is late when it has much to do
    "connectTimeoutMS": 10_000,
    "maxPoolSize": 1,
    "serverMonitoringMode": "poll",
}
_SIZES = ("size", "count", "storageSize", "totalIndexSize", "capped", "avgObjSize")
_OPERATIONS = ("latencyStats.reads.ops", "latencyStats.writes.ops")
_STATISTICS: list[dict[str, Any]] = [
    {"$collStats": {"count": {}, "storageStats": {}, "latencyStats": {}}},
    {
        "$project": {"ns": 1, "count": 1}
        | dict.fromkeys((*(f"storageStats.{name}" for name in _SIZES), *_OPERATIONS), 1)
    },
]
_LIMITS = Limits()
_IDS = {"_id": {"$gte": ObjectId(b"\x00" * 12), "$lt": ObjectId(b"\xff" * 12)}}


class _Talk(asyncio.Protocol):
    """One connection: write the requests, wait for the last reply, reset."""

    def __init__(self, done: asyncio.Future[bool]) -> None:
        self.done, self.data = done, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self.transport.write(REQUESTS)

    def data_received(self, data: bytes) -> None:
        self.data += data
        if complete(self.data) and not self.done.done():
            self.done.set_result(True)
            self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(False)


async def by_uvloop(address: str, port: int) -> bool:
    """`create_connection`, a protocol and a future for every host."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()
    try:
        await asyncio.wait_for(loop.create_connection(lambda: _Talk(done), address, port), 3.5)
        return await asyncio.wait_for(done, 3.5)
    except (OSError, TimeoutError):
        return False


async def by_motor(address: str, port: int) -> bool:
    """A Motor client for every host."""
    from motor.motor_asyncio import AsyncIOMotorClient

    client: Any = AsyncIOMotorClient(address, port, **_OPTIONS)
    try:
        return bool((await client.admin.command("listDatabases", nameOnly=True))["databases"])
    except Exception:  # noqa: BLE001 — any failure is a host not found
        return False
    finally:
        client.close()


async def by_pymongo(address: str, port: int) -> bool:
    """A PyMongo asynchronous client for every host."""
    from pymongo import AsyncMongoClient

    client: Any = AsyncMongoClient(address, port, **_OPTIONS)
    try:
        return bool((await client.admin.command("listDatabases", nameOnly=True))["databases"])
    except Exception:  # noqa: BLE001 — any failure is a host not found
        return False
    finally:
        await client.close()


async def by_pymongo_databases(address: str, port: int) -> bool:
    """What a sweep at depth `databases` asks: names and sizes of databases, and the counts of each."""
    return await _read(address, port, collections=False)


async def by_pymongo_collections(address: str, port: int) -> bool:
    """What a sweep at the default depth asks: the collections of each database with their UUIDs, of each its
    count, sizes and operations, of as many as a sweep asks the use of indexes, the newest and the oldest id,
    and the server's counters."""
    return await _read(address, port, collections=True)


async def _read(address: str, port: int, *, collections: bool) -> bool:
    from pymongo import AsyncMongoClient

    client: Any = AsyncMongoClient(address, port, **_OPTIONS)
    try:
        listed = (await client.admin.command("listDatabases"))["databases"]
        found: list[Any] = []
        for database in (client[entry["name"]] for entry in listed):
            await database.command("dbStats", scale=1)
            if collections:
                described = await (await database.list_collections()).to_list()
                found += [database[each["name"]] for each in described]
        for collection in found:
            await (await collection.aggregate(_STATISTICS)).to_list()
        if collections:
            await client.admin.command("serverStatus")
        for collection in found[: _LIMITS.indexes_asked]:
            await (await collection.aggregate([{"$indexStats": {}}])).to_list()
        for collection in found[: _LIMITS.newest_asked]:
            for way in (-1, 1):
                await collection.find(_IDS, {"_id": 1}).sort("_id", way).limit(1).to_list()
        return bool(listed)
    except Exception:  # noqa: BLE001 — any failure is a host not found
        return False
    finally:
        await client.close()


async def sweep(
    ask: Callable[[str, int], Awaitable[bool]], first: int, count: int, port: int, at_once: int
) -> int:
    """`at_once` workers that share one iterator; returns how many answered."""
    todo = addresses(first, count)

    async def worker() -> int:
        found = 0
        for address in todo:
            found += await ask(address, port)
        return found

    return sum(await asyncio.gather(*(worker() for _ in range(at_once))))


def main() -> None:
    """Run one peer and print its count."""
    warnings.simplefilter("ignore")
    kind, first, count, port, at_once = sys.argv[1], *map(int, sys.argv[2:])
    ask = {
        "motor": by_motor,
        "pymongo": by_pymongo,
        "pymongo-databases": by_pymongo_databases,
        "pymongo-collections": by_pymongo_collections,
        "uvloop": by_uvloop,
    }[kind]
    work = sweep(ask, first, count, port, at_once)
    if kind == "uvloop":
        import uvloop

        found = uvloop.run(work)
    else:
        found = asyncio.run(work)
    print(json.dumps({"found": found}))


if __name__ == "__main__":
    main()
