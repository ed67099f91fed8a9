"""Simulated servers in a thread of their own, so that a main thread can run whole sweeps beside them."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

from scanner.lab.server import LabServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from scanner.lab.personality import Personality


class LabThread:
    """Use as a context manager: `places` maps (ip, port) to a personality; port 0 is not allowed."""

    def __init__(self, places: Mapping[tuple[str, int], Personality]) -> None:
        self.places = places
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="lab")
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self.servers: list[LabServer] = []

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._start())
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            self._failure = error
        self._ready.set()
        if self._failure is None:
            self._loop.run_forever()
        self._loop.run_until_complete(self._stop())
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _start(self) -> None:
        for (host, port), personality in self.places.items():
            self.servers.append(await LabServer(personality, host, port).start())

    async def _stop(self) -> None:
        for server in self.servers:
            await server.stop()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
