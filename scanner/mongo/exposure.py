"""What lies open, put together for the record: totals, hints, ransom evidence, activity, and the gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.record import Database, Exposure
from scanner.mongo import activity, hints, ransom
from scanner.mongo.access import access
from scanner.mongo.answers import databases as databases_of
from scanner.mongo.answers import describe
from scanner.mongo.inventory import NOT_TOLD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.record import Collection
    from scanner.mongo.facts import Facts, Limits
    from scanner.mongo.inventory import DatabaseState

LINE = 200  # characters of one line about what is missing


def assemble(
    facts: Facts,
    limits: Limits,
    states: Sequence[DatabaseState],
    *,
    listed: int,
    total_size: int | None,
    storage_engine: str,
    gaps: Sequence[str],
) -> Exposure:
    """The exposure of one server. Totals leave the server's own databases out; sizes are bytes.

    `listed` is how many databases the server named, `total_size` its own sum of all their sizes; `gaps` is
    what the plan knows it did not ask.
    """
    there = activity.clock(facts)
    databases = [state.record(limits, there) for state in states]
    users = [database for database in databases if not database.system]
    hinted, more = hints.find(databases)
    writes = [
        collection.last_write
        for database in databases
        for collection in database.collections
        if collection.last_write is not None
    ]
    newest, everything = activity.best(writes, facts, there)
    truncated = list(gaps)
    if facts.list_databases is not None and facts.list_databases.truncated_list:
        truncated.insert(0, "the list of databases was longer than a reply may be: none of it was kept")
    elif databases_of(facts.list_databases) is None:
        truncated.insert(0, f"the list of databases: not told: {describe(facts.list_databases)}"[:LINE])
    if listed > len(databases):
        truncated.insert(0, f"databases: {listed - len(databases)} of {listed} not kept")
    noted = sum(1 for database in databases if database.notes)
    if noted:
        truncated.append(f"databases with a note about what is missing: {noted}")
    untold = sum(_is_untold(found) for database in databases for found in database.collections)
    if untold:
        truncated.append(f"collections that did not tell all: {untold}")
    if facts.metadata_cut:
        truncated.append(f"the conversation ended early: {facts.metadata_cut}")
    if more:
        truncated.append(f"hints: more than the {len(hinted)} named")
    level, answered, refused = access(facts)
    return Exposure(
        access=level,
        answered=answered,
        refused=refused,
        databases=databases,
        database_count=listed,
        collection_count=_collections(users),
        total_size_bytes=_size(databases, total_size),
        documents=_total(users, "documents"),
        index_bytes=_total(users, "index_bytes"),
        hint_count=len(hinted) or None,
        last_write=newest,
        activity=everything,
        ransom=ransom.judge(databases, storage_engine, complete=listed == len(databases) > 0),
        hints=hinted,
        truncated=truncated,
    )


def _is_untold(collection: Collection) -> bool:
    return any(note.code == NOT_TOLD for note in collection.notes)


def _collections(databases: Sequence[Database]) -> int | None:
    """How many collections of users were named; None where none was asked for."""
    asked = any(database.collections_known or database.collections for database in databases)
    return sum(len(database.collections) for database in databases) if asked else None


def _size(databases: Sequence[Database], total: int | None) -> int | None:
    """Bytes of users' databases. Where one does not tell its own: the server's sum less what is its own."""
    sizes = [database.size_bytes for database in databases]
    users = [database for database in databases if not database.system]
    known = sum(size for size in sizes if size is not None)
    untold = any(database.size_bytes is None for database in users)
    if untold and total is not None and total > known:
        return total - sum(database.size_bytes or 0 for database in databases if database.system)
    return _total(users, "size_bytes")


def _total(databases: Sequence[Database], name: str) -> int | None:
    known = [value for value in (getattr(database, name) for database in databases) if value is not None]
    return sum(known) if known else None
