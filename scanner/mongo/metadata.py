"""Which metadata to ask for, and in which order: the plan behind an open verdict.

Value per cost decides the order: sizes and counts of every database, then the names of collections, then each
chosen collection's statistics, then its newest id. A run that is cut short still has every size. Requests are
pipelined: the driver takes as many as fit in its window, and answers may come in any order.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from scanner.mongo import activity, lookalikes
from scanner.mongo.answers import databases, describe, error_code, succeeded
from scanner.mongo.command_forms import KIND_OF, NOT_KNOWN, WIRE_3_0, CommandForms, Task, TaskKind
from scanner.mongo.commands import CURSOR_COLLECTION, Command, Request
from scanner.mongo.exposure import NOT_TOLD, assemble
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

if TYPE_CHECKING:
    from results.record import Exposure

SIZES_OF_ALL: Final = 200  # beyond this many databases, sizes come from dbStats of the first ones
SLOW_IN_A_ROW: Final = 2
NOTE_LENGTH: Final = 200
NO_ID_INDEX: Final = "no index on _id: its newest id would mean reading documents"

_RAN_OUT_OF_TIME: Final = 50
_ON_A_VIEW: Final = 166
_GONE: Final = frozenset({26, 40280})
_BAD_HINT: Final = frozenset({2, 291, 10113, 17007})


class MetadataPlan:
    """Give it answers, take requests, and ask for the exposure at any time: it says what is missing.

    `next_requests` returning [] with nothing in flight means that the plan is through.
    """

    def __init__(self, facts: Facts, limits: Limits, depth: Depth) -> None:
        wire = facts.max_wire_version or 0
        self._facts = facts
        self._limits = limits
        self._depth = depth
        self._forms = CommandForms(
            wire,
            genuine=lookalikes.recognise(facts).name in lookalikes.GENUINE,
            before=activity.newest_id_bound(facts),
            limits=limits,
        )
        self._databases, self._listed = listed(databases(facts.list_databases) or [], limits)
        self._engine = "mmapv1" if 0 < wire < WIRE_3_0 else ""
        self._queue: deque[Task] = deque()
        self._newest: deque[Task] = deque()
        self._in_flight = 0
        self._chosen = False
        self._collections = 0
        self._rounds = 0
        self._slow: dict[TaskKind, int] = {}
        self._stopped: set[TaskKind] = set()
        self._unasked: dict[TaskKind, int] = {}
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
                self._leave_out(task.kind, 1)
            else:
                requests.append(self._forms.request(task))
        self._in_flight += len(requests)
        return requests

    def answered(self, request: Request, reply: Reply) -> None:
        """One answer, or the reason why there is none. Never raises, whatever the server sent."""
        self._in_flight = max(0, self._in_flight - 1)
        kind = KIND_OF.get(request.command)
        if kind is TaskKind.SIZES:
            self._read_sizes(reply)
            return
        state = self._databases.get(request.database)
        if kind is None or state is None:
            return
        if reply.error or reply.document is None or not succeeded(reply):
            self._failed(kind, request, state, reply)
            return
        self._slow[kind] = 0
        if kind is TaskKind.COUNTS:
            read_db_stats(state, reply.document)
            self._engine = "mmapv1" if uses_mmapv1(reply.document) else self._engine
        elif kind is TaskKind.NAMES:
            self._read_names(request, state, reply.document)
        else:
            self._read_collection(request, state, reply.document)

    def exposure(self) -> Exposure:
        """What is known by now. All that was not asked, not answered or not kept stands in `truncated`."""
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
        sized = any(state.size is not None for state in self._databases.values())
        if not sized and 0 < len(self._databases) <= SIZES_OF_ALL:
            self._queue.append(Task(TaskKind.SIZES))
        askable = []
        for state in self._databases.values():
            refusal = sendable(state.sent)
            if refusal:
                state.add_note(refusal)
            elif not state.names_known:
                askable.append(state.sent)
        kinds = [TaskKind.COUNTS] if self._depth is Depth.DATABASES else [TaskKind.COUNTS, TaskKind.NAMES]
        for kind in kinds:
            self._queue.extend(Task(kind, name) for name in askable[: self._limits.databases_asked])
            self._leave_out(kind, max(0, len(askable) - self._limits.databases_asked))

    def _next_task(self, *, idle: bool) -> Task | None:
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
                wanted = (name for name, found in state.collections.items() if _measurable(state, found))
                columns.append([Task(TaskKind.STATISTICS, state.sent, name) for name in in_order(wanted)])
        turns = [task for turn in range(max(map(len, columns), default=0)) for task in _turn(columns, turn)]
        self._queue.extend(turns[: self._limits.collections_asked])
        self._leave_out(TaskKind.STATISTICS, max(0, len(turns) - self._limits.collections_asked))

    def _leave_out(self, kind: TaskKind, number: int) -> None:
        if number:
            self._unasked[kind] = self._unasked.get(kind, 0) + number

    # What an answer says.

    def _read_sizes(self, reply: Reply) -> None:
        entries = databases(reply)
        if entries is None:
            self._leave_out(TaskKind.SIZES, 1)
        for entry in entries or []:
            state = self._databases.get(entry["name"])
            if state is not None:
                read_size(state, entry)

    def _read_names(self, request: Request, state: DatabaseState, document: Document) -> None:
        batch = first_batch(document)
        if request.command is Command.LEGACY_NAMESPACES:
            batch = list(from_namespaces(state.sent, batch))
        new = read_names(state, batch, self._limits.collections_kept - self._collections)
        self._collections += new
        cursor = sub(document, "cursor", "id")
        more = cursor if isinstance(cursor, int) and not isinstance(cursor, bool) else 0
        if self._collections >= self._limits.collections_kept:
            state.add_note(f"names not all kept: at most {self._limits.collections_kept} of a server")
        elif more == 0:
            state.names_known = True
        else:
            reason = self._why_not_on(state, document, more, new)
            if reason:
                state.add_note(f"names not all read: {reason}")
            else:
                self._rounds += 1
                self._queue.appendleft(Task(TaskKind.NAMES, state.sent, cursor=more))

    def _why_not_on(self, state: DatabaseState, document: Document, cursor: int, new: int) -> str:
        if sub(document, "cursor", "ns") != f"{state.sent}.{CURSOR_COLLECTION}":
            return "the cursor names another collection"
        if not self._forms.reads_on:
            return "this version gives one batch"
        if self._rounds >= self._limits.cursor_rounds:
            return f"at most {self._limits.cursor_rounds} more batches of a server"
        if new == 0:
            return "a batch without a new name"
        return "" if -(2**63) <= cursor < 2**63 else "the cursor's number is none"

    def _read_collection(self, request: Request, state: DatabaseState, document: Document) -> None:
        collection = _collection(request, state)
        if collection is None:
            return
        if KIND_OF[request.command] is TaskKind.NEWEST:
            _read_newest(collection, document)
            return
        if request.command is Command.COLL_STATS_STAGE:
            read_statistics(collection, first_batch(document))
        elif request.command is Command.COUNT:
            read_statistics(collection, [{"count": document.get("n")}])
        else:
            read_statistics(collection, [document])
        if not collection.measured or collection.type != "collection" or collection.documents == 0:
            return
        if collection.id_index is False:
            collection.note = NO_ID_INDEX
        else:
            self._newest.append(Task(TaskKind.NEWEST, state.sent, collection.sent))

    def _failed(self, kind: TaskKind, request: Request, state: DatabaseState, reply: Reply) -> None:
        code = error_code(reply.document) if reply.document is not None and not reply.error else None
        if code == _RAN_OUT_OF_TIME:
            self._slow[kind] = self._slow.get(kind, 0) + 1
            if self._slow[kind] >= SLOW_IN_A_ROW:
                self._stopped.add(kind)
        collection = _collection(request, state)
        if collection is None:
            state.add_note(f"{kind.value} {NOT_TOLD}: {describe(reply)}"[:NOTE_LENGTH])
        elif code == _ON_A_VIEW:
            collection.type = "view"
        elif code in _GONE:
            collection.note = "gone between listing and asking"
        elif code in NOT_KNOWN and self._ask_otherwise(kind, request, collection):
            pass
        elif kind is TaskKind.NEWEST and code in _BAD_HINT:
            collection.note = NO_ID_INDEX
        else:
            collection.note = f"{kind.value} {NOT_TOLD}: {describe(reply)}"[:NOTE_LENGTH]

    def _ask_otherwise(self, kind: TaskKind, request: Request, collection: CollectionState) -> bool:
        """Put the question again in an older form. A time series is never counted: that would read it all."""
        if collection.type == "timeseries" or not self._forms.give_up(request.command):
            return False
        queue = self._newest if kind is TaskKind.NEWEST else self._queue
        queue.appendleft(Task(kind, request.database, collection.sent))
        return True

    def _gaps(self) -> list[str]:
        gaps = []
        waiting = [*self._queue, *self._newest]
        for kind in TaskKind:
            unasked = self._unasked.get(kind, 0) + sum(task.kind is kind for task in waiting)
            if unasked:
                gaps.append(f"{kind.value}: {unasked} not asked or not told")
            if kind in self._stopped:
                gaps.append(
                    f"{kind.value}: stopped, the server ran out of time {SLOW_IN_A_ROW} times in a row"
                )
        if self._in_flight:
            gaps.append(f"questions without an answer: {self._in_flight}")
        return gaps


def _collection(request: Request, state: DatabaseState) -> CollectionState | None:
    return state.collections.get(str(request.arguments.get("collection", "")))


def _measurable(state: DatabaseState, collection: CollectionState) -> bool:
    if collection.type == "view" or collection.system:
        return False
    collection.note = sendable(state.sent, collection.sent)
    return not collection.note


def _turn(columns: list[list[Task]], turn: int) -> list[Task]:
    return [column[turn] for column in columns if turn < len(column)]


def _read_newest(collection: CollectionState, document: Document) -> None:
    """Keep the id's time alone. An empty batch means that no id is an ObjectId, not that it is empty."""
    newest = next(iter(first_batch(document)), {})
    at = moment(newest.get("t")) or time_of(newest.get("_id"))
    if at is None:
        collection.note = "no document here has an ObjectId as its id"
        return
    collection.newest = at
    if collection.shards > 1:
        collection.note = f"over {collection.shards} shards"
