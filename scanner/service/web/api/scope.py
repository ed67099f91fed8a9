"""The resource `scope`: which addresses may be asked, whose they are, until when, and what is missing."""

from __future__ import annotations

from aiohttp import web

from scanner.service.view.scope import ScopeView, scope_view
from scanner.service.web.api.endpoint import NoQuery, reads, snapshot_of
from scanner.service.web.context import CONTEXT, COVERAGE
from scanner.service.web.problems import ProblemError


@reads("The scope", NoQuery, ScopeView, cached=False, fails=(404,))
async def _view(request: web.Request, _: NoQuery) -> ScopeView:
    context = request.app[CONTEXT]
    if context.scope is None:
        raise ProblemError(404, "no configuration tells the scope; write one with `mongosweep init`")
    snapshot = await snapshot_of(request)
    coverage = await request.app[COVERAGE].current(snapshot.runs, context.scope, snapshot.at)
    schedules = context.config.settings.schedule if context.config is not None else ()
    return scope_view(context.scope, snapshot.open, schedules, coverage, snapshot.at)


def routes() -> list[web.RouteDef]:
    """Its route."""
    return [web.get("/api/v1/scope", _view)]
