"""What lies open, put together for the record: totals, hints, ransom evidence, activity, and the gaps."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from results.record import NO_RANSOM, Database, Exposure, Hint
from scanner.mongo import activity, hints, inventory, past, ransom
from scanner.mongo.access import access
from scanner.mongo.answers import databases as databases_of
from scanner.mongo.answers import describe, total_size
from scanner.mongo.command_forms import WIRE_3_0, wire_of
from scanner.mongo.facts import Limits, Reply
from scanner.mongo.inventory import NOT_TOLD
from scanner.mongo.requests import Command
from scanner.mongo.tables import derived

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from results.record import LastWrite
    from scanner.mongo.facts import Facts
    from scanner.mongo.inventory import DatabaseState

_LIMITS: Final = Limits()
_NO_CLOCK: Final = activity.ServerClock(None, None)  # it judges the newest ids of collections
_LIST: Final = Command.LIST_DATABASES.value
_COUNTS: Final = Command.DB_STATS.value
LINE = 200  # characters of one line about what is missing


def of_list(facts: Facts, limits: Limits) -> Exposure:
    """What a list of databases alone lays open, where nothing else was asked."""
    reply, there = facts.list_databases, activity.clock(facts)
    old = 0 < wire_of(facts) < WIRE_3_0
    databases, told = inventory.records(reply, limits, there, preallocated=old)
    return _put_together(
        facts,
        there,
        databases,
        listed=told,
        total_size=total_size(reply),
        storage_engine="mmapv1" if databases and old else "",
        gaps=(),
    )


def of_names(names: Sequence[str], writes: list[LastWrite], there: activity.ServerClock) -> Exposure | None:
    """What `of_list` gives where a list of a few names is all that a server said, by OP_MSG, and the set's
    last write; None where a name stands twice."""
    if len(set(names)) < len(names):
        return None
    named = [_named(name) for name in inventory.in_order(names)]
    databases = [each.database for each in named]
    hinted = [hint for each in named for hint in each.hints]
    return _of_few(databases, named, hinted, writes, there, "not_told", [_LIST])


def of_sizes(
    databases: list[Database], total: int | None, writes: list[LastWrite], there: activity.ServerClock
) -> Exposure:
    """What `assemble` gives where a few databases told their sizes and counts as databases do, and nothing
    else was asked. `total`: the server's own sum of all sizes (bytes)."""
    named = [_named(database.name) for database in databases]
    hinted: list[Hint] = []
    for database, each in zip(databases, named, strict=True):
        if not (database.empty or database.documents == 0):
            hinted += each.hints
    totals = _Totals(databases)
    return _of_few(
        databases,
        named,
        hinted,
        writes,
        there,
        "full",
        [_COUNTS, _LIST],
        collections=totals.collections,
        total_size=totals.size(total),
        documents=totals.documents,
        indexes=totals.indexes,
    )


def _of_few(
    databases: list[Database],
    named: Sequence[_Named],
    hinted: list[Hint],
    writes: list[LastWrite],
    there: activity.ServerClock,
    level: Literal["full", "not_told"],
    answered: list[str],
    *,
    collections: int | None = None,
    total_size: int | None = None,
    documents: int | None = None,
    indexes: int | None = None,
) -> Exposure:
    """The exposure of a server of which all databases are known, and no collection by its name. `writes`:
    the set's last one, as at most one entry."""
    more = len(hinted) > hints.HINTS_KEPT
    if more:
        del hinted[hints.HINTS_KEPT :]
    extortion = NO_RANSOM
    for each in named:
        if each.may_be_note:
            extortion = ransom.judge(databases)
            break
    newest = writes[0] if writes and not there.label(writes[0].at) else None
    return Exposure(
        access=level,
        answered=answered,
        databases=databases,
        database_count=len(databases),
        collection_count=collections,
        total_size_bytes=total_size,
        documents=documents,
        index_bytes=indexes,
        hint_count=len(hinted) or None,
        last_write=newest,
        activity=writes if newest is None else writes[1:],
        ransom=extortion,
        hints=hinted,
        truncated=[_more(hinted)] if more else [],
    )


class _Named(NamedTuple):
    """What the name of a database alone says."""

    database: Database
    hints: tuple[Hint, ...]
    may_be_note: bool


@derived
@lru_cache(hints.NAMES_REMEMBERED)
def _named(name: str) -> _Named:
    """What a list says of a database of which it tells the name alone."""
    reply = Reply(command="", document={"databases": [{"name": name}], "ok": 1.0})
    database = inventory.records(reply, _LIMITS, _NO_CLOCK, preallocated=False)[0][0]
    found, _ = hints.find([database])
    return _Named(database, tuple(found), not database.system and ransom.may_be_listed(database.name))


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
    there = activity.with_start(activity.clock(facts), facts, _opened(states))
    if activity.copies(facts):
        _forget_silence(states)
    return _put_together(
        facts,
        there,
        [state.record(limits, there) for state in states],
        listed=listed,
        total_size=total_size,
        storage_engine=storage_engine,
        gaps=gaps,
    )


def _opened(states: Iterable[DatabaseState]) -> datetime | None:
    """Since when the server counts for what it had when it started."""
    own = [state.collections.get(inventory.START_OF_PROCESS) for state in states if state.sent == "local"]
    return own[0].since if own and own[0] is not None else None


def _forget_silence(states: Iterable[DatabaseState]) -> None:
    """What a member of a set copies from another one, it does not count for the collection."""
    for state in states:
        for collection in state.collections.values():
            collection.writes = collection.writes or None


def _put_together(
    facts: Facts,
    there: activity.ServerClock,
    databases: list[Database],
    *,
    listed: int,
    total_size: int | None,
    storage_engine: str,
    gaps: Sequence[str],
) -> Exposure:
    hinted, more = hints.find(databases)
    totals = _Totals(databases)
    newest, everything = activity.best(totals.writes, facts, there, past.counted(databases, there))
    truncated = list(gaps)
    if facts.list_databases is not None and facts.list_databases.truncated_list:
        truncated.insert(0, "the list of databases was longer than a reply may be: none of it was kept")
    elif databases_of(facts.list_databases) is None:
        truncated.insert(0, f"the list of databases: not told: {describe(facts.list_databases)}"[:LINE])
    if listed > len(databases):
        truncated.insert(0, f"databases: {listed - len(databases)} of {listed} not kept")
    if totals.noted:
        truncated.append(f"databases with a note about what is missing: {totals.noted}")
    if totals.untold:
        truncated.append(f"collections that did not tell all: {totals.untold}")
    if facts.metadata_cut:
        truncated.append(f"the conversation ended early: {facts.metadata_cut}")
    if more:
        truncated.append(_more(hinted))
    extortion = ransom.judge(databases, storage_engine, complete=listed == len(databases) > 0)
    events, untold = past.events(databases, extortion.names, there)
    if untold:
        truncated.append(f"what the counters tell: {untold} more")
    level, answered, refused = access(facts)
    return Exposure(
        access=level,
        answered=answered,
        refused=refused,
        databases=databases,
        database_count=listed,
        collection_count=totals.collections,
        total_size_bytes=totals.size(total_size),
        documents=totals.documents,
        index_bytes=totals.indexes,
        hint_count=len(hinted) or None,
        last_write=newest,
        activity=everything,
        past=events,
        ransom=extortion,
        hints=hinted,
        truncated=truncated,
    )


def _more(hinted: Sequence[Hint]) -> str:
    return f"hints: more than the {len(hinted)} named"


class _Totals:
    """What databases come to, in one pass over them. Those of the server itself count in no sum."""

    def __init__(self, databases: Sequence[Database]) -> None:
        self.noted = 0  # databases with a note
        self.untold = 0  # collections that did not tell all
        self.collections: int | None = None  # None: nobody asked for any
        self.documents: int | None = None
        self.indexes: int | None = None
        self.writes: list[LastWrite] = []
        self._size: int | None = None  # bytes of users' databases
        self._own_size = 0  # bytes of the server's own
        self._untold_size = False  # a user's database whose size is not known
        for database in databases:
            if database.notes:
                self.noted += 1
            for collection in database.collections:
                if collection.last_write is not None:
                    self.writes.append(collection.last_write)
                for note in collection.notes:
                    if note.code == NOT_TOLD:
                        self.untold += 1
                        break
            if database.system:
                self._own_size += database.size_bytes or 0
            else:
                self._add(database)

    def _add(self, database: Database) -> None:
        if database.size_bytes is not None:
            self._size = (self._size or 0) + database.size_bytes
        else:
            self._untold_size = True
        if database.documents is not None:
            self.documents = (self.documents or 0) + database.documents
        if database.index_bytes is not None:
            self.indexes = (self.indexes or 0) + database.index_bytes
        if database.collections_known or database.collections:
            self.collections = (self.collections or 0) + len(database.collections)

    def size(self, total: int | None) -> int | None:
        """Bytes of users' databases. Where one does not tell: the server's sum less what is its own."""
        if self._untold_size and total is not None and total > self._own_size + (self._size or 0):
            return total - self._own_size
        return self._size
