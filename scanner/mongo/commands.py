"""The only maker of bytes for the wire: how long each question of the closed list may take, what its reply
may weigh, and what must not leave.

Nothing else can be encoded, and nothing asks for a document. What a question says is in `command_bodies`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import bson

from scanner.mongo import command_bodies as bodies
from scanner.mongo.command_bodies import CURSOR_COLLECTION as CURSOR_COLLECTION
from scanner.mongo.command_bodies import check_user_collection as check_user_collection
from scanner.mongo.names import MAX_DATABASE_BYTES, MAX_NAMESPACE_BYTES
from scanner.mongo.names import RefusedRequest as RefusedRequest
from scanner.mongo.names import UnsafeName as UnsafeName
from scanner.mongo.names import check_collection as check_collection
from scanner.mongo.names import check_database as check_database
from scanner.mongo.request_templates import BEFORE, COLLECTION, DATABASE, TIME_BYTES, Template, cut
from scanner.mongo.requests import Command as Command
from scanner.mongo.requests import Request as Request
from scanner.mongo.requests import build_info as build_info
from scanner.mongo.requests import coll_stats as coll_stats
from scanner.mongo.requests import coll_stats_stage as coll_stats_stage
from scanner.mongo.requests import count as count
from scanner.mongo.requests import db_stats as db_stats
from scanner.mongo.requests import get_more as get_more
from scanner.mongo.requests import hello as hello
from scanner.mongo.requests import index_stats as index_stats
from scanner.mongo.requests import is_master as is_master
from scanner.mongo.requests import legacy_namespaces as legacy_namespaces
from scanner.mongo.requests import legacy_newest_id as legacy_newest_id
from scanner.mongo.requests import list_collections as list_collections
from scanner.mongo.requests import list_databases as list_databases
from scanner.mongo.requests import newest_date as newest_date
from scanner.mongo.requests import newest_id as newest_id
from scanner.mongo.requests import oldest as oldest
from scanner.mongo.requests import server_status as server_status
from scanner.mongo.requests import top as top
from scanner.mongo.wire import MAX_REQUEST_BYTES, Opcode, write_msg, write_query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scanner.mongo.facts import Document, Limits

MAX_METADATA_BYTES: Final = 512  # the handshake specification's cap on the `client` document
MAX_APPLICATION_BYTES: Final = 128
FORMS_KEPT: Final = 128  # more than there are forms of the questions that are asked
_READ_PREFERENCE: Final = {"mode": "secondaryPreferred"}


def client_metadata(organisation: str, contact: str, version: str, os_type: str = "Linux") -> Document:
    """The `client` document that a server writes into its log, so that its owner can ask who that was.

    Raises:
        ValueError: too long or not printable; the text says what to write instead.
    """
    who = " ".join(part for part in (organisation, contact) if part)
    name = f"mongosweep security scan: {who}" if who else "mongosweep security scan"
    if not name.isprintable():
        raise ValueError(
            "organisation name or contact has characters that cannot be printed: write plain text on one line"
        )
    size = len(name.encode("utf-8", "surrogatepass"))
    if size > MAX_APPLICATION_BYTES:
        raise ValueError(
            f"organisation name and contact are too long: {size} bytes of at most {MAX_APPLICATION_BYTES}"
            ' with the words "mongosweep security scan": write a shorter contact, such as soc@example.com'
        )
    document: Document = {
        "application": {"name": name},
        "driver": {"name": "mongosweep", "version": version},
        "os": {"type": os_type},
    }
    if len(bson.encode(document)) > MAX_METADATA_BYTES:
        raise ValueError(
            f"the client metadata document is over {MAX_METADATA_BYTES} bytes: shorten the contact"
        )
    return document


@dataclass(frozen=True, slots=True)
class _Rule:
    """How a command is written, how long it may run (ms, 0: unlimited), and what its reply may weigh."""

    body: Callable[[Request], Document]
    time_limit: int
    cap: Callable[[Limits], int]
    read_preference: bool = True
    api_version: bool = True
    admin_only: bool = False


def _first(limits: Limits) -> int:
    return limits.verdict_reply_bytes


def _names(limits: Limits) -> int:
    return limits.names_reply_bytes


def _stats(limits: Limits) -> int:
    return limits.stats_reply_bytes


_RULES: Final[dict[Command, _Rule]] = {
    Command.IS_MASTER: _Rule(bodies.handshake, 0, _first, read_preference=False, admin_only=True),
    Command.HELLO: _Rule(bodies.handshake, 0, _first, read_preference=False, admin_only=True),
    Command.BUILD_INFO: _Rule(lambda _: {"buildInfo": 1}, 0, _first, read_preference=False, admin_only=True),
    Command.LIST_DATABASES: _Rule(bodies.list_databases, 5000, _names, admin_only=True),
    Command.LIST_COLLECTIONS: _Rule(bodies.list_collections, 5000, _names),
    # getMore: maxTimeMS means "wait for data" there, and 4.9+ refuses API fields (4937600).
    Command.GET_MORE: _Rule(bodies.get_more, 0, _names, read_preference=False, api_version=False),
    Command.DB_STATS: _Rule(lambda _: {"dbStats": 1, "scale": 1}, 5000, _stats),
    Command.COLL_STATS: _Rule(lambda r: {"collStats": bodies.collection_of(r), "scale": 1}, 3000, _stats),
    Command.COLL_STATS_STAGE: _Rule(bodies.coll_stats_stage, 3000, _stats),
    Command.INDEX_STATS: _Rule(bodies.index_stats, 3000, _stats),
    Command.SERVER_STATUS: _Rule(bodies.server_status, 3000, _stats, admin_only=True),
    Command.TOP: _Rule(lambda _: {"top": 1}, 3000, _names, admin_only=True),
    Command.COUNT: _Rule(lambda r: {"count": bodies.collection_of(r)}, 3000, _stats),
    Command.NEWEST_ID: _Rule(bodies.end_of_ids, 2000, _stats),
    Command.NEWEST_DATE: _Rule(bodies.end_of_dates, 2000, _stats),
    Command.OLDEST_ID: _Rule(bodies.end_of_ids, 2000, _stats),
    Command.OLDEST_DATE: _Rule(bodies.end_of_dates, 2000, _stats),
}
_NAME_LISTS: Final = frozenset(
    {
        *(Command.LIST_DATABASES, Command.LIST_COLLECTIONS, Command.GET_MORE, Command.LEGACY_NAMESPACES),
        *(Command.INDEX_STATS, Command.TOP),
    }
)
_LEGACY_CAPS: Final = {
    Command.LEGACY_NAMESPACES: _names,
    Command.LEGACY_NEWEST_ID: _stats,
    Command.LEGACY_OLDEST_ID: _stats,
}


class _Kind(NamedTuple):
    """A question that is put again and again, with other names if it names any: how its collection is
    checked, if it names one, whether a time stands in it, and what else of its arguments changes its form
    (there and back)."""

    check: Callable[[str, str], None] | None = None
    dated: bool = False
    options: Callable[[Mapping[str, Any]], tuple[Any, ...]] | None = None
    with_options: Callable[..., dict[str, Any]] = dict


_BEYOND: Final = _Kind(
    check_user_collection, True, lambda a: (bool(a.get("beyond")),), lambda beyond: {"beyond": beyond}
)
_KINDS: Final[dict[Command, _Kind]] = {
    Command.LIST_DATABASES: _Kind(
        None,
        False,
        lambda a: (bool(a["name_only"]), a.get("authorized_databases")),
        lambda name_only, authorized: (
            {"name_only": name_only} | ({} if authorized is None else {"authorized_databases": authorized})
        ),
    ),
    Command.SERVER_STATUS: _Kind(),
    Command.DB_STATS: _Kind(),
    Command.LIST_COLLECTIONS: _Kind(
        None,
        False,
        lambda a: (
            max(1, min(1000, int(a["batch_size"]))),
            bool(a["authorized"]),
            bool(a.get("name_only", True)),
        ),
        lambda size, authorized, name_only: {
            "batch_size": size,
            "authorized": authorized,
            "name_only": name_only,
        },
    ),
    Command.COLL_STATS_STAGE: _Kind(
        check_collection,
        False,
        lambda a: (bool(a["storage"]), bool(a.get("operations"))),
        lambda storage, operations: {"storage": storage, "operations": operations},
    ),
    Command.INDEX_STATS: _Kind(check_collection),
    Command.COLL_STATS: _Kind(check_collection),
    Command.COUNT: _Kind(check_collection),
    Command.NEWEST_ID: _BEYOND,
    Command.NEWEST_DATE: _BEYOND,
    Command.OLDEST_ID: _BEYOND,
    Command.OLDEST_DATE: _BEYOND,
}


def is_legacy(command: Command) -> bool:
    """True for an OP_QUERY find, whose reply is a batch of documents and not one document."""
    return command in _LEGACY_CAPS


def gives_names(command: Command) -> bool:
    """True when the reply lists names that are stored, and so may be no UTF-8."""
    return command in _NAME_LISTS


def reply_cap(command: Command, limits: Limits) -> int:
    """How many bytes the whole reply message may have."""
    return reply_caps(limits)[command]


@lru_cache(4)
def reply_caps(limits: Limits) -> Mapping[Command, int]:
    """`reply_cap` of every command."""
    caps = _LEGACY_CAPS | {command: rule.cap for command, rule in _RULES.items()}
    return {command: cap(limits) for command, cap in caps.items()}


def encode(
    request: Request, request_id: int, by: Opcode, *, time_limit: bool = True, api_version: bool = False
) -> bytes:
    """The whole message for one request: the only maker of bytes for the wire.

    `time_limit` False leaves out maxTimeMS, which servers before 2.6 do not know; `api_version` adds
    `apiVersion: "1"` for servers that demand it.

    Raises:
        RefusedRequest: the request, or a name in it (`UnsafeName`), must not leave.
    """
    form = form_of(request, by, time_limit=time_limit, api_version=api_version)
    if form is None:
        return _in_full(request, request_id, by, time_limit=time_limit, api_version=api_version)
    return form.message(request_id, request.database, request.collection)


class Form(NamedTuple):
    """How a question is put that differs from others in its names alone."""

    template: Template
    check: Callable[[str, str], None] | None

    def dated(self, time: bytes) -> Form:
        """The same with this time in it (4 bytes)."""
        return Form(self.template.dated(time), self.check)

    def message(self, request_id: int, database: str, collection: str) -> bytes:
        """What `encode` gives for these names."""
        template, check = self
        check_database(database)
        if check is None:
            return template.message(request_id, database.encode(), b"")
        check(database, collection)
        return template.message(request_id, database.encode(), collection.encode())


class OfServer(NamedTuple):
    """How a question is put that names nothing: in the same bytes each time, but for the request's id."""

    command: Command
    template: Template

    def message(self, request_id: int, database: str, collection: str) -> bytes:
        """What `encode` gives."""
        if database != "admin":
            raise _not_on_admin(self.command)
        return self.template.message(request_id, b"admin", b"")


def form_of(request: Request, by: Opcode, *, time_limit: bool, api_version: bool) -> Form | OfServer | None:
    """How all requests of this command with these arguments are put; None where each is put in full.

    Raises:
        RefusedRequest: none of them must leave.
    """
    kind = _KINDS.get(request.command)
    if kind is None or by is not Opcode.OP_MSG:
        return None
    options = kind.options(request.arguments) if kind.options is not None else ()
    form = _form(request.command, time_limit, api_version, *options)
    return form.dated(bodies.time_of(request)) if kind.dated and isinstance(form, Form) else form


@lru_cache(FORMS_KEPT)
def _form(command: Command, time_limit: bool, api_version: bool, *options: Any) -> Form | OfServer:
    """One command's form: the request in full, with the template's own names in it, cut at these."""
    kind, admin_only = _KINDS[command], _RULES[command].admin_only
    database = "admin" if admin_only else DATABASE
    request = Request(command, database, kind.with_options(*options) | {"before": BEFORE}, COLLECTION)
    message = _in_full(request, 1, Opcode.OP_MSG, time_limit=time_limit, api_version=api_version)
    template = cut(message, database)
    longest = template.size + TIME_BYTES + MAX_DATABASE_BYTES + MAX_NAMESPACE_BYTES
    if longest > MAX_REQUEST_BYTES:  # so no message of it need be looked at
        raise RefusedRequest(f"a request of up to {longest} bytes")
    if admin_only:
        return OfServer(command, template.dated(b""))
    return Form(template if kind.dated else template.dated(b""), kind.check)


def _in_full(
    request: Request, request_id: int, by: Opcode, *, time_limit: bool = True, api_version: bool = False
) -> bytes:
    """What `encode` gives, by the general way: every field put together and encoded."""
    check_database(request.database)
    if is_legacy(request.command):
        if by is not Opcode.OP_QUERY:
            raise RefusedRequest(f"{request.command} exists by OP_QUERY only")
        return _capped(_encode_legacy(request, request_id, time_limit))
    rule = _RULES[request.command]
    if rule.admin_only and request.database != "admin":
        raise _not_on_admin(request.command)
    body = rule.body(request)
    if time_limit and rule.time_limit:
        body["maxTimeMS"] = rule.time_limit
    if by is Opcode.OP_QUERY:
        return _capped(write_query(request_id, f"{request.database}.$cmd", bson.encode(body)))
    if api_version and rule.api_version:
        body["apiVersion"] = "1"
    body["$db"] = request.database
    if rule.read_preference:
        body["$readPreference"] = _READ_PREFERENCE
    return _capped(write_msg(request_id, bson.encode(body)))


def _not_on_admin(command: Command) -> RefusedRequest:
    # Elsewhere MongoDB answers code 13, which would read as "locked".
    return RefusedRequest(f"{command} is asked on admin only")


def _encode_legacy(request: Request, request_id: int, time_limit: bool) -> bytes:
    if request.command is Command.LEGACY_NAMESPACES:
        limit = max(1, min(50_000, int(request.arguments["limit"])))
        selector = bson.encode({"name": 1})
        namespace = f"{request.database}.system.namespaces"
        return write_query(request_id, namespace, bson.encode({}) + selector, -limit)
    collection = bodies.user_collection_of(request)
    query: Document = {
        "$query": bodies.id_range(request),
        "$orderby": bodies.order(request),
        "$hint": {"_id": 1},
    }
    if time_limit:
        query["$maxTimeMS"] = 2000
    body = bson.encode(query) + bson.encode({"_id": 1})
    return write_query(request_id, f"{request.database}.{collection}", body)


def _capped(message: bytes) -> bytes:
    if len(message) > MAX_REQUEST_BYTES:
        raise RefusedRequest(f"a request of {len(message)} bytes")
    return message
