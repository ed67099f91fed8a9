"""What a simulated MongoDB counts: operations, the use of indexes, uptime. They begin with its process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import Int64

from scanner.lab.profile import Profile, Role

if TYPE_CHECKING:
    from datetime import datetime

    from scanner.lab.data import StoredCollection
    from scanner.lab.wire import Document

# Sections that are sent unless they are switched off; a real server has some fifty.
_SECTIONS: dict[str, Document] = {
    "asserts": {"regular": 0, "warning": 0, "msg": 0, "user": 0, "rollovers": 0},
    "extra_info": {"note": "fields vary by platform", "page_faults": 0},
    "network": {"bytesIn": Int64(5_310), "bytesOut": Int64(60_411), "numRequests": Int64(57)},
    "opcountersRepl": {"insert": 0, "query": 0, "update": 0, "delete": 0, "getmore": 0, "command": 0},
    "mem": {"bits": 64, "resident": 81, "virtual": 962, "supported": True},
}
_KINDS = ("insert", "query", "update", "delete", "getmore", "command")


def since(profile: Profile, found: StoredCollection) -> datetime:
    """When the server began to count for a collection."""
    return max(profile.started, found.made) if found.made is not None else profile.started


def index_stats(profile: Profile, found: StoredCollection | None) -> list[Document]:
    """The rows of `$indexStats`: none for a collection that is not there, nor for a time series."""
    if found is None or found.type != "collection":
        return []
    begun = since(profile, found)
    rows = [_row(profile, "_id_", ("_id",), 0, begun)]
    return rows + [_row(profile, each.name, each.fields, each.served, begun) for each in found.indexes]


def _row(profile: Profile, name: str, fields: tuple[str, ...], served: int, begun: datetime) -> Document:
    key = dict.fromkeys(fields, 1)
    accesses = {"ops": Int64(served), "since": begun}
    row: Document = {"name": name, "key": key, "host": profile.host, "accesses": accesses}
    if profile.version.at_least(4, 4) and profile.role is Role.MONGOS:
        row["shard"] = "sh0"
    return {**row, "spec": {"v": 2, "key": key, "name": name}} if profile.version.at_least(4, 4) else row


def latency_stats(profile: Profile, found: StoredCollection) -> Document:
    """How many operations there were, and how long they took (microseconds)."""
    counted = {"reads": found.reads, "writes": found.writes, "commands": 0}
    if profile.version.at_least(4, 0):
        counted["transactions"] = 0
    more = {"queryableEncryptionLatencyMicros": Int64(0)} if profile.version.at_least(7, 1) else {}
    return {
        name: {"latency": Int64(87 * number), "ops": Int64(number), **more}
        for name, number in counted.items()
    }


def top(profile: Profile) -> Document:
    """Every namespace that was used, with counts and microseconds."""
    totals: Document = {"note": "all times in microseconds"}
    for database in profile.visible.databases:
        for found in database.collections:
            if found.type == "collection":
                totals[f"{database.name}.{found.name}"] = _used(found)
    return {"totals": totals, "ok": 1.0}


def _used(found: StoredCollection) -> Document:
    counted = {
        "total": found.reads + found.writes,
        "readLock": found.reads,
        "writeLock": found.writes,
        "queries": found.reads,
        "getmore": 0,
        "insert": found.writes,
        "update": 0,
        "remove": 0,
        "commands": 0,
    }
    return {name: {"time": 87 * number, "count": number} for name, number in counted.items()}


def server_status(profile: Profile, document: Document) -> Document:
    """Uptime, counters and connections, without the sections that are switched off."""
    now, stored = profile.now(), profile.visible.user_databases
    up = int((now - profile.started).total_seconds() * 1000)
    every = [found for database in stored for found in database.collections]
    inserted = sum(found.count for found in every if found.type == "collection")
    opcounters = dict.fromkeys(_KINDS, 0) | {"insert": inserted, "query": sum(each.reads for each in every)}
    routed = profile.role is Role.MONGOS
    status: Document = {
        "host": profile.host,
        "version": profile.version.text,
        "process": "mongos" if routed else "mongod",
        "pid": Int64(4711),
        "uptime": float(up // 1000),
        "uptimeMillis": Int64(up),
        "uptimeEstimate": Int64(up // 1000),
        "localTime": now,
    }
    sections: Document = {
        **_SECTIONS,
        "connections": {"current": 3, "available": 51_197, "totalCreated": 61},
        "opcounters": opcounters,
        "metrics": _metrics(profile, document.get("metrics"), inserted),
    }
    for name, section in sections.items():
        if document.get(name, 1):
            status[name] = section
    return {**status, "ok": 1.0}


def _metrics(profile: Profile, wanted: Any, inserted: int) -> Document:
    """5.0 and later leave out those parts that are named with false."""
    parts: Document = {
        "commands": {name: {"failed": Int64(0), "total": Int64(1)} for name in ("find", "hello", "insert")},
        "document": {
            "deleted": Int64(0),
            "inserted": Int64(inserted),
            "returned": Int64(0),
            "updated": Int64(0),
        },
        "ttl": {"deletedDocuments": Int64(0), "passes": Int64(9)},
    }
    if not (isinstance(wanted, dict) and profile.version.at_least(5, 0)):
        return parts
    return {name: part for name, part in parts.items() if wanted.get(name) is not False}
