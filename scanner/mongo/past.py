"""What one look tells of the time before it: what was made when, or restored, and since when a note is there.

It rests on the moment at which a server began to count for a collection: the start of its process, or the
making of the collection where that came later.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from results.past import Past
from results.record import LastWrite
from scanner.mongo.activity import COLLECTION_MADE, INDEX_USE, WRITE_OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from results.record import Collection, Database
    from scanner.mongo.activity import ServerClock

NOTE_LEFT: Final = "note-left"
RESTORED: Final = "restored"
MADE: Final = "made-after-start"
TOGETHER: Final = timedelta(minutes=15)  # between the first and the last collection of a restore
KEPT: Final = 20


def events(databases: Sequence[Database], notes: Iterable[str], there: ServerClock) -> tuple[list[Past], int]:
    """What happened after the process started, the gravest first, and how many more there were.

    `notes`: the names that look like an extortionist's, of databases or namespaces.
    """
    if there.started is None:
        return [], 0
    extortionists = frozenset(notes)
    started = there.started
    left: list[Past] = []
    restored: list[Past] = []
    made: list[Past] = []
    for database in databases:
        if database.system or not database.collections or not _holds_what_was_made(database):
            continue
        rest = []
        for collection in _of_users(database):
            name = f"{database.name}.{collection.name}"
            if name not in extortionists and database.name not in extortionists:
                rest.append(collection)
            elif collection.made_at is not None:
                left.append(_event(NOTE_LEFT, name, [collection.made_at], started))
        times = [collection.made_at for collection in rest if collection.made_at is not None]
        if not times:
            continue
        whole = len(times) == len(rest) > 1 and database.collections_known
        if whole and max(times) - min(times) <= TOGETHER:
            restored.append(_event(RESTORED, database.name, times, started))
        else:
            names = [f"{database.name}.{found.name}" for found in rest if found.made_at is not None]
            made.append(_event(MADE, names[0] if len(names) == 1 else database.name, times, started))
    found = [event for kind in (left, restored, made) for event in sorted(kind, key=_newest, reverse=True)]
    return found[:KEPT], max(0, len(found) - KEPT)


def _holds_what_was_made(database: Database) -> bool:
    """Whether anything in it was made after the start; in few databases of few servers it was."""
    return any(collection.made_at is not None for collection in database.collections)


def _of_users(database: Database) -> list[Collection]:
    return [
        collection
        for collection in database.collections
        if collection.type == "collection" and not collection.name.startswith("system.")
    ]


def _event(code: str, where: str, times: Sequence[datetime], started: datetime) -> Past:
    first, last = min(times), max(times)
    return Past(
        code=code,
        where=where,
        at=first,
        until=last if last > first else None,
        collections=len(times),
        after_start_seconds=max(0, int((first - started).total_seconds())),
    )


def _newest(event: Past) -> datetime:
    return event.until or event.at


def counted(databases: Iterable[Database], there: ServerClock) -> list[LastWrite]:
    """What counters say of users' data: the collection that was made last, the one with most write
    operations, and the index that served most, as far as any did."""
    made: LastWrite | None = None
    written: LastWrite | None = None
    used: LastWrite | None = None
    most_written = most_used = 0
    for database in databases:
        if database.system or not database.collections:
            continue
        for collection in database.collections:
            at = collection.made_at
            if at is not None and (made is None or at > made.at):
                made = LastWrite(at=at, method=COLLECTION_MADE, where=f"{database.name}.{collection.name}")
            since = collection.counted_since or there.started
            writes = collection.write_operations
            if writes is not None and writes > most_written and since is not None:
                written = _of(WRITE_OPERATIONS, since, f"{database.name}.{collection.name}", writes)
                most_written = writes
            for index in collection.indexes:
                served, begun = index.operations, index.counted_since or since
                if served is not None and served > most_used and begun is not None:
                    used = _of(INDEX_USE, begun, f"{database.name}.{collection.name}.${index.name}", served)
                    most_used = served
    return [found for found in (made, written, used) if found is not None]


def _of(method: str, since: datetime, where: str, operations: int) -> LastWrite:
    return LastWrite(at=since, method=method, where=where, operations=operations)
