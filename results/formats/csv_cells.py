"""Cells of files for spreadsheets: text that none of them takes for a formula, and a row of quoted cells.

What begins a formula is OWASP's list ("CSV Injection"): an equals sign, plus, minus, at, tab, carriage return
and line feed, their full-width forms, and any of them behind blanks and quotation marks; also behind a comma
or semicolon, where a program that separates by it begins a cell. No rule is safe for every program, which is
why programs should read JSON.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_BEGINS: Final = re.compile(r"(^|[;,])([\s'\"]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")


def csv_cell(text: str) -> str:
    """The text with a quotation mark (') before what would begin a formula. What begins with such a mark and
    a formula behind it gets one more, so that the text can be had back."""
    if not text or (text[0].isalnum() and "," not in text and ";" not in text):
        return text
    return _BEGINS.sub(r"\1'\2", text)


def csv_row(cells: Iterable[str]) -> str:
    """Cells as RFC 4180 has them, each in quotation marks, without an end of line."""
    return ",".join(['"' + cell.replace('"', '""') + '"' for cell in cells])
