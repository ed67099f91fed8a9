"""What is known of a server's databases and collections so far, and how each reply's fields are read into it.

Replies are hostile: a field of the wrong type, a negative or impossible number is dropped, the row stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from sys import getsizeof
from typing import TYPE_CHECKING
from uuid import UUID

from bson.binary import UUID_SUBTYPE, Binary

from results.record import Collection, Database, Reason
from scanner.mongo.activity import newest_id
from scanner.mongo.answers import databases
from scanner.mongo.hints import NAMES_REMEMBERED, match
from scanner.mongo.listing import SYSTEM_DATABASES, by_name
from scanner.mongo.ransom import is_listed
from scanner.mongo.tables import derived
from scanner.mongo.values import OF_COUNTS, clean_name, count, documents, sub, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from results.past import Index
    from scanner.mongo.activity import ServerClock
    from scanner.mongo.facts import Document, Limits, Reply

RANKED_BY_MEANING = 5_000  # beyond this many names, order is by name alone
LOOKED_AT = 256  # characters of a name that decide whether it tells something; a longer one is not remembered
NOTES_KEPT, NOTE_LENGTH = 4, 200  # of each its detail's characters
NOT_TOLD, UNSENDABLE = "not-told", "unsendable-name"
START_OF_PROCESS = "startup_log"  # of `local`: each start of a mongod writes to it, and none makes it anew
SHARDS_KEPT = BUCKETS_KEPT = SHARD_NAME_LENGTH = 64
COLLECTION_BYTES = 300  # of memory that a collection takes besides its name
_OLD_OPLOG = "oplog.$main"
_TYPES = {name: name for name in ("collection", "view", "timeseries")}


@dataclass(slots=True)
class CollectionState:
    """One collection. `sent` is its name as the server wrote it; `id_index` None where nothing says.

    `uuid`: 16 bytes, or none. `since`: when the server began to count for it. `writes` and `reads` are
    operations since then, `used` its indexes.
    """

    sent: str
    type: str = "collection"
    documents: int | None = None
    size: int | None = None
    storage: int | None = None
    indexes: int | None = None
    capped: bool = False
    shards: int = 0
    shard_names: tuple[str, ...] = ()
    validator: bool | None = None
    id_index: bool | None = None
    newest: datetime | None = None
    uuid: bytes = b""
    since: datetime | None = None
    writes: int | None = None
    reads: int | None = None
    used: tuple[Index, ...] = ()
    notes: tuple[Reason, ...] = ()

    @property
    def system(self) -> bool:
        """True for the server's own, such as system.views, and for the buckets of a time series."""
        return self.sent.startswith("system.")

    def add_note(self, code: str, detail: str = "") -> None:
        """Say something about this collection in the record, once."""
        self.notes = _with_note(self.notes, code, detail)

    def record(self, database: str, limits: Limits, clock: ServerClock) -> Collection:
        """The collection as it stands in the record. `clock` judges its times."""
        name, cut = clean_name(self.sent, limits.name_length)
        newest = self.newest
        since = self.since if self.since is not None and not clock.label(self.since) else None
        return Collection(
            name=name,
            name_hex=cut,
            type=self.type,
            uuid=_uuid_text(self.uuid),
            documents=self.documents,
            size_bytes=self.size,
            storage_bytes=self.storage,
            index_bytes=self.indexes,
            capped=self.capped,
            validator=self.validator,
            shards=list(self.shard_names),
            last_write=newest_id(newest, f"{database}.{name}", clock) if newest is not None else None,
            made_at=since if since is not None and clock.made_later(since) else None,
            counted_since=since,
            write_operations=self.writes,
            read_operations=self.reads,
            indexes=list(self.used),
            notes=list(self.notes),
        )


def _uuid_text(uuid: bytes) -> str:
    digits = uuid.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}" if digits else ""


@dataclass(slots=True)
class DatabaseState:
    """One listed database. `names_known`: the whole list of its collections is in.

    `listed_size` is listDatabases' figure, `stats_size` that of dbStats (bytes), `stats_collections` how many
    collections dbStats counts. `preallocated`: MMAPv1, which keeps files of databases that hold nothing.
    """

    sent: str
    listed_size: int | None = None
    stats_size: int | None = None
    documents: int | None = None
    stats_collections: int | None = None
    indexes: int | None = None
    empty: bool | None = None
    shards: dict[str, int] = field(default_factory=dict)
    collections: dict[str, CollectionState] = field(default_factory=dict)
    names_known: bool = False
    preallocated: bool = False
    notes: tuple[Reason, ...] = ()

    @property
    def system(self) -> bool:
        """True for the server's own databases."""
        return self.sent in SYSTEM_DATABASES

    def add_note(self, code: str, detail: str = "") -> None:
        """Say something about this database in the record, once."""
        self.notes = _with_note(self.notes, code, detail)

    @property
    def told_empty(self) -> bool:
        """True when nothing speaks against the server's word that nothing is in it."""
        return self.empty is True and not self.documents and not self.collections

    @property
    def names_contradicted(self) -> bool:
        """An empty list of collections, where something else says that there are some."""
        if not self.names_known or self.collections or self.told_empty:
            return False
        held = bool(self.documents) or bool(self.stats_collections)
        return held or (self.empty is False and not (self.preallocated and self.documents == 0))

    def _documents(self) -> int | None:
        """Documents; zero only where the server does not say elsewhere that the database is not empty."""
        if self.documents or self.told_empty:
            return self.documents
        counts = [found.documents for found in self.collections.values() if found.type == "collection"]
        known = [number for number in counts if number is not None]
        some = bool(self.collections or self.stats_collections or self.preallocated)
        if self.documents == 0 and not any(known) and (some or self.empty is not False):
            return 0
        return sum(known) if self.names_known and counts and len(known) == len(counts) else None

    def size(self, documents: int | None) -> int | None:
        """Bytes on disk. Zero is a size only where nothing is in the database."""
        told = self.listed_size or self.stats_size
        if told:
            return told
        return 0 if 0 in (self.listed_size, self.stats_size) and documents == 0 else None

    def _gridfs(self, limits: Limits) -> list[str]:
        """Buckets of files: names that stand with `.files` and `.chunks` behind them."""
        buckets = [name.removesuffix(".files") for name in self.collections if name.endswith(".files")]
        found = sorted(name for name in buckets if name and f"{name}.chunks" in self.collections)
        return [clean_name(bucket, limits.name_length)[0] for bucket in found[:BUCKETS_KEPT]]

    def record(self, limits: Limits, clock: ServerClock) -> Database:
        """The database as it stands in the record; collections in the order of their names."""
        name, cut = clean_name(self.sent, limits.name_length)
        documents, contradicted = self._documents(), self.names_contradicted
        if contradicted:
            self.add_note(NOT_TOLD, "names of collections: none came, and the database is not empty")
        if documents is None and self.documents == 0:
            self.add_note(NOT_TOLD, "counts: nothing was counted, and the database is said not to be empty")
        empty = self.empty if self.empty is not True or self.told_empty else None
        collections = self.collections
        return Database(
            name=name,
            name_hex=cut,
            size_bytes=self.size(documents),
            documents=documents,
            index_bytes=self.indexes,
            system=self.system,
            empty=empty,
            shards=self.shards,
            gridfs=self._gridfs(limits) if collections else [],
            collections=[collections[key].record(name, limits, clock) for key in sorted(collections)],
            collections_known=self.names_known and not contradicted,
            notes=list(self.notes),
        )


def listed(reply: Reply | None, limits: Limits) -> tuple[dict[str, DatabaseState], int]:
    """The databases of a listDatabases reply: user databases first, telling names first, then by name.

    Returns at most `limits.databases_kept` of them, and how many the server listed: more than the reply
    holds where a long list was cut when it was read.
    """
    found: dict[str, DatabaseState] = {}
    for entry in databases(reply) or []:
        name = entry["name"]
        state = found.get(name)
        if state is None:
            state = found[name] = DatabaseState(name)
        read_size(state, entry)
    names = in_order(found)
    told = max(len(found), reply.listed if reply is not None else 0)
    return {name: found[name] for name in names[: limits.databases_kept]}, told


def records(
    reply: Reply | None, limits: Limits, clock: ServerClock, *, preallocated: bool
) -> tuple[list[Database], int]:
    """The databases of a listDatabases reply as they stand in the record, where that reply is all that is
    known of them: in the order of `listed`, and with its number."""
    entries = databases(reply) or []
    found = {entry["name"]: entry for entry in entries}
    if len(found) < len(entries):  # a name twice: what the entries say is put together
        states, told = listed(reply, limits)
        for state in states.values():
            state.preallocated = preallocated
        return [state.record(limits, clock) for state in states.values()], told
    told = max(len(found), reply.listed if reply is not None else 0)
    names = in_order(found)[: limits.databases_kept]
    return [_record_listed(found[name], limits, clock) for name in names], told


def _record_listed(entry: Document, limits: Limits, clock: ServerClock) -> Database:
    sent, empty = entry["name"], entry.get("empty")
    if empty is True or "shards" in entry:
        state = DatabaseState(sent)
        read_size(state, entry)
        return state.record(limits, clock)
    name, cut = clean_name(sent, limits.name_length)
    return Database(
        name=name,
        name_hex=cut,
        size_bytes=count(entry.get("sizeOnDisk")) or None,
        system=sent in SYSTEM_DATABASES,
        empty=None if empty is not False else False,
    )


def in_order(names: Iterable[str]) -> list[str]:
    """Names in an order that two passes share: the server's own last, telling ones first, then by name."""
    every = list(names)
    if len(every) > RANKED_BY_MEANING:
        return by_name(every)
    short = max(map(len, every), default=0) <= LOOKED_AT
    return sorted(every, key=_place if short else _place.__wrapped__)


@derived
@lru_cache(NAMES_REMEMBERED)
def _place(name: str) -> tuple[int, str]:
    """Where a name stands among others, by its rank and as it is written."""
    own = name in SYSTEM_DATABASES or name.startswith("system.")
    return 2 * own + (not tells(name)), name


def tells(name: str, *, note: bool = True) -> bool:
    """True for a name that stands in the lists of hints, or with `note` in those of ransom notes."""
    looked_at = name[:LOOKED_AT]
    return (note and is_listed(looked_at)) or bool(match(looked_at))


def read_size(state: DatabaseState, entry: Document) -> None:
    """`sizeOnDisk` (bytes) and `empty` of a listDatabases entry. MMAPv1 says 1 where there are no files.

    A database that is said to be empty and has files all the same is asked like any other.
    """
    size = count(entry.get("sizeOnDisk"))
    empty = entry.get("empty")
    if isinstance(empty, bool):
        state.empty = empty
    nothing = bool(state.empty) and size in (None, 0, 1)
    if size is not None:
        state.listed_size = 0 if nothing else size
    if nothing and state.documents is None and not state.collections:
        state.documents = 0
        state.names_known = True
    shards = entry.get("shards")
    if isinstance(shards, dict):
        told = {clean_name(name, SHARD_NAME_LENGTH)[0]: count(value) for name, value in shards.items()}
        state.shards = {name: value for name, value in list(told.items())[:SHARDS_KEPT] if value is not None}


def keep_sizes(states: Mapping[str, DatabaseState], entries: Iterable[Document]) -> None:
    """`read_size` of each entry whose database is known by now."""
    for entry in entries:
        state = states.get(entry["name"])
        if state is not None:
            read_size(state, entry)


def read_db_stats(state: DatabaseState, document: Document) -> bool:
    """dbStats: counts, and a size (bytes). A mongos sums its shards. False when `objects` is no count."""
    state.preallocated = state.preallocated or "nsSizeMB" in document
    return keep_counts(state, [document.get(name) for name in OF_COUNTS])


def keep_counts(state: DatabaseState, values: Sequence[object]) -> bool:
    """The same of the fields `OF_COUNTS`. Only MMAPv1 has extents and a namespace file."""
    documents, collections, index_size, storage, total, files, extents, namespace_file = values
    told = count(documents)
    if told is not None:
        state.documents = told
    state.stats_collections = count(collections)
    indexes = state.indexes = count(index_size)
    if namespace_file is not None or count(extents):
        state.preallocated = True
    size = count(files) or count(total)
    if size is None:
        stored = count(storage)
        size = indexes if stored is None else stored + (indexes or 0)
    state.stats_size = size
    return told is not None


Named = tuple[str, str, bool | None, bytes]
"""A collection's name, its type, whether there is a validator where that is told, and its UUID if it is."""


def read_names(batch: object) -> Iterator[Named]:
    """A batch of listCollections."""
    for entry in documents(batch):
        name = entry.get("name")
        if isinstance(name, str):
            # Of the options, that there is a validator is all that is kept.
            options = entry.get("options")
            validator = "validator" in options if isinstance(options, dict) else None
            yield name, text(entry.get("type"), 32), validator, _uuid(sub(entry, "info", "uuid"))


def _uuid(value: object) -> bytes:
    if isinstance(value, UUID):
        return value.bytes
    is_one = isinstance(value, Binary) and value.subtype == UUID_SUBTYPE and len(value) == 16
    return bytes(value) if is_one and isinstance(value, bytes) else b""


def keep_names(state: DatabaseState, names: Iterable[Named], room: int) -> tuple[int, int]:
    """Keep at most `room` new ones. Returns how many these are, and how many bytes of memory they take."""
    added = size = 0
    collections = state.collections
    for name, kind, validator, uuid in names:
        if name in collections:
            continue
        if added >= room:
            break
        collections[name] = CollectionState(
            name, _TYPES.get(kind, "collection"), validator=validator, uuid=uuid
        )
        added += 1
        size += COLLECTION_BYTES + getsizeof(name)
    return added, size


def from_namespaces(database: str, batch: object) -> Iterator[Document]:
    """`system.namespaces` of 2.x as listCollections entries: without indexes, without the database's name."""
    prefix = f"{database}."
    for entry in documents(batch):
        name = entry.get("name")
        if isinstance(name, str) and name.startswith(prefix):
            bare = name[len(prefix) :]
            if "$" not in bare or (database == "local" and bare == _OLD_OPLOG):
                yield {"name": bare}


def _with_note(notes: tuple[Reason, ...], code: str, detail: str) -> tuple[Reason, ...]:
    note = Reason(code=code, detail=detail[:NOTE_LENGTH])
    return notes if note in notes or len(notes) >= NOTES_KEPT else (*notes, note)
