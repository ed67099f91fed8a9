"""Two runs on disk, a week apart, and what a comparison says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from results.diff.pick import load_run
from results.diff.runs import diff_runs
from tests.results.examples import observation, open_server
from tests.support.ledgers import RunOnDisk

if TYPE_CHECKING:
    from pathlib import Path

    from results.diff.difference import Comparison
    from results.manifest import State
    from results.record import Database, Observation

OLD_RUN, NEW_RUN = "20260301T040000Z-aaaa", "20260308T040000Z-bbbb"
OLD_AT, NEW_AT = "2026-03-01T04:00:00.000Z", "2026-03-08T04:00:00.000Z"


def old(ip: str, *databases: Database, **changes: Any) -> Observation:
    """An open server as the old run saw it."""
    return open_server(
        ip, *databases, run_id=OLD_RUN, **{"observed_at": "2026-03-01T04:10:00.000Z"} | changes
    )


def new(ip: str, *databases: Database, **changes: Any) -> Observation:
    """An open server as the new run saw it."""
    return open_server(
        ip, *databases, run_id=NEW_RUN, **{"observed_at": "2026-03-08T04:10:00.000Z"} | changes
    )


def shut(seen: Observation, **changes: Any) -> Observation:
    """The same place in the same run, not open: it asks for a login unless `changes` say otherwise."""
    told = {"observed_at": seen.observed_at} | changes
    return observation(seen.target.ip, run_id=seen.run_id, **told)


@dataclass
class TwoRuns:
    """Both runs below `output`; what they cover, and how they ended."""

    output: Path
    old_state: State = "complete"
    new_state: State = "complete"
    old_covers: tuple[str, ...] = ("192.0.2.0-192.0.2.255:27017",)
    new_covers: tuple[str, ...] = ("192.0.2.0-192.0.2.255:27017",)

    def write(self, olds: list[Observation], news: list[Observation]) -> TwoRuns:
        """Put both on the disk."""
        first = RunOnDisk(self.output, OLD_RUN, OLD_AT, covers=self.old_covers)
        second = RunOnDisk(self.output, NEW_RUN, NEW_AT, covers=self.new_covers)
        for run, seen, state in ((first, olds, self.old_state), (second, news, self.new_state)):
            run.begin().see(*seen).write(b"")
            run.end(state)
        return self

    def compare(self, *, unchanged: bool = False) -> Comparison:
        """What the comparison says."""
        paths = (self.output / OLD_RUN, self.output / NEW_RUN)
        return diff_runs(load_run(paths[0]), load_run(paths[1]), unchanged=unchanged)
