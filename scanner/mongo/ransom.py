"""Whether names look like an extortionist's note. Names, sizes and counts are looked at; no note is opened.

The table in `data/ransom_names.toml` gives each name a strength. A name alone is never more than possible:
likely needs a second sign of the note itself, which is one small collection of few documents, and for all but
a strong name one that is called as notes are. That a server has no other database is no sign, because most
small ones have none. Names never show that data was stolen or deleted: the owner must confirm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from results.record import NO_RANSOM, Collection, Database, Ransom, Reason
from scanner.mongo.tables import Table, derived, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAMES_KEPT = 50
SUSPECTS_WEIGHED = 100
NAMES_REMEMBERED = 8192  # an estate has few names, and each is looked up several times
NOTE_DOCUMENTS = 3
TINY_BYTES = 128 * 1024
TINY_MMAPV1_BYTES = 80 * 1024 * 1024  # the first data file and the namespace file, preallocated
COLLECTIONS_LOOKED_AT = 20

_RUNS = re.compile(r"[_\-\s.]+")
_ORDER = {"S": 3, "M": 2, "W": 1, "second": 0, "marker": 0}
_NOTES = frozenset({"S", "M", "W"})  # strengths of notes; the others are marks, and what stands beside notes
_LETTER, _FIGURE = re.compile("[a-z]"), re.compile("[0-9]")
_READINGS = tuple(str.maketrans("013457", letters) for letters in ("oieast", "oleast"))
_EITHER = str.maketrans(
    {"o": "[o0]", "i": "[i1]", "l": "[l1]", "e": "[e3]", "a": "[a4]", "s": "[s5]", "t": "[t7]"}
)


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
    collection: Collection | None = None  # the one that is named, where it is not the database
    signs: list[str] = field(default_factory=list)
    level: str = ""


def fold(name: str) -> str:
    """A name as the table compares it: case-folded, runs of `_`, `-`, `.` and space as one `_`."""
    return "_".join(name.casefold().replace("_", " ").replace("-", " ").replace(".", " ").split())


def judge(databases: Sequence[Database], storage_engine: str = "", *, complete: bool = True) -> Ransom:
    """The level over all databases, the names that led to it, and whether other data is left.

    `wiped` is True when every database of users is known and none holds a document besides the note, False
    when one does, None when that is not known. `complete`: these are all the databases that were listed.
    """
    users = [database for database in databases if not database.system]
    for database in users:
        if _has_listed_name(database):
            return judge_suspects(users, storage_engine, complete=complete)
    return NO_RANSOM


def judge_suspects(users: Sequence[Database], storage_engine: str, *, complete: bool) -> Ransom:
    """What `judge` says of databases that are not the server's own, looking closely at each name."""
    suspects = [suspect for database in users for suspect in _suspects(database)]
    suspects.sort(key=lambda suspect: -_ORDER[suspect.strength])
    del suspects[SUSPECTS_WEIGHED:]
    markers = [database.name for database in users if _is_marker(database.name)]
    wipers = [suspect for suspect in suspects if _is_wiper(suspect.database.name)]
    for suspect in suspects:
        suspect.level = _level(suspect, storage_engine)
        if len(wipers) > 1 and suspect in wipers:
            suspect.level = "likely"
            suspect.signs.append(f"{len(wipers)} random names of this kind")
    likely = [suspect for suspect in suspects if suspect.level == "likely"]
    kept = likely or [suspect for suspect in suspects if suspect.level == "possible"]
    if not kept:
        if markers:
            reasons = [Reason(code="mark-of-a-third-party", detail=markers[0])]
            return Ransom(level="third_party_marker", names=markers[:NAMES_KEPT], reasons=reasons)
        return NO_RANSOM
    wiped = _wiped(kept, users, complete=complete)
    return Ransom(
        level="likely" if likely else "possible",
        names=[suspect.name for suspect in kept][:NAMES_KEPT],
        wiped=wiped if likely or wiped is False else None,
        reasons=[_reason(suspect) for suspect in kept][:NAMES_KEPT],
    )


def is_listed(name: str) -> bool:
    """True for a name, of a database or a collection, that the table knows in any strength."""
    return may_be_listed(name) and (
        _strongest(name, "database") is not None or _strongest(name, "collection") is not None
    )


@derived
@lru_cache(NAMES_REMEMBERED)
def may_be_listed(name: str) -> bool:
    """Whether any row matches, wherever the name stands: of thousands hardly one does."""
    folded, known = fold(name), _table()
    if folded in known:
        return True
    forms = [folded]
    read = folded.replace("0", "o").replace("3", "e").replace("4", "a").replace("5", "s").replace("7", "t")
    if read != folded or "1" in read:
        forms += [read.replace("1", "i"), read.replace("1", "l")]
        if forms[1] in known or forms[2] in known:
            return True
    return bool(_fragments().search(folded)) and any(map(_any_shape().match, forms))


def _has_listed_name(database: Database) -> bool:
    """Whether any name in it may be in the table; of many databases hardly one has such a name."""
    if may_be_listed(database.name):
        return True
    looked_at = 0
    for collection in database.collections:
        if collection.name.startswith("system."):
            continue
        if may_be_listed(collection.name):
            return True
        looked_at += 1
        if looked_at == COLLECTIONS_LOOKED_AT:
            break
    return False


def _suspects(database: Database) -> Iterator[_Suspect]:
    entry = _entry(database.name, "database")
    if entry is not None and entry.strength in _NOTES:
        yield _Suspect(database.name, entry, _with_pair(entry, database), database)
        return
    for collection in _own(database):
        entry = _entry(collection.name, "collection") or _outside(collection.name)
        if entry is not None and entry.strength in _NOTES:
            name = f"{database.name}.{collection.name}"
            yield _Suspect(name, entry, entry.strength, database, collection)
            return


def _outside(name: str) -> _Entry | None:
    """A collection called as databases of notes are, unless that is an ordinary name."""
    entry = _entry(name, "database")
    return entry if entry is not None and entry.strength != "W" else None


def _with_pair(entry: _Entry, database: Database) -> str:
    """A listed collection inside makes some names stronger: WARNING with README is Mongo Lock."""
    strength = entry.strength
    inside = {fold(collection.name) for collection in _own(database)}
    for other in _table().get(fold(entry.written), [entry]):
        if other.pair and other.pair in inside and _ORDER[other.pair_strength] > _ORDER[strength]:
            strength = other.pair_strength
    return strength


def _level(suspect: _Suspect, storage_engine: str) -> str:
    """What a name and what is in it come to. The signs found are kept for the reasons."""
    if suspect.collection is not None:
        return _level_of_collection(suspect, suspect.collection)
    database, own = suspect.database, _own(suspect.database)
    one = len(own) == 1 and database.collections_known
    few = _is_few(database.documents)
    more = len(own) > 1 or (database.documents or 0) > NOTE_DOCUMENTS
    if more:
        return "possible" if suspect.strength in ("S", "M") and not suspect.entry.variant else ""
    called = _called(own[0].name, database.name) if one else ""
    tiny = TINY_MMAPV1_BYTES if storage_engine == "mmapv1" else TINY_BYTES
    small = database.size_bytes is not None and 0 < database.size_bytes <= tiny
    suspect.signs = [
        *(["the database has one collection"] if one else []),
        *([f"it is called {own[0].name}"] if called else []),
        *([f"it holds {database.documents} document{'s' if few > 1 else ''}"] if few else []),
        *(["it is tiny"] if small else []),
    ]
    if suspect.entry.variant:
        named = called == "note"
        return ("likely" if named and few else "possible") if few and one else ""
    if suspect.strength == "S":
        return "likely" if few or small else "possible"
    if suspect.strength == "M":
        return "likely" if few and called else "possible"
    return ("likely" if called == "note" else "possible") if few and called else ""


def _level_of_collection(suspect: _Suspect, collection: Collection) -> str:
    few = _is_few(collection.documents)
    alone = suspect.database.collections_known and len(_own(suspect.database)) == 1
    if few:
        suspect.signs.append(f"it holds {few} document{'s' if few > 1 else ''}")
    if suspect.entry.variant or suspect.strength == "W":
        return "possible" if few and alone else ""
    if suspect.strength == "S":
        return "likely" if few else "possible"
    return "possible" if few or collection.documents is None else ""


def _is_few(documents: int | None) -> int:
    """That number of documents where it is a note's, else 0."""
    return documents if documents is not None and documents <= NOTE_DOCUMENTS else 0


def _called(collection: str, database: str) -> str:
    """ "note": a collection called as notes are; "same": as its database or as what stands beside notes."""
    entry = _entry(collection, "collection") or _outside(collection)
    if entry is not None and entry.strength in _NOTES and not entry.variant:
        return "note"
    return "same" if entry is not None or fold(collection) == fold(database) else ""


def _own(database: Database) -> list[Collection]:
    """The first of its collections, without those that the server itself keeps in it."""
    own = (collection for collection in database.collections if not collection.name.startswith("system."))
    return list(islice(own, COLLECTIONS_LOOKED_AT))


def _is_wiper(name: str) -> bool:
    """Random letters and figures with `meow` behind them: what a wiper leaves, many at a time."""
    stem, found, _ = fold(name).rpartition("_meow")
    return bool(found) and bool(_LETTER.search(stem)) and bool(_FIGURE.search(stem))


def _wiped(suspects: Sequence[_Suspect], users: Sequence[Database], *, complete: bool) -> bool | None:
    notes = {suspect.database.name: suspect for suspect in suspects}
    held = [_holds_data(database, notes.get(database.name)) for database in users]
    if True in held:
        return False
    return True if complete and None not in held else None


def _holds_data(database: Database, suspect: _Suspect | None) -> bool | None:
    """Whether documents of users lie there besides the note; None when that is not known."""
    if suspect is not None and suspect.collection is not None:
        others = [found.documents for found in _own(database) if found.name != suspect.collection.name]
        if any(others):
            return True
        return False if database.collections_known and None not in others else None
    if suspect is not None:
        return None if database.documents is None else database.documents > NOTE_DOCUMENTS
    if database.documents is not None:
        return database.documents > 0
    return False if database.empty else None


_CODES = {"S": "known-note-name", "M": "frequent-note-name", "W": "seen-note-name"}


def _reason(suspect: _Suspect) -> Reason:
    code = "like-a-note-name" if suspect.entry.variant else _CODES[suspect.strength]
    return Reason(code=code, detail=": ".join(filter(None, (suspect.name, ", ".join(suspect.signs)))))


def _is_marker(name: str) -> bool:
    return any(entry.strength == "marker" for entry in _table().get(fold(name), []))


def _entry(name: str, within: str) -> _Entry | None:
    """The strongest row that matches: an exact name before a shape, a shape before a variant. A listed name
    in which figures stand for letters is no accident, so it is of medium strength at least."""
    return _strongest(name, within) if may_be_listed(name) else None


@derived
@lru_cache(NAMES_REMEMBERED)
def _strongest(name: str, within: str) -> _Entry | None:
    folded = fold(name)
    plain = _find(folded, within)
    if plain is not None and not plain.variant:
        return plain
    for letters in _READINGS if _FIGURE.search(folded) else ():
        found = _find(folded.translate(letters), within)
        if found is not None and found.strength in _NOTES and not found.variant:
            return found._replace(strength="M") if found.strength == "W" else found
    return plain


def _find(folded: str, within: str) -> _Entry | None:
    exact = [entry for entry in _table().get(folded, []) if entry.within in (within, "both")]
    if exact:
        return max(exact, key=lambda entry: _ORDER[entry.strength])
    for pattern, entry in _shapes():
        if entry.within in (within, "both") and pattern.match(folded):
            return entry
    return None


@derived
@cache
def _table() -> dict[str, list[_Entry]]:
    found: dict[str, list[_Entry]] = {}
    for row in table("ransom_names")["name"]:
        if row.get("match", "exact") == "exact":
            found.setdefault(fold(row["name"]), []).append(_of_row(row))
    return found


@derived
@cache
def _any_shape() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern.pattern})" for pattern, _ in _shapes()))


@derived
@cache
def _fragments() -> re.Pattern[str]:
    """What stands in every name of a shape, whichever of its letters are written as figures."""
    found: list[str] = []
    for row in table("ransom_names")["name"]:
        if row.get("match", "exact") != "exact":
            found += row.get("holds") or [_RUNS.sub("_", row["name"].casefold())]
    return re.compile("|".join(fragment.translate(_EITHER) for fragment in found))


@derived
@cache
def _shapes() -> list[tuple[re.Pattern[str], _Entry]]:
    shapes = []
    for row in table("ransom_names")["name"]:
        how, folded = row.get("match", "exact"), re.escape(_RUNS.sub("_", row["name"].casefold()))
        written = {"prefix": f"{folded}.+", "suffix": f".+{folded}$", "pattern": row["name"]}.get(how)
        if written is not None:
            shapes.append((re.compile(written), _of_row(row)))
    return shapes


def _of_row(row: Table) -> _Entry:
    return _Entry(
        row["name"],
        row["strength"],
        row["within"],
        fold(row.get("pair", "")),
        row["pair_strength" if "pair_strength" in row else "strength"],
        bool(row.get("variant")),
    )
