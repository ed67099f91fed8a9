"""Signing in and out, and the first user of a new installation."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from results.text import visible
from scanner.service.admission.access import RefusedAccessError
from scanner.service.web.audit import AUDIT
from scanner.service.web.guard import ACCESS, cookie_name, settings_of
from scanner.service.web.origin import client_of, leads_to_us
from scanner.service.web.render import render
from scanner.service.web.signing_in import SIGNING_IN, TooManyTriesError
from scanner.service.web.visitor import VISITOR, Role, needs, open_to_all, visitor_of

if TYPE_CHECKING:
    from typing import Any


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [
        web.get("/login", login),
        web.post("/login", sign_in),
        web.post("/logout", sign_out),
        web.get("/first-use", first_use),
        web.post("/first-use", make_first_user),
    ]


@open_to_all
async def login(request: web.Request) -> web.StreamResponse:
    """The form; where there is no user yet, what to do instead."""
    following = _next(request.query.get("next", ""))
    if request.get(VISITOR) is not None:
        raise web.HTTPSeeOther(following)
    access = request.app[ACCESS]
    if not access.users():
        return _first_use(request) if access.waits_for_first_user() else render(request, "no_user.html")
    return _form(request, following)


@open_to_all
async def sign_in(request: web.Request) -> web.StreamResponse:
    """Begin a session, under a new secret, whatever the browser held before."""
    form = await request.post()
    name, password, following = _field(form, "name"), _field(form, "password"), _next(_field(form, "next"))
    client, audit = client_of(request, settings_of(request)), request.app[AUDIT]
    try:
        user = await request.app[SIGNING_IN].verify(name, password, client)
    except TooManyTriesError as error:
        await audit.write_limited("sign-in-failed", name[:80], f"slowed, from {client}")
        return _slowed(_form(request, following, name, _too_many(error), status=429), error)
    if user is None:
        await audit.write_limited("sign-in-failed", name[:80], f"from {client}")
        return _form(request, following, name, "The name or the password is not right.", status=401)
    return await _begin_session(request, user.name, client, following)


@needs(Role.VIEW)
async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session here, too: a copy of the cookie is worth nothing then."""
    answer = web.HTTPSeeOther("/login")
    name = cookie_name(request)
    if visitor_of(request).by == "session":
        await asyncio.to_thread(request.app[ACCESS].close_session, request.cookies.get(name, ""))
        await request.app[AUDIT].write("signed-out", visitor_of(request).name, "")
    answer.del_cookie(name, secure=name.startswith("__Host-"), httponly=True, samesite="Strict")
    raise answer


@open_to_all
async def first_use(request: web.Request) -> web.StreamResponse:
    """The form of the first user."""
    if not request.app[ACCESS].waits_for_first_user():
        raise web.HTTPSeeOther("/login")
    return _first_use(request)


@open_to_all
async def make_first_user(request: web.Request) -> web.StreamResponse:
    """Make the first user with the code that `serve` showed on its terminal."""
    form = await request.post()
    code, name, password = (
        _field(form, "code").strip(),
        _field(form, "name").strip(),
        _field(form, "password"),
    )
    client = client_of(request, settings_of(request))
    if password != _field(form, "again"):
        return _first_use(request, name, "The two passwords are not the same.", status=400)
    try:
        is_made = await request.app[SIGNING_IN].first_user(code, name, password, client)
    except RefusedAccessError as error:
        return _first_use(request, name, f"{error}.", status=400)
    except TooManyTriesError as error:
        return _slowed(_first_use(request, name, _too_many(error), status=429), error)
    if not is_made:
        await request.app[AUDIT].write_limited("sign-in-failed", "first use", f"another code, from {client}")
        reason = (
            "This is not the code, or it was used already. `mongosweep serve` shows a new one at its start."
        )
        return _first_use(request, name, reason, status=401)
    await request.app[AUDIT].write("access-changed", name, f"the first user, role operate, from {client}")
    return await _begin_session(request, name, client, "/")


async def _begin_session(request: web.Request, user: str, client: str, following: str) -> web.StreamResponse:
    secret = await asyncio.to_thread(request.app[ACCESS].open_session, user)
    await request.app[AUDIT].write("signed-in", user, f"from {client}")
    answer = web.HTTPSeeOther(following)
    name = cookie_name(request)
    answer.set_cookie(
        name, secret, path="/", secure=name.startswith("__Host-"), httponly=True, samesite="Strict"
    )
    raise answer


def _form(
    request: web.Request, following: str, name: str = "", problem: str = "", *, status: int = 200
) -> web.Response:
    return render(
        request, "login.html", status=status, following=following, name=visible(name, 80), problem=problem
    )


def _first_use(request: web.Request, name: str = "", problem: str = "", *, status: int = 200) -> web.Response:
    return render(request, "first_use.html", status=status, name=visible(name, 80), problem=problem)


def _too_many(error: TooManyTriesError) -> str:
    return f"Too many tries for this name or from this address. Wait {error.seconds} s, then try again."


def _slowed(answer: web.Response, error: TooManyTriesError) -> web.Response:
    answer.headers["Retry-After"] = str(error.seconds)
    return answer


def _field(form: Any, name: str) -> str:
    """A field of a form as text; a file is none."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _next(address: str) -> str:
    return address if leads_to_us(address) and not address.startswith("/login") else "/"
