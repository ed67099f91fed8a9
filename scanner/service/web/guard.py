"""What every request passes before its handler: whether it is for us, comes from where it says, is small
enough, and asks for what its visitor may have. A handler without a mark is for nobody.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aiohttp import web

from results.text import visible
from scanner.service.admission.access import Access, AccessError
from scanner.service.web.audit import AUDIT
from scanner.service.web.connections import CONNECTIONS
from scanner.service.web.context import CONTEXT
from scanner.service.web.origin import (
    client_of,
    comes_from_elsewhere,
    here,
    host_problem,
    is_encrypted,
    is_followed_from_elsewhere,
    is_from_our_page,
    is_in_clear,
    is_proxy,
    leads_to_us,
)
from scanner.service.web.render import render
from scanner.service.web.visitor import ROLE_ATTRIBUTE, VISITOR, Role, Visitor
from scanner.setup.service_settings import ServiceSettings

if TYPE_CHECKING:
    from scanner.service.web.visitor import Handler

ACCESS: Final = web.AppKey("access", Access)
MAX_BODY: Final = 64 * 1024  # bytes
BODY_PATIENCE: Final = 10.0  # seconds for a body to come
CSRF_FIELD, CSRF_HEADER = "csrf", "X-CSRF-Token"
_READS = ("GET", "HEAD")
_FORM, _JSON = "application/x-www-form-urlencoded", "application/json"
_PROGRAMS = ("/api/", "/metrics", "/events")  # are not sent to the login
_KEY = web.AppKey("key of csrf tokens", bytes)
_log = logging.getLogger(__name__)
_noting: set[asyncio.Task[None]] = set()


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request through to a handler whose role its visitor has."""
    service = settings_of(request)
    if is_in_clear(request, service):
        raise web.HTTPForbidden(text="this address is for the configured proxies; ask one of them")
    if problem := host_problem(request, service):
        raise web.HTTPMisdirectedRequest(text=problem)
    if comes_from_elsewhere(request):
        raise web.HTTPForbidden(text="a page of another site asked for this")
    await _take_in_body(request)
    is_there = request.match_info.http_exception is None
    needed = getattr(request.match_info.handler, ROLE_ATTRIBUTE, Role.OPERATE) if is_there else None
    visitor = await _visitor(request, service, is_needed=needed is not None)
    if visitor is not None:
        request[VISITOR] = visitor
    if needed is not None:
        if visitor is None:
            return _sent_to_login(request)
        if visitor.role < needed:
            await _deny(
                request, visitor.name, f"{request.method} {request.path} needs the role {needed.word}"
            )
    if request.method not in _READS and is_there:
        await _require_own_page(request, visitor, needed)
    connections = request.app.get(CONNECTIONS)
    if connections is None:
        return await handler(request)
    connections.busy(request)
    try:
        return await handler(request)
    finally:
        connections.quiet(request)


def settings_of(request: web.Request) -> ServiceSettings:
    """What `[service]` says now."""
    config = request.app[CONTEXT].config
    return config.settings.service if config is not None else ServiceSettings()


def cookie_name(request: web.Request) -> str:
    """Of the session. A browser sends a host's cookies to all of its ports, so the port is in it."""
    port = here(request)[1]
    return (
        f"__Host-mongosweep-{port}" if is_encrypted(request, settings_of(request)) else f"mongosweep-{port}"
    )


def is_still_in(request: web.Request) -> bool:
    """Whether who began a long answer may still have it: for streams, which ask now and then."""
    visitor, access = request[VISITOR], request.app[ACCESS]
    if visitor.by == "session":
        session = access.session(request.cookies.get(cookie_name(request), ""))
        return session is not None and session.role >= Role.VIEW
    if visitor.by == "token":
        return access.token(_bearer(request) or "") is not None
    return access.user(visitor.name) is not None


async def _take_in_body(request: web.Request) -> None:
    """Read the whole body now, where there is one: it is small and comes soon, or it is not read at all."""
    if request.method in _READS:
        return
    if request.content_length is not None and request.content_length > MAX_BODY:
        raise web.HTTPRequestEntityTooLarge(MAX_BODY, request.content_length)
    if request.can_read_body and request.content_type not in (_FORM, _JSON):
        raise web.HTTPUnsupportedMediaType(text=f"a body is {_JSON} or {_FORM} here")
    if "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType(text="a body is sent as it is here, without Content-Encoding")
    try:
        async with asyncio.timeout(BODY_PATIENCE):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body did not come in time") from None


async def _visitor(request: web.Request, service: ServiceSettings, *, is_needed: bool) -> Visitor | None:
    """Who asks: the token if one is shown, else whom the proxy names, else the session."""
    access = request.app[ACCESS]
    if (secret := _bearer(request)) is not None:
        token = access.token(secret)
        if token is None:
            if not is_needed:
                return None
            await _note_denial(request, "a token", "it is not known here, was revoked, or has expired")
            raise _unauthorised("this token is not known here, was revoked, or has expired")
        _note_use(access, secret)
        return Visitor(name=f"token:{token.name}", role=token.role, by="token")
    if is_proxy(request, service) and (names := request.headers.getall(service.identity_header, ())):
        user = access.user(names[0]) if len(names) == 1 else None
        if user is not None:
            return Visitor(name=user.name, role=user.role, by="proxy", csrf=_csrf_of(request, user.name))
        if is_needed:
            shown = visible(names[0], 80)
            await _deny(
                request, shown, "the proxy names somebody who is no user here; `mongosweep users add`"
            )
    cookie = request.cookies.get(cookie_name(request), "")
    session = access.session(cookie) if cookie else None
    if session is None:
        return None
    _note_use(access, cookie)
    return Visitor(name=session.user, role=session.role, by="session", csrf=session.csrf)


async def _require_own_page(request: web.Request, visitor: Visitor | None, needed: Role | None) -> None:
    """What changes something is sent by a page of ours, with the token that only our pages have; a program
    with a token of its own says who it is by that, and no browser adds it unasked."""
    if visitor is not None and visitor.by == "token":
        return
    if not is_from_our_page(request):
        await _deny(request, visitor.name if visitor else "nobody", "it was sent by no page of this service")
    if needed is None and visitor is None:
        return  # the login
    assert visitor is not None
    sent = request.headers.get(CSRF_HEADER, "")
    if not sent and request.content_type == _FORM:
        sent = str((await request.post()).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), visitor.csrf.encode()):
        await _deny(request, visitor.name, "the form is of another session; load its page again")


def _sent_to_login(request: web.Request) -> web.StreamResponse:
    if request.path.startswith(_PROGRAMS):
        raise _unauthorised("send a token: Authorization: Bearer ...")
    if request.method not in _READS or request.headers.get("HX-Request") == "true":
        raise _unauthorised("sign in first")
    if not leads_to_us(request.rel_url.raw_path_qs):
        raise web.HTTPSeeOther("/login")
    if is_followed_from_elsewhere(request):
        # The strict cookie stays away from a followed link, and comes along when our own page asks again.
        return render(request, "again.html", address=request.rel_url.raw_path_qs)
    raise web.HTTPSeeOther("/login?next=" + quote(request.rel_url.raw_path_qs, safe=""))


def _unauthorised(text: str) -> web.HTTPUnauthorized:
    return web.HTTPUnauthorized(text=text, headers={"WWW-Authenticate": "Bearer"})


async def _deny(request: web.Request, who: str, why: str) -> None:
    """Refuse, and write it down."""
    await _note_denial(request, who, why)
    raise web.HTTPForbidden(text=why)


async def _note_denial(request: web.Request, who: str, why: str) -> None:
    client = client_of(request, settings_of(request))
    await request.app[AUDIT].write_limited("denied", who, f"{why} (from {client})")


def _bearer(request: web.Request) -> str | None:
    """The token that is shown; None where there is none."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def _csrf_of(request: web.Request, name: str) -> str:
    """For somebody without a session of ours: bound to the name and to this installation."""
    return hmac.new(request.app[_KEY], f"csrf {name}".encode(), hashlib.sha256).hexdigest()


def _note_use(access: Access, secret: str) -> None:
    """At most once a minute for each, beside the answer."""
    if access.must_note(secret):
        task = asyncio.create_task(_noted(access, secret))
        _noting.add(task)
        task.add_done_callback(_noting.discard)


async def _noted(access: Access, secret: str) -> None:
    try:
        await asyncio.to_thread(access.note_use, secret)
    except AccessError as error:
        _log.warning("the use of a session or a token was not written down: %s", error)


def install(app: web.Application, access: Access) -> None:
    """Give an application what the guard needs."""
    app[ACCESS], app[_KEY] = access, access.key()
