"""Templates into pages. All that is put in is made visible and escaped: names in it came from servers."""

from __future__ import annotations

from functools import cache
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from scanner.service.web.assets import address_of
from scanner.service.web.visitor import VISITOR, Role
from scanner.service.web.words import FILTERS, shown

NAVIGATION = (
    ("/", "Now"),
    ("/exposures", "Exposures"),
    ("/owners", "Owners"),
    ("/trends", "Trends"),
    ("/coverage", "Coverage"),
    ("/scope", "Scope"),
    ("/runs", "Runs"),
    ("/sinks", "Sinks"),
    ("/settings", "Settings"),
)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    environment.globals.update(Role=Role, asset=address_of, is_here=_is_here)
    return environment


def _is_here(path: str, address: str) -> bool:
    """Whether a page lies at an address of the navigation, or below it."""
    return path == address or (address != "/" and path.startswith(f"{address}/"))


def render(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """A page. A template gets `visitor` (or None), `navigation`, `path` and the values given. `partial`: htmx
    made the request; the whole page is right for it too, where it selects its part (`hx-select`)."""
    text = (
        _environment()
        .get_template(template)
        .render(
            visitor=request.get(VISITOR),
            navigation=NAVIGATION,
            path=request.path,
            partial=request.headers.get("HX-Request") == "true",
            **values,
        )
    )
    return web.Response(text=text, content_type="text/html", status=status)
