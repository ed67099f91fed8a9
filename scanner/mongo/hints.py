"""Names that hint at data about people or at secrets: which listed word of which language a name holds."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

from results.record import Database, Hint
from scanner.mongo.tables import derived, table

if TYPE_CHECKING:
    from collections.abc import Iterable

HINTS_KEPT = 200
NAMES_LOOKED_AT = 20_000
NAMES_REMEMBERED = 8192
SHORTEST_STEM = 3
_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_UNDECOMPOSED = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe"})
_SEPARATORS = re.compile(r"[\W\d_]+")
_LETTERS = re.compile("[a-z]+")


class _Word(NamedTuple):
    word: str
    category: str
    language: str


class _Vocabulary(NamedTuple):
    exact: dict[str, _Word]
    stems: dict[str, list[_Word]]  # by their first letters, the longest first
    inside: list[_Word]  # languages that put nothing between words


def fold(name: str) -> str:
    """Lower case without accents, so that `Abonnés` and `abonnes` are one word."""
    if name.isascii():
        return name.lower()
    decomposed = unicodedata.normalize("NFKD", name.casefold().translate(_UNDECOMPOSED))
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def tokens(name: str) -> list[str]:
    """The words of a name: split at separators, digits and camel humps, and the whole without separators."""
    parted = name if name.islower() else _CAMEL.sub(" ", name)
    if name.isascii():
        parts = _LETTERS.findall(parted.lower())
    else:
        parts = [fold(part) for part in _SEPARATORS.split(parted) if part]
    if len(parts) > 1:
        parts.append("".join(parts))
    return parts


@derived
@lru_cache(NAMES_REMEMBERED)
def match(name: str) -> tuple[Hint, ...]:
    """The listed words in `name`, at most one a category, in the order in which they stand there."""
    vocabulary = _vocabulary()
    exact, stems = vocabulary.exact, vocabulary.stems
    found: dict[str, Hint] = {}
    for token in tokens(name):
        hit = exact.get(token)
        if hit is None:
            for stem in stems.get(token[:SHORTEST_STEM], ()):
                if token.startswith(stem.word):
                    hit = stem
                    break
            else:
                continue
        found.setdefault(hit.category, _hint(name, hit))
    if not name.isascii():
        folded = fold(name)
        for hit in vocabulary.inside:
            if hit.word in folded:
                found.setdefault(hit.category, _hint(name, hit))
    return tuple(found.values())


def find(databases: Iterable[Database]) -> tuple[list[Hint], bool]:
    """Hints in the names of all user databases and their collections; the flag says that some were left out.

    The server's own databases and collections (`system.*`) do not count, nor do empty ones.
    """
    hints: list[Hint] = []
    looked_at = 0
    for database in databases:
        if database.system:
            continue
        if not (database.empty or database.documents == 0):
            looked_at += 1
            if looked_at <= NAMES_LOOKED_AT:
                hints += match(database.name)
        if database.collections:
            looked_at = _add_collections(hints, database, looked_at)
        if looked_at > NAMES_LOOKED_AT or len(hints) > HINTS_KEPT:
            return hints[:HINTS_KEPT], True
        more = _of_fields(database) if database.collections else ()
        if more:
            hints += more[: HINTS_KEPT - len(hints)]
            if len(hints) >= HINTS_KEPT:
                return hints, True
    return hints, False


def _add_collections(hints: list[Hint], database: Database, looked_at: int) -> int:
    """Add the hints in the names of its collections, up to where there are too many names, or hints. Returns
    how many names were looked at by then."""
    for collection in database.collections:
        name = collection.name
        if collection.documents == 0 or name.startswith("system."):
            continue
        looked_at += 1
        if looked_at > NAMES_LOOKED_AT or len(hints) > HINTS_KEPT:
            break
        found = match(name)
        if found:
            within = f"{database.name}.{name}"
            hints += [
                Hint(name=within, word=hint.word, category=hint.category, language=hint.language)
                for hint in found
            ]
    return looked_at


def _of_fields(database: Database) -> list[Hint]:
    """Hints in the names of indexed fields, one for each word and collection."""
    found: dict[tuple[str, str], Hint] = {}
    for collection in database.collections:
        if not collection.indexes or collection.documents == 0:
            continue
        for index in collection.indexes:
            for field in index.fields:
                if field == "_id":
                    continue
                for hint in match(field):
                    name = f"{database.name}.{collection.name}"
                    told = Hint(
                        name=name, field=field, word=hint.word, category=hint.category, language=hint.language
                    )
                    found.setdefault((name, hint.word), told)
    return list(found.values())


def _hint(name: str, hit: _Word) -> Hint:
    return Hint(name=name, word=hit.word, category=hit.category, language=hit.language)


@derived
@cache
def _vocabulary() -> _Vocabulary:
    exact: dict[str, _Word] = {}
    stems: dict[str, _Word] = {}
    inside: list[_Word] = []
    for group in table("telling_names")["words"]:
        for written in group["words"]:
            stem = written.endswith("*")
            word = _Word(written.rstrip("*"), group["category"], group["language"])
            if group["language"] == "zh" and not written.isascii():
                inside.append(word)
            elif stem:
                stems.setdefault(word.word, word)
            else:
                exact.setdefault(word.word, word)
    by_beginning: dict[str, list[_Word]] = {}
    for word in sorted(stems.values(), key=lambda word: -len(word.word)):
        by_beginning.setdefault(word.word[:SHORTEST_STEM], []).append(word)
    return _Vocabulary(exact, by_beginning, inside)
