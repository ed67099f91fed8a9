"""What is known of a server's databases and collections so far, and how each reply's fields are read into it.

Replies are hostile: a field of the wrong type, a negative or impossible number is dropped, the row stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from results.record import Collection, Database
from scanner.mongo.activity import newest_id
from scanner.mongo.commands import RefusedRequest, check_collection, check_database
from scanner.mongo.hints import match
from scanner.mongo.ransom import is_listed
from scanner.mongo.values import clean_name, count, documents, sub, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from scanner.mongo.activity import ServerClock
    from scanner.mongo.facts import Document, Limits

SYSTEM_DATABASES = frozenset({"admin", "config", "local"})
RANKED_BY_MEANING = 5_000  # beyond this many names, order is by name alone
NOTE_LENGTH = 300
_OLD_OPLOG = "oplog.$main"
_TYPES = frozenset({"collection", "view", "timeseries"})


@dataclass(slots=True)
class CollectionState:
    """One collection. `sent` is its name as the server wrote it; `id_index` None where nothing says."""

    sent: str
    type: str = "collection"
    documents: int | None = None
    size: int | None = None
    storage: int | None = None
    capped: bool = False
    shards: int = 0
    id_index: bool | None = None
    measured: bool = False
    newest: datetime | None = None
    note: str = ""

    @property
    def system(self) -> bool:
        """True for the server's own, such as system.views, and for the buckets of a time series."""
        return self.sent.startswith("system.")

    def record(self, database: str, limits: Limits, clock: ServerClock) -> Collection:
        """The collection as it stands in the record. `clock` judges the time of its newest id."""
        name, cut = clean_name(self.sent, limits.name_length)
        return Collection(
            name=name,
            type=self.type,
            documents=self.documents,
            size_bytes=self.size,
            storage_bytes=self.storage,
            capped=self.capped,
            last_write=newest_id(self.newest, f"{database}.{name}", clock) if self.newest else None,
            note="; ".join(part for part in (self.note, f"name in hex: {cut}" if cut else "") if part),
        )


@dataclass(slots=True)
class DatabaseState:
    """One listed database. `names_known`: the whole list of its collections is in."""

    sent: str
    size: int | None = None
    documents: int | None = None
    empty: bool | None = None
    collections: dict[str, CollectionState] = field(default_factory=dict)
    names_known: bool = False
    note: str = ""

    @property
    def system(self) -> bool:
        """True for the server's own databases."""
        return self.sent in SYSTEM_DATABASES

    def add_note(self, words: str) -> None:
        """Say something about this database in the record, once."""
        if words not in self.note:
            self.note = "; ".join(part for part in (self.note, words) if part)[:NOTE_LENGTH]

    def _counted_by_collection(self) -> int | None:
        counts = [found.documents for found in self.collections.values() if found.type == "collection"]
        known = [number for number in counts if number is not None]
        return sum(known) if self.names_known and len(known) == len(counts) else None

    def record(self, limits: Limits, clock: ServerClock) -> Database:
        """The database as it stands in the record; collections in the order of their names."""
        name, cut = clean_name(self.sent, limits.name_length)
        return Database(
            name=name,
            name_hex=cut,
            size_bytes=self.size,
            documents=self.documents if self.documents is not None else self._counted_by_collection(),
            system=self.system,
            empty=self.empty,
            collections=[
                self.collections[key].record(name, limits, clock) for key in sorted(self.collections)
            ],
            collections_known=self.names_known,
            note=self.note,
        )


def listed(entries: Iterable[Document], limits: Limits) -> tuple[dict[str, DatabaseState], int]:
    """The databases of a listDatabases reply: user databases first, telling names first, then by name.

    Returns at most `limits.databases_kept` of them, and how many the server listed.
    """
    found: dict[str, DatabaseState] = {}
    for entry in entries:
        name = entry.get("name")
        if isinstance(name, str):
            state = found.setdefault(name, DatabaseState(name))
            read_size(state, entry)
    names = in_order(found)
    return {name: found[name] for name in names[: limits.databases_kept]}, len(found)


def in_order(names: Iterable[str]) -> list[str]:
    """Names in an order that two passes share: the server's own last, telling ones first, then by name."""
    every = list(names)
    ranked = len(every) <= RANKED_BY_MEANING

    def rank(name: str) -> tuple[bool, bool, str]:
        own = name in SYSTEM_DATABASES or name.startswith("system.")
        telling = ranked and (is_listed(name[:256]) or bool(match(name[:256])))
        return own, not telling, name

    return sorted(every, key=rank)


def read_size(state: DatabaseState, entry: Document) -> None:
    """`sizeOnDisk` (bytes) and `empty` of a listDatabases entry. MMAPv1 says 1 where there are no files."""
    size = count(entry.get("sizeOnDisk"))
    empty = entry.get("empty")
    if isinstance(empty, bool):
        state.empty = empty
    if size is not None:
        state.size = 0 if state.empty and size == 1 else size
    if state.empty:
        state.documents = 0
        state.names_known = True


def read_db_stats(state: DatabaseState, document: Document) -> None:
    """dbStats: `objects`, and a size (bytes) where listDatabases gave none. A mongos sums its shards."""
    objects = count(document.get("objects"))
    if objects is not None:
        state.documents = objects
    if state.size is None:
        files = count(document.get("fileSize"))
        parts = [count(document.get("storageSize")), count(document.get("indexSize"))]
        total = count(document.get("totalSize"))
        known = [part for part in parts if part is not None]
        state.size = files or (total if total is not None else sum(known) if known else None)


def uses_mmapv1(document: Document) -> bool:
    """True when dbStats has what only MMAPv1 has: extents and a namespace file."""
    return "nsSizeMB" in document or bool(count(document.get("numExtents")))


def read_names(state: DatabaseState, batch: object, room: int) -> int:
    """A batch of listCollections: names and types. Returns how many were new; at most `room` are kept."""
    added = 0
    for entry in documents(batch):
        name = entry.get("name")
        if not isinstance(name, str) or name in state.collections:
            continue
        if added >= room:
            break
        kind = text(entry.get("type"), 32)
        state.collections[name] = CollectionState(name, kind if kind in _TYPES else "collection")
        added += 1
    return added


def from_namespaces(database: str, batch: object) -> Iterator[Document]:
    """`system.namespaces` of 2.x as listCollections entries: without indexes, without the database's name."""
    prefix = f"{database}."
    for entry in documents(batch):
        name = entry.get("name")
        if isinstance(name, str) and name.startswith(prefix):
            bare = name[len(prefix) :]
            if "$" not in bare or (database == "local" and bare == _OLD_OPLOG):
                yield {"name": bare}


def read_statistics(state: CollectionState, parts: list[Document]) -> None:
    """Counts and sizes (bytes): `parts`, one a shard, are `$collStats` or collStats documents to sum."""
    if not parts:
        return
    counts, sizes, storage = [], [], []
    for part in parts:
        inner = part.get("storageStats")
        stats = inner if isinstance(inner, dict) else part
        own = count(part.get("count"))
        counts.append(own if own is not None else count(stats.get("count")))
        sizes.append(count(stats.get("size")))
        storage.append(count(stats.get("storageSize")))
        state.capped = state.capped or stats.get("capped") in (True, 1)
        indexes = stats.get("indexSizes")
        if isinstance(indexes, dict):
            state.id_index = "_id_" in indexes and state.id_index is not False
        elif counts[-1] and count(stats.get("totalIndexSize")) == 0:
            state.id_index = False  # documents and no index at all: a clustered collection
    state.documents, state.size, state.storage = _sum(counts), _sum(sizes), _sum(storage)
    state.shards = len(parts)
    state.measured = True
    if state.type == "timeseries":
        state.documents = None
        state.note = "a time series: sizes are those of its buckets, measurements are not counted"


def _sum(values: list[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    total = sum(known)
    return total if known and total < 2**63 else None


def sendable(database: str, collection: str = "") -> str:
    """Why a name cannot be sent back to its server, or ""."""
    try:
        check_database(database)
        if collection:
            check_collection(database, collection)
    except RefusedRequest as refusal:
        return f"not asked: {refusal}"
    return ""


def first_batch(document: Document) -> list[Document]:
    """The documents of a cursor's first or next batch."""
    batch = sub(document, "cursor", "firstBatch")
    return list(documents(batch if isinstance(batch, list) else sub(document, "cursor", "nextBatch")))
