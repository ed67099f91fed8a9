"""The dated tables: those beside this module, or newer ones in their place; and how old each one is."""

from __future__ import annotations

import hashlib
import json
import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Table = dict[str, Any]

FOLDER = Path(__file__).parent / "data"
FILES = ("advisories", "versions", "ransom_names", "telling_names")
STALE_AFTER_DAYS = {"advisories": 45, "versions": 180, "ransom_names": 365, "telling_names": 3650}

_given: dict[str, Table] = {}  # in place of those beside this module
_forget: list[Callable[[], None]] = []


class _Cached(Protocol):
    def cache_clear(self) -> None: ...


C = TypeVar("C", bound=_Cached)


class DataAge(NamedTuple):
    """One table: its subject, its day, its age in days, how many rows; `stale`: too old to trust; whether it
    is "built-in" or came by an "update"."""

    name: str
    about: str
    as_of: date
    days: int
    rows: int
    stale: bool
    source: str = "built-in"

    @classmethod
    def of(cls, name: str, about: str, as_of: str, rows: int, patience: int, today: date) -> DataAge:
        """The age of a table of the day `as_of` (YYYY-MM-DD), which may be `patience` days old."""
        day = date.fromisoformat(as_of)
        days = (today - day).days
        return cls(name, about, day, days, rows, days > patience)


def derived(cached: C) -> C:
    """Mark a cache of what was worked out of a table, so that `use` empties it."""
    _forget.append(cached.cache_clear)
    return cached


def table(name: str) -> Table:
    """The table `name` that is in use. It is always there."""
    return _given.get(name) or built_in(name)


@cache
def built_in(name: str) -> Table:
    """The parsed file `name` (without `.toml`) beside this module. It is part of the package."""
    with (FOLDER / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


def use(tables: Mapping[str, Table]) -> None:
    """From now on these tables, checked by `scanner.mongo.bundle`, are in use; of a name that is not among
    them the one beside this module. It holds for the whole process."""
    if dict(tables) == _given:
        return
    _given.clear()
    _given.update(tables)
    for forget in _forget:
        forget()


def given() -> dict[str, Table]:
    """The tables in use that are not those beside this module."""
    return dict(_given)


def load_tables(given: Mapping[str, Table] | None = None) -> None:
    """Use those given (see `use`) and read every table now, so that no shortage of descriptors later can come
    between."""
    use(given or {})
    for name in FILES:
        table(name)


@cache
def _digest_of_built_in(name: str) -> str:
    return digest(built_in(name))


def digest(content: Table) -> str:
    """SHA-256 of a table as JSON without blanks, its keys sorted: the same for the same rows, whatever file
    they came from."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_in_use(name: str) -> str:
    """`digest` of the table in use."""
    return digest(_given[name]) if name in _given else _digest_of_built_in(name)


def digest_of_all(tables: Mapping[str, Table] | None = None) -> str:
    """SHA-256 over all tables: those given, and built-in ones for the rest; those in use without any."""
    chosen = _given if tables is None else tables
    digests = [digest(chosen[name]) if name in chosen else _digest_of_built_in(name) for name in FILES]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def data_age(today: date) -> list[DataAge]:
    """How old each table is on `today`. One older than its kind allows is `stale`: say so to the user."""
    return [_age(name, today) for name in FILES]


def _age(name: str, today: date) -> DataAge:
    content = table(name)
    rows = sum(_rows(row) for value in content.values() if isinstance(value, list) for row in value)
    age = DataAge.of(name, content["about"], content["as_of"], rows, STALE_AFTER_DAYS[name], today)
    return age._replace(source="update") if name in _given else age


def _rows(row: dict[str, Any]) -> int:
    return len(row["words"]) if "words" in row else 1
