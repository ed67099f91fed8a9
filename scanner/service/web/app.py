"""The application: which file answers which address."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from scanner.service.admission.access import Access
from scanner.service.view.coverage import CoverageReader
from scanner.service.view.live import Live
from scanner.service.view.runs import RunList
from scanner.service.view.sinks import SinkReader
from scanner.service.web.api import actions as api_actions
from scanner.service.web.api import coverage as api_coverage
from scanner.service.web.api import exposures as api_exposures
from scanner.service.web.api import health, metrics, openapi
from scanner.service.web.api import owners as api_owners
from scanner.service.web.api import runs as api_runs
from scanner.service.web.api import scope as api_scope
from scanner.service.web.api import service as api_service
from scanner.service.web.assets import routes as asset_routes
from scanner.service.web.audit import AUDIT, Audit, AuditedService
from scanner.service.web.broadcast import BROADCAST, Broadcast
from scanner.service.web.context import CONTEXT, COVERAGE, LIVE, READER, RUNS, SERVICE, SINKS
from scanner.service.web.errors import errors
from scanner.service.web.guard import MAX_BODY, guard, install
from scanner.service.web.headers import add_headers
from scanner.service.web.loop_lag import watch
from scanner.service.web.pages import (
    compare,
    coverage,
    exposure,
    exposures,
    login,
    now,
    owners,
    runs,
    scope,
    settings,
    sinks,
    trends,
)
from scanner.service.web.problems import problems
from scanner.service.web.signing_in import SIGNING_IN, SigningIn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scanner.service.view.reader import Reader
    from scanner.service.web.context import Context, Service

_PAGES = (now, exposures, exposure, owners, coverage, scope, runs, compare, trends, sinks, settings, login)
_RESOURCES = (
    api_exposures,
    api_owners,
    api_coverage,
    api_scope,
    api_runs,
    api_service,
    api_actions,
    metrics,
    health,
    openapi,
)


def application(context: Context, reader: Reader, service: Service) -> web.Application:
    """The page and the API over one output directory."""
    app = web.Application(middlewares=[errors, problems, guard], client_max_size=MAX_BODY)
    audit, access = Audit(reader, context.clock), Access(context.output, context.clock)
    install(app, access)
    app[CONTEXT], app[READER] = context, reader
    app[AUDIT], app[SERVICE] = audit, AuditedService(service, audit)
    app[SIGNING_IN] = SigningIn(access, context.clock)
    app[LIVE] = Live(context.output, context.clock)
    app[BROADCAST] = Broadcast(app[LIVE], app[SERVICE], context.clock)
    app[COVERAGE], app[RUNS] = CoverageReader(context.output), RunList(context.output)
    app[SINKS] = SinkReader(context.output)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(app[BROADCAST].close)
    app.on_cleanup.append(_stop_looking)
    app.cleanup_ctx.append(watch)
    app.add_routes(asset_routes())
    for room in (*_PAGES, *_RESOURCES):
        app.add_routes(room.routes())
    app.cleanup_ctx.append(_reading)
    return app


async def _reading(app: web.Application) -> AsyncIterator[None]:
    """Read everything before somebody asks, so that the first page does not wait for all of it."""
    first = asyncio.ensure_future(app[READER].current())
    first.add_done_callback(lambda done: done.cancelled() or done.exception())  # who asks is told
    yield
    first.cancel()
    await app[READER].close()


async def _stop_looking(app: web.Application) -> None:
    await app[LIVE].close()
