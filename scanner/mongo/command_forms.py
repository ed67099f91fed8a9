"""Which command asks for what on which version: the table behind the metadata plan.

A server that does not know a form gets the next older one, for the question at hand and all later ones.
Look-alikes get the oldest forms from the start: FerretDB 1.24 hangs up on `$collStats` with a projection.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from scanner.mongo import advisories, commands
from scanner.mongo.answers import succeeded
from scanner.mongo.commands import CURSOR_COLLECTION, Command, Request
from scanner.mongo.questions import FIRST_WIRE_WITH_MSG
from scanner.mongo.values import sub, text
from scanner.mongo.wire import Opcode

if TYPE_CHECKING:
    from scanner.mongo.facts import Document, Facts, Limits

BATCH: Final = 1000
BATCH_WITH_OPTIONS: Final = 200  # where each name brings the collection's options along

MORE_WITH_OPTIONS: Final = 500  # so many more at once, where these are few enough for it

WIRE_3_0: Final = 3
WIRE_3_2: Final = 4
WIRE_3_6: Final = 6
WIRE_4_0: Final = 7

# CommandNotFound, CommandNotSupported, NotImplemented, FailedToParse, InvalidPipelineOperator, and
# "unrecognized pipeline stage" before and after 3.4.
NOT_KNOWN: Final = frozenset({59, 115, 238, 9, 168, 16436, 40324, 31325})

# Others say of one question alone why it was not answered.
RAN_OUT_OF_TIME: Final = 50
ON_A_VIEW: Final = 166
GONE: Final = frozenset({26, 40280})
NOT_ABOUT_FORM: Final = frozenset({13, RAN_OUT_OF_TIME})
BAD_HINT: Final = frozenset({2, 291, 10113, 17007})
BAD_STAGE: Final = frozenset({1, 2, 8, 14, 72, 133, 40415})  # failed inside, or did not take an argument


class TaskKind(StrEnum):
    """What a question is for. The value names it in notes and in `truncated`."""

    SIZES = "sizes of databases"
    COUNTS = "counts of databases"
    NAMES = "names of collections"
    UUIDS = "UUIDs of collections"  # asked with the names
    STATISTICS = "statistics of collections"
    SERVER = "counters of the server"
    TOP = "operations on all collections"
    INDEXES = "use of indexes"
    NEWEST = "newest ids"
    OLDEST = "oldest ids"
    BEYOND = "ids of the future"


# Those that each reply is compared with: a name of a module is found sooner than a member of an enumeration.
SIZES: Final = TaskKind.SIZES
COUNTS: Final = TaskKind.COUNTS
NAMES: Final = TaskKind.NAMES
STATISTICS: Final = TaskKind.STATISTICS
INDEXES: Final = TaskKind.INDEXES

KIND_OF: Final = {
    Command.LIST_DATABASES: TaskKind.SIZES,
    Command.DB_STATS: TaskKind.COUNTS,
    Command.LIST_COLLECTIONS: TaskKind.NAMES,
    Command.LEGACY_NAMESPACES: TaskKind.NAMES,
    Command.GET_MORE: TaskKind.NAMES,
    Command.COLL_STATS_STAGE: TaskKind.STATISTICS,
    Command.COLL_STATS: TaskKind.STATISTICS,
    Command.COUNT: TaskKind.STATISTICS,
    Command.SERVER_STATUS: TaskKind.SERVER,
    Command.TOP: TaskKind.TOP,
    Command.INDEX_STATS: TaskKind.INDEXES,
    Command.NEWEST_DATE: TaskKind.NEWEST,
    Command.NEWEST_ID: TaskKind.NEWEST,
    Command.LEGACY_NEWEST_ID: TaskKind.NEWEST,
    Command.OLDEST_DATE: TaskKind.OLDEST,
    Command.OLDEST_ID: TaskKind.OLDEST,
    Command.LEGACY_OLDEST_ID: TaskKind.OLDEST,
}


def kind_of(request: Request) -> TaskKind | None:
    """What a request is for; None for one that is no metadata question."""
    kind = KIND_OF.get(request.command)
    return TaskKind.BEYOND if kind is TaskKind.OLDEST and request.arguments.get("beyond") else kind


class Task(NamedTuple):
    """One question, not yet in the form in which it will be put. `cursor`: read on in this one. `form`: this
    one, whatever the server knows."""

    kind: TaskKind
    database: str = ""
    collection: str = ""
    cursor: int = 0
    form: Command | None = None


class CommandForms:
    """The forms that one server is known to understand by now.

    `before` is the time (Unix seconds) up to which newest ids are asked for. `counts`: it can be asked for
    its counters; `counts_indexes`: and for those of its indexes (3.2+).
    """

    def __init__(self, wire: int, *, genuine: bool, before: int, limits: Limits) -> None:
        self._wire = wire
        self._before = before
        self._limits = limits
        statistics = [Command.COLL_STATS, Command.COUNT]
        newest = [Command.NEWEST_ID] if wire >= WIRE_3_2 else [Command.LEGACY_NEWEST_ID]
        if genuine and wire >= WIRE_3_6:
            statistics.insert(0, Command.COLL_STATS_STAGE)
        if genuine and wire >= WIRE_4_0:
            newest.insert(0, Command.NEWEST_DATE)
        self._left = {TaskKind.STATISTICS: statistics, TaskKind.NEWEST: newest}
        # Before 4.0 all comes with the names anyway; what has no UUIDs is asked for names alone.
        self._name_only = not (genuine and wire >= WIRE_4_0)
        self._operations = True
        self.counts = genuine
        self.counts_indexes = genuine and wire >= WIRE_3_2
        self._alike: dict[TaskKind, Request] = {}  # requests of no name: those for all names are the same

    @property
    def reads_on(self) -> bool:
        """True where a cursor of names can be read on: there is no getMore command before 3.2."""
        return self._wire >= WIRE_3_2

    def request(self, task: Task) -> Request:
        """The request for a task."""
        kind, database, collection, _, form = task
        if form is not None:
            return self._of_collection(form, database, collection)
        alike = self._alike.get(kind)
        if alike is None:
            if kind is TaskKind.NAMES:
                return self._names(task)
            if kind in _ALONE:
                return _ALONE[kind]()
            alike = self._alike[kind] = self._now(kind)
        return Request(alike.command, database, alike.arguments, collection)

    @staticmethod
    def next_form(command: Command) -> Command | None:
        """The next form for a collection whose statistics came without a count, or did not come."""
        if command is Command.COLL_STATS_STAGE:
            return Command.COLL_STATS
        return Command.COUNT if command is Command.COLL_STATS else None

    def give_up(self, command: Command) -> bool:
        """The server does not know `command`: True when there is an older form to ask again in."""
        kind = KIND_OF[command]
        forms = self._left.get(kind, [])
        if command in forms:
            forms = forms[forms.index(command) + 1 :]
            if forms:
                self._left[kind] = forms
                self._alike.clear()
        return bool(forms)

    def give_up_operations(self, request: Request) -> bool:
        """From now on, ask for statistics without operations. False where these were asked for without."""
        if not request.arguments.get("operations"):
            return False
        self._operations = False
        self._alike.clear()
        return True

    def why_not_on(self, database: str, document: Document, cursor: int, new: int, rounds: int) -> str:
        """Why a list of names is not read on in this cursor, or "". `new`: names that this batch brought."""
        if sub(document, "cursor", "ns") != f"{database}.{CURSOR_COLLECTION}":
            return "the cursor names another collection"
        if not self.reads_on:
            return "this version gives one batch"
        if rounds >= self._limits.cursor_rounds:
            return f"at most {self._limits.cursor_rounds} more batches of a server"
        if new == 0:
            return "a batch without a new name"
        return "" if -(2**63) <= cursor < 2**63 else "the cursor's number is none"

    def give_up_uuids(self, request: Request) -> bool:
        """From now on, ask for names alone: UUIDs need the whole privilege, and locks that names do not.

        False where these were asked for alone.
        """
        if request.command is not Command.LIST_COLLECTIONS or request.arguments["name_only"]:
            return False
        self._name_only = True
        return True

    def _now(self, kind: TaskKind) -> Request:
        """The request of no name in the form that is known by now."""
        if kind is TaskKind.COUNTS:
            return commands.db_stats("")
        if kind is TaskKind.INDEXES:
            return commands.index_stats("", "")
        if kind is TaskKind.STATISTICS:
            return self._of_collection(self._left[kind][0], "", "")
        newest = self._of_collection(self._left[TaskKind.NEWEST][0], "", "")
        if kind is TaskKind.NEWEST:
            return newest
        return commands.oldest(newest, beyond=kind is TaskKind.BEYOND)

    def _names(self, task: Task) -> Request:
        short = self._name_only and self._wire >= WIRE_4_0
        batch = BATCH if short else BATCH_WITH_OPTIONS
        if task.cursor:
            more = batch if self._wire < WIRE_4_0 else max(batch, MORE_WITH_OPTIONS)
            return commands.get_more(task.database, task.cursor, batch_size=more)
        if self._wire < WIRE_3_0:
            return commands.legacy_namespaces(task.database, limit=self._limits.collections_kept)
        # The first batch of 3.0 must hold all that will be seen.
        size = batch if self.reads_on else BATCH
        return commands.list_collections(task.database, batch_size=size, name_only=self._name_only)

    def _of_collection(self, command: Command, database: str, collection: str) -> Request:
        match command:
            case Command.COLL_STATS_STAGE:
                return commands.coll_stats_stage(database, collection, operations=self._operations)
            case Command.COLL_STATS:
                return commands.coll_stats(database, collection)
            case Command.COUNT:
                return commands.count(database, collection)
            case Command.NEWEST_DATE:
                return commands.newest_date(database, collection, self._before)
            case Command.NEWEST_ID:
                return commands.newest_id(database, collection, self._before)
            case _:
                return commands.legacy_newest_id(database, collection, self._before)


_ALONE: Final = {
    TaskKind.SIZES: lambda: commands.list_databases(name_only=False),
    TaskKind.SERVER: commands.server_status,
    TaskKind.TOP: commands.top,
}


def wire_of(facts: Facts) -> int:
    """The wire version; where no handshake told it, that of the version which buildInfo claims."""
    if facts.max_wire_version is not None or succeeded(facts.hello):
        return facts.max_wire_version or 0
    build = (facts.build_info.document or {}) if facts.build_info is not None else {}
    version = advisories.parse(text(build.get("version")))
    known = advisories.wire_of(version.series) if version is not None else None
    by_msg = facts.list_databases is not None and facts.list_databases.by == Opcode.OP_MSG
    return known if known is not None else FIRST_WIRE_WITH_MSG if by_msg else 0
