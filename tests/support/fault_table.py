"""The table of fault cases that a test run prints: number, how it was injected, outcome, pass.

A test says which case it proves by `@pytest.mark.fault("F45", "ip link set down")`; tests that belong to
another room are named in `tests/faults/catalogue.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.faults.catalogue import CASES, PROOFS


@dataclass
class Row:
    """What became of the tests of one case."""

    how: list[str] = field(default_factory=list)
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def verdict(self) -> str:
        """`pass` needs at least one test that ran, and none that failed."""
        if self.failed:
            return "FAIL"
        return "pass" if self.passed else "skipped"


class FaultTable:
    """A plugin: collects marks, follows reports, prints the table at the end."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which test proves what, and mark those of other rooms."""
        for item in items:
            name = item.nodeid.partition("[")[0]
            for case, how in PROOFS.get(name, ()):
                item.add_marker(pytest.mark.fault(case, how))
            # Properties travel with the report, also from another process.
            item.user_properties += [("fault", mark.args) for mark in item.iter_markers("fault")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count how a test ended."""
        if report.when != "call" and report.outcome == "passed":
            return
        for name, value in report.user_properties:
            if name != "fault":
                continue
            case, how = map(str, value if isinstance(value, (tuple, list)) else ())
            row = self._rows.setdefault(case, Row())
            if how not in row.how:
                row.how.append(how)
            row.passed += report.outcome == "passed"
            row.failed += report.outcome == "failed"
            row.skipped += report.outcome == "skipped"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the cases that this run has touched."""
        if not self._rows:
            return
        terminalreporter.section("fault cases")
        for case in sorted(self._rows):
            row, known = self._rows[case], CASES[case]
            star = "*" if known.starred else " "
            tests = row.passed + row.failed
            terminalreporter.write_line(
                f"{case}{star} {row.verdict:<7} {known.fault} | {'; '.join(row.how)} | {known.required}"
                f" | {tests} tests" + (f", {row.skipped} skipped" if row.skipped else "")
            )
