"""Which questions of the metadata are still to be asked, in which order, and how many are left out.

Value per cost decides the order: what is known of every database first, then the statistics of collections,
and when these are in, the use of indexes and the newest ids of what is large or telling.
"""

from __future__ import annotations

from collections import deque
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING, Final

from scanner.mongo.command_forms import Task, TaskKind
from scanner.mongo.inventory import NOTE_LENGTH, START_OF_PROCESS, UNSENDABLE, in_order, tells
from scanner.mongo.names import sendable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scanner.mongo.facts import Limits
    from scanner.mongo.inventory import CollectionState, DatabaseState

SLOW_IN_A_ROW: Final = 2
FEW: Final = 20  # documents that a collection of ransom notes holds at most


class Agenda:
    """The questions that wait. Those for the ends of ids wait until no other one does."""

    __slots__ = (
        "_counted",
        "_dated",
        "_ends",
        "_left",
        "_limits",
        "_slow",
        "_stopped",
        "_tasks",
        "_unasked",
        "_why",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._tasks: deque[Task] = deque()
        self._ends: deque[Task] = deque()
        self._dated: list[tuple[DatabaseState, CollectionState]] = []  # that may be asked for newest ids
        self._counted: list[tuple[DatabaseState, CollectionState]] = []  # and for the use of their indexes
        self._left = limits.newest_asked
        self._slow: dict[TaskKind, int] = {}  # how often in a row the server ran out of time
        self._stopped: set[TaskKind] = set()
        self._unasked: dict[TaskKind, int] = {}
        self._why: dict[TaskKind, str] = {}  # the first reason that the server gave

    def __len__(self) -> int:
        """How many wait."""
        return len(self._tasks) + len(self._ends) + len(self._dated) + len(self._counted)

    def take(self, most: int) -> list[Task]:
        """The next questions of kinds that were not stopped, at most so many."""
        if not self._stopped and len(self._tasks) <= most:  # as in nearly every turn
            taken = list(self._tasks)
            self._tasks.clear()
            while self._ends and len(taken) < most:
                taken.append(self._ends.popleft())
            return taken
        taken = []
        for queue in (self._tasks, self._ends):
            while queue and len(taken) < most:
                task = queue.popleft()
                if self._stopped and task.kind in self._stopped:
                    self.leave_out(task.kind, 1)
                else:
                    taken.append(task)
        return taken

    def every_database(self, kind: TaskKind, names: list[str]) -> None:
        """One question about each of these databases, as many as are asked."""
        asked = self._limits.databases_asked
        self._tasks.extend(Task(kind, name) for name in names[:asked])
        self.leave_out(kind, max(0, len(names) - asked))

    def add(self, task: Task) -> None:
        """A question after the others: one for an end of ids after all."""
        (self._ends if task.kind in _OF_IDS else self._tasks).append(task)

    def again(self, task: Task) -> None:
        """A question that continues another one, or puts it otherwise: before the others."""
        (self._ends if task.kind in _OF_IDS else self._tasks).appendleft(task)

    def choose_collections(self, databases: Iterable[DatabaseState]) -> None:
        """All names are in: which collections are asked for statistics."""
        columns = []
        for state in databases:
            if not state.system:
                wanted = [name for name, found in state.collections.items() if _measurable(state, found)]
                columns.append((state.sent, wanted))
        asked, all_ = self._limits.collections_asked, sum(len(names) for _, names in columns)
        if all_ > asked:  # else nobody is left out, whatever comes first
            columns = [(database, in_order(names)) for database, names in columns]
        self._tasks.extend(islice(_in_turn(columns), asked))
        self.leave_out(TaskKind.STATISTICS, max(0, all_ - asked))

    def measured(
        self, state: DatabaseState, collection: CollectionState, *, counted: bool, dated: bool
    ) -> None:
        """The statistics of this collection are in. It can be asked for the use of its indexes if `counted`,
        and for its newest id if `dated`."""
        if counted:
            self._counted.append((state, collection))
        if dated:
            self._dated.append((state, collection))

    def choose_counted(self, local: DatabaseState | None) -> None:
        """All statistics are in: which collections are asked for the use of their indexes.

        That comes before the newest ids, which are a use of an index themselves. `local`: the database of
        that name, if its names are known.
        """
        chosen = _gravest_first(TaskKind.INDEXES, self._counted, self._limits.indexes_asked)
        if chosen and local is not None and START_OF_PROCESS in local.collections:
            self._tasks.append(Task(TaskKind.INDEXES, local.sent, START_OF_PROCESS))
        self._tasks.extend(chosen)
        self.leave_out(TaskKind.INDEXES, len(self._counted) - len(chosen))
        self._counted.clear()

    def choose_newest(self) -> None:
        """All statistics are in: which collections are asked for their newest ids."""
        chosen = _gravest_first(TaskKind.NEWEST, self._dated, self._left)
        self._ends.extend(chosen)
        self._left -= len(chosen)
        self.leave_out(TaskKind.NEWEST, len(self._dated) - len(chosen))
        self._dated.clear()

    def leave_out(self, kind: TaskKind, number: int, why: str = "") -> None:
        """So many questions of this kind are not asked, or got no answer: `why`, in the server's words."""
        if number:
            self._unasked[kind] = self._unasked.get(kind, 0) + number
            self._why.setdefault(kind, why[:NOTE_LENGTH])

    def in_time(self, kind: TaskKind) -> None:
        """A question of this kind was answered."""
        if self._slow:
            self._slow.pop(kind, None)

    def ran_out_of_time(self, kind: TaskKind) -> None:
        """A question of this kind took the server too long: some in a row end its kind."""
        self._slow[kind] = self._slow.get(kind, 0) + 1
        if self._slow[kind] >= SLOW_IN_A_ROW:
            self._stopped.add(kind)

    def gaps(self, *, unanswered: int) -> list[str]:
        """What was not asked, in words for the record. `unanswered`: questions that wait for their answer."""
        gaps = self._gaps() if len(self) or self._unasked or self._stopped else []
        if unanswered:
            gaps.append(f"questions without an answer: {unanswered}")
        return gaps

    def _gaps(self) -> list[str]:
        gaps = []
        waiting = [*self._tasks, *self._ends]
        for kind in TaskKind:
            unasked = self._unasked.get(kind, 0) + sum(task.kind is kind for task in waiting)
            if kind is TaskKind.NEWEST:
                unasked += len(self._dated)
            if kind is TaskKind.INDEXES:
                unasked += len(self._counted)
            if unasked:
                why = self._why.get(kind)
                gaps.append(f"{kind.value}: {unasked} not asked or not told{f' ({why})' if why else ''}")
            if kind in self._stopped:
                gaps.append(
                    f"{kind.value}: stopped, the server ran out of time {SLOW_IN_A_ROW} times in a row"
                )
        return gaps


_OF_IDS: Final = frozenset({TaskKind.NEWEST, TaskKind.OLDEST, TaskKind.BEYOND})


def _measurable(state: DatabaseState, collection: CollectionState) -> bool:
    """Whether a collection is asked for its statistics. A name that cannot be sent is noted."""
    if collection.type == "view" or collection.system:
        return False
    refusal = sendable(state.sent, collection.sent)
    if refusal:
        collection.add_note(UNSENDABLE, refusal)
    return not refusal


def _in_turn(columns: list[tuple[str, list[str]]]) -> Iterator[Task]:
    """Collections in turn from each database, so that no large one hides the others."""
    for turn in range(max((len(names) for _, names in columns), default=0)):
        for database, names in columns:
            if turn < len(names):
                yield Task(TaskKind.STATISTICS, database, names[turn])


def _gravest_first(
    kind: TaskKind, found: Sequence[tuple[DatabaseState, CollectionState]], asked: int
) -> list[Task]:
    """Questions of one kind, at most `asked`: about what is large and what is telling in turn.

    Large is what holds many documents. Telling is a name that stands, or whose database's name does, in the
    lists of hints or of ransom notes, which hold few documents: whether such a thing is of today is the first
    thing that its owner wants to know.
    """
    if len(found) <= asked:
        return [Task(kind, state.sent, each.sent) for state, each in found]
    large = sorted(found, key=lambda pair: (-(pair[1].documents or 0), pair[0].sent, pair[1].sent))
    told = {name: tells(name) for name in {state.sent for state, _ in large}}
    telling = (
        (state, each)
        for state, each in large
        if told[state.sent] or tells(each.sent, note=(each.documents or 0) <= FEW)
    )
    both = chain.from_iterable(zip_longest(telling, large))
    chosen: dict[int, Task] = {}  # by the identity of the collection
    for pair in both:
        if len(chosen) >= asked:
            break
        if pair is not None and id(pair[1]) not in chosen:
            chosen[id(pair[1])] = Task(kind, pair[0].sent, pair[1].sent)
    return list(chosen.values())
