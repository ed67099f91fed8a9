"""The table of a listing: columns as wide as their cells, on a terminal of any width. Text only: no library
that costs a start-up.

Where the columns do not fit side by side, the last ones are given up, and what they hold stands in lines
below its row; where not even two fit, each row is a block of lines. Nothing is left out, a cell is cut only
where its whole stands below, and no line is folded inside a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from results.text import cells_of, cut, folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from scanner.cli.listing import Column

_GAP: Final = 2  # blanks between columns
_LEAST: Final = 28  # columns of a terminal in which text is still folded beside others
_INDENT: Final = 2  # of lines below a row


class Cells(NamedTuple):
    """A row that is safe to print: a text for each column, and lines below it."""

    texts: list[str]
    below: list[str]


def table_text(columns: Sequence[Column[Any]], rows: Sequence[Cells], width: int | None) -> Iterator[str]:
    """The lines of the table, without their ends. `width`: columns of the terminal; None: no limit, so that
    each row is one line."""
    heads = [column.head.upper() for column in columns]
    widths = []
    for place, column in enumerate(columns):
        longest = max(cells_of(row.texts[place]) for row in rows)
        if width is not None and column.widest is not None:
            longest = min(longest, column.widest)
        widths.append(max(longest, len(heads[place])))
    count = len(columns) if width is None else _fitting(columns, widths, width)
    if width is not None and count < min(2, len(columns)):
        yield from _blocks(heads, rows, width)
        return
    folded = width is not None and columns[count - 1].folds
    if width is not None and folded:
        widths[count - 1] = min(widths[count - 1], width - sum(widths[: count - 1]) - _GAP * (count - 1))
    yield _line(heads[:count], widths, columns)
    for row in rows:
        yield from _row(row, heads, widths, columns, count, width)


def _fitting(columns: Sequence[Column[Any]], widths: Sequence[int], width: int) -> int:
    """How many columns fit side by side, from the first on."""
    taken = 0
    for count, (column, own) in enumerate(zip(columns, widths, strict=True)):
        gap = _GAP if count else 0
        need = min(own, _LEAST) if column.folds and count == len(columns) - 1 else own
        if taken + gap + need > width:
            return count
        taken += gap + own
    return len(columns)


def _row(
    row: Cells,
    heads: Sequence[str],
    widths: Sequence[int],
    columns: Sequence[Column[Any]],
    count: int,
    width: int | None,
) -> Iterator[str]:
    shown = row.texts[:count]
    further: list[str] = []
    if width is not None and columns[count - 1].folds:
        shown[-1], *further = folded(shown[-1], widths[count - 1], further=0)
    texts = [cut(text, own) for text, own in zip(shown, widths, strict=False)]
    yield _line(texts, widths, columns)
    before = sum(widths[: count - 1]) + _GAP * (count - 1)
    yield from (" " * before + line for line in further)
    whole = [place for place, text in enumerate(texts) if text != shown[place]]
    whole += [place for place in range(count, len(heads)) if row.texts[place] not in ("-", "")]
    beside = ", ".join(f"{heads[place].lower()}: {row.texts[place]}" for place in whole)
    for line in [*([beside] if beside else []), *row.below]:
        yield from _paragraph(line, width)


def _blocks(heads: Sequence[str], rows: Sequence[Cells], width: int) -> Iterator[str]:
    """Some lines for each row, however narrow the terminal."""
    for row in rows:
        yield from folded(row.texts[0], width, further=0)
        for head, text in zip(heads[1:], row.texts[1:], strict=True):
            if text not in ("-", ""):
                yield from _paragraph(f"{head.lower()}: {text}", width)
        for line in row.below:
            yield from _paragraph(line, width)


def _line(texts: Sequence[str], widths: Sequence[int], columns: Sequence[Column[Any]]) -> str:
    cells = []
    for text, width, column in zip(texts, widths, columns, strict=False):
        blanks = " " * (width - cells_of(text))
        cells.append(blanks + text if column.right else text + blanks)
    return (" " * _GAP).join(cells).rstrip()


def _paragraph(text: str, width: int | None) -> Iterator[str]:
    """Text below what it belongs to, indented."""
    yield from [" " * _INDENT + text] if width is None else folded(text, width, _INDENT)


def plain_lines(lines: Iterable[str], width: int | None) -> Iterator[str]:
    """Sentences around a table, folded where the terminal ends; what is indented stays so."""
    for line in lines:
        if width is None or cells_of(line) <= width:
            yield line
        else:
            yield from folded(line.strip(), width, len(line) - len(line.lstrip()))
