"""The resource `coverage`: which targets no complete sweep asked, since when and why."""

from __future__ import annotations

from aiohttp import web

from scanner.service.view.coverage import CoverageView
from scanner.service.web.api.endpoint import NoQuery, reads, snapshot_of
from scanner.service.web.context import CONTEXT, COVERAGE


@reads("What sweeps covered of the scope", NoQuery, CoverageView, cached=False)
async def _view(request: web.Request, _: NoQuery) -> CoverageView:
    snapshot = await snapshot_of(request)
    scope = request.app[CONTEXT].scope
    return await request.app[COVERAGE].current(snapshot.runs, scope, snapshot.at)


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/api/v1/coverage", _view)]
