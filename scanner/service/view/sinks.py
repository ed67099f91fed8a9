"""How each sink of the configuration stands, read every few seconds at most, since it counts what waits."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from results.sinks.status import status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from results.sinks.status import SinkStatus
    from scanner.setup.sink_settings import AnySink

SECONDS: Final = 5.0


class SinkReader:
    """Reads them in a thread, once for everybody who asks at the same time."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._lock = asyncio.Lock()
        self._known: tuple[tuple[str, ...], float, list[SinkStatus]] | None = None

    async def current(self, sinks: Sequence[AnySink]) -> list[SinkStatus]:
        """The sinks as they stood `SECONDS` ago at most, those that stand still first. Raises
        `StorageError`."""
        names = tuple(sink.called for sink in sinks)
        async with self._lock:
            if self._known is None or self._known[0] != names or time.monotonic() - self._known[1] > SECONDS:
                found = await asyncio.to_thread(self._read, sinks)
                self._known = names, time.monotonic(), found
            return self._known[2]

    def _read(self, sinks: Sequence[AnySink]) -> list[SinkStatus]:
        by_name = {sink.called: sink for sink in sinks}
        found = [
            each._replace(
                kind=each.kind or by_name[each.name].kind, every=by_name[each.name].every or each.every
            )
            for each in status(self._output, list(by_name))
        ]
        return sorted(found, key=lambda each: (not _stands_still(each), not each.last_failure, -each.backlog))


def _stands_still(sink: SinkStatus) -> bool:
    return bool(sink.stopped or sink.problem)
