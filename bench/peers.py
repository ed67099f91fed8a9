"""What people would write instead: a Motor loop, a PyMongo-async loop, uvloop with the same dialogue.

    python -m bench.peers motor|pymongo|uvloop FIRST COUNT PORT AT_ONCE

Prints {"found": …} as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from typing import TYPE_CHECKING, Any, cast

from bench.dialogue import REQUESTS, complete
from bench.limit import addresses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_OPTIONS: dict[str, Any] = {
    "directConnection": True,
    "serverSelectionTimeoutMS": 3500,
    "connectTimeoutMS": 3500,
    "maxPoolSize": 1,
}


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
    ask = {"motor": by_motor, "pymongo": by_pymongo, "uvloop": by_uvloop}[kind]
    work = sweep(ask, first, count, port, at_once)
    if kind == "uvloop":
        import uvloop

        found = uvloop.run(work)
    else:
        found = asyncio.run(work)
    print(json.dumps({"found": found}))


if __name__ == "__main__":
    main()
