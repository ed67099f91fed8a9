"""CSV with a header: rows under it, columns in any order, headers again between the rows, as zmap and naabu
write it. What the columns of each program mean is known to its shape."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from targets.grammar import GrammarError
from targets.sources.json_stream import Record
from targets.sources.reading import Format
from targets.sources.records import ADDRESS_KEYS, PORT_KEYS, claims_of
from targets.sources.rows import Rows, cells_of
from targets.sources.shapes import ColumnShape, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from targets.claims import Claim
    from targets.sources.reading import Reading, Trouble
    from targets.sources.rows import Lines

SEPARATOR: Final = re.compile(r'"?sep=([^"])"?\Z', re.IGNORECASE)  # the first line of Excel's CSV
_KEYS = (*ADDRESS_KEYS, *PORT_KEYS)
_DELIMITERS = ",;\t"


class Header(NamedTuple):
    """The columns of the rows that follow, in small letters, whose they are, and what stands between them."""

    columns: list[str]
    shape: ColumnShape
    delimiter: str


def header_of(line: str, shapes: Sequence[ColumnShape], delimiter: str = "") -> Header | None:
    """The columns that a line names, by the first of the shapes that knows them; None where none does."""
    delimiter = delimiter or max(_DELIMITERS, key=line.count)
    names = [cell.lower() for cell in cells_of(line, delimiter) or ()]
    shape = next((shape for shape in shapes if shape.fits(names)), None)
    return None if shape is None else Header(names, shape, delimiter)


def read_csv(
    lines: Lines, trouble: Trouble, shapes: Sequence[ColumnShape], reading: Reading
) -> Iterator[Claim]:
    """The claims of rows below a header. A header may come again, as from several files, and change.

    A row is told by its first line; quoted cells may hold more of them, MAX_LINE characters in all.
    """
    rows = Rows(lines)
    header: Header | None = None
    is_row: Callable[[str], bool] = bool  # under that header
    separator = ""
    for number, line in rows:
        if line.startswith("#"):
            continue
        fault = GrammarError("stands under no header", "write a header such as ip,port above the rows")
        usable = False
        if header is not None:
            try:
                # A line that gives a claim is no header, so that most are not looked at for one: 4 us each.
                row = _row_of(number, rows.cells(line, header.delimiter, is_row), header)
                claimed = False
                for claim in header.shape.read(row, trouble.name):
                    claimed = True
                    yield claim
                usable = trouble.usable = True
                if claimed:
                    continue
            except GrammarError as error:
                fault = error
        excel = SEPARATOR.match(line)
        if excel is not None:
            separator = excel[1]
            continue
        again = header_of(line, shapes, separator) or header_of(line, shapes)
        if again is not None:
            twice = next((key for key in _KEYS if again.columns.count(key) > 1), None)
            if twice is not None:
                trouble.skip(number, f"two columns are called {twice}", "name each column once")
                continue
            header, is_row = again, partial(_is_row, again)
            version = header.shape.version(header.columns)
            reading.format = reading.format or Format(header.shape.format, version)
        elif not usable:
            trouble.skip(number, fault.reason, fault.remedy)


def _row_of(number: int, cells: list[str] | None, header: Header) -> Row:
    """The row that cells make under a header. Raises GrammarError where they do not fit."""
    columns = header.columns
    if cells is None:
        raise GrammarError("a quoted cell has no end", "close its quote")
    if len(cells) != len(columns) and not _fit(cells, columns):
        raise GrammarError(
            f"{len(cells)} cells under {len(columns)} columns", "write one cell for each column"
        )
    return Row(number, dict(zip(columns, cells, strict=False)))


def _is_row(header: Header, line: str) -> bool:
    """Whether a line gives claims as a row of its own, as no line of a comment does."""
    try:
        row = _row_of(0, cells_of(line, header.delimiter), header)
        return any(True for _ in header.shape.read(row, ""))
    except GrammarError:
        return False


def _fit(cells: list[str], columns: list[str]) -> bool:
    """Whether each of more cells than there are columns stands under its own, where it counts.

    naabu names only the first of the columns that have no name, and leaves cells for all of them.
    """
    if len(cells) < len(columns):
        return False
    if not any(cells[len(columns) :]):
        return True
    nameless = columns.index("") if "" in columns else 0
    return nameless > 0 and not any(key in columns[nameless:] for key in _KEYS)


def _any(row: Row, name: str) -> Iterator[Claim]:
    return claims_of(Record(row.line, row.cells), name)


ANY_COLUMNS = ColumnShape("CSV", lambda header: any(name in ADDRESS_KEYS for name in header), _any)
