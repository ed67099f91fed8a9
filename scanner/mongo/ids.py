"""What the ends of a collection's ids say of time: whether a clock made them, and what is asked next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scanner.mongo.activity import FIRST_RELEASE
from scanner.mongo.answers import first_batch
from scanner.mongo.command_forms import Task, TaskKind
from scanner.mongo.inventory import NOT_TOLD
from scanner.mongo.values import documents, moment, time_of

if TYPE_CHECKING:
    from datetime import datetime

    from scanner.mongo.agenda import Agenda
    from scanner.mongo.facts import Document
    from scanner.mongo.inventory import CollectionState, DatabaseState

FEW_IDS: Final = 20  # among so few random ids, none may look older than MongoDB


def read_ids(
    agenda: Agenda, kind: TaskKind, state: DatabaseState, collection: CollectionState, document: Document
) -> bool:
    """Keep an id's time alone. An empty batch means that no id is an ObjectId, not that there is none."""
    batch = first_batch(document)
    end = next(documents(batch), {})
    at = moment(end.get("t")) or time_of(end.get("_id"))
    return read_end(agenda, kind, state, collection, at, empty=batch == [])


def read_end(
    agenda: Agenda,
    kind: TaskKind,
    state: DatabaseState,
    collection: CollectionState,
    at: datetime | None,
    *,
    empty: bool = False,
) -> bool:
    """The time of an id at one end; `empty` where no id is an ObjectId."""
    if at is None and not empty:
        collection.add_note(NOT_TOLD, f"{kind.value}: an answer without an id's time")
    elif kind is not TaskKind.NEWEST:
        _judge(agenda, kind, state, collection, at)
    elif at is None:
        collection.add_note("no-object-id")
    else:
        collection.newest = at
        if collection.shards > 1:
            collection.add_note("sharded", f"{collection.shards} shards")
        if at >= FIRST_RELEASE:
            agenda.add(Task(TaskKind.OLDEST, state.sent, collection.sent))
    return at is not None


def _judge(
    agenda: Agenda,
    kind: TaskKind,
    state: DatabaseState,
    collection: CollectionState,
    at: datetime | None,
) -> None:
    """Whether a clock made these ids: random ones lie as often before MongoDB and after now."""
    if at is None:
        return
    if kind is TaskKind.BEYOND or at < FIRST_RELEASE:
        collection.newest = None
        when = "after now" if kind is TaskKind.BEYOND else "before MongoDB's first release"
        collection.add_note("ids-not-from-a-clock", when)
    elif collection.documents is not None and collection.documents <= FEW_IDS:
        agenda.add(Task(TaskKind.BEYOND, state.sent, collection.sent))
