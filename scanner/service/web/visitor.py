"""Who asks: a person or a program with a role, and what a role allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from aiohttp import web
from msgspec import Struct

from scanner.service.admission.roles import Role as Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

ROLE_ATTRIBUTE: Final = "needed_role"


class Visitor(Struct, frozen=True, kw_only=True):
    """Somebody who was let in. `name` is written down beside what they do; that of a token is `token:NAME`.
    `csrf` is what every form carries, "" where a token was shown: no browser adds that by itself."""

    name: str
    role: Role
    by: Literal["session", "token", "proxy"]
    csrf: str = ""


VISITOR: Final = web.RequestKey("visitor", Visitor)
"""Set by the guard before a handler runs, on every route but those open to all."""


def needs(role: Role) -> Callable[[Handler], Handler]:
    """Mark a handler with the role that it needs. The guard refuses everybody else, and refuses a handler
    without a mark to everybody."""

    def mark(handler: Handler) -> Handler:
        setattr(handler, ROLE_ATTRIBUTE, role)
        return handler

    return mark


def open_to_all(handler: Handler) -> Handler:
    """Mark a handler that needs nobody: the login, `healthz`, style sheets."""
    setattr(handler, ROLE_ATTRIBUTE, None)
    return handler


def visitor_of(request: web.Request) -> Visitor:
    """Who asks, on a route that needs a role."""
    return request[VISITOR]
