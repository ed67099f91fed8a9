"""A scope of 2^BITS targets at 256 sites, divided into shards that all come to an end, with checkpoints on
the way: `python -m bench.fleet_division BITS [PORTS]` prints what that takes, as JSON.

No packet is sent and nothing answers; this is the coordinator's own bookkeeping over a whole sweep.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from results.files import REAL
from results.summary import Loss
from scanner.clock import SystemClock
from scanner.fleet.keeping import FleetCheckpoint, begin_run
from scanner.fleet.messages import Ended
from scanner.fleet.parts import divide, shard_size
from scanner.setup.fleet_settings import FleetSettings
from scanner.setup.settings import Settings, SweepOptions, SweepSettings
from targets.entries import Entry
from targets.scope import Scope

if TYPE_CHECKING:
    from scanner.fleet.tally import Tally, Work

SITES = 256
AT_ONCE = 2  # shards of one site that are being asked
EVERY = 64  # ends between two checkpoints
RATE, SECONDS = 1000.0, 60


@dataclass(frozen=True)
class Division:
    """What it took; bytes, seconds of CPU, counts."""

    targets: int
    sites: int
    shards: int
    planning: float
    walking: float
    checkpoint: int
    checkpoints: int
    writing: float  # of one checkpoint
    manifest: int
    covered: int
    resuming: float
    before: int  # peak of resident memory with all imported and nothing done
    peak: int


def resident_peak() -> int:
    """The largest resident set that this program ever had (proc(5), VmHWM), in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def entries(bits: int) -> list[Entry]:
    """An allow entry for each site; of all IPv4 space, only what may be asked at all counts."""
    length = bits - 8
    first = {20: 10 << 24, 24: 10 << 24, 28: 16 << 24, 32: 0}[bits]
    step = max(length, 16)  # /20s lie in /16s of their own
    return [
        Entry.of(
            f"{_text(first + (site << step))}/{32 - length}", owner="web platform", site=f"site-{site:03}"
        )
        for site in range(SITES)
    ]


def _text(address: int) -> str:
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


def ended(name: str, work: Work) -> Ended:
    """A shard of which every hundredth target answered."""
    targets = work.last - work.first
    answered = targets // 100
    return Ended(
        run_id="r",
        name=name,
        attempt=work.attempt,
        state="complete",
        reasons=[],
        planned=targets,
        outcomes={"auth_required": answered, "filtered": targets - answered},
        loss=Loss(answered=answered, missed_at_most=0),
        unheard=0.0,
        seconds=60.0,
    )


def walk(tallies: dict[str, Tally], checkpoint: FleetCheckpoint) -> tuple[int, int, int, float]:
    """Ask everything: shards, the largest checkpoint, how many there were, and seconds of CPU for one."""
    shards = largest = count = 0
    spent = 0.0
    while any(not tally.finished for tally in tallies.values()):
        for tally in tallies.values():
            while len(tally.running) < AT_ONCE and (work := tally.next(0.0)) is not None:
                tally.begin(work, 0.0)
            if not tally.running:
                continue
            name, running = next(iter(tally.running.items()))
            tally.ended(name, ended(name, running.work), 0)
            shards += 1
            if shards % EVERY == 0:
                began = time.process_time()
                points = [each.point() for each in tallies.values()]
                size = len(replace(checkpoint, sites=points).encode())
                spent += time.process_time() - began
                largest, count = max(largest, size), count + 1
    return shards, largest, count, spent / max(count, 1)


def measured(bits: int, ports: int, folder: Path) -> Division:
    """All of it, once."""
    before, began = resident_peak(), time.process_time()
    settings = Settings(
        sweep=SweepSettings(rate=RATE),
        fleet=FleetSettings(shard_seconds=SECONDS),
    )
    scope = Scope(entries(bits), ports=range(27017, 27017 + ports))
    options, size = SweepOptions(output=folder / "runs"), shard_size(settings)
    how = {"from": "", "default_site": ""}
    run = begin_run(settings, scope, options, SystemClock(), REAL, size=size, how=how)
    divided = divide(scope, settings, "", size, run.seed)
    tallies = {site: tally for site, tally in divided.items() if len(tally.division)}
    planned = time.process_time()
    empty = FleetCheckpoint(
        run_id=run.directory.run_id,
        scope_digest=scope.digest,
        seed=run.seed,
        size=size,
        sites=[],
        elapsed=0.0,
    )
    shards, largest, count, writing = walk(tallies, empty)
    walked = time.process_time()
    asked = sum(sum(each.counts.outcomes.values()) for each in tallies.values())
    assert asked == len(scope) == sum(each.division.targets for each in tallies.values())
    path = run.directory.path
    run.directory.close()
    again = SweepOptions(output=folder / "runs", resume=path.name)
    resumed = begin_run(settings, scope, again, SystemClock(), REAL, size=size, how=how)
    divide(scope, settings, "", size, resumed.seed)
    resuming = time.process_time() - walked
    resumed.directory.close()
    return Division(
        targets=len(scope),
        sites=len(tallies),
        shards=shards,
        planning=planned - began,
        walking=walked - planned,
        checkpoint=largest,
        checkpoints=count,
        writing=writing,
        manifest=(path / "manifest.json").stat().st_size,
        covered=(path / "covered.json").stat().st_size,
        resuming=resuming,
        before=before,
        peak=resident_peak(),
    )


def main() -> None:
    """Measure one size and print it."""
    bits, ports = (*map(int, sys.argv[1:]), 1)[:2]
    with tempfile.TemporaryDirectory() as folder:
        found = measured(bits, ports, Path(folder))
    print(json.dumps(vars(found)))


if __name__ == "__main__":
    main()
