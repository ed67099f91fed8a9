"""What each question of the closed list says, but for what all carry. Nothing here asks for a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bson import ObjectId
from bson.int64 import Int64

from scanner.mongo.names import RefusedRequest, check_collection
from scanner.mongo.requests import Command, Request

if TYPE_CHECKING:
    from scanner.mongo.facts import Document

CURSOR_COLLECTION: Final = "$cmd.listCollections"
_SYSTEM_DATABASES: Final = frozenset({"admin", "config", "local"})
_OLDEST: Final = frozenset({Command.OLDEST_ID, Command.OLDEST_DATE, Command.LEGACY_OLDEST_ID})
# Sections of serverStatus, and of its `metrics`, that are not wanted. A server passes over those that it does
# not have. Leaving out parts of `metrics` is understood since 5.0; older ones send it whole, 9 KiB of it.
_SECTIONS: Final = (
    *("admission", "asserts", "backgroundFlushing", "batchedDeletes", "catalogStats"),
    *("changeStreamPreImages", "collectionCatalog", "cursors", "defaultRWConcern"),
    *("directShardConnections", "dur", "electionMetrics", "encryptionAtRest", "extra_info"),
    *("featureCompatibilityVersion", "flowControl", "freeMonitoring", "globalLock", "health"),
    *("hedgingMetrics", "indexBuilds", "indexBulkBuilder", "indexCounters", "indexStats"),
    *("internalTransactions", "locks", "logicalSessionRecordCache", "mem", "mirroredReads", "network"),
    *("opLatencies", "oplogTruncation", "planCache", "queryAnalyzers"),
    *("querySettings", "queryStats", "readConcernCounters", "readPreferenceCounters", "recordStats"),
    *("repl", "scramCache", "security", "service", "shardSplits", "sharding", "shardingStatistics"),
    *("spillWiredTiger", "storageEngine", "tcmalloc", "tenantMigrations", "trafficRecording"),
    *("transactions", "transportSecurity", "twoPhaseCommitCoordinator", "watchdog", "wiredTiger"),
)
_METRICS: Final = (
    *("abortExpiredTransactions", "aggStageCounters", "apiVersions", "changeStreams", "commands", "cursor"),
    *("diskSpaceMonitor", "dotsAndDollarsFields", "getLastError", "mongos", "network", "operation"),
    *("operatorCounters", "query", "queryExecutor", "queryStats", "record", "repl", "storage", "ttl"),
    "wiredTiger",
)
_SERVER_STATUS: Final = {
    "serverStatus": 1,
    **dict.fromkeys(_SECTIONS, 0),
    "metrics": dict.fromkeys(_METRICS, False),
}


def check_user_collection(database: str, name: str) -> None:
    """Newest ids are asked of user data alone: never of users, profiles, or the oplog."""
    check_collection(database, name)
    if database in _SYSTEM_DATABASES or name.startswith("system."):
        raise RefusedRequest("newest or oldest ids of a system collection")


def collection_of(request: Request) -> str:
    """The collection of a request, checked."""
    check_collection(request.database, request.collection)
    return request.collection


def user_collection_of(request: Request) -> str:
    """The same, and no system collection."""
    check_user_collection(request.database, request.collection)
    return request.collection


def _batch(request: Request) -> int:
    return max(1, min(1000, int(request.arguments["batch_size"])))


def time_of(request: Request) -> bytes:
    """The time of the ids that are asked for, as it stands in an ObjectId."""
    before = int(request.arguments["before"])
    if not 0 < before < 2**32:
        raise RefusedRequest(f"{before} is not a time that an ObjectId can hold")
    return before.to_bytes(4, "big")


def id_range(request: Request) -> Document:
    """ObjectIds up to a time. Bounds bracket the type, so the index alone answers: no document is read."""
    bound = ObjectId(time_of(request) + b"\x00" * 8)
    if request.arguments.get("beyond"):
        return {"_id": {"$gte": bound, "$lt": ObjectId(b"\xff" * 12)}}
    return {"_id": {"$gte": ObjectId(b"\x00" * 12), "$lt": bound}}


def order(request: Request) -> Document:
    """The end of the index that is asked for."""
    return {"_id": 1 if request.command in _OLDEST else -1}


def handshake(request: Request) -> Document:
    """isMaster or hello."""
    body: Document = {request.command.value: 1, "helloOk": True}
    client = request.arguments["client"]
    return body if client is None else body | {"client": client}


def list_databases(request: Request) -> Document:
    """With names alone, or with sizes."""
    body: Document = {"listDatabases": 1}
    if request.arguments["name_only"]:
        body["nameOnly"] = True
    if "authorized_databases" in request.arguments:
        body["authorizedDatabases"] = bool(request.arguments["authorized_databases"])
    return body


def list_collections(request: Request) -> Document:
    """Names and types alone, or all that the catalogue holds, of which the UUID is kept."""
    body: Document = {"listCollections": 1}
    if request.arguments.get("name_only", True):
        body["nameOnly"] = True
        if request.arguments["authorized"]:
            body["authorizedCollections"] = True
    return body | {"cursor": {"batchSize": _batch(request)}}


def get_more(request: Request) -> Document:
    """The next batch of a list of names."""
    cursor_id = int(request.arguments["cursor_id"])
    if not -(2**63) <= cursor_id < 2**63 or cursor_id == 0:
        raise RefusedRequest("cursor id that is no cursor id")
    return {"getMore": Int64(cursor_id), "collection": CURSOR_COLLECTION, "batchSize": _batch(request)}


def coll_stats_stage(request: Request) -> Document:
    """Count, sizes, and how many operations there were."""
    pipeline: list[Document] = [{"$collStats": {"count": {}}}]
    if request.arguments["storage"]:
        # Unprojected, the storage engine's section alone is tens of kilobytes.
        kept = ("size", "count", "storageSize", "totalIndexSize", "capped", "avgObjSize")
        fields = {"ns": 1, "host": 1, "shard": 1, "count": 1} | {f"storageStats.{name}": 1 for name in kept}
        wanted: Document = {"count": {}, "storageStats": {}}
        if request.arguments.get("operations"):
            fields |= {"latencyStats.reads.ops": 1, "latencyStats.writes.ops": 1}
            wanted["latencyStats"] = {}
        pipeline = [{"$collStats": wanted}, {"$project": fields}]
    return {"aggregate": collection_of(request), "pipeline": pipeline, "cursor": {"batchSize": 100}}


def index_stats(request: Request) -> Document:
    """How its indexes served, one row each, and one for each shard: a collection has at most 64."""
    pipeline: list[Document] = [{"$indexStats": {}}]
    return {"aggregate": collection_of(request), "pipeline": pipeline, "cursor": {"batchSize": 200}}


def server_status(_: Request) -> Document:
    """Uptime, counters and connections."""
    return dict(_SERVER_STATUS)


def end_of_ids(request: Request) -> Document:
    """One key of the index on `_id`."""
    return {
        "find": user_collection_of(request),
        "filter": id_range(request),
        "projection": {"_id": 1},
        "sort": order(request),
        "hint": {"_id": 1},
        "limit": 1,
        "singleBatch": True,
    }


def end_of_dates(request: Request) -> Document:
    """The same as a date."""
    return {
        "aggregate": user_collection_of(request),
        "pipeline": [
            {"$match": id_range(request)},
            {"$sort": order(request)},
            {"$limit": 1},
            {"$project": {"_id": 0, "t": {"$toDate": "$_id"}}},
        ],
        "cursor": {},
        "hint": {"_id": 1},
    }
