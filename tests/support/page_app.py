"""Pages of the service without its processes: some of their rooms over a snapshot that is made up, for a
visitor with a role. Who is let in at all is not held here, but by the tests of the guard."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from results.ledger.overlay import Deadlines
from scanner.clock import SystemClock
from scanner.service.orders import Answer
from scanner.service.view.coverage import CoverageReader
from scanner.service.view.reader import Reader, Snapshot
from scanner.service.view.runs import RunList
from scanner.service.view.sinks import SinkReader
from scanner.service.web import assets
from scanner.service.web.context import CONTEXT, COVERAGE, READER, RUNS, SERVICE, SINKS, Context
from scanner.service.web.errors import errors
from scanner.service.web.visitor import ROLE_ATTRIBUTE, VISITOR, Role, Visitor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    from results.ledger.tracked import TrackedExposure
    from scanner.service.jobs import Job, ServiceStatus
    from scanner.service.web.visitor import Handler
    from scanner.setup.config_file import ConfigFile
    from targets.scope import Scope

AT = "2026-03-08T12:00:00.000Z"


class StandingReader(Reader):
    """Gives one snapshot for as long as it lasts."""

    def __init__(self, snapshot: Snapshot, output: Path) -> None:
        super().__init__(output, Deadlines())
        self.snapshot = snapshot

    async def current(self) -> Snapshot:
        """The one."""
        return self.snapshot


class NoService:
    """A page that runs without the service."""

    def status(self) -> ServiceStatus | None:
        """None."""
        return None

    def jobs(self, *, limit: int = 100, before: str = "") -> list[Job]:
        """None."""
        return []

    async def order(self, do: str, name: str, by: str) -> Answer:
        """A problem."""
        return Answer(number=0, problem="the service does not run")


def snapshot_of(exposures: Sequence[TrackedExposure], at: str = AT) -> Snapshot:
    """A snapshot of these, without runs and actions."""
    return Snapshot(at, at, list(exposures), [], [])


def page_app(
    rooms: Sequence[ModuleType],
    reader: Reader,
    output: Path,
    role: Role | None = Role.OPERATE,
    *,
    config: ConfigFile | None = None,
    scope: Scope | None = None,
) -> web.Application:
    """The pages of these rooms, the assets and the error pages, as a visitor with `role` meets them; None:
    nobody is signed in."""

    @web.middleware
    async def let_in(request: web.Request, handler: Handler) -> web.StreamResponse:
        needed = getattr(handler, ROLE_ATTRIBUTE, Role.OPERATE)
        if role is not None:
            request[VISITOR] = Visitor(name="web on-call", role=role, by="session", csrf="the-token")
            if needed is not None and role < needed and request.match_info.http_exception is None:
                raise web.HTTPForbidden
        return await handler(request)

    app = web.Application(middlewares=[errors, let_in])
    app[CONTEXT] = Context(output=output, config=config, scope=scope, clock=SystemClock())
    app[READER], app[SERVICE] = reader, NoService()
    app[COVERAGE], app[RUNS], app[SINKS] = CoverageReader(output), RunList(output), SinkReader(output)
    for room in (assets, *rooms):
        app.add_routes(room.routes())
    app.on_cleanup.append(_closed)
    return app


async def _closed(app: web.Application) -> None:
    await app[READER].close()


def client(app: web.Application) -> TestClient[web.Request, web.Application]:
    """A client over a real connection; open it with `async with`."""
    return TestClient(TestServer(app))


class Elements(HTMLParser):
    """The elements of a page, and what would do something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.bad: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.bad.append(f"{tag} {name}={value}")
            if name in ("href", "src", "action") and not (value or "").startswith(("/", "?", "#")):
                self.bad.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.append(value or "")


def plain(text: str) -> str:
    """What a reader sees."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())
