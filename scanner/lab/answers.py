"""What a simulated MongoDB says to the metadata commands: databases, collections, statistics."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from bson import Binary, Int64

from scanner.lab import counters
from scanner.lab.data import StoredCollection, StoredDatabase
from scanner.lab.errors import error
from scanner.lab.profile import Access, Profile, Role

if TYPE_CHECKING:
    from scanner.lab.wire import Document

_KNOWN_TO_LIST = frozenset(
    {
        "listDatabases",
        "nameOnly",
        "filter",
        "authorizedDatabases",
        "maxTimeMS",
        "comment",
        "lsid",
        "apiVersion",
        "apiStrict",
        "apiDeprecationErrors",
        "readConcern",
        "txnNumber",
        "maxTimeMSOpOnly",
    }
)
SHARD = "sh0"
SHARD_HOST = "sh0/db-s.example:27018"


def unknown_field(profile: Profile, document: Document) -> Document | None:
    """The refusal of a field that listDatabases does not have (recorded on 7.1; 4.0.3 ignores it)."""
    if not profile.version.at_least(5, 0):
        return None
    for key in document:
        if key not in _KNOWN_TO_LIST and not key.startswith("$"):
            return error(profile.version, 40415, f"BSON field 'listDatabases.{key}' is an unknown field.")
    return None


def list_databases(profile: Profile, document: Document) -> Document:
    """`databases`, with sizes unless `nameOnly` is asked for and known."""
    version = profile.version
    if profile.access is Access.EXCEPTION and version.at_least(3, 0):
        if version.at_least(4, 2) and document.get("authorizedDatabases") is False:
            return error(version, 13, "Insufficient permissions to list all databases")
        empty: Document = {"databases": []}
        return {**empty, **({} if document.get("nameOnly") else {"totalSize": 0.0}), "ok": 1.0}
    databases = profile.visible.databases
    if version.at_least(3, 4):
        databases = tuple(each for each in databases if matches(document.get("filter"), each.name))
    if document.get("nameOnly") and version.at_least(3, 2, 13):
        return {"databases": [{"name": each.name} for each in databases], "ok": 1.0}
    total = sum(each.size_on_disk for each in databases)
    answer: Document = {"databases": [_sized(profile, each) for each in databases]}
    if profile.role is Role.MONGOS or version.whole_sizes:
        return {**answer, "totalSize": Int64(total), "totalSizeMb": Int64(total // 1024**2), "ok": 1.0}
    return {**answer, "totalSize": float(total), "ok": 1.0}


def _sized(profile: Profile, database: StoredDatabase) -> Document:
    size = database.size_on_disk
    empty = not database.collections
    if not profile.version.at_least(3, 0) and empty:
        return {"name": database.name, "sizeOnDisk": 1.0, "empty": True}  # MMAPv1: no files yet
    if profile.role is Role.MONGOS:
        shards = {SHARD: Int64(size)}
        return {"name": database.name, "sizeOnDisk": Int64(size), "empty": empty, "shards": shards}
    shown = Int64(size) if profile.version.whole_sizes else float(size)
    return {"name": database.name, "sizeOnDisk": shown, "empty": empty}


def matches(wanted: Any, name: str) -> bool:
    """Whether a filter document on `name` lets this name through; what it cannot read lets all through."""
    condition = wanted.get("name") if isinstance(wanted, dict) else None
    if isinstance(condition, str):
        return name == condition
    if isinstance(condition, dict):
        if isinstance(condition.get("$in"), list):
            return name in condition["$in"]
        if isinstance(condition.get("$regex"), str):
            return re.search(condition["$regex"], name) is not None
    return True


def collections(profile: Profile, document: Document, database: str) -> list[Document] | Document:
    """The entries of listCollections, or an error document."""
    if profile.role is Role.MONGOS and database == "local":
        return error(profile.version, 20, "Can't use 'local' database through mongos")
    found = profile.visible.find(database)
    if found is None:
        return []
    short = bool(document.get("nameOnly")) and profile.version.at_least(4, 0)
    wanted = [each for each in found.collections if matches(document.get("filter"), each.name)]
    return [_listed(profile, database, each, short=short) for each in wanted]


def _listed(profile: Profile, database: str, collection: StoredCollection, *, short: bool) -> Document:
    entry: Document = {"name": collection.name}
    if profile.version.at_least(3, 4):
        entry["type"] = collection.type
    if short:
        return entry
    entry["options"] = {"capped": True, "size": collection.storage} if collection.capped else {}
    if profile.version.at_least(3, 4):
        entry["info"] = {"readOnly": collection.type == "view"}
        if profile.version.level >= 6 and collection.type != "view":
            entry["info"]["uuid"] = Binary(_uuid(profile, database, collection), 4)
            entry["idIndex"] = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
    return entry


def _uuid(profile: Profile, database: str, collection: StoredCollection) -> bytes:
    """The same for a collection as long as it is not made anew, and another one in each directory of data."""
    made = f"{profile.directory}/{database}.{collection.name}/{collection.made or ''}"
    return uuid.uuid5(uuid.NAMESPACE_OID, made).bytes


def db_stats(profile: Profile, name: str) -> Document:
    """`dbStats` of one database; zeros for one that is not there."""
    found = profile.visible.find(name)
    body = _stats_body(profile, found or StoredDatabase(name=name), known=found is not None)
    if profile.role is not Role.MONGOS:
        return {**body, "ok": 1.0}
    raw = {"raw": {SHARD_HOST: {**body, "ok": 1.0}}}
    if profile.version.at_least(4, 4):
        return {**raw, **_total_before_indexes(body), "ok": 1.0}
    kept = ("objects", "avgObjSize", "dataSize", "storageSize", "numExtents", "indexes", "indexSize")
    sums: Document = {key: float(body[key]) if key == "avgObjSize" else int(body[key]) for key in kept}
    return {**raw, **sums, "fileSize": 0, "extentFreeList": {"num": 0, "totalSize": 0}, "ok": 1.0}


def _total_before_indexes(body: Document) -> Document:
    early = ("db", "collections", "views", "objects", "avgObjSize", "dataSize", "storageSize", "totalSize")
    return {**{key: body[key] for key in early if key in body}, **body}


def _stats_body(profile: Profile, found: StoredDatabase, *, known: bool) -> Document:
    version = profile.version
    stored = [each for each in found.collections if each.type != "view"]
    # Sizes are whole numbers on 2.x, doubles later; on 4.0 a missing database has whole zeros.
    number: Any = float if version.at_least(4, 4) or (known and version.at_least(3, 0)) else int
    data, objects = sum(each.size for each in stored), found.documents
    body: Document = {"db": found.name, "collections": len(stored)}
    if version.at_least(3, 4):
        body["views"] = len(found.collections) - len(stored)
    body["objects"] = objects
    body["avgObjSize"] = data / objects if objects else number(0) if version.at_least(3, 0) else 0.0
    body["dataSize"] = number(data)
    body["storageSize"] = number(sum(each.storage for each in stored))
    if not version.at_least(4, 4):
        body["numExtents"] = 0 if version.at_least(3, 0) or not known else 11
    body["indexes"] = len(stored)
    body["indexSize"] = number(sum(each.index_size for each in stored))
    if version.at_least(4, 4):
        body["totalSize"] = body["storageSize"] + body["indexSize"]
    elif not known:
        body["fileSize"] = 0
    if version.at_least(4, 2):
        body["scaleFactor"] = 1
    if version.at_least(3, 6):
        body["fsUsedSize"] = number(195_318_759_424 if known else 0)
        body["fsTotalSize"] = number(270_553_174_016 if known else 0)
    return body


def count(profile: Profile, document: Document, database: str) -> Document:
    """`count` without a query: from metadata."""
    found = _collection(profile, database, document.get("count"))
    number = found.count if found else 0
    if not profile.version.at_least(3, 0):
        missing: Document = {} if found else {"missing": True}
        return {**missing, "n": float(number), "ok": 1.0}
    shards: Document = {"shards": {SHARD: number}} if profile.role is Role.MONGOS else {}
    return {**shards, "n": number, "ok": 1.0}


def coll_stats(profile: Profile, document: Document, database: str) -> Document:
    """`collStats`, with the tens of KiB of storage engine figures that 3.0 and later add."""
    name = document.get("collStats", document.get("collstats"))
    found = _collection(profile, database, name)
    namespace = f"{database}.{name}"
    if found is None or (found.type == "view" and not profile.version.at_least(3, 4)):
        return _missing_stats(profile, namespace)
    if found.type == "view":
        return error(profile.version, 166, f"Namespace {namespace} is a view, not a collection")
    sizes = {"size": found.size, "count": found.count, "avgObjSize": found.average}
    if not profile.version.at_least(3, 0):
        sizes = {"count": found.count, "size": found.size, "avgObjSize": found.average}
    indexes = {"totalIndexSize": found.index_size, "indexSizes": {"_id_": found.index_size}}
    if not profile.version.at_least(3, 0):
        old = {"storageSize": found.storage, "numExtents": 4, "nindexes": 1, "lastExtentSize": 524_288}
        flags = {"paddingFactor": 1.0, "systemFlags": 1, "userFlags": 1}
        capped: Document = {"capped": True} if found.capped else {}
        return {"ns": namespace, **sizes, **old, **flags, **indexes, **capped, "ok": 1.0}
    stored = {"storageSize": found.storage, "capped": found.capped, "wiredTiger": ENGINE_FIGURES}
    return {"ns": namespace, **sizes, **stored, "nindexes": 1, **indexes, "ok": 1.0}


def _missing_stats(profile: Profile, namespace: str) -> Document:
    if not profile.version.at_least(2, 6):
        return {"errmsg": "ns not found", "ok": 0.0}
    if not profile.version.at_least(6, 0):
        return _gone(profile, namespace)
    zeros = dict.fromkeys(("size", "count", "numOrphanDocs", "storageSize", "totalSize", "nindexes"), 0)
    return {"ns": namespace, **zeros, "totalIndexSize": 0, "indexSizes": {}, "scaleFactor": 1, "ok": 1.0}


def _gone(profile: Profile, namespace: str) -> Document:
    text = not_found(profile, namespace)
    if not profile.version.at_least(3, 0):
        return {"ok": 0.0, "errmsg": text}
    return {"ns": namespace, "ok": 0.0, "errmsg": text}


def not_found(profile: Profile, namespace: str) -> str:
    """The words for a collection that is not there; 3.0 and later tell whether its database is."""
    database = namespace.partition(".")[0]
    if profile.version.at_least(3, 0) and profile.visible.find(database) is None:
        return f"Database [{database}] not found."
    return f"Collection [{namespace}] not found."


def _collection(profile: Profile, database: str, name: Any) -> StoredCollection | None:
    found = profile.visible.find(database)
    return found.find(name) if found is not None and isinstance(name, str) else None


def stage_stats(profile: Profile, database: str, name: str, stage: Document) -> Document | None:
    """The one document of `$collStats`; None when the collection is not there."""
    found = _collection(profile, database, name)
    if found is None:
        return None
    body: Document = {"ns": f"{database}.{name}"}
    if profile.role is Role.MONGOS:
        body["shard"] = SHARD
    body["host"] = profile.host
    body["localTime"] = profile.now()
    if "latencyStats" in stage:
        body["latencyStats"] = counters.latency_stats(profile, found)
    if "storageStats" in stage:
        body["storageStats"] = {
            "size": found.size,
            "count": found.count,
            "avgObjSize": found.average,
            "storageSize": found.storage,
            "capped": found.capped,
            "wiredTiger": ENGINE_FIGURES,
            "nindexes": 1,
            "totalIndexSize": found.index_size,
            "indexSizes": {"_id_": found.index_size},
        }
    if "count" in stage:
        body["count"] = found.count
    return body


def _engine_figures() -> Document:
    """About 30 KiB of counters, as WiredTiger adds to each collection's statistics."""
    groups = ("LSM", "block-manager", "btree", "cache", "cache_walk", "compression", "cursor", "session")
    figures: Document = {
        group: {f"{group} counter number {number:03d} of this collection": 0 for number in range(90)}
        for group in groups
    }
    return {"metadata": {"formatVersion": 1}, "type": "file", **figures}


ENGINE_FIGURES = _engine_figures()
