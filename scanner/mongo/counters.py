"""What a server's own counters say: since when it counts, what was read and written, how an index served.

Replies are hostile: a field of the wrong type, a negative or impossible number is dropped, the row stays.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from results.past import Counters, Index
from scanner.mongo.answers import succeeded
from scanner.mongo.values import LARGEST, after_epoch, clean_name, count, documents, moment, sub

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scanner.mongo.facts import Document, Facts, Reply
    from scanner.mongo.inventory import CollectionState, DatabaseState

INDEXES_KEPT: Final = 32  # of a collection
FIELDS_KEPT: Final = 8  # of an index
NAME_LENGTH: Final = 64  # characters of an index's or a field's name
INDEX_BYTES: Final = 400  # of memory that an index takes
OF_ROW: Final = 4  # values of one row of `$indexStats`: name, names of fields, operations, since when
ID_INDEX: Final = "_id_"

_APART: Final = timedelta(seconds=1)
_WRITES: Final = ("insert", "update", "remove")
_READS: Final = ("queries", "getmore")
_UNUSED: Final = {kind: {"count": 0} for kind in (*_WRITES, *_READS)}


def rows_of(batch: object) -> list[Any]:
    """The rows of `$indexStats` in one list, `OF_ROW` values of each, as `keep_indexes` takes them."""
    values: list[Any] = []
    for row in documents(batch):
        key, accesses = row.get("key"), row.get("accesses")
        if isinstance(key, dict) and isinstance(accesses, dict):  # else it is about no index
            values += row.get("name"), tuple(key), accesses.get("ops"), accesses.get("since")
    return values


def keep_indexes(collection: CollectionState, values: Sequence[Any]) -> bool:
    """Keep the indexes of a collection, and since when it is counted. False where no row tells of one.

    A router gives one row a shard: operations are summed, and the earliest time stands for all.
    """
    found: dict[str, tuple[tuple[Any, ...], int | None, datetime | None]] = {}
    for at in range(0, len(values) - OF_ROW + 1, OF_ROW):
        name, fields, operations, since = values[at : at + OF_ROW]
        if not isinstance(name, str) or not name or not fields:
            continue
        when = after_epoch(since) if since.__class__ is int else moment(since)
        served = count(operations)
        if name in found:
            _, before, earliest = found[name]
            served = before if served is None else served + (before or 0)
            when = earliest if when is None else when if earliest is None else min(when, earliest)
        elif len(found) >= INDEXES_KEPT:
            continue
        found[name] = fields, served, when
    if ID_INDEX in found:
        collection.since = found[ID_INDEX][2]
    collection.used = tuple(
        _index(name, fields, served, when, collection.since)
        for name, (fields, served, when) in sorted(found.items(), key=lambda pair: pair[0] != ID_INDEX)
    )
    return bool(found)


def _index(
    name: str, fields: tuple[Any, ...], served: int | None, since: datetime | None, of_all: datetime | None
) -> Index:
    apart = since is not None and since != of_all and (of_all is None or abs(since - of_all) > _APART)
    return Index(
        name=clean_name(name, NAME_LENGTH)[0],
        fields=[clean_name(each, NAME_LENGTH)[0] for each in fields[:FIELDS_KEPT]],
        operations=served if served is None or served <= LARGEST else None,
        counted_since=since if apart else None,
    )


def lacks_operations(states: Iterable[DatabaseState]) -> bool:
    """Whether a collection of users has not told how often it was written to."""
    return any(
        found.writes is None and found.type == "collection"
        for state in states
        if not state.system
        for found in state.collections.values()
    )


def read_of_server(
    facts: Facts, states: Iterable[DatabaseState] | None, reply: Reply, *, ours: int = 0
) -> bool:
    """An answer to `top`, with the `states` that it tells of, or to serverStatus, which counts `ours` queries
    of this look. False: it tells nothing."""
    document = reply.document
    if reply.error or document is None or not succeeded(reply):
        return False
    if states is not None:
        return read_top(states, document)
    told = read_server_status(document, ours)
    if told is None:
        return False
    facts.counters, facts.process_started = told
    return True


def read_top(states: Iterable[DatabaseState], document: Document) -> bool:
    """Operations of each collection that did not tell them itself. False where the answer has no list.

    What is not in the list was not used since the process started.
    """
    totals = document.get("totals")
    if not isinstance(totals, dict) or not totals:
        return False
    for state in states:
        for name, collection in state.collections.items() if not state.system else ():
            if collection.type != "collection" or collection.writes is not None:
                continue
            counted = totals.get(f"{state.sent}.{name}", _UNUSED)
            collection.writes, collection.reads = _uses(counted, _WRITES), _uses(counted, _READS)
    return True


def _uses(counted: object, kinds: Iterable[str]) -> int | None:
    return _sum([count(sub(counted, kind, "count")) for kind in kinds])


def _counts(counted: object, kinds: Iterable[str]) -> int | None:
    return _sum([count(sub(counted, kind)) for kind in kinds])


def _sum(numbers: Sequence[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return count(sum(known)) if len(known) == len(numbers) else None


def read_server_status(document: Document, ours: int) -> tuple[Counters, datetime | None] | None:
    """The counters, and when the process started by the server's clock (ms). None where neither is told.

    `ours`: how many of the queries were of this look. Commands are not kept: most of them are somebody's
    looking, and ours among them.
    """
    now = moment(document.get("localTime"))
    uptime = count(document.get("uptimeMillis"))
    if uptime is None and (seconds := count(document.get("uptime"))) is not None:
        uptime = 1000 * seconds
    started = None
    if now is not None and uptime is not None:
        with suppress(OverflowError):
            started = now - timedelta(milliseconds=uptime)
    connections = count(sub(document, "connections", "current"))
    queries = count(sub(document, "opcounters", "query"))
    counters = Counters(
        read_at=now,
        documents_inserted=count(sub(document, "metrics", "document", "inserted")),
        documents_updated=count(sub(document, "metrics", "document", "updated")),
        documents_deleted=count(sub(document, "metrics", "document", "deleted")),
        insert_operations=count(sub(document, "opcounters", "insert")),
        update_operations=count(sub(document, "opcounters", "update")),
        delete_operations=count(sub(document, "opcounters", "delete")),
        copied_operations=_counts(document.get("opcountersRepl"), ("insert", "update", "delete")),
        query_operations=None if queries is None else max(0, queries - ours),
        other_connections=None if connections is None else max(0, connections - 1),
    )
    return None if started is None and counters == Counters(read_at=now) else (counters, started)
