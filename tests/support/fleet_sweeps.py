"""Sweeps by a fleet of simulated sites inside a test: a scope of two sites, and what must come of it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from results.audit import audit
from results.covered import parse_row
from results.reading import read_records
from results.record import Observation
from scanner.fleet.coordinator import run_fleet
from scanner.fleet.messages import Lines
from scanner.setup.fleet_settings import FleetSettings
from scanner.setup.settings import Settings, SweepOptions, SweepSettings
from targets.entries import Deny, Entry
from targets.scope import Scope
from tests.support.simulated_sites import Sites, by_address, changed, honest, seen
from tests.support.sweeps import Watcher

if TYPE_CHECKING:
    from results.verdict import Verdict
    from scanner.fleet.messages import Message, Shard
    from scanner.sweep.progress import RunSummary

SCOPE = Scope(
    [
        Entry.of("10.1.0.0/20", owner="web", site="paris"),
        Entry.of("10.2.0.0/21", owner="shop", site="london"),
    ],
    [Deny.of("10.1.3.0/24", reason="a printer")],
)
SETTINGS = Settings(
    sweep=SweepSettings(rate=20.0), fleet=FleetSettings(shard_seconds=60, patience=1)
)  # shards of 1,200 targets


def sweep(
    home: Path,
    sites: Sites,
    *,
    scope: Scope = SCOPE,
    settings: Settings = SETTINGS,
    watcher: Watcher | None = None,
    from_site: str = "",
    **options: Any,
) -> RunSummary:
    return run_fleet(
        settings,
        scope,
        SweepOptions(output=home / "runs", **options),
        watcher or Watcher(),
        sites,
        from_site=from_site,
    )


def both(**more: Any) -> Sites:
    return Sites({"paris": 2, "london": 1}, **more)


def journal(result: RunSummary) -> list[Observation]:
    return [line for line in read_records(Path(result.run_dir)) if isinstance(line, Observation)]


def expected(scope: Scope = SCOPE) -> Counter[Verdict]:
    targets = (scope.pick(index) for index in range(len(scope)))
    return Counter(verdict for target in targets if (verdict := by_address(target.address)))


def is_whole(result: RunSummary, scope: Scope = SCOPE) -> bool:
    """Every server has one line, all counts are right, and the run is proved by its own files."""
    lines = journal(result)
    assert len({line.event_id for line in lines}) == len(lines)
    assert Counter(line.verdict for line in lines) == expected(scope)
    assert {name: result.outcomes.get(name) for name in expected(scope)} == dict(expected(scope))
    assert sum(result.outcomes.values()) == result.planned == len(scope)
    report = audit(Path(result.run_dir))
    assert (report.edited, report.unsealed) == ([], [])
    return True


def mixed(shard: Shard, sites: dict[int, str] | None = None) -> list[Message]:
    """Honest, where a shard has addresses of two sites."""
    said = honest(shard)
    by_prefix = sites or {0x0A01: "paris", 0x0A02: "london"}
    lines: list[bytes] = []
    for row in map(parse_row, shard.rows):
        for address in range(row.first, row.last + 1):
            if (verdict := by_address(address)) is not None:
                lines += seen(shard, address, 27017, verdict, by_prefix[address >> 16])
    from scanner.fleet.messages import digest_of

    began, ended = said[0], said[-1]
    who: dict[str, Any] = {"run_id": shard.run_id, "name": shard.name, "attempt": shard.attempt}
    return [
        began,
        Lines(**who, number=1, lines=[Raw(line) for line in lines]),
        changed(ended, lines=len(lines), digest=digest_of(lines)),
    ]
