"""`/healthz` and `/readyz`: whether the page's process lives, and whether it can do its work.

Both answer anybody, so they say which check failed and nothing of what is there.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

from aiohttp import web
from msgspec import Struct

from results.files import ResultsError
from results.ledger.database import NoLedgerError
from results.ledger.store import Ledger
from results.metrics import seconds
from scanner.service.view.reader import QUESTION_SECONDS
from scanner.service.web.api.endpoint import Description, described
from scanner.service.web.context import CONTEXT, READER, SERVICE
from scanner.service.web.visitor import open_to_all

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.service.web.context import Service

BEAT_WITHIN: Final = 60.0  # seconds in which the service says at least once that it runs
_KEPT: Final = 1.0  # seconds for which an answer holds, so that asking often costs nothing


def service_check(service: Service, now: float) -> str:
    """ "ok", or why the service behind the page is not believed to run. `now` is wall time in seconds."""
    found = service.status()
    if found is None:
        return "not running"
    beat = seconds(found.beat_at)
    if beat is None or now - beat > BEAT_WITHIN:
        return f"silent for more than {BEAT_WITHIN:.0f} s"
    return "ok"


class Ready:
    """The last answer, and until when it holds."""

    def __init__(self) -> None:
        self._checks: dict[str, str] = {}
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def checks(self, app: web.Application) -> dict[str, str]:
        """What was looked at, and "ok" or what is wrong with it."""
        async with self._lock:
            clock = app[CONTEXT].clock
            if not self._checks or clock.monotonic() >= self._until:
                self._checks = {
                    "output": await _output_check(app),
                    "service": service_check(app[SERVICE], clock.wall()),
                }
                self._until = clock.monotonic() + _KEPT
            return self._checks


async def _output_check(app: web.Application) -> str:
    reader = app[READER]
    try:
        await reader.current()
        await asyncio.to_thread(_read_runs, reader.output)
    except (ResultsError, OSError):
        return "cannot be read"
    return "ok"


def _read_runs(output: Path) -> None:
    """Read a table of the ledger anew: the reader keeps what it has, and a file that broke since is another
    one for every page that opens it. Raises `ResultsError`."""
    with contextlib.suppress(NoLedgerError), Ledger.open(output) as ledger, ledger.within(QUESTION_SECONDS):
        ledger.newest_sweep()


class Health(Struct, frozen=True, kw_only=True):
    """`status` is "ok"."""

    status: str


class Readiness(Struct, frozen=True, kw_only=True):
    """`status` is "ok" or "unavailable"; `checks` has "ok" for each thing looked at, or what is wrong
    with it."""

    status: str
    checks: dict[str, str]


@open_to_all
async def healthz(request: web.Request) -> web.Response:
    """200 while the page's event loop turns."""
    del request
    return web.json_response({"status": "ok"})


def routes() -> list[web.RouteDef]:
    """Its routes."""
    ready = Ready()

    @open_to_all
    async def readyz(request: web.Request) -> web.Response:
        checks = await ready.checks(request.app)
        good = all(each == "ok" for each in checks.values())
        answer = {"status": "ok" if good else "unavailable", "checks": checks}
        return web.json_response(answer, status=200 if good else 503)

    alive = Description(summary="Whether the page's process lives", returns=Health)
    able = Description(summary="Whether it can do its work", returns=Readiness, alike=(503,))
    return [
        web.get("/healthz", described(healthz, alive)),
        web.get("/readyz", described(readyz, able)),
    ]
