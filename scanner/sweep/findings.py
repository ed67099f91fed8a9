"""Which findings of a run may make an exit code: pure functions, and one reading of its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from results.reading import read_records
from results.record import Observation
from results.verdict import Severity
from scanner.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_HIGH = ("high", "critical")


class Findings(NamedTuple):
    """Of a run: servers that are open, those by severity, what is new (None: nobody can tell, so that all
    that is open may be), and servers whose verdict is `unknown`."""

    open: int = 0
    severities: Mapping[str, int] = {}
    new: int | None = None
    unknown: int = 0

    def are(self, kind: str) -> bool:
        """Whether some are of a kind of `FAIL_ON`."""
        if kind == "open":
            return self.open > 0
        if kind == "new":
            return (self.open if self.new is None else self.new) > 0
        if kind == "unknown":
            return self.unknown > 0
        graver = ("critical",) if kind == "critical" else _HIGH if kind == "high" else ()
        return any(self.severities.get(each, 0) for each in graver)


def exit_code_for(code: int, findings: Findings, fail_on: Collection[str]) -> int:
    """The exit code of a run that ended with `code`: 1 instead of 0, or 0 instead of 1, as what was found is
    to count; any other says that the run did not do what it promised, and stays."""
    if code not in (ExitCode.CLEAN, ExitCode.OPEN):
        return code
    return ExitCode.OPEN if any(findings.are(kind) for kind in fail_on) else ExitCode.CLEAN


def open_severities(run: Path) -> dict[str, int]:
    """Open servers of a run by severity, the gravest first; of a target that was asked twice the later line
    counts, as everywhere. Raises as `read_records` does."""
    found: dict[str, Severity] = {}
    for line in read_records(run):
        if isinstance(line, Observation) and line.verdict.is_open:
            found[line.event_id] = line.severity
    count = dict.fromkeys(Severity, 0)
    for severity in found.values():
        count[severity] += 1
    return {severity.value: number for severity, number in count.items() if number}
