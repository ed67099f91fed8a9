"""What differs between two looks at one open server: counts, names, UUIDs, counters. Plain arithmetic over
visits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from results.ledger.identity import is_system
from results.ledger.tracked import Grown, Lost

if TYPE_CHECKING:
    from results.ledger.visit import Names, Visit

NAMES_TOLD = 50
START_TOLERANCE = 120
"""Seconds by which the start of one process may differ between two looks: it is computed from two clocks."""


@dataclass(slots=True)
class Holding:
    """What an open visit showed that it holds, an extortionist's note apart.

    `users` are the users' namespaces with their collections; `databases` the users' databases, those without
    a known collection among them; `whole` says that these are all, `named` which of them named all their
    collections.
    """

    visit: Visit
    users: dict[str, Names] = field(default_factory=dict)
    notes: dict[str, Names | None] = field(default_factory=dict)
    databases: set[str] = field(default_factory=set)
    whole: bool = False
    named: frozenset[str] = frozenset()

    @classmethod
    def of(cls, visit: Visit) -> Holding:
        """Read one open visit."""
        holding = cls(visit)
        structure = visit.structure
        if structure is None:
            holding.notes = dict.fromkeys(_notes(visit))
            return holding
        holding.whole, holding.named = structure.whole, frozenset(structure.named)
        noted = _notes(visit)
        for database, collections in structure.databases.items():
            if is_system(database):
                continue
            if database in noted:
                holding.notes[database] = collections[0] if collections else None
                continue
            holding.databases.add(database)
            for names in collections:
                namespace = f"{database}.{names.name}"
                if namespace in noted:
                    holding.notes[namespace] = names
                elif not names.name.startswith("system."):
                    holding.users[namespace] = names
        return holding

    @property
    def is_told(self) -> bool:
        """Whether it was asked what it holds."""
        return self.visit.structure is not None

    @property
    def documents(self) -> int | None:
        """Of the users' collections without notes where each was counted, or else the record's total."""
        if not self.databases and self.is_told and self.whole:
            return 0
        counted = self.visit.figures.collections if self.visit.figures is not None else {}
        counts = [counted[name][0] if name in counted else None for name in self.users]
        known = [count for count in counts if count is not None]
        if counts and len(known) == len(counts) and self.databases <= self.named:
            return sum(known)
        return _total(self.visit)

    @property
    def all_databases(self) -> set[str]:
        """The users' databases and those that hold a note."""
        return self.databases | {name.partition(".")[0] for name in self.notes}

    @property
    def lacks_collections(self) -> bool:
        """Whether it was asked for the names of databases alone."""
        return bool(self.databases) and not self.users and not self.databases & self.named


def _total(visit: Visit) -> int | None:
    """The record's total of documents; None where a database did not tell its own."""
    return visit.documents if visit.figures is None or visit.figures.counted else None


def _notes(visit: Visit) -> set[str]:
    return set(visit.ransom_names) if visit.ransom_level in ("possible", "likely") else set()


def remade(old: Holding, new: Holding) -> list[str]:
    """Namespaces of users that are in both and have another UUID: dropped and made anew in between."""
    return sorted(
        name
        for name, before in old.users.items()
        if (after := new.users.get(name)) and before.uuid and after.uuid and before.uuid != after.uuid
    )


def kept(old: Holding, new: Holding) -> int:
    """How many namespaces have the same UUID in both."""
    return sum(
        1
        for name, before in old.users.items()
        if (after := new.users.get(name)) and before.uuid and before.uuid == after.uuid
    )


def vanished(old: Holding, new: Holding) -> set[str]:
    """Namespaces of users that are not there any more, as far as the new look names what is there."""
    gone = old.databases - new.databases if new.whole else set[str]()
    moved = {before for before, _ in renamed(old, new)}
    return {
        name
        for name in old.users.keys() - new.users.keys() - moved
        if (database := name.partition(".")[0]) in gone or database in new.named
    }


def renamed(old: Holding, new: Holding) -> list[tuple[str, str]]:
    """(before, after) of namespaces that have the same UUID under another name."""
    by_uuid = {names.uuid: name for name, names in old.users.items() if names.uuid}
    return sorted(
        (by_uuid[names.uuid], name)
        for name, names in new.users.items()
        if names.uuid in by_uuid and by_uuid[names.uuid] != name and name not in old.users
    )


def lost(old: Holding, new: Holding, *, made_anew: bool = False) -> Lost:
    """What the new look does not show any more; with `made_anew` everything whose UUID differs, too.

    Documents and bytes are those of the collections that are gone where each was counted; where everything is
    gone, the totals of the look before.
    """
    gone = old.databases if made_anew else old.databases - new.databases if new.whole else set()
    namespaces = vanished(old, new) | set(remade(old, new) if made_anew else ())
    everything = made_anew or not (old.databases & new.databases)
    counted = old.visit.figures.collections if old.visit.figures is not None else {}
    return Lost(
        databases=sorted(gone)[:NAMES_TOLD],
        database_count=len(gone),
        collection_count=len(namespaces),
        documents=_sum(counted, namespaces, 0, old.documents if everything else None),
        bytes=_sum(counted, namespaces, 1, old.visit.bytes if everything else None),
    )


def _sum(
    counted: dict[str, tuple[int | None, int | None, str, int | None]],
    names: set[str],
    which: Literal[0, 1],
    otherwise: int | None,
) -> int | None:
    """The sum over these namespaces, or `otherwise` where one of them was not counted."""
    found = [counted[name][which] if name in counted else None for name in names]
    known = [count for count in found if count is not None]
    return sum(known) if found and len(known) == len(found) else otherwise


def grown(old: Visit, new: Visit) -> Grown:
    """Differences of counts and sizes, and of the server's own counters within one life of its process."""
    inserted = updated = deleted = None
    if same_process(old, new) and old.figures and new.figures:
        inserted = _rise(old.figures.inserted, new.figures.inserted)
        updated = _rise(old.figures.updated, new.figures.updated)
        deleted = _rise(old.figures.deleted, new.figures.deleted)
    return Grown(
        documents=_difference(_total(old), _total(new)),
        bytes=_difference(old.bytes, new.bytes),
        databases=_difference(old.database_count, new.database_count),
        collections=_difference(old.collection_count, new.collection_count),
        inserted=inserted,
        updated=updated,
        deleted=deleted,
    )


def same_process(old: Visit, new: Visit) -> bool | None:
    """Whether the process that answered is the same; None where one of them did not tell when it started."""
    if old.server is None or new.server is None or not (old.server.started_at and new.server.started_at):
        return None
    before, after = map(datetime.fromisoformat, (old.server.started_at, new.server.started_at))
    return abs((after - before).total_seconds()) <= START_TOLERANCE


def _difference(old: int | None, new: int | None) -> int | None:
    return None if old is None or new is None else new - old


def _rise(old: int | None, new: int | None) -> int | None:
    """What a counter rose by; None where it cannot tell, as after a counter that began again."""
    return new - old if old is not None and new is not None and new >= old else None
