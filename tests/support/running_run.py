"""A run that goes on, without a sweep: its directory with its locks held, and what it says when told to."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from results.covered import Covered, encode
from results.files import REAL
from results.progress import Progress, write_progress
from results.run import RunDirectory
from results.verdict import Severity, Verdict
from scanner.engine.order import Order
from tests.results.examples import manifest, observation
from tests.support.lines import line_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from results.covered import Row

SEED = 7


class RunningRun:
    """`says` how far it is, `finds` an open server."""

    def __init__(self, directory: RunDirectory, covered: Covered) -> None:
        self.directory = directory
        self.run_id = directory.run_id
        self.covered = covered
        self.positions = Order(covered.targets, SEED).positions

    def says(self, position: int, **fields: Any) -> None:
        """Write progress: the order has come to `position`."""
        told = Progress(
            run_id=self.run_id,
            at="2026-03-08T12:00:00.000Z",
            planned=self.covered.targets,
            asked=min(position, self.covered.targets),
            done=min(position, self.covered.targets),
            open=0,
            position=position,
            positions=self.positions,
        )
        write_progress(self.directory.path, msgspec.structs.replace(told, **fields))

    def finds(self, ip: str, severity: Severity = Severity.HIGH, **changes: Any) -> None:
        """Append the line of an open server."""
        seen = observation(ip, self.run_id, verdict=Verdict.OPEN, severity=severity, **changes)
        self.directory.journal().append(line_of(seen))


@contextmanager
def running_run(
    output: Path, rows: list[Row], run_id: str = "run-1", **configuration: Any
) -> Iterator[RunningRun]:
    """A run over these targets that goes on as long as this."""
    begun = msgspec.structs.replace(manifest(run_id), seed=SEED)
    begun.configuration |= configuration
    begun.covered, data = encode(rows)
    begun.planned = msgspec.structs.replace(begun.planned, targets=Covered(rows).targets)
    output.mkdir(exist_ok=True)
    with RunDirectory.create(output, run_id, begun, REAL, covered=data, need_bytes=0) as directory:
        yield RunningRun(directory, Covered(rows))
