"""The dated data files beside this module: loading them, and saying how old each one is."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "data"
FILES = ("advisories", "versions", "ransom_names", "telling_names")
STALE_AFTER_DAYS = {"advisories": 45, "versions": 180, "ransom_names": 365, "telling_names": 3650}


class DataAge(NamedTuple):
    """One data file: its subject, its day, its age in days, how many rows; `stale`: too old to trust."""

    name: str
    about: str
    as_of: date
    days: int
    rows: int
    stale: bool

    @classmethod
    def of(cls, name: str, about: str, as_of: str, rows: int, patience: int, today: date) -> DataAge:
        """The age of a table of the day `as_of` (YYYY-MM-DD), which may be `patience` days old."""
        day = date.fromisoformat(as_of)
        days = (today - day).days
        return cls(name, about, day, days, rows, days > patience)


@cache
def table(name: str) -> dict[str, Any]:
    """The parsed data file `name` (without `.toml`). It is part of the package and always there."""
    with (FOLDER / f"{name}.toml").open("rb") as file:
        return tomllib.load(file)


def load_tables() -> None:
    """Read every data file now, so that no shortage of descriptors later can come between."""
    for name in FILES:
        table(name)


def data_age(today: date) -> list[DataAge]:
    """How old each data file is on `today`. One older than its kind allows is `stale`: say so to the user."""
    return [_age(name, today) for name in FILES]


def _age(name: str, today: date) -> DataAge:
    content = table(name)
    rows = sum(_rows(row) for value in content.values() if isinstance(value, list) for row in value)
    return DataAge.of(name, content["about"], content["as_of"], rows, STALE_AFTER_DAYS[name], today)


def _rows(row: dict[str, Any]) -> int:
    return len(row["words"]) if "words" in row else 1
