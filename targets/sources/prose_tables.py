"""Tables inside of a text: a line that names columns, then rows, divided by commas, bars, tabs or blanks.

CERT-Bund writes `Format: ASN | IP | Timestamp (UTC)` above its rows (as certbundreport-parser of manitu reads
it); others have CSV, Markdown, or columns that blanks hold in place.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from targets.grammar import GrammarError
from targets.sources.prose_words import meaning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from targets.sources.prose_words import Meaning

_DIVIDERS: Final = "|\t;,"
_BLANKS: Final = "  "  # two or more stand between columns
_RULE = re.compile(r"[\s|+=:_-]+\Z")  # under a header, and around a table
_ABOVE = re.compile(r"\s*(?:format|columns|fields|spalten|felder|colonnes)\s*:\s*", re.IGNORECASE)
_APART = re.compile(r"\s{2,}|\t")
_DAY = re.compile(r"(\d{4}-\d\d-\d\d) (?=\d\d:\d\d)")
_JOINT: Final = "\0"  # holds a day and its time in one cell


class Table(NamedTuple):
    """The columns of a table, each with what it means, and how they are divided."""

    columns: tuple[Meaning | None, ...]
    divider: str


def header_in(line: str) -> Table | None:
    """The table that a line begins; None for a line that is no header: it has a column of addresses, and says
    what at least half of its columns mean."""
    above = _ABOVE.match(line)
    line = line[above.end() :] if above else line
    for divider in (*_DIVIDERS, _BLANKS, " "):
        cells = _divide(line, divider)
        if len(cells) < 2 or len(cells) > 100:
            continue
        means = tuple(meaning(cell) for cell in cells)
        known = len(means) - means.count(None)
        if means.count("address") == 1 and known >= 2 and (known * 4 >= len(means) or divider in _DIVIDERS):
            if divider == " " and known < len(means):
                continue  # a sentence
            return Table(means, divider)
    return None


def row_of(line: str, table: Table) -> dict[Meaning, str] | None:
    """The cells of a row by what they mean; {} for a line between rows; None where the table has ended.

    Raises GrammarError for a row that has other cells than the header.
    """
    if not line.strip() or _RULE.match(line):
        return {}
    cells = _cells(line, table)
    if len(cells) != len(table.columns):
        if table.divider in _DIVIDERS and table.divider in line and len(cells) * 2 > len(table.columns):
            raise GrammarError(
                f"{len(cells)} cells under {len(table.columns)} columns", "write one cell for each column"
            )
        return None
    return {means: cell for means, cell in zip(table.columns, cells, strict=True) if means is not None}


def _cells(line: str, table: Table) -> Sequence[str]:
    if table.divider in _DIVIDERS:
        return _divide(line, table.divider)
    apart = _divide(line, _BLANKS)
    if len(apart) == len(table.columns):
        return apart
    return [cell.replace(_JOINT, " ") for cell in _DAY.sub(rf"\1{_JOINT}", line).split()]


def _divide(line: str, divider: str) -> list[str]:
    line = line.strip(" \r\n") if divider == "\t" else line.strip()
    if divider == "|" and line.startswith("|"):
        line = line[1:].removesuffix("|")
    if divider == _BLANKS:
        return [cell for cell in _APART.split(line) if cell]
    if divider == " ":
        return line.split()
    try:
        return [
            cell.strip() for cell in next(csv.reader([line], delimiter=divider, skipinitialspace=True), [])
        ]
    except csv.Error:
        return []
