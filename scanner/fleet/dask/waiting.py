"""What waits at a scheduler for the first worker of a site, so that what scales workers has a reason to.

It is the worker's description that is waited for, which is asked of it in no time.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scanner.fleet.dask.task import describe

if TYPE_CHECKING:
    from distributed import Client, Future

    from scanner.fleet.dask.known import KnownWorkers

MET = 10.0  # seconds for which a site's first worker may be without work before it counts as idle


@dataclass(slots=True)
class _Wait:
    future: Future
    met_at: float | None = None  # since when the site has had a worker; on the monotonic clock


class Waiting:
    """At most one task a site."""

    def __init__(self) -> None:
        self._waits: dict[str, _Wait] = {}

    def begin(self, client: Client, site: str) -> None:
        """A site has nobody."""
        wait = self._waits.get(site)
        if wait is None or wait.future.status not in ("pending", "finished"):
            key = f"describe-{uuid.uuid4().hex}"
            future = client.submit(describe, key=key, resources={f"site:{site}": 1}, pure=False)
            self._waits[site] = _Wait(future)

    def look(self, known: KnownWorkers) -> None:
        """Let go of what waited for a worker that is there, a while after: it may not look idle to what
        scales workers before the coordinator has given it anything."""
        now = time.monotonic()
        for site, wait in list(self._waits.items()):
            if not known.fit(site) and not known.unfit(site):
                wait.met_at = None
            elif wait.met_at is None:
                wait.met_at = now
            elif now - wait.met_at > MET:
                self.end(site)

    def end(self, site: str) -> None:
        """A shard was given to the site, which shows by itself."""
        wait = self._waits.pop(site, None)
        if wait is not None:
            wait.future.release()

    def clear(self) -> None:
        """The scheduler is lost, and all that waited there."""
        self._waits.clear()
