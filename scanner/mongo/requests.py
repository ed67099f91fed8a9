"""The closed list of commands: every question that can be asked, as a plan makes them.

How a question is written, and what must not leave, is in `commands`.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - a compiler reads the types of a class's fields
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from scanner.mongo.facts import Document


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
    INDEX_STATS = "aggregate $indexStats"
    SERVER_STATUS = "serverStatus"
    TOP = "top"
    COUNT = "count"
    NEWEST_ID = "find newest _id"
    NEWEST_DATE = "aggregate newest _id as date"
    OLDEST_ID = "find oldest _id"
    OLDEST_DATE = "aggregate oldest _id as date"
    LEGACY_NAMESPACES = "system.namespaces"
    LEGACY_NEWEST_ID = "legacy find newest _id"
    LEGACY_OLDEST_ID = "legacy find oldest _id"


_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class Request(NamedTuple):
    """One question: the command, the database and the collection that it is put to, and what else it says.

    Questions that are alike but for the names share one object of `arguments`, where there are many.
    """

    command: Command
    database: str = "admin"
    arguments: Mapping[str, Any] = _NONE
    collection: str = ""


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


def list_collections(
    database: str, *, batch_size: int = 200, authorized: bool = True, name_only: bool = True
) -> Request:
    """Names and types of the collections (3.0+), and UUIDs without `name_only` (3.6+; before 4.0 all comes
    anyway). Without `authorized` or without `name_only` the whole privilege is needed."""
    arguments = {"batch_size": batch_size, "authorized": authorized, "name_only": name_only}
    return Request(Command.LIST_COLLECTIONS, database, arguments)


def get_more(database: str, cursor_id: int, *, batch_size: int = 200) -> Request:
    """The next batch of a `list_collections` cursor (3.2+). No other cursor can be read on."""
    return Request(Command.GET_MORE, database, {"cursor_id": cursor_id, "batch_size": batch_size})


def db_stats(database: str) -> Request:
    """Counts and sizes (bytes) of one database. On 2.x only for a name that was just listed."""
    return Request(Command.DB_STATS, database)


def coll_stats(database: str, collection: str) -> Request:
    """Count and sizes (bytes) of one collection, by the old command."""
    return Request(Command.COLL_STATS, database, collection=collection)


def coll_stats_stage(
    database: str, collection: str, *, storage: bool = True, operations: bool = False
) -> Request:
    """Count, sizes (bytes) with `storage`, and numbers of operations with `operations`, of one collection by
    `$collStats` (3.4+; count 3.6+)."""
    arguments = {"storage": storage, "operations": operations}
    return Request(Command.COLL_STATS_STAGE, database, arguments, collection)


def index_stats(database: str, collection: str) -> Request:
    """How often each index served, since when, and the names of its fields, by `$indexStats` (3.2+)."""
    return Request(Command.INDEX_STATS, database, collection=collection)


def server_status() -> Request:
    """Uptime, counters of operations and documents, and connections."""
    return Request(Command.SERVER_STATUS)


def top() -> Request:
    """How many operations of each kind there were on each collection; a mongos does not know it."""
    return Request(Command.TOP)


def count(database: str, collection: str) -> Request:
    """The number of documents by the collection's own counter: no query, nothing is scanned."""
    return Request(Command.COUNT, database, collection=collection)


def newest_id(database: str, collection: str, before: int) -> Request:
    """The newest ObjectId `_id` older than `before` (Unix seconds): one key of the `_id` index (3.2+)."""
    return Request(Command.NEWEST_ID, database, {"before": before}, collection)


def newest_date(database: str, collection: str, before: int) -> Request:
    """The same as a date `t`, so that no identifier crosses the wire (4.0+)."""
    return Request(Command.NEWEST_DATE, database, {"before": before}, collection)


def legacy_newest_id(database: str, collection: str, before: int) -> Request:
    """The same for servers before 3.2, by OP_QUERY, covered by the `_id` index."""
    return Request(Command.LEGACY_NEWEST_ID, database, {"before": before}, collection)


def oldest(newest: Request, *, beyond: bool = False) -> Request:
    """The other end of the same index, in the same form: the oldest ObjectId `_id`, or with `beyond` the
    oldest of those that are not older than `before`."""
    other = {
        Command.NEWEST_ID: Command.OLDEST_ID,
        Command.NEWEST_DATE: Command.OLDEST_DATE,
        Command.LEGACY_NEWEST_ID: Command.LEGACY_OLDEST_ID,
    }
    arguments = {**newest.arguments, "beyond": beyond}
    return Request(other[newest.command], newest.database, arguments, newest.collection)


def legacy_namespaces(database: str, *, limit: int = 50_000) -> Request:
    """Names in `system.namespaces` (2.x), indexes among them, by OP_QUERY."""
    return Request(Command.LEGACY_NAMESPACES, database, {"limit": limit})
