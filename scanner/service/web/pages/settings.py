"""The page `settings`: what is in force, and where it was written. Nothing can be changed here."""

from __future__ import annotations

from aiohttp import web

from scanner.service.view.settings import settings_view
from scanner.service.web.context import CONTEXT
from scanner.service.web.render import render
from scanner.service.web.visitor import Role, needs


@needs(Role.VIEW)
async def page(request: web.Request) -> web.StreamResponse:
    """The page."""
    context = request.app[CONTEXT]
    tables = settings_view(context.config)
    return render(
        request,
        "settings.html",
        tables=tables,
        source=context.config.path if context.config else "",
        changed=sum(len(table.changed) for table in tables),
        allow=len(context.config.settings.allow) if context.config else 0,
        deny=len(context.config.settings.deny) if context.config else 0,
    )


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/settings", page)]
