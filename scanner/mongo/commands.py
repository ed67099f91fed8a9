"""The closed list of commands. Nothing else can be encoded, and nothing here returns a document.

A plan makes `Request` objects with the functions below; `encode` is the only maker of bytes for the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import bson
from bson import ObjectId
from bson.int64 import Int64

from scanner.mongo.names import RefusedRequest as RefusedRequest
from scanner.mongo.names import UnsafeName as UnsafeName
from scanner.mongo.names import check_collection as check_collection
from scanner.mongo.names import check_database as check_database
from scanner.mongo.wire import MAX_REQUEST_BYTES, Opcode, write_msg, write_query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scanner.mongo.facts import Document, Limits

MAX_METADATA_BYTES: Final = 512  # the handshake specification's cap on the `client` document
MAX_APPLICATION_BYTES: Final = 128
CURSOR_COLLECTION: Final = "$cmd.listCollections"
_SYSTEM_DATABASES: Final = frozenset({"admin", "config", "local"})
_READ_PREFERENCE: Final = {"mode": "secondaryPreferred"}


class Command(StrEnum):
    """Every question that can be asked. The value is its name in evidence and in `Reply.command`."""

    IS_MASTER = "isMaster"
    HELLO = "hello"
    BUILD_INFO = "buildInfo"
    LIST_DATABASES = "listDatabases"
    LIST_COLLECTIONS = "listCollections"
    GET_MORE = "getMore"
    DB_STATS = "dbStats"
    COLL_STATS = "collStats"
    COLL_STATS_STAGE = "aggregate $collStats"
    COUNT = "count"
    NEWEST_ID = "find newest _id"
    NEWEST_DATE = "aggregate newest _id as date"
    OLDEST_ID = "find oldest _id"
    OLDEST_DATE = "aggregate oldest _id as date"
    LEGACY_NAMESPACES = "system.namespaces"
    LEGACY_NEWEST_ID = "legacy find newest _id"
    LEGACY_OLDEST_ID = "legacy find oldest _id"


class Request(NamedTuple):
    """One question: the command, the database that it is put to, and the command's own arguments."""

    command: Command
    database: str = "admin"
    arguments: Mapping[str, Any] = MappingProxyType({})


def is_master(client: Document | None) -> Request:
    """The handshake that every version answers. `client` None: without saying who asks."""
    return Request(Command.IS_MASTER, arguments={"client": client})


def hello(client: Document | None) -> Request:
    """The handshake of servers that have left OP_QUERY behind."""
    return Request(Command.HELLO, arguments={"client": client})


def build_info() -> Request:
    """Version and build; never a sign of access."""
    return Request(Command.BUILD_INFO)


def list_databases(*, name_only: bool = True, authorized_databases: bool | None = None) -> Request:
    """Database names, and sizes in bytes without `name_only` (before 3.2 sizes come anyway)."""
    arguments: dict[str, Any] = {"name_only": name_only}
    if authorized_databases is not None:
        arguments["authorized_databases"] = authorized_databases
    return Request(Command.LIST_DATABASES, arguments=arguments)


def list_collections(database: str, *, batch_size: int = 200, authorized: bool = True) -> Request:
    """Names and types of the collections (3.0+). Without `authorized` the whole privilege is needed."""
    return Request(Command.LIST_COLLECTIONS, database, {"batch_size": batch_size, "authorized": authorized})


def get_more(database: str, cursor_id: int, *, batch_size: int = 200) -> Request:
    """The next batch of a `list_collections` cursor (3.2+). No other cursor can be read on."""
    return Request(Command.GET_MORE, database, {"cursor_id": cursor_id, "batch_size": batch_size})


def db_stats(database: str) -> Request:
    """Counts and sizes (bytes) of one database. On 2.x only for a name that was just listed."""
    return Request(Command.DB_STATS, database)


def coll_stats(database: str, collection: str) -> Request:
    """Count and sizes (bytes) of one collection, by the old command."""
    return Request(Command.COLL_STATS, database, {"collection": collection})


def coll_stats_stage(database: str, collection: str, *, storage: bool = True) -> Request:
    """Count, and sizes (bytes) with `storage`, of one collection by `$collStats` (3.4+; count 3.6+)."""
    return Request(Command.COLL_STATS_STAGE, database, {"collection": collection, "storage": storage})


def count(database: str, collection: str) -> Request:
    """The number of documents by the collection's own counter: no query, nothing is scanned."""
    return Request(Command.COUNT, database, {"collection": collection})


def newest_id(database: str, collection: str, before: int) -> Request:
    """The newest ObjectId `_id` older than `before` (Unix seconds): one key of the `_id` index (3.2+)."""
    return Request(Command.NEWEST_ID, database, {"collection": collection, "before": before})


def newest_date(database: str, collection: str, before: int) -> Request:
    """The same as a date `t`, so that no identifier crosses the wire (4.0+)."""
    return Request(Command.NEWEST_DATE, database, {"collection": collection, "before": before})


def legacy_newest_id(database: str, collection: str, before: int) -> Request:
    """The same for servers before 3.2, by OP_QUERY, covered by the `_id` index."""
    return Request(Command.LEGACY_NEWEST_ID, database, {"collection": collection, "before": before})


def oldest(newest: Request, *, beyond: bool = False) -> Request:
    """The other end of the same index, in the same form: the oldest ObjectId `_id`, or with `beyond` the
    oldest of those that are not older than `before`."""
    other = {
        Command.NEWEST_ID: Command.OLDEST_ID,
        Command.NEWEST_DATE: Command.OLDEST_DATE,
        Command.LEGACY_NEWEST_ID: Command.LEGACY_OLDEST_ID,
    }
    return Request(other[newest.command], newest.database, {**newest.arguments, "beyond": beyond})


def legacy_namespaces(database: str, *, limit: int = 50_000) -> Request:
    """Names in `system.namespaces` (2.x), indexes among them, by OP_QUERY."""
    return Request(Command.LEGACY_NAMESPACES, database, {"limit": limit})


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


def _collection(request: Request) -> str:
    name = str(request.arguments["collection"])
    check_collection(request.database, name)
    return name


def _user_collection(request: Request) -> str:
    """Newest ids are asked of user data alone: never of users, profiles, or the oplog."""
    name = _collection(request)
    if request.database in _SYSTEM_DATABASES or name.startswith("system."):
        raise RefusedRequest(f"{request.command} on a system collection")
    return name


def _batch(request: Request) -> int:
    return max(1, min(1000, int(request.arguments["batch_size"])))


def _id_range(request: Request) -> Document:
    """ObjectIds up to a time. Bounds bracket the type, so the index alone answers: no document is read."""
    before = int(request.arguments["before"])
    if not 0 < before < 2**32:
        raise RefusedRequest(f"{before} is not a time that an ObjectId can hold")
    bound = ObjectId(before.to_bytes(4, "big") + b"\x00" * 8)
    if request.arguments.get("beyond"):
        return {"_id": {"$gte": bound, "$lt": ObjectId(b"\xff" * 12)}}
    return {"_id": {"$gte": ObjectId(b"\x00" * 12), "$lt": bound}}


def _order(request: Request) -> Document:
    return {"_id": 1 if request.command in _OLDEST else -1}


def _handshake(request: Request) -> Document:
    body: Document = {request.command.value: 1, "helloOk": True}
    client = request.arguments["client"]
    return body if client is None else body | {"client": client}


def _list_databases(request: Request) -> Document:
    body: Document = {"listDatabases": 1}
    if request.arguments["name_only"]:
        body["nameOnly"] = True
    if "authorized_databases" in request.arguments:
        body["authorizedDatabases"] = bool(request.arguments["authorized_databases"])
    return body


def _list_collections(request: Request) -> Document:
    body: Document = {"listCollections": 1, "nameOnly": True}
    if request.arguments["authorized"]:
        body["authorizedCollections"] = True
    return body | {"cursor": {"batchSize": _batch(request)}}


def _get_more(request: Request) -> Document:
    cursor_id = int(request.arguments["cursor_id"])
    if not -(2**63) <= cursor_id < 2**63 or cursor_id == 0:
        raise RefusedRequest("cursor id that is no cursor id")
    return {"getMore": Int64(cursor_id), "collection": CURSOR_COLLECTION, "batchSize": _batch(request)}


def _coll_stats_stage(request: Request) -> Document:
    pipeline: list[Document] = [{"$collStats": {"count": {}}}]
    if request.arguments["storage"]:
        # Unprojected, the storage engine's section alone is tens of kilobytes.
        kept = ("size", "count", "storageSize", "totalIndexSize", "capped", "avgObjSize")
        fields = {"ns": 1, "host": 1, "shard": 1, "count": 1} | {f"storageStats.{name}": 1 for name in kept}
        pipeline = [{"$collStats": {"count": {}, "storageStats": {}}}, {"$project": fields}]
    return {"aggregate": _collection(request), "pipeline": pipeline, "cursor": {"batchSize": 100}}


def _end_of_ids(request: Request) -> Document:
    return {
        "find": _user_collection(request),
        "filter": _id_range(request),
        "projection": {"_id": 1},
        "sort": _order(request),
        "hint": {"_id": 1},
        "limit": 1,
        "singleBatch": True,
    }


def _end_of_dates(request: Request) -> Document:
    return {
        "aggregate": _user_collection(request),
        "pipeline": [
            {"$match": _id_range(request)},
            {"$sort": _order(request)},
            {"$limit": 1},
            {"$project": {"_id": 0, "t": {"$toDate": "$_id"}}},
        ],
        "cursor": {},
        "hint": {"_id": 1},
    }


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
    Command.IS_MASTER: _Rule(_handshake, 0, _first, read_preference=False, admin_only=True),
    Command.HELLO: _Rule(_handshake, 0, _first, read_preference=False, admin_only=True),
    Command.BUILD_INFO: _Rule(lambda _: {"buildInfo": 1}, 0, _first, read_preference=False, admin_only=True),
    Command.LIST_DATABASES: _Rule(_list_databases, 5000, _names, admin_only=True),
    Command.LIST_COLLECTIONS: _Rule(_list_collections, 5000, _names),
    # getMore: maxTimeMS means "wait for data" there, and 4.9+ refuses API fields (4937600).
    Command.GET_MORE: _Rule(_get_more, 0, _names, read_preference=False, api_version=False),
    Command.DB_STATS: _Rule(lambda _: {"dbStats": 1, "scale": 1}, 5000, _stats),
    Command.COLL_STATS: _Rule(lambda r: {"collStats": _collection(r), "scale": 1}, 3000, _stats),
    Command.COLL_STATS_STAGE: _Rule(_coll_stats_stage, 3000, _stats),
    Command.COUNT: _Rule(lambda r: {"count": _collection(r)}, 3000, _stats),
    Command.NEWEST_ID: _Rule(_end_of_ids, 2000, _stats),
    Command.NEWEST_DATE: _Rule(_end_of_dates, 2000, _stats),
    Command.OLDEST_ID: _Rule(_end_of_ids, 2000, _stats),
    Command.OLDEST_DATE: _Rule(_end_of_dates, 2000, _stats),
}
_OLDEST: Final = frozenset({Command.OLDEST_ID, Command.OLDEST_DATE, Command.LEGACY_OLDEST_ID})
_NAME_LISTS: Final = frozenset(
    {Command.LIST_DATABASES, Command.LIST_COLLECTIONS, Command.GET_MORE, Command.LEGACY_NAMESPACES}
)
_LEGACY_CAPS: Final = {
    Command.LEGACY_NAMESPACES: _names,
    Command.LEGACY_NEWEST_ID: _stats,
    Command.LEGACY_OLDEST_ID: _stats,
}


def is_legacy(command: Command) -> bool:
    """True for an OP_QUERY find, whose reply is a batch of documents and not one document."""
    return command in _LEGACY_CAPS


def gives_names(command: Command) -> bool:
    """True when the reply lists names that are stored, and so may be no UTF-8."""
    return command in _NAME_LISTS


def reply_cap(command: Command, limits: Limits) -> int:
    """How many bytes the whole reply message may have."""
    cap = _LEGACY_CAPS[command] if command in _LEGACY_CAPS else _RULES[command].cap
    return cap(limits)


def encode(
    request: Request, request_id: int, by: Opcode, *, time_limit: bool = True, api_version: bool = False
) -> bytes:
    """The whole message for one request: the only maker of bytes for the wire.

    `time_limit` False leaves out maxTimeMS, which servers before 2.6 do not know; `api_version` adds
    `apiVersion: "1"` for servers that demand it.

    Raises:
        RefusedRequest: the request, or a name in it (`UnsafeName`), must not leave.
    """
    check_database(request.database)
    if is_legacy(request.command):
        if by is not Opcode.OP_QUERY:
            raise RefusedRequest(f"{request.command} exists by OP_QUERY only")
        return _capped(_encode_legacy(request, request_id, time_limit))
    rule = _RULES[request.command]
    if rule.admin_only and request.database != "admin":
        # Elsewhere MongoDB answers code 13, which would read as "locked".
        raise RefusedRequest(f"{request.command} is asked on admin only")
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


def _encode_legacy(request: Request, request_id: int, time_limit: bool) -> bytes:
    if request.command is Command.LEGACY_NAMESPACES:
        limit = max(1, min(50_000, int(request.arguments["limit"])))
        selector = bson.encode({"name": 1})
        namespace = f"{request.database}.system.namespaces"
        return write_query(request_id, namespace, bson.encode({}) + selector, -limit)
    collection = _user_collection(request)
    query: Document = {"$query": _id_range(request), "$orderby": _order(request), "$hint": {"_id": 1}}
    if time_limit:
        query["$maxTimeMS"] = 2000
    body = bson.encode(query) + bson.encode({"_id": 1})
    return write_query(request_id, f"{request.database}.{collection}", body)


def _capped(message: bytes) -> bytes:
    if len(message) > MAX_REQUEST_BYTES:
        raise RefusedRequest(f"a request of {len(message)} bytes")
    return message
