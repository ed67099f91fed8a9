"""Tables that a test run prints at its end: a test hands over rows, also from another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

TABLE = "table"


def note(record_property: Callable[[str, object], None], title: str, row: dict[str, str]) -> None:
    """Add a row to the table `title`; the keys are its columns. Printed whether the test passes or fails."""
    record_property(TABLE, [title, row])


class PrintedTables:
    """A plugin: gathers the rows of all reports and prints the tables."""

    def __init__(self) -> None:
        self._tables: dict[str, list[dict[str, str]]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the rows of one test."""
        if report.when != "call":
            return
        for name, value in report.user_properties:
            if name == TABLE and isinstance(value, (list, tuple)):
                self._tables.setdefault(str(value[0]), []).append(dict(value[1]))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print each table, aligned."""
        for title, rows in self._tables.items():
            terminalreporter.section(title)
            for line in aligned(rows):
                terminalreporter.write_line(line)


def aligned(rows: list[dict[str, str]]) -> list[str]:
    """Rows as lines of text under a line of heads."""
    heads = list(dict.fromkeys(key for row in rows for key in row))
    cells = [heads, *([row.get(head, "") for head in heads] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
