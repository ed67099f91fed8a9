"""Runs on disk as a ledger takes them in, and all that a ledger holds, in a form that can be compared."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from results import manifest as manifests
from results.covered import encode, parse_row
from results.ledger.database import LEDGER_FILE
from results.lines import to_lines
from results.lock import Lock
from results.manifest import COVERED_FILE, CoveredFile, Manifest, Planned, ScopeInUse, Who
from results.summary import Coverage

if TYPE_CHECKING:
    from pathlib import Path

    from results.manifest import State
    from results.record import Observation


@dataclass
class RunOnDisk:
    """One run directory, written without the machinery of a sweep: a manifest, and segments byte by byte."""

    output: Path
    run_id: str
    created_at: str
    organisation: str = ""
    vantage: str = ""
    purpose: str = ""
    directory: str = ""
    digest: str = "d" * 64
    covers: tuple[str, ...] = ("192.0.2.0-192.0.2.255:27017",)
    outcomes: dict[str, int] = field(default_factory=dict)
    covered: CoveredFile | None = None
    lock: Lock | None = field(default=None, repr=False)

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self.output / (self.directory or self.run_id)

    def begin(self, *, hold: bool = True) -> RunOnDisk:
        """Make it, as a run that goes on; with `hold` its lock says so."""
        self.path.mkdir(parents=True, exist_ok=True)
        if self.covers:
            rows = [parse_row(text) for text in self.covers]
            self.covered, data = encode(rows)
            (self.path / COVERED_FILE).write_bytes(data)
        self._write_manifest("running")
        if hold:
            self.lock = Lock.acquire(self.path)
        return self

    def write(self, data: bytes, segment: int = 1) -> None:
        """Add bytes to a segment."""
        with (self.path / f"observations-{segment:04}.jsonl").open("ab") as file:
            file.write(data)

    def see(self, *observations: Observation, segment: int = 1) -> RunOnDisk:
        """Add whole lines."""
        self.write(b"".join(line for seen in observations for line in to_lines(seen)), segment)
        return self

    def end(self, state: State = "complete", ended_at: str = "") -> RunOnDisk:
        """Say how it ended, and let go of the lock."""
        self._write_manifest(state, ended_at or self.created_at.replace("T04", "T05"))
        self.let_go()
        return self

    def let_go(self) -> None:
        """As the death of its process does."""
        if self.lock is not None:
            self.lock.release()
            self.lock = None

    def _write_manifest(self, state: State, ended_at: str = "") -> None:
        manifest = Manifest(
            run_id=self.run_id,
            created_at=self.created_at,
            tool_version="1.0",
            who=Who(uid=1000, user="auditor", host="probe-1"),
            scope=ScopeInUse(digest=self.digest, entries=["allow 192.0.2.0/24"], text=""),
            configuration={"organisation": {"name": self.organisation}},
            vantage=self.vantage,
            purpose=self.purpose,
            covered=self.covered,
            seed=7,
            planned=Planned(targets=256, addresses=256, ports=[27017]),
            state=state,
            ended_at=ended_at,
            outcomes=self.outcomes if ended_at else {},
            coverage=Coverage(planned=256, outcomes=256) if ended_at else None,
        )
        temporary = self.path / "manifest.json.tmp"
        temporary.write_bytes(manifests.encode(manifest))
        temporary.replace(self.path / "manifest.json")


_DUMPED = {
    "runs": "SELECT run_id, created_at, ended_at, state, vantage, organisation, planned, segment, offset,"
    " damage != '', pruned, hex(digest) FROM runs LEFT JOIN contents ON content = coverage",
    "visits": "SELECT p.site, p.ip, p.port, r.run_id, v.at, v.is_open, v.answers, v.segment, v.offset,"
    " hex(v.line_sha256), hex(b.digest), hex(s.digest), hex(f.digest) FROM visits v"
    " JOIN places p USING (place) JOIN runs r USING (run) JOIN contents b ON b.content = v.body"
    " LEFT JOIN contents s ON s.content = v.structure LEFT JOIN contents f ON f.content = v.figures",
    "places": "SELECT site, ip, port, prefix, seen_open FROM places",
    "evidence": "SELECT hex(shown), site, ip, port FROM evidence JOIN places USING (place)",
    "stale": "SELECT place FROM stale",
    "components": "SELECT group_concat(name, ' ') FROM (SELECT component, ip || ':' || port || site AS name"
    " FROM places WHERE component NOT NULL ORDER BY name) GROUP BY component",
    "exposures": "SELECT exposure_id, state, severity_number, owner, ip, port, first_seen_open,"
    " last_seen_open, closed_before, body FROM exposures",
    "looks": "SELECT exposure_id, site, ip, port, run_id FROM looks"
    " JOIN places USING (place) JOIN runs USING (run)",
    "former_ids": "SELECT former_id, exposure_id FROM former_ids",
    "changes": "SELECT change_id, exposure_id, at, body FROM changes",
}


def dump(output: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a ledger, without the numbers that only its own tables know."""
    with contextlib.closing(sqlite3.connect(output / LEDGER_FILE)) as connection:
        return {
            name: sorted(connection.execute(query).fetchall(), key=repr) for name, query in _DUMPED.items()
        }
