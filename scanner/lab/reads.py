"""Reads of a simulated MongoDB: aggregate, find, cursors, and the legacy read of old servers.

Only the `_id` end of an index can be read; any question that would return a document gets a decoy.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bson import Int64, ObjectId

from scanner.lab import answers, counters
from scanner.lab.data import DECOY, StoredCollection
from scanner.lab.errors import error, exception
from scanner.lab.profile import Access, Profile, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.lab.wire import Document

DEFAULT_BATCH = 101
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda value, bound: value > bound,
    "$gte": lambda value, bound: value >= bound,
    "$lt": lambda value, bound: value < bound,
    "$lte": lambda value, bound: value <= bound,
    "$eq": lambda value, bound: value == bound,
}


class Cursors:
    """The open cursors of one server. Ids are positive int64, as real ones are."""

    def __init__(self) -> None:
        self._ids = itertools.count(6_736_314_221_904_967_969)
        self._open: dict[int, tuple[str, list[Document]]] = {}

    def first(
        self, namespace: str, entries: list[Document], batch_size: int, *, listing: bool = False
    ) -> Document:
        """The reply that opens a cursor; `id` 0 when everything fits. Listings name their batch last."""
        batch, rest = entries[:batch_size], entries[batch_size:]
        number = 0
        if rest:
            number = next(self._ids)
            self._open[number] = (namespace, rest)
        body: Document = {"id": Int64(number), "ns": namespace}
        body = {**body, "firstBatch": batch} if listing else {"firstBatch": batch, **body}
        return {"cursor": body, "ok": 1.0}

    def more(self, profile: Profile, document: Document, database: str) -> Document:
        """The reply to getMore."""
        asked = document.get("getMore")
        number = asked if isinstance(asked, int) else 0
        if "maxTimeMS" in document:
            text = "cannot set maxTimeMS on getMore command for a non-awaitData cursor"
            return error(profile.version, 2, text)
        namespace, rest = self._open.get(number, ("", []))
        if namespace != f"{database}.{document.get('collection')}":
            return error(profile.version, 43, f"cursor id {asked} not found")
        batch_size = _whole(document.get("batchSize"), len(rest))
        batch, left = rest[:batch_size], rest[batch_size:]
        del self._open[number]
        if left:
            self._open[number] = (namespace, left)
        body = {"nextBatch": batch, "id": Int64(number if left else 0), "ns": namespace}
        return {"cursor": body, "ok": 1.0}

    def kill(self, document: Document) -> Document:
        """The reply to killCursors."""
        asked = document.get("cursors", [])
        killed = [each for each in asked if self._open.pop(each, None) is not None]
        gone = [each for each in asked if each not in killed]
        return {
            "cursorsKilled": killed,
            "cursorsNotFound": gone,
            "cursorsAlive": [],
            "cursorsUnknown": [],
            "ok": 1.0,
        }


def _whole(value: Any, default: int) -> int:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return int(value) if number and value > 0 else default


def list_collections(profile: Profile, cursors: Cursors, document: Document, database: str) -> Document:
    """A cursor over the collections of one database."""
    entries = answers.collections(profile, document, database)
    if isinstance(entries, dict):
        return entries
    size = _whole(document.get("cursor", {}).get("batchSize"), len(entries) + 1)
    reply = cursors.first(f"{database}.$cmd.listCollections", entries, size, listing=True)
    odd = profile.role is Role.MONGOS and not profile.version.at_least(4, 4) and not entries
    return {"result": [], **reply} if odd else reply  # an old router to a missing database


def list_indexes(profile: Profile, cursors: Cursors, document: Document, database: str) -> Document:
    """The one index that every simulated collection has."""
    name = document["listIndexes"]
    found = _find(profile, database, name)
    if found is None:
        return error(profile.version, 26, f"ns does not exist: {database}.{name}")
    return cursors.first(f"{database}.{name}", [{"v": 2, "key": {"_id": 1}, "name": "_id_"}], 2, listing=True)


def _find(profile: Profile, database: str, name: Any) -> StoredCollection | None:
    found = profile.visible.find(database)
    return found.find(name) if found is not None and isinstance(name, str) else None


def aggregate(profile: Profile, cursors: Cursors, document: Document, database: str) -> Document:
    """The pipelines that ask for metadata; anything else would read documents, and gets decoys."""
    if "hint" in document and not profile.version.at_least(3, 0):
        return {"ok": 0.0, "errmsg": "unrecognized field 'hint'"}
    name, pipeline = document.get("aggregate"), document.get("pipeline") or [{}]
    first = pipeline[0]
    namespace = f"{database}.{name}"
    if "$collStats" in first or "$indexStats" in first:
        failed = _stage_refused(profile, database, name, next(iter(first)))
        if failed is not None:
            return failed
        if "$indexStats" in first:
            entries: list[Document] = counters.index_stats(profile, _find(profile, database, name))
        else:
            stats = answers.stage_stats(profile, database, str(name), first["$collStats"])
            entries = [] if stats is None else [stats]
        entries = [_project(pipeline[1:], each) for each in entries]
    else:
        entries = _over_ids(pipeline, _find(profile, database, name))
    return cursors.first(namespace, entries, DEFAULT_BATCH)


def _stage_refused(profile: Profile, database: str, name: Any, stage: str) -> Document | None:
    version, namespace = profile.version, f"{database}.{name}"
    if not version.at_least(3, 4 if stage == "$collStats" else 2):
        return exception(version, 16436, f"Unrecognized pipeline stage name: '{stage}'")
    found = _find(profile, database, name)
    wrapped = "PlanExecutor error during aggregation :: caused by :: " if version.at_least(5, 0) else ""
    if found is None and stage == "$indexStats":
        return None
    if found is None:
        link = " :: caused by :: " if version.at_least(5, 0) else ": "
        missing = answers.not_found(profile, namespace)
        gone = f"Unable to retrieve storageStats in {stage} stage{link}{missing}"
        return error(version, 26 if version.at_least(6, 0) else 40280, wrapped + gone)
    if found.type == "view" and stage == "$collStats":
        return error(version, 166, f"{wrapped}Namespace {namespace} is a view, not a collection")
    return None


def _project(stages: list[Document], document: Document) -> Document:
    for stage in stages:
        wanted = stage.get("$project")
        if isinstance(wanted, dict):
            document = included(document, [key for key, value in wanted.items() if value])
    return document


def included(document: Document, paths: list[str]) -> Document:
    """The parts of `document` that an inclusive projection with dotted paths keeps."""
    kept: Document = {}
    for key, value in document.items():
        deeper = [path.partition(".")[2] for path in paths if path.partition(".")[0] == key]
        if not deeper:
            continue
        whole = "" in deeper or not isinstance(value, dict)
        kept[key] = value if whole else included(value, deeper)
    return kept


def _over_ids(pipeline: list[Document], found: StoredCollection | None) -> list[Document]:
    if found is None:
        return []
    if any("$group" in stage for stage in pipeline):
        return [{"_id": 1, "n": found.count}]
    wanted = pipeline[0].get("$match", {})
    limit = next((stage["$limit"] for stage in pipeline if "$limit" in stage), DEFAULT_BATCH)
    order: Document = next((stage["$sort"] for stage in pipeline if "$sort" in stage), {})
    ids = in_order(found, wanted.get("_id"), order)[: _whole(limit, DEFAULT_BATCH)]
    fields = next((stage["$project"] for stage in pipeline if "$project" in stage), None)
    if fields is None:
        return [{"_id": each, "content": DECOY} for each in ids]
    dates = [key for key, value in fields.items() if value == {"$toDate": "$_id"}]
    shows_id = bool(fields.get("_id", 1))
    return [{**({"_id": each} if shows_id else {}), **{key: _date(each) for key in dates}} for each in ids]


def _date(value: Any) -> datetime | None:
    return value.generation_time.astimezone(UTC) if isinstance(value, ObjectId) else None


def in_order(found: StoredCollection, condition: Any, order: Document) -> list[Any]:
    """The known ids that meet a range condition, the largest first unless `order` begins with the smallest.

    Bounds match values of their own type only.
    """
    ids = list(found.top_ids)
    if isinstance(condition, dict):
        for operator, bound in condition.items():
            compare = _COMPARISONS.get(operator)
            if compare is not None:
                ids = [each for each in ids if type(each) is type(bound) and compare(each, bound)]
    elif condition is not None:
        ids = [each for each in ids if each == condition]
    ascending = order.get("_id") == 1
    return sorted(ids, key=lambda each: (isinstance(each, ObjectId), str(each)), reverse=not ascending)


def find(profile: Profile, cursors: Cursors, document: Document, database: str) -> Document:
    """The find command (3.2 and later)."""
    name = document.get("find")
    entries = _selected(
        _find(profile, database, name),
        document.get("filter", {}),
        document.get("projection"),
        _whole(document.get("limit"), DEFAULT_BATCH),
        document.get("sort", {}),
    )
    missing = _find(profile, database, name) is None and profile.role is not Role.MONGOS
    return cursors.first(f"{database}.{name}", entries, DEFAULT_BATCH, listing=missing)


def _selected(
    found: StoredCollection | None, wanted: Document, fields: Any, limit: int, order: Document
) -> list[Document]:
    if found is None:
        return []
    ids = in_order(found, wanted.get("_id"), order)[:limit]
    if fields == {"_id": 1} or fields == {"_id": True}:
        return [{"_id": each} for each in ids]
    return [{"_id": each, "content": DECOY} for each in ids]


def legacy_find(profile: Profile, namespace: str, query: Document, fields: Any, limit: int) -> list[Document]:
    """A legacy OP_QUERY read: `system.namespaces` of 2.x, or the `_id` end of a collection."""
    database, _, name = namespace.partition(".")
    wanted = query.get("$query", query)
    if name == "system.namespaces":
        entries = _namespaces(profile, database)
    else:
        order = query.get("$orderby", {})
        entries = _selected(_find(profile, database, name), wanted, fields, DEFAULT_BATCH, order)
    return entries[: abs(limit) or DEFAULT_BATCH]


def _namespaces(profile: Profile, database: str) -> list[Document]:
    found = profile.visible.find(database)
    if found is None or profile.version.at_least(3, 0):  # WiredTiger keeps no such collection
        return []
    entries: list[Document] = []
    for each in found.collections:
        entries.append({"name": f"{database}.{each.name}"})
        if not each.name.startswith("system."):
            entries.append({"name": f"{database}.{each.name}.$_id_"})
    return entries


def reads_allowed(profile: Profile) -> bool:
    """False where the caller came through the localhost exception and may not read."""
    return profile.access is not Access.EXCEPTION or not profile.version.at_least(3, 0)


def read_flags(profile: Profile) -> int:
    """responseFlags of a legacy read: 8 from a mongod, 0 from a mongos (recorded on 4.0.3)."""
    return 0 if profile.role is Role.MONGOS else 8
