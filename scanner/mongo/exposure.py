"""What lies open, put together for the record: totals, hints, ransom evidence, activity, and the gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.record import Database, Exposure
from scanner.mongo import activity, hints, ransom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.mongo.facts import Facts, Limits
    from scanner.mongo.inventory import DatabaseState

NOT_TOLD = "not told"


def assemble(
    facts: Facts,
    limits: Limits,
    states: Sequence[DatabaseState],
    *,
    listed: int,
    storage_engine: str,
    gaps: Sequence[str],
) -> Exposure:
    """The exposure of one server. Totals leave the server's own databases out; sizes are bytes.

    `listed` is how many databases the server named; `gaps` is what the plan knows it did not ask.
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
    newest, everything = activity.best(writes, facts)
    truncated = list(gaps)
    if facts.list_databases is not None and facts.list_databases.truncated_list:
        truncated.insert(0, "the list of databases was longer than a reply may be: none of it was kept")
    if listed > len(databases):
        truncated.insert(0, f"databases: {listed - len(databases)} of {listed} not kept")
    noted = sum(1 for database in databases if database.note)
    if noted:
        truncated.append(f"databases with a note about what is missing: {noted}")
    untold = sum(1 for database in databases for found in database.collections if NOT_TOLD in found.note)
    if untold:
        truncated.append(f"collections that did not tell all: {untold}")
    if facts.metadata_cut:
        truncated.append(f"the conversation ended early: {facts.metadata_cut}")
    if more:
        truncated.append(f"hints: more than the {len(hinted)} named")
    return Exposure(
        databases=databases,
        database_count=listed,
        total_size_bytes=_total(users, "size_bytes"),
        documents=_total(users, "documents"),
        last_write=newest,
        activity=everything,
        ransom=ransom.judge(databases, storage_engine),
        hints=hinted,
        truncated=truncated,
    )


def _total(databases: Sequence[Database], name: str) -> int | None:
    known = [value for value in (getattr(database, name) for database in databases) if value is not None]
    return sum(known) if known else None
