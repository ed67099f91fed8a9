"""Cells of files that other programs read: a table's cell that a spreadsheet takes for text, and Markdown."""

from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

from results.formats.csv_cells import csv_cell
from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST = 32_000  # characters; a spreadsheet takes 32,767 in a cell
_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$\"'^=@])")
_LINK = re.compile(r"(?i)(:)(?=//)|(?<=www)(\.)")


def csv_text(head: Sequence[str], rows: Iterable[Sequence[str | int | None]]) -> str:
    """A table as RFC 4180 has it. Text is made visible; a number stays one, and None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_MINIMAL)
    writer.writerow(head)
    for row in rows:
        writer.writerow([csv_cell(visible(cell, _MOST)) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def markdown_cell(text: str) -> str:
    """Text, already visible, as Markdown that shows it and does nothing: no markup, no link, no new cell."""
    return _LINK.sub(lambda match: "\\" + match[0], _MARKUP.sub(r"\\\1", text))


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """A table of GitHub's Markdown; the columns `right` are numbers. Cells are escaped here."""
    to_right = frozenset(right)
    rule = ["---:" if column in to_right else "---" for column in range(len(head))]
    lines = [head, rule, *([markdown_cell(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
