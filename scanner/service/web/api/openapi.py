"""The OpenAPI document, made from the routes and the descriptions of their handlers."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from aiohttp import web

from scanner.service.web.api.endpoint import DESCRIPTION, JSON, Description, described, parameter_schemas
from scanner.service.web.problems import MEDIA, Problem
from scanner.service.web.visitor import ROLE_ATTRIBUTE, Role, needs

if TYPE_CHECKING:
    from msgspec import Struct

PATH: Final = "/api/v1/openapi.json"
_NAMES: Final = re.compile(r"{([a-z_]+)}")
_ALWAYS: Final = {
    400: "something in the request cannot be taken",
    503: "what this is made of cannot be read just now",
}
_FAILS: Final = {
    400: _ALWAYS[400],
    401: "nobody is signed in, or the token is not known",
    403: "the role does not allow it",
    404: "there is no such thing",
    409: "it is not in a state for that",
    413: "the body is longer than 64 KiB",
    415: "the body is not sent as JSON",
    422: "it is well-formed, and cannot be: a cursor of another list, or a day that is over",
    503: _ALWAYS[503],
}
_PLAIN: Final[dict[Any, dict[str, str]]] = {None: {"type": "object"}, str: {"type": "string"}}
PATH_VALUES: Final[dict[str, dict[str, Any]]] = {}
"""What may stand for a name in a path: a schema, with a description."""


async def _document(request: web.Request) -> web.StreamResponse:
    body, tag = _encoded(request.app)
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache, private"}
    if any(each.value in (tag, "*") for each in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=JSON, headers=headers)


@cache
def _encoded(app: web.Application) -> tuple[bytes, str]:
    body = msgspec.json.encode(document(app))
    return body, hashlib.sha256(body).hexdigest()[:32]


def document(app: web.Application) -> dict[str, Any]:
    """All of it. What has no description (a page) is not in it."""
    found = list(_described(app))
    returned = [each.about.returns for each in found if each.about.returns not in _PLAIN]
    bodies = [each.about.body for each in found if each.about.body is not None]
    types = list({id(each): each for each in (*returned, *bodies, Problem)}.values())
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    by_type = {id(type_): schema for type_, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Any] = {}
    for each in found:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, by_type)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "mongosweep",
            "version": version("mongosweep"),
            "description": "What sweeps found open, since when, and whose it is. Every name in it that came "
            "from a server is hostile text. Times are RFC 3339 in UTC.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "made by `mongosweep tokens add`",
                },
                "session": {"type": "apiKey", "in": "cookie", "name": "__Host-mongosweep-8017"},
            },
        },
    }


class _Operation(NamedTuple):
    method: str
    path: str
    role: Role | None
    about: Description


def _described(app: web.Application) -> list[_Operation]:
    """Every route that has a description."""
    found = []
    for route in app.router.routes():
        about = getattr(route.handler, DESCRIPTION, None)
        if about is not None and route.method != "HEAD" and route.resource is not None:
            role = getattr(route.handler, ROLE_ATTRIBUTE)
            found.append(_Operation(route.method, route.resource.canonical, role, about))
    return found


def _operation(one: _Operation, by_type: dict[int, Any]) -> dict[str, Any]:
    method, path, role, about = one
    names = _NAMES.findall(path)
    fails = {400, 503, *about.fails} - set(about.alike)
    if role is not None:
        fails |= {401, 403}
    if about.body is not None:
        fails |= {413, 415}
    if names:
        fails.add(404)
    content = {"schema": _PLAIN[about.returns] if about.returns in _PLAIN else by_type[id(about.returns)]}
    responses: dict[str, Any] = {
        str(about.status): {"description": "the answer", "content": {about.media: content}}
    }
    for status in about.alike:
        responses[str(status)] = {"description": _FAILS[status], "content": {about.media: content}}
    if about.cached:
        responses[str(about.status)]["headers"] = {"ETag": {"schema": {"type": "string"}}}
        responses["304"] = {"description": "the ETag of If-None-Match still holds"}
    said = {"content": {MEDIA: {"schema": by_type[id(Problem)]}}}
    responses |= {str(status): {"description": _FAILS[status], **said} for status in sorted(fails)}
    operation: dict[str, Any] = {
        "operationId": _operation_id(method, path),
        "summary": about.summary,
        "parameters": [
            *({"name": name, "in": "path", "required": True, **PATH_VALUES[name]} for name in names),
            *_parameters(about.query),
        ],
        "responses": responses,
    }
    if role is None:
        operation["security"] = []
    else:
        operation["x-role"] = role.name.lower()
    if about.body is not None:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": by_type[id(about.body)]}}}
    return operation


def _operation_id(method: str, path: str) -> str:
    words = [word for word in re.split(r"[^a-z]+", path.removeprefix("/api/v1")) if word]
    return "-".join([method.lower(), *words])


def _parameters(query: type[Struct]) -> list[dict[str, Any]]:
    found = []
    for name, schema in parameter_schemas(query).items():
        shown = {key: value for key, value in schema.items() if key != "description"}
        found.append(
            {"name": name, "in": "query", "description": schema.get("description", ""), "schema": shown}
        )
    return found


def routes() -> list[web.RouteDef]:
    """Its route."""
    about = Description(summary="This document", cached=True)
    return [web.get(PATH, described(needs(Role.VIEW)(_document), about))]
