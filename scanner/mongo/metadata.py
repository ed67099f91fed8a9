"""Which metadata to ask for, version by version, and in which order: the plan behind an open verdict.

Value per cost decides the order: sizes and counts of every database, then the names of collections, then each
chosen collection's statistics, then its newest id. A run that is cut short still has every size. Requests are
pipelined: the driver takes as many as fit in its window, and answers come back in any order.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import NamedTuple

from results.record import Exposure
from scanner.mongo import activity, commands, lookalikes
from scanner.mongo.answers import databases, describe, error_code, succeeded
from scanner.mongo.commands import Command, Request
from scanner.mongo.exposure import assemble
from scanner.mongo.facts import Depth, Document, Facts, Limits, Reply
from scanner.mongo.inventory import (
    CollectionState,
    DatabaseState,
    first_batch,
    from_namespaces,
    in_order,
    listed,
    read_db_stats,
    read_names,
    read_size,
    read_statistics,
    sendable,
    uses_mmapv1,
)
from scanner.mongo.values import moment, sub, time_of

SIZES_OF_ALL = 200  # beyond this many databases, sizes come from dbStats of the first ones
SLOW_IN_A_ROW = 2
BATCH = 1000
BATCH_WITH_OPTIONS = 200  # before 4.0 each name brings the collection's options along

_WIRE_3_0, _WIRE_3_2, _WIRE_3_6, _WIRE_4_0 = 3, 4, 6, 7
_RAN_OUT_OF_TIME = 50
_ON_A_VIEW = 166
_GONE = frozenset({26, 40280})
_DENIED = 13
_BAD_HINT = frozenset({2, 10113, 17007, 291})


class Kind(Enum):
    """What a question is for. The value names it in `truncated`."""

    SIZES = "sizes of databases"
    COUNTS = "counts of databases"
    NAMES = "names of collections"
    STATISTICS = "statistics of collections"
    NEWEST = "newest ids"


class _Task(NamedTuple):
    kind: Kind
    database: str = ""
    collection: str = ""
    cursor: int = 0


class MetadataPlan:
    """Give it answers, take requests, and ask for the exposure at any time: it says what is missing.

    `next_requests` returning [] with nothing in flight means that the plan is through.
    """

    def __init__(self, facts: Facts, limits: Limits, depth: Depth) -> None:
        self._facts = facts
        self._limits = limits
        self._depth = depth
        self._wire = facts.max_wire_version or 0
        self._genuine = lookalikes.recognise(facts).name in lookalikes.GENUINE
        self._stage = self._genuine and self._wire >= _WIRE_3_6
        self._dates = self._genuine and self._wire >= _WIRE_4_0
        self._before = activity.newest_id_bound(facts)
        self._clock = activity.clock(facts)
        self._databases, self._listed = listed(databases(facts.list_databases) or [], limits)
        self._sized = any(state.size is not None for state in self._databases.values())
        self._engine = "mmapv1" if 0 < self._wire < _WIRE_3_0 else ""
        self._queue: deque[_Task] = deque()
        self._newest: deque[_Task] = deque()
        self._in_flight = 0
        self._chosen = False
        self._collections = 0
        self._rounds = 0
        self._slow: dict[Kind, int] = {}
        self._stopped: set[Kind] = set()
        self._unasked: dict[Kind, int] = {}
        if depth is not Depth.VERDICT:
            self._begin()

    # What the driver calls.

    def next_requests(self, room: int) -> list[Request]:
        """The next questions, at most `room`."""
        requests: list[Request] = []
        while len(requests) < room:
            task = self._next_task(idle=not self._in_flight and not requests)
            if task is None:
                break
            if task.kind in self._stopped:
                self._leave_out(task.kind)
                continue
            requests.append(self._request(task))
        self._in_flight += len(requests)
        return requests

    def answered(self, request: Request, reply: Reply) -> None:
        """One answer, or the reason why there is none. Never raises, whatever the server sent."""
        self._in_flight = max(0, self._in_flight - 1)
        kind = _KIND_OF.get(request.command)
        state = self._databases.get(request.database)
        document = reply.document if succeeded(reply) and not reply.error else None
        if kind is None:
            return
        if kind is Kind.SIZES:
            self._read_sizes(document)
            return
        if state is None:
            return
        if document is None:
            self._failed(kind, request, state, reply)
            return
        self._slow[kind] = 0
        if kind is Kind.COUNTS:
            read_db_stats(state, document)
            self._engine = "mmapv1" if uses_mmapv1(document) else self._engine
        elif kind is Kind.NAMES:
            self._read_names(request, state, document)
        else:
            collection = state.collections.get(str(request.arguments.get("collection", "")))
            if collection is not None:
                self._read_collection(kind, request, state, collection, document)

    def exposure(self) -> Exposure:
        """What is known by now. Everything that was not asked, not answered or not kept stands in `truncated`."""
        return assemble(
            self._facts,
            self._limits,
            list(self._databases.values()),
            listed=self._listed,
            storage_engine=self._engine,
            gaps=self._gaps(),
        )

    # Which question comes next.

    def _begin(self) -> None:
        asked = [state for state in self._databases.values() if not state.names_known]
        if not self._sized and 0 < len(self._databases) <= SIZES_OF_ALL:
            self._queue.append(_Task(Kind.SIZES))
        kinds = [Kind.COUNTS] if self._depth is Depth.DATABASES else [Kind.COUNTS, Kind.NAMES]
        allowed = []
        for state in asked:
            refusal = sendable(state.sent)
            if refusal:
                state.add_note(refusal)
            else:
                allowed.append(state.sent)
        for kind in kinds:
            self._queue.extend(_Task(kind, name) for name in allowed[: self._limits.databases_asked])
            self._leave_out(kind, max(0, len(allowed) - self._limits.databases_asked))

    def _next_task(self, *, idle: bool) -> _Task | None:
        if not self._queue and idle and not self._chosen and self._depth is Depth.COLLECTIONS:
            self._choose_collections()
        if self._queue:
            return self._queue.popleft()
        return self._newest.popleft() if self._newest else None

    def _choose_collections(self) -> None:
        """Collections in turn from each database, so that no large one hides the others."""
        self._chosen = True
        columns = []
        for state in self._databases.values():
            if not state.system:
                names = in_order(
                    name for name, found in state.collections.items() if self._measurable(state, found)
                )
                columns.append([_Task(Kind.STATISTICS, state.sent, name) for name in names])
        turns = [task for turn in range(max(map(len, columns), default=0)) for task in _turn(columns, turn)]
        self._queue.extend(turns[: self._limits.collections_asked])
        self._leave_out(Kind.STATISTICS, max(0, len(turns) - self._limits.collections_asked))

    def _measurable(self, state: DatabaseState, collection: CollectionState) -> bool:
        if collection.type == "view" or collection.system:
            return False
        collection.note = sendable(state.sent, collection.sent)
        return not collection.note

    def _request(self, task: _Task) -> Request:
        """The request for a task, in the form that this server is known to understand by now."""
        database, collection = task.database, task.collection
        if task.kind is Kind.SIZES:
            return commands.list_databases(name_only=False)
        if task.kind is Kind.COUNTS:
            return commands.db_stats(database)
        if task.kind is Kind.NAMES:
            return self._names_request(task)
        if task.kind is Kind.STATISTICS:
            if self._stage:
                return commands.coll_stats_stage(database, collection)
            return commands.coll_stats(database, collection)
        if self._wire < _WIRE_3_2:
            return commands.legacy_newest_id(database, collection, self._before)
        if self._dates:
            return commands.newest_date(database, collection, self._before)
        return commands.newest_id(database, collection, self._before)

    def _names_request(self, task: _Task) -> Request:
        batch = BATCH if self._wire >= _WIRE_4_0 else BATCH_WITH_OPTIONS
        if task.cursor:
            return commands.get_more(task.database, task.cursor, batch_size=batch)
        if self._wire < _WIRE_3_0:
            return commands.legacy_namespaces(task.database, limit=self._limits.collections_kept)
        # 3.0 has no getMore command, so its first batch must hold all that will be seen.
        return commands.list_collections(task.database, batch_size=BATCH if self._wire < _WIRE_3_2 else batch)

    def _leave_out(self, kind: Kind, number: int = 1) -> None:
        if number:
            self._unasked[kind] = self._unasked.get(kind, 0) + number

    # What an answer says.

    def _read_sizes(self, document: Document | None) -> None:
        for entry in databases(Reply(command="listDatabases", document=document)) or []:
            state = self._databases.get(entry["name"])
            if state is not None:
                read_size(state, entry)

    def _read_names(self, request: Request, state: DatabaseState, document: Document) -> None:
        if request.command is Command.LEGACY_NAMESPACES:
            batch = list(from_namespaces(state.sent, first_batch(document)))
        else:
            batch = first_batch(document)
        new = read_names(state, batch, self._limits.collections_kept - self._collections)
        self._collections += new
        cursor = sub(document, "cursor", "id")
        cursor = cursor if isinstance(cursor, int) and not isinstance(cursor, bool) else 0
        full = self._collections >= self._limits.collections_kept
        if cursor == 0 and not full:
            state.names_known = True
        elif full:
            state.add_note(f"collections not all kept: {self._limits.collections_kept} over the whole server")
        else:
            self._read_on(state, document, cursor, new)

    def _read_on(self, state: DatabaseState, document: Document, cursor: int, new: int) -> None:
        namespace = sub(document, "cursor", "ns")
        if namespace != f"{state.sent}.{commands.CURSOR_COLLECTION}":
            state.add_note("the cursor names another collection: not read on")
        elif self._wire < _WIRE_3_2:
            state.add_note("more collections than one batch holds: this version cannot be read on")
        elif self._rounds >= self._limits.cursor_rounds:
            state.add_note(
                f"collections not all read: {self._limits.cursor_rounds} batches over the whole server"
            )
        elif new == 0:
            state.add_note("a batch without a new name: not read on")
        elif not -(2**63) <= cursor < 2**63:
            state.add_note("a cursor id that is none: not read on")
        else:
            self._rounds += 1
            self._queue.appendleft(_Task(Kind.NAMES, state.sent, cursor=cursor))

    def _read_collection(
        self,
        kind: Kind,
        request: Request,
        state: DatabaseState,
        collection: CollectionState,
        document: Document,
    ) -> None:
        if kind is Kind.NEWEST:
            self._read_newest(state, collection, document)
            return
        if request.command is Command.COLL_STATS_STAGE:
            read_statistics(collection, first_batch(document))
        elif request.command is Command.COUNT:
            read_statistics(collection, [{"count": document.get("n")}])
        else:
            read_statistics(collection, [document])
        if collection.measured and collection.type == "collection" and collection.documents != 0:
            if collection.id_index is False:
                collection.note = "no index on _id: its newest id would mean reading documents"
            else:
                self._newest.append(_Task(Kind.NEWEST, state.sent, collection.sent))

    def _read_newest(self, state: DatabaseState, collection: CollectionState, document: Document) -> None:
        """Only the time of an id is kept. An empty batch means that no id is an ObjectId, not that nothing is there."""
        newest = next(iter(first_batch(document)), {})
        at = moment(newest.get("t")) or time_of(newest.get("_id"))
        if at is None:
            collection.note = "no document here has an ObjectId as its id"
            return
        collection.last_write = activity.newest_id(at, f"{state.sent}.{collection.sent}", self._clock)
        if collection.shards > 1:
            collection.note = f"over {collection.shards} shards"

    def _failed(self, kind: Kind, request: Request, state: DatabaseState, reply: Reply) -> None:
        code = error_code(reply.document) if reply.document is not None else None
        if code == _RAN_OUT_OF_TIME:
            self._slow[kind] = self._slow.get(kind, 0) + 1
            if self._slow[kind] >= SLOW_IN_A_ROW:
                self._stopped.add(kind)
        collection = state.collections.get(str(request.arguments.get("collection", "")))
        if collection is None:
            state.add_note(f"{kind.value} not told: {describe(reply)}"[:200])
            return
        if code == _ON_A_VIEW:
            collection.type = "view"
        elif code in _GONE:
            collection.note = "gone between listing and asking"
        elif not (reply.error or code in (_DENIED, _RAN_OUT_OF_TIME)) and self._ask_otherwise(request):
            return
        elif kind is Kind.NEWEST and code in _BAD_HINT:
            collection.note = "no index on _id: its newest id would mean reading documents"
        else:
            collection.note = f"{kind.value} not told: {describe(reply)}"[:200]

    def _ask_otherwise(self, request: Request) -> bool:
        """A command that this server does not know is put in an older form, for this collection and all later ones."""
        database, collection = request.database, str(request.arguments["collection"])
        if request.command is Command.COLL_STATS_STAGE:
            self._stage = False
            self._queue.appendleft(_Task(Kind.STATISTICS, database, collection))
            return True
        if request.command is Command.NEWEST_DATE:
            self._dates = False
            self._newest.appendleft(_Task(Kind.NEWEST, database, collection))
            return True
        return False

    def _gaps(self) -> list[str]:
        gaps = []
        waiting = [*self._queue, *self._newest]
        for kind in Kind:
            unasked = self._unasked.get(kind, 0) + sum(task.kind is kind for task in waiting)
            if unasked:
                gaps.append(f"{kind.value}: {unasked} not asked")
            if kind in self._stopped:
                gaps.append(
                    f"{kind.value}: stopped, because the server ran out of time {SLOW_IN_A_ROW} times in a row"
                )
        if self._in_flight:
            gaps.append(f"{self._in_flight} questions were not answered")
        return gaps


_KIND_OF = {
    Command.LIST_DATABASES: Kind.SIZES,
    Command.DB_STATS: Kind.COUNTS,
    Command.LIST_COLLECTIONS: Kind.NAMES,
    Command.LEGACY_NAMESPACES: Kind.NAMES,
    Command.GET_MORE: Kind.NAMES,
    Command.COLL_STATS_STAGE: Kind.STATISTICS,
    Command.COLL_STATS: Kind.STATISTICS,
    Command.COUNT: Kind.STATISTICS,
    Command.NEWEST_ID: Kind.NEWEST,
    Command.NEWEST_DATE: Kind.NEWEST,
    Command.LEGACY_NEWEST_ID: Kind.NEWEST,
}


def _turn(columns: list[list[_Task]], turn: int) -> list[_Task]:
    return [column[turn] for column in columns if turn < len(column)]
