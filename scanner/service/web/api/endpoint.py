"""What a resource is: a handler with its description, by which requests are read and the OpenAPI document is
made. So neither can say anything else than the other.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache, wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from results.text import visible
from scanner.service.view.snapshot import Snapshot
from scanner.service.web.context import READER
from scanner.service.web.problems import Invalid, ProblemError
from scanner.service.web.proof import proof_of
from scanner.service.web.visitor import Role, needs, visitor_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scanner.service.web.visitor import Handler

Query = TypeVar("Query", bound=Struct)
Body = TypeVar("Body", bound=Struct)
DESCRIPTION: Final = "description_of_endpoint"
JSON: Final = "application/json"
_SNAPSHOT: Final = web.RequestKey("snapshot", Snapshot)
_PARAMETERS: Final = "the parameters cannot be taken"
_SHOWN: Final = 60  # characters of a value that is wrong
_PLACE = re.compile(r" - at `\$\.?([a-z_0-9]*)")
_TRUNCATED: Final = "Input data was truncated"  # msgspec's words
_WHOLE = re.compile(r"-?[0-9]{1,18}")


class NoQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""


class Description(Struct, frozen=True, kw_only=True):
    """What the OpenAPI document says of a handler, besides the role that it is marked with. `fails` are
    statuses besides those that every resource may have. `alike`: other statuses with an answer of the same
    form, of a handler that gives no problems."""

    summary: str
    query: type[Struct] = NoQuery
    body: type[Struct] | None = None
    returns: Any = None
    media: str = JSON
    status: int = 200
    cached: bool = False
    fails: tuple[int, ...] = ()
    alike: tuple[int, ...] = ()


def described(handler: Handler, description: Description) -> Handler:
    """A handler that reads its request itself, with its description."""
    setattr(handler, DESCRIPTION, description)
    return handler


def reads(
    summary: str,
    query: type[Query],
    returns: Any,
    *,
    cached: bool = True,
    fails: tuple[int, ...] = (),
) -> Callable[[Callable[[web.Request, Query], Awaitable[Any]]], Handler]:
    """A resource that anybody with a role may GET: the function gets the parameters, and gives what is
    encoded as JSON. `cached`: it depends on the snapshot, how many runs it lacks, the role and the
    parameters alone, so that an answer has an ETag."""

    def wrap(answer: Callable[[web.Request, Query], Awaitable[Any]]) -> Handler:
        @wraps(answer)
        async def handler(request: web.Request) -> web.StreamResponse:
            asked = parameters(request, query)
            headers = {}
            if cached:
                snapshot = await snapshot_of(request)
                lacks = (await proof_of(request, snapshot)).unread_count
                tag = f"{snapshot.version}-{lacks}-{visitor_of(request).role:d}"
                headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache, private"}
                if any(each.value in (tag, "*") for each in request.if_none_match or ()):
                    return web.Response(status=304, headers=headers)
            found = msgspec.json.encode(await answer(request, asked))
            return web.Response(body=found, content_type=JSON, headers=headers)

        description = Description(summary=summary, query=query, returns=returns, cached=cached, fails=fails)
        return described(needs(Role.VIEW)(handler), description)

    return wrap


def does(
    summary: str,
    role: Role,
    body: type[Body],
    returns: Any,
    *,
    status: int = 200,
    fails: tuple[int, ...] = (),
) -> Callable[[Callable[[web.Request, Body], Awaitable[Any]]], Handler]:
    """A resource to which a role may POST a JSON object."""

    def wrap(answer: Callable[[web.Request, Body], Awaitable[Any]]) -> Handler:
        @wraps(answer)
        async def handler(request: web.Request) -> web.StreamResponse:
            parameters(request, NoQuery)
            sent = await _sent(request, body)
            found = msgspec.json.encode(await answer(request, sent))
            return web.Response(body=found, content_type=JSON, status=status)

        description = Description(summary=summary, body=body, returns=returns, status=status, fails=fails)
        return described(needs(role)(handler), description)

    return wrap


async def snapshot_of(request: web.Request) -> Snapshot:
    """The snapshot that answers a request: one and the same until it is answered. Raises `ResultsError`."""
    found = request.get(_SNAPSHOT)
    if found is None:
        found = request[_SNAPSHOT] = await request.app[READER].current()
    return found


# --- reading requests -------------------------------------------------------------------------------------


def parameters(request: web.Request, query: type[Query]) -> Query:
    """The parameters behind the `?`. Raises `ProblemError` that names each wrong one, and what to write."""
    known = parameter_schemas(query)
    values: dict[str, Any] = {}
    invalid: list[Invalid] = []
    for name in dict.fromkeys(request.query):
        schema = known.get(name)
        if schema is None:
            invalid.append(Invalid(name=name, detail=_unknown(name, known)))
            continue
        texts = request.query.getall(name)
        if schema.get("type") == "array":
            values[name] = [_value(text, schema["items"]) for text in texts]
        elif len(texts) > 1:
            invalid.append(Invalid(name=name, detail="it stands there more than once; write it once"))
        else:
            values[name] = _value(texts[0], schema)
    if invalid:
        raise _refused(_PARAMETERS, invalid)
    try:
        return msgspec.convert(values, query)
    except msgspec.ValidationError as error:
        wrong = _wrong(error, query)
        given = ", ".join(visible(text, _SHOWN) for text in request.query.getall(wrong.name, ()))
        what = f"it is {given or 'empty'}; write {_what(known[wrong.name])}"
        raise _refused(_PARAMETERS, [Invalid(name=wrong.name, detail=what)]) from error


async def _sent(request: web.Request, body: type[Body]) -> Body:
    if request.content_type != JSON:
        raise ProblemError(415, f"the body is to be JSON; send it with Content-Type: {JSON}")
    data = await request.read()
    try:
        return msgspec.json.decode(data, type=body)
    except msgspec.ValidationError as error:
        raise _refused("the body cannot be taken", [_wrong(error, body)]) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        why = f"it ends too early, after byte {len(data)}" if str(error) == _TRUNCATED else str(error)
        fields = ", ".join(properties(body))
        raise ProblemError(400, f"the body is no JSON: {why}; write one object with {fields}") from error


def _refused(what: str, invalid: list[Invalid]) -> ProblemError:
    return ProblemError(
        400, f"{what}: " + "; ".join(f"{each.name}: {each.detail}" for each in invalid), invalid
    )


def _value(text: str, schema: dict[str, Any]) -> Any:
    """A text as what its schema says; itself where it cannot be that, which `convert` then refuses."""
    kind = schema.get("type")
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind == "integer" and _WHOLE.fullmatch(text):
        return int(text)
    return text


def _unknown(name: str, known: dict[str, dict[str, Any]]) -> str:
    if not known:
        return "this address takes no parameters; leave it out"
    near = get_close_matches(name, known, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    return f"there is no such parameter; {guess}it takes {', '.join(known)}"


def _wrong(error: msgspec.ValidationError, type_: type[Struct]) -> Invalid:
    text = str(error)
    missing = re.search(r"required field `([a-z_0-9]+)`|unknown field `(.*?)`", text)
    place = _PLACE.search(text)
    name = (missing and missing[1]) or (place and place[1]) or ""
    known = properties(type_)
    if missing and missing[2] is not None:
        return Invalid(name=missing[2], detail=f"there is no such field; it takes {', '.join(known)}")
    what = f"write {_what(known[name])}" if name in known else f"write {', '.join(known)}"
    reason = "it is not there" if missing else _PLACE.split(text)[0]
    if " matching regex " in reason:  # the example shows the form better
        reason = "it is not of this form"
    reason = reason.replace("Invalid enum value", "it is")
    return Invalid(name=name, detail=f"{reason}; {what}")


def _what(schema: dict[str, Any]) -> str:
    """What may be written, in words."""
    if "items" in schema:
        return _what(schema["items"])
    for each in schema.get("anyOf", ()):
        if each.get("type") != "null":
            return _what(each)
    if "enum" in schema:
        return "one of " + ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "boolean":
        return "true or false"
    if schema.get("type") == "integer":
        if "minimum" in schema and "maximum" in schema:
            return f"a whole number from {schema['minimum']} to {schema['maximum']}"
        return "a whole number"
    length = f" of at most {schema['maxLength']} characters" if "maxLength" in schema else ""
    example = f", such as {schema['examples'][0]}" if schema.get("examples") else ""
    return f"a text{length}{example}"


@cache
def parameter_schemas(query: type[Struct]) -> dict[str, dict[str, Any]]:
    """The schema of each parameter. What is left out is null, so that nobody writes one."""
    return {name: _without_null(schema) for name, schema in properties(query).items()}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    found = dict(schema)
    choices = [each for each in found.pop("anyOf", ()) if each.get("type") != "null"]
    if found.get("default", ...) is None:
        del found["default"]
    return {**found, **choices[0]} if len(choices) == 1 else schema


@cache
def properties(type_: type[Struct]) -> dict[str, dict[str, Any]]:
    """The schema of each field of a struct, references resolved."""
    (schema,), components = msgspec.json.schema_components([type_], ref_template="{name}")
    found = components[schema["$ref"]].get("properties", {})
    return {name: _resolved(each, components) for name, each in found.items()}


def _resolved(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    found = {**components[schema["$ref"]], **schema} if "$ref" in schema else dict(schema)
    found.pop("$ref", None)
    if "items" in found:
        found["items"] = _resolved(found["items"], components)
    if "anyOf" in found:
        found["anyOf"] = [_resolved(each, components) for each in found["anyOf"]]
    return found
