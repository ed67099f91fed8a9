"""Whether names look like an extortionist's note. Names, sizes and counts are looked at; no note is opened.

The table in `data/ransom_names.toml` gives each name a strength. A strong one is enough; a medium one needs
one second sign, a weak one two. Names never show that data was stolen or deleted: the owner must confirm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from results.record import Collection, Database, Ransom
from scanner.mongo.tables import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAMES_KEPT = 50
SUSPECTS_WEIGHED = 100
NAMES_REMEMBERED = 2048  # an estate has few names, and each is looked up several times
NOTE_DOCUMENTS = 3
SURELY_DATA_DOCUMENTS = 100
TINY_BYTES = 128 * 1024
TINY_MMAPV1_BYTES = 80 * 1024 * 1024  # the first data file and the namespace file, preallocated
COLLECTIONS_LOOKED_AT = 20

_RUNS = re.compile(r"[_\-\s.]+")
_ORDER = {"S": 3, "M": 2, "W": 1, "second": 0, "marker": 0}
_NEEDED = {"S": 0, "M": 1, "W": 2}


class _Entry(NamedTuple):
    written: str
    strength: str
    within: str
    pair: str
    pair_strength: str
    variant: bool


@dataclass(slots=True)
class _Suspect:
    """A database whose name, or whose collection's name, is in the table."""

    name: str
    entry: _Entry
    strength: str
    database: Database
    signs: list[str] = field(default_factory=list)


def fold(name: str) -> str:
    """A name as the table compares it: case-folded, runs of `_`, `-`, `.` and space as one `_`."""
    return _RUNS.sub("_", name.casefold()).strip("_")


def judge(databases: Sequence[Database], storage_engine: str = "") -> Ransom:
    """The level over all databases, the names that led to it, and whether other data is left.

    `wiped` is True when no other user database holds a document, None when that is not known.
    """
    users = [database for database in databases if not database.system]
    suspects = [suspect for database in users for suspect in _suspects(database)]
    suspects.sort(key=lambda suspect: -_ORDER[suspect.strength])
    del suspects[SUSPECTS_WEIGHED:]
    markers = [database.name for database in users if _is_marker(database.name)]
    wipers = sum(1 for suspect in suspects if "meow" in fold(suspect.entry.written))
    for suspect in suspects:
        suspect.signs = list(_second_signs(suspect, users, storage_engine))
        if wipers > 1 and "meow" in fold(suspect.entry.written):
            suspect.strength = "S"
            suspect.signs.append(f"{wipers} names of this kind")
    likely = [suspect for suspect in suspects if len(suspect.signs) >= _NEEDED[suspect.strength]]
    possible = [suspect for suspect in suspects if suspect not in likely and _stays_possible(suspect)]
    kept = likely or possible
    if not kept:
        if markers:
            reasons = ["a name that a third party leaves as a mark, not a ransom note"]
            return Ransom(level="third_party_marker", names=markers[:NAMES_KEPT], reasons=reasons)
        return Ransom()
    level = "likely" if likely else "possible"
    return Ransom(
        level="likely" if level == "likely" else "possible",
        names=[suspect.name for suspect in kept][:NAMES_KEPT],
        wiped=_wiped(kept, users),
        reasons=[_reason(suspect) for suspect in kept][:NAMES_KEPT],
    )


def is_listed(name: str) -> bool:
    """True for a name, of a database or a collection, that the table knows in any strength."""
    return _entry(name, "database") is not None or _entry(name, "collection") is not None


def _suspects(database: Database) -> Iterator[_Suspect]:
    entry = _entry(database.name, "database")
    if entry is not None and entry.strength in _NEEDED:
        yield _Suspect(database.name, entry, _with_pair(entry, database), database)
        return
    for collection in _own(database):
        entry = _entry(collection.name, "collection")
        if entry is not None and entry.strength in _NEEDED:
            yield _Suspect(f"{database.name}.{collection.name}", entry, entry.strength, database)
            return


def _with_pair(entry: _Entry, database: Database) -> str:
    """A listed collection inside makes some names stronger: WARNING with README is Mongo Lock."""
    strength = entry.strength
    inside = {fold(collection.name) for collection in _own(database)}
    for other in _table().get(fold(entry.written), [entry]):
        if other.pair and other.pair in inside and _ORDER[other.pair_strength] > _ORDER[strength]:
            strength = other.pair_strength
    return strength


def _second_signs(suspect: _Suspect, users: Sequence[Database], storage_engine: str) -> Iterator[str]:
    database = suspect.database
    if _is_data(database):
        return
    if database.collections_known and len(_own(database)) == 1:
        yield "the database has one collection"
    if database.documents is not None and 1 <= database.documents <= NOTE_DOCUMENTS:
        yield f"it holds {database.documents} document{'s' if database.documents > 1 else ''}"
    tiny = TINY_MMAPV1_BYTES if storage_engine == "mmapv1" else TINY_BYTES
    if database.size_bytes is not None and 0 < database.size_bytes <= tiny:
        yield "it is tiny"
    if _wiped([suspect], users):
        yield "no other user database holds data"
    if any(_entry(collection.name, "collection") for collection in _besides(suspect)):
        yield "a collection in it is listed too"
    if _newest_is_inside(database, users):
        yield "the newest document id of the server is in it"


def _besides(suspect: _Suspect) -> list[Collection]:
    prefix = f"{suspect.database.name}."
    own = _own(suspect.database)
    return [collection for collection in own if prefix + collection.name != suspect.name]


def _own(database: Database) -> list[Collection]:
    """The first of its collections, without those that the server itself keeps in it."""
    own = (collection for collection in database.collections if not collection.name.startswith("system."))
    return list(islice(own, COLLECTIONS_LOOKED_AT))


def _is_data(database: Database) -> bool:
    return database.documents is not None and database.documents > SURELY_DATA_DOCUMENTS


def _stays_possible(suspect: _Suspect) -> bool:
    """A medium name is worth a look even alone; a weak or a merely similar one is an ordinary name then."""
    return suspect.strength == "M" and not suspect.entry.variant


def _wiped(suspects: Sequence[_Suspect], users: Sequence[Database]) -> bool | None:
    ours = {suspect.database.name for suspect in suspects}
    unknown = False
    for database in users:
        if database.name in ours:
            continue
        held = _holds_data(database)
        if held:
            return False
        unknown = unknown or held is None
    return None if unknown else True


def _holds_data(database: Database) -> bool | None:
    if database.documents is not None:
        return database.documents > 0
    if database.empty:
        return False
    if database.collections_known and not database.collections:
        return False
    return None


def _newest_is_inside(database: Database, users: Sequence[Database]) -> bool:
    if len(users) < 2:
        return False
    newest = [
        (collection.last_write.at, owner.name)
        for owner in users
        for collection in owner.collections
        if collection.last_write is not None
    ]
    return bool(newest) and max(newest)[1] == database.name


def _reason(suspect: _Suspect) -> str:
    words = {
        "S": "a known name of a ransom note",
        "M": "a name often seen on ransom notes",
        "W": "a name seen on ransom notes",
    }
    known = "a name like those of ransom notes" if suspect.entry.variant else words[suspect.strength]
    signs = f"; {', '.join(suspect.signs)}" if suspect.signs else ""
    return f"{suspect.name}: {known}{signs}"


def _is_marker(name: str) -> bool:
    return any(entry.strength == "marker" for entry in _table().get(fold(name), []))


@lru_cache(NAMES_REMEMBERED)
def _entry(name: str, within: str) -> _Entry | None:
    """The strongest row that matches: an exact name before a shape, a shape before a variant."""
    folded = fold(name)
    exact = [entry for entry in _table().get(folded, []) if entry.within in (within, "both")]
    if exact:
        return max(exact, key=lambda entry: _ORDER[entry.strength])
    for pattern, entry in _shapes():
        if entry.within in (within, "both") and pattern.match(folded):
            return entry
    return None


@cache
def _table() -> dict[str, list[_Entry]]:
    found: dict[str, list[_Entry]] = {}
    for row in table("ransom_names")["name"]:
        if row.get("match", "exact") == "exact":
            found.setdefault(fold(row["name"]), []).append(_of_row(row))
    return found


@cache
def _shapes() -> list[tuple[re.Pattern[str], _Entry]]:
    shapes = []
    for row in table("ransom_names")["name"]:
        how, folded = row.get("match", "exact"), re.escape(_RUNS.sub("_", row["name"].casefold()))
        written = {"prefix": f"{folded}.+", "suffix": f".+{folded}$", "pattern": row["name"]}.get(how)
        if written is not None:
            shapes.append((re.compile(written), _of_row(row)))
    return shapes


def _of_row(row: dict[str, str]) -> _Entry:
    return _Entry(
        row["name"],
        row["strength"],
        row["within"],
        fold(row.get("pair", "")),
        row.get("pair_strength", row["strength"]),
        bool(row.get("variant")),
    )
