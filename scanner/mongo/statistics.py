"""What the statistics of one collection say: counts, sizes, and how many operations there were.

Replies are hostile: a field of the wrong type, a negative or impossible number is dropped, the row stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scanner.mongo.inventory import SHARD_NAME_LENGTH, SHARDS_KEPT
from scanner.mongo.values import LARGEST, OF_PART, OF_SIZES, OF_USE, clean_name, count, sub

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.mongo.facts import Document
    from scanner.mongo.inventory import CollectionState


def read_statistics(state: CollectionState, parts: list[Document]) -> bool:
    """Counts and sizes (bytes): `parts`, one a shard, are `$collStats`, collStats or count documents to sum.

    False when no count can be made of them. What was known before stays where they do not tell.
    """
    return keep_statistics(state, list(map(_fields, parts)))


def _fields(part: Document) -> Sequence[Any]:
    inner = part.get("storageStats")
    stats = inner if isinstance(inner, dict) else part
    sizes = [stats.get(name) for name in OF_SIZES]
    return [part.get(name) for name in OF_PART] + sizes + [sub(part, *path) for path in OF_USE]


def keep_statistics(  # noqa: C901 - one loop: it runs for every collection, and a call for each field costs more
    state: CollectionState, parts: list[Sequence[Any]]
) -> bool:
    """The same of the fields `OF_PART`, `OF_SIZES` and `OF_USE` of each part."""
    documents: int | None = 0 if parts else None
    sizes: int | None = None
    stored: int | None = None
    indexed: int | None = None
    read: int | None = None
    written: int | None = None
    for own, shard, inner, told_size, told_storage, told_indexes, capped, names, reads, writes in parts:
        number = count(own)
        if number is None:
            number = count(inner)
        documents = None if documents is None or number is None else documents + number
        if (size := count(told_size)) is not None:
            sizes = size if sizes is None else sizes + size
        if (storage := count(told_storage)) is not None:
            stored = storage if stored is None else stored + storage
        if (indexes := count(told_indexes)) is not None:
            indexed = indexes if indexed is None else indexed + indexes
        if (operations := count(reads)) is not None:
            read = operations if read is None else read + operations
        if (operations := count(writes)) is not None:
            written = operations if written is None else written + operations
        if shard is not None:
            _keep_shard(state, shard)
        if capped in (True, 1):
            state.capped = True
        if isinstance(names, dict):
            state.id_index = "_id_" in names and state.id_index is not False
        elif number and indexes == 0:
            state.id_index = False  # documents and no index at all: a clustered collection
    documents = _sum(documents)
    state.documents = documents if documents is not None else state.documents
    if sizes is not None:
        state.size = _sum(sizes)
    if stored is not None:
        state.storage = _sum(stored)
    if indexed is not None:
        state.indexes = _sum(indexed)
    if read is not None:
        state.reads = _sum(read)
    if written is not None:
        state.writes = _sum(written)
    state.shards = max(state.shards, len(parts))
    if state.type == "timeseries":
        state.documents = None
        state.add_note("time-series")
        return bool(parts)
    return documents is not None


def keep_part(state: CollectionState, values: Sequence[Any]) -> bool:
    """What `keep_statistics` does of one part, sooner where all its numbers are whole, as they mostly are."""
    own, shard, _, size, storage, indexes, capped, names, reads, writes = values
    if (
        own.__class__ is size.__class__ is storage.__class__ is indexes.__class__ is int
        and reads.__class__ is writes.__class__ is int
        and own | size | storage | indexes | reads | writes >= 0
        and shard is names is None
        and capped is False
        and state.type != "timeseries"
    ):
        state.documents, state.size, state.storage, state.indexes = own, size, storage, indexes
        state.reads, state.writes = reads, writes
        if own and not indexes:
            state.id_index = False
        state.shards = state.shards or 1
        return True
    return keep_statistics(state, [values])


def _keep_shard(state: CollectionState, shard: object) -> None:
    name = clean_name(shard, SHARD_NAME_LENGTH)[0]
    if name and name not in state.shard_names and len(state.shard_names) < SHARDS_KEPT:
        state.shard_names += (name,)


def _sum(total: int | None) -> int | None:
    """A sum of counts, unless it is more than a count can be."""
    return total if total is not None and total <= LARGEST else None
