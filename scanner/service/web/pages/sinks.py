"""The page `sinks`: how each receiver of events stands."""

from __future__ import annotations

from aiohttp import web

from scanner.service.view.settings import without_path
from scanner.service.web.context import CONTEXT, READER, SERVICE, SINKS
from scanner.service.web.render import render
from scanner.service.web.visitor import Role, needs


@needs(Role.VIEW)
async def page(request: web.Request) -> web.StreamResponse:
    """The page."""
    context = request.app[CONTEXT]
    snapshot = await request.app[READER].current()
    settings = context.config.settings if context.config else None
    sinks = await request.app[SINKS].current(settings.sink) if settings and settings.sink else []
    status = request.app[SERVICE].status()
    return render(
        request,
        "sinks.html",
        at=snapshot.at,
        sinks=sinks,
        without_path=without_path,
        with_service=status is not None,
        has_config=settings is not None,
    )


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/sinks", page)]
