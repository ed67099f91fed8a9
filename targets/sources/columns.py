"""CSV with a header, as zmap and naabu write it: columns in any order, headers again between the rows."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from targets.errors import ScopeError
from targets.sources.records import ADDRESS_KEYS, PORT_KEYS, Place, claims_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from targets.claims import Claim

_KEYS = (*ADDRESS_KEYS, *PORT_KEYS)
_DELIMITERS = ",;\t"


def header_of(line: str) -> list[str]:
    """The columns that a line names, in small letters; none unless one of them is an address."""
    cells = _cells(line, max(_DELIMITERS, key=line.count))
    names = [cell.lower() for cell in cells]
    return names if any(name in ADDRESS_KEYS for name in names) else []


def read_csv(lines: Iterable[tuple[int, str, bool]], name: str) -> Iterator[Claim]:
    """The claims of rows below a header. A header may come again, as from several files, and change."""
    header: list[str] = []
    delimiter = ","
    for number, line, _ in lines:
        if line.startswith("#"):
            continue
        again = header_of(line)
        if again:
            header, delimiter = _checked(again, name, number), max(_DELIMITERS, key=line.count)
            continue
        cells = _cells(line, delimiter)
        if not _fits(cells, header):
            reason = f"{len(cells)} cells under {len(header)} columns"
            raise ScopeError(name, number, reason, "write one cell for each column")
        yield from claims_of(dict(zip(header, cells, strict=False)), Place(name, number))


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # a cell of more than 128 KiB: none of ours
        return []


def _checked(header: list[str], name: str, number: int) -> list[str]:
    for key in _KEYS:
        if header.count(key) > 1:
            raise ScopeError(name, number, f"two columns are called {key}", "name each column once")
    return header


def _fits(cells: list[str], header: list[str]) -> bool:
    """Whether each cell that counts stands under its column.

    naabu names only the first of the columns that have no name, and leaves cells for all of them.
    """
    if len(cells) == len(header) or (len(cells) > len(header) and not any(cells[len(header) :])):
        return True
    nameless = header.index("") if "" in header else 0
    return len(cells) > len(header) and not any(key in header[nameless:] for key in _KEYS) and nameless > 0
