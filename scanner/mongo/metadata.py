"""Which metadata to ask for, and in which order: the plan behind an open verdict.

Value per cost decides the order: sizes and counts of every database, then the names of collections, then each
chosen collection's statistics, then its counters and its newest id. What is cut short still has every size.
Requests are pipelined: the driver takes as many as fit in its window, and answers may come in any order.
"""

from __future__ import annotations

from sys import getsizeof
from typing import TYPE_CHECKING, Any, Final

from scanner.mongo import activity, command_forms, lookalikes
from scanner.mongo.access import note_answer
from scanner.mongo.agenda import Agenda
from scanner.mongo.answers import databases, describe, error_code, first_batch, succeeded, total_size
from scanner.mongo.command_forms import (
    KIND_OF,
    NOT_KNOWN,
    WIRE_3_0,
    CommandForms,
    Task,
    TaskKind,
    kind_of,
    wire_of,
)
from scanner.mongo.commands import Command, Request, is_legacy
from scanner.mongo.counters import INDEX_BYTES, keep_indexes, lacks_operations, read_of_server, rows_of
from scanner.mongo.exposure import assemble
from scanner.mongo.facts import Depth, Document, Facts, Limits, Reply
from scanner.mongo.ids import read_end, read_ids
from scanner.mongo.inventory import (
    NOT_TOLD,
    UNSENDABLE,
    CollectionState,
    DatabaseState,
    from_namespaces,
    keep_counts,
    keep_names,
    keep_sizes,
    listed,
    read_db_stats,
    read_names,
)
from scanner.mongo.names import sendable
from scanner.mongo.statistics import keep_part, read_statistics
from scanner.mongo.values import count, documents, sub, text, time_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from results.record import Exposure
    from scanner.mongo.inventory import Named

SIZES_OF_ALL: Final = 200  # beyond this many databases, sizes come from dbStats of the first ones
DATABASE_BYTES: Final = 400  # of memory that a database takes besides its name, notes included
TASK_BYTES: Final = 100
NO_ID_INDEX: Final = "no-id-index"

ROUTER: Final = "isdbgrid"  # how the handshake of a mongos says what it is

_OF_SERVER: Final = frozenset({TaskKind.SIZES, TaskKind.SERVER, TaskKind.TOP})
_SUCCESS: Final = Reply(command="")  # stands for an answer whose fields are all that is known of it


class MetadataPlan:
    """Give it answers, take requests, and ask for the exposure at any time: it says what is missing.

    `next_requests` returning [] with nothing in flight means that the plan is through.
    """

    def __init__(self, facts: Facts, limits: Limits, depth: Depth) -> None:
        wire = wire_of(facts)
        self._facts = facts
        self._limits = limits
        self._depth = depth
        self._forms = CommandForms(
            wire,
            genuine=depth is Depth.COLLECTIONS and lookalikes.recognise(facts).name in lookalikes.GENUINE,
            before=activity.newest_id_bound(facts),
            limits=limits,
        )
        self._databases, self._listed = listed(facts.list_databases, limits)
        self._total_size = total_size(facts.list_databases)
        if 0 < wire < WIRE_3_0:
            for state in self._databases.values():
                state.preallocated = True
        self._agenda = Agenda(limits)
        self._in_flight = 0
        self._held = sum(map(getsizeof, self._databases)) + DATABASE_BYTES * len(self._databases)
        self._chosen = False
        self._topped = False
        self._queries = 0  # of ours that a server counts among its queries
        self._collections = 0
        self._rounds = 0
        self._noted: set[Command] = set()  # whose answers of a known shape were noted
        if depth is not Depth.VERDICT:
            self._begin()

    # What the driver calls.

    def next_requests(self, room: int) -> list[Request]:
        """The next questions, at most `room`."""
        tasks = self._agenda.take(room)
        while not tasks and not self._in_flight and self._agree():
            tasks = self._agenda.take(room)
        self._in_flight += len(tasks)
        return list(map(self._forms.request, tasks))

    def answered(self, request: Request, reply: Reply) -> None:
        """One answer, or the reason why there is none. Never raises, whatever the server sent."""
        self._in_flight -= self._in_flight > 0
        self._queries += is_legacy(request.command)
        kind = kind_of(request)
        if kind in _OF_SERVER:
            self._read_of_server(kind, reply)
            return
        state = self._databases.get(request.database)
        if kind is None or state is None:
            return
        if reply.error or reply.document is None or not succeeded(reply):
            if not reply.error and self._forms.give_up_uuids(request):
                self._agenda.leave_out(TaskKind.UUIDS, 1, describe(reply))
                self._agenda.again(Task(kind, request.database))
            else:
                note_answer(self._facts, request, reply, told=False)
                self._failed(kind, request, state, reply)
            return
        self._agenda.in_time(kind)
        if kind is TaskKind.COUNTS:
            told = self._note_counts(request, state, told=read_db_stats(state, reply.document))
        elif kind is TaskKind.NAMES:
            told = self._read_names(request, state, reply.document)
        else:
            told = self._read_collection(kind, request, state, reply.document)
        note_answer(self._facts, request, reply, told=told)

    def told(self, request: Request, values: Sequence[Any]) -> None:
        """One answer that succeeded, and whose shape is known: the fields of it that are read, as
        `reply_shapes` and `name_lists` give them."""
        self._in_flight -= self._in_flight > 0
        command, database, _, name = request
        kind, state = KIND_OF.get(command), self._databases.get(database)
        if kind is command_forms.SIZES:
            self._total_size = count(values[0])
            keep_sizes(self._databases, values[1])
            return
        if kind is None or state is None:
            return
        if kind is command_forms.COUNTS:
            told = self._note_counts(request, state, told=keep_counts(state, values))
        elif kind is command_forms.NAMES:
            self._keep_names(state, values)
            state.names_known = self._collections < self._limits.collections_kept
            told = bool(values)
        else:
            collection = state.collections.get(name)
            if collection is None:
                return
            if kind is command_forms.STATISTICS:
                told = keep_part(collection, values)
                told = self._note_statistics(request, state, collection, told=told)
            elif kind is command_forms.INDEXES:
                told = self._keep_indexes(collection, values)
            else:
                kind = kind_of(request)
                assert kind is not None
                told = read_end(self._agenda, kind, state, collection, time_told(*values))
        self._agenda.in_time(kind)
        if told and command not in self._noted:
            self._noted.add(command)
            note_answer(self._facts, request, _SUCCESS, told=True)

    @property
    def held(self) -> int:
        """Bytes of memory that the inventory and what is still to be asked take."""
        return self._held + TASK_BYTES * len(self._agenda)

    def exposure(self) -> Exposure:
        """What is known by now. All that was not asked, not answered or not kept stands in `truncated`."""
        states = list(self._databases.values())
        return assemble(
            self._facts,
            self._limits,
            states,
            listed=self._listed,
            total_size=self._total_size,
            storage_engine="mmapv1" if any(state.preallocated for state in states) else "",
            gaps=self._agenda.gaps(unanswered=self._in_flight),
        )

    # Which question comes next.

    def _begin(self) -> None:
        sized = any(state.listed_size is not None for state in self._databases.values())
        if not sized and 0 < len(self._databases) <= SIZES_OF_ALL:
            self._agenda.add(Task(TaskKind.SIZES))
        askable = []
        for state in self._databases.values():
            refusal = sendable(state.sent)
            if refusal:
                state.add_note(UNSENDABLE, refusal)
            elif not state.names_known:
                askable.append(state.sent)
        kinds = [TaskKind.COUNTS] if self._depth is Depth.DATABASES else [TaskKind.COUNTS, TaskKind.NAMES]
        for kind in kinds:
            self._agenda.every_database(kind, askable)

    def _agree(self) -> bool:
        """All that was asked is answered: agree on what is asked next. False when that is nothing."""
        if self._depth is not Depth.COLLECTIONS:
            return False
        if not self._chosen:
            self._chosen = True
            self._agenda.choose_collections(self._databases.values())
            if self._forms.counts and self._databases:
                self._agenda.add(Task(TaskKind.SERVER))
        else:
            if self._may_ask_top():
                self._agenda.add(Task(TaskKind.TOP))
            self._agenda.choose_counted(self._databases.get("local"))
            self._agenda.choose_newest()
        return len(self._agenda) > 0

    def _may_ask_top(self) -> bool:
        """Once a server, and only where collections did not tell their operations themselves."""
        if self._topped or not self._forms.counts or activity.hello_of(self._facts).get("msg") == ROUTER:
            return False
        self._topped = True
        if self._collections > self._limits.namespaces_counted:
            self._agenda.leave_out(TaskKind.TOP, 1)
            return False
        return lacks_operations(self._databases.values())

    # What an answer says.

    def _read_of_server(self, kind: TaskKind | None, reply: Reply) -> None:
        """An answer that is about the server as a whole."""
        if kind is TaskKind.SIZES:
            self._read_sizes(reply)
            return
        states = self._databases.values() if kind is TaskKind.TOP else None
        told = read_of_server(self._facts, states, reply, ours=self._queries)
        if not told and kind is not None:
            self._agenda.leave_out(kind, 1, describe(reply))

    def _read_sizes(self, reply: Reply) -> None:
        entries = databases(reply)
        if entries is None:
            self._agenda.leave_out(TaskKind.SIZES, 1, describe(reply))
        else:
            self._total_size = total_size(reply)
            keep_sizes(self._databases, entries)

    @staticmethod
    def _note_counts(request: Request, state: DatabaseState, *, told: bool) -> bool:
        if not told:
            state.add_note(NOT_TOLD, f"{TaskKind.COUNTS.value}: {request.command} says ok without a count")
        return told

    def _read_names(self, request: Request, state: DatabaseState, document: Document) -> bool:
        batch = first_batch(document)
        if batch is None:
            state.add_note(NOT_TOLD, f"{TaskKind.NAMES.value}: {request.command} says ok without a list")
            return False
        nameless = sum(1 for entry in batch if not (isinstance(entry, dict) and text(entry.get("name"))))
        if nameless:
            state.add_note(NOT_TOLD, f"{TaskKind.NAMES.value}: {nameless} entries without a name")
        if request.command is Command.LEGACY_NAMESPACES:
            batch = list(from_namespaces(state.sent, batch))
        new = self._keep_names(state, read_names(batch))
        cursor = sub(document, "cursor", "id")
        more = cursor if isinstance(cursor, int) and not isinstance(cursor, bool) else 0
        if self._collections >= self._limits.collections_kept:
            pass
        elif more == 0:
            state.names_known = not nameless
        else:
            reason = self._forms.why_not_on(state.sent, document, more, new, self._rounds)
            if reason:
                state.add_note("names-not-all-read", reason)
            else:
                self._rounds += 1
                self._agenda.again(Task(TaskKind.NAMES, state.sent, cursor=more))
        return bool(batch)

    def _keep_names(self, state: DatabaseState, names: Iterable[Named]) -> int:
        """Keep those that have room. Returns how many were new."""
        most = self._limits.collections_kept
        new, size = keep_names(state, names, most - self._collections)
        self._collections += new
        self._held += size
        if self._collections >= most:
            state.add_note("names-not-all-kept", f"at most {most} of a server")
        return new

    def _read_collection(
        self, kind: TaskKind, request: Request, state: DatabaseState, document: Document
    ) -> bool:
        collection = state.collections.get(request.collection)
        if collection is None:
            return False
        if kind is TaskKind.INDEXES:
            if sub(document, "cursor", "id"):
                self._agenda.leave_out(kind, 1, "more rows than one batch has")
            return self._keep_indexes(collection, rows_of(first_batch(document)))
        if kind is not TaskKind.STATISTICS:
            return read_ids(self._agenda, kind, state, collection, document)
        if request.command is Command.COUNT:
            parts: list[Document] | None = [{"count": document.get("n")}]
        elif request.command is Command.COLL_STATS:
            parts = [document]
        else:
            batch = first_batch(document)
            parts = list(documents(batch)) if batch else None
            self._facts.inventions |= lookalikes.invented(parts or [])
        told = parts is not None and read_statistics(collection, parts)
        return self._note_statistics(request, state, collection, told=told)

    def _keep_indexes(self, collection: CollectionState, values: Sequence[Any]) -> bool:
        told = keep_indexes(collection, values)
        self._held += INDEX_BYTES * len(collection.used)
        return told

    def _note_statistics(
        self, request: Request, state: DatabaseState, collection: CollectionState, *, told: bool
    ) -> bool:
        if not told:
            other = self._forms.next_form(request.command)
            if other is not None and collection.type != "timeseries":
                self._agenda.again(Task(TaskKind.STATISTICS, state.sent, collection.sent, form=other))
                return False
            collection.add_note(
                NOT_TOLD, f"{TaskKind.STATISTICS.value}: {request.command} says ok without a count"
            )
        self._ask_for_more(state, collection)
        return told

    def _ask_for_more(self, state: DatabaseState, collection: CollectionState) -> None:
        if collection.type != "collection":
            return
        dated = collection.documents != 0
        if dated and collection.id_index is False:
            collection.add_note(NO_ID_INDEX)
            dated = False
        self._agenda.measured(state, collection, counted=self._forms.counts_indexes, dated=dated)

    def _failed(self, kind: TaskKind, request: Request, state: DatabaseState, reply: Reply) -> None:
        code = error_code(reply.document) if reply.document is not None and not reply.error else None
        if code == command_forms.RAN_OUT_OF_TIME:
            self._agenda.ran_out_of_time(kind)
        collection = state.collections.get(request.collection)
        if collection is None:
            state.add_note(NOT_TOLD, f"{kind.value}: {describe(reply)}")
        elif kind is TaskKind.INDEXES and code not in command_forms.GONE:
            self._agenda.leave_out(kind, int(not state.system), describe(reply))
        elif code == command_forms.ON_A_VIEW:
            collection.type = "view"
        elif code in command_forms.GONE:
            collection.add_note("gone")
        elif code is not None and self._ask_otherwise(kind, request, collection, code):
            pass
        elif kind is TaskKind.NEWEST and code in command_forms.BAD_HINT:
            collection.add_note(NO_ID_INDEX)
        elif (
            code in command_forms.BAD_STAGE
            and kind is TaskKind.STATISTICS
            and self._count_instead(request, collection)
        ):
            pass
        else:
            collection.add_note(NOT_TOLD, f"{kind.value}: {describe(reply)}")

    def _ask_otherwise(
        self, kind: TaskKind, request: Request, collection: CollectionState, code: int
    ) -> bool:
        """Put the question again in an older form. A time series is never counted: that would read it all.

        Operations, which one server may not tell, never cost the statistics.
        """
        if not (code not in command_forms.NOT_ABOUT_FORM and self._forms.give_up_operations(request)) and (
            code not in NOT_KNOWN
            or collection.type == "timeseries"
            or not self._forms.give_up(request.command)
        ):
            return False
        self._agenda.again(Task(kind, request.database, collection.sent))
        return True

    def _count_instead(self, request: Request, collection: CollectionState) -> bool:
        """Another form for this one collection: its statistics failed in a way of their own."""
        form = self._forms.next_form(request.command)
        if form is None or collection.type == "timeseries":
            return False
        self._agenda.again(Task(TaskKind.STATISTICS, request.database, collection.sent, form=form))
        return True
