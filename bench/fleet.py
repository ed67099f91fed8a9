"""One worker, then two, at one site: `python -m bench.fleet [--shards N] [--rounds N] [--no-write]` sweeps an
estate between namespaces by a fleet of real processes, and writes FLEET.md.

A worker's rate is the limit, as a site's uplink is, so two cores are enough for all of it. Beside it: the
same targets in one plain sweep, by the same machine at the same rate.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.ledger import ROOT, Goal
from bench.report import load, machine
from tests.netns.arrivals import Timestamps
from tests.netns.oracle import serving
from tests.support import netns, sites
from tests.support.fleets import Fleet

if TYPE_CHECKING:
    from tests.support.sites import Ground

SHARD = 1024  # targets: the least that a shard has
RATE = 300.0
WORKERS = ("paris-1", "paris-2")
PAGE = """\
# What was measured of a fleet

`python -m bench.fleet` on {machine}: {targets:,} targets at one site, a
server on {servers} of them and the others closed, {shards} shards of {shard:,}, {rate:.0f} connects a second
for each worker. Coordinator and scheduler are in one namespace, each worker is in one of its own, the estate
in another; all meet over TLS. Times are of the kernel at the estate: from the first SYN to the last. {rounds}

{busy}

{goals}

{rows}

A shard costs more than its connects: a process starts, reads its configuration and its scope, and proves that
it hears a server on loopback; at its end it asks again who did not answer, slower than before (2,000 of them
in each of two rounds, or a twentieth where that is more), and some who did. A plain sweep does that once.
Against it each shard took {wall:.1f} s longer here and {cpu:.2f} s of CPU, all processes together. That does
not grow with a shard of up to 40,000 targets, so a long `[fleet] shard_seconds` makes less of it, and a short
one loses less when a worker dies.

All of it was found each time, and nobody was asked by anybody else: the estate counts who asks.
"""


@dataclass(frozen=True)
class Row:
    """One sweep. Seconds: at the estate, from start to exit, and of CPU of all that worked for it."""

    name: str
    seconds: float
    wall: float
    cpu: float


def cpu_of(pids: list[int]) -> float:
    """User and system seconds of processes and of their children that ended (proc(5), stat)."""
    ticks = 0
    for pid in pids:
        try:
            parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, parts[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def swept(fleet: Fleet, output: Path, workers: int) -> Row:
    """The whole estate by so many workers."""
    fleet.begin_again(output, rate=RATE, per_prefix_rate=RATE)
    pids = [part.process.pid for part in fleet.parts.values() if part.process and part.name != "coordinator"]
    before, began = cpu_of(pids), time.monotonic()
    with Timestamps(fleet.ground.estates["paris"]) as syns:
        coordinator = fleet.sweep("-q")
        assert coordinator.process is not None
        usage = os.wait4(coordinator.process.pid, 0)
    wall = time.monotonic() - began
    code = coordinator.process.returncode = os.waitstatus_to_exitcode(usage[1])
    require(fleet, code)
    cpu = usage[2].ru_utime + usage[2].ru_stime + cpu_of(pids) - before
    times = [moment for moment, _ in syns.seen]
    name = f"a fleet, {workers} worker{'s' * (workers > 1)}"
    return Row(name, max(times) - min(times), wall, cpu)


def plain(fleet: Fleet, output: Path) -> Row:
    """The same targets in one sweep by the first worker's machine, without a fleet."""
    words = [sys.executable, "-P", "-m", "scanner", "sweep", "-q", "-c", str(fleet.home / "paris-1.toml")]
    words += ["-o", str(output)]
    fleet.begin_again(output, rate=RATE, per_prefix_rate=RATE)
    began = time.monotonic()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with Timestamps(fleet.ground.estates["paris"]) as syns:
        process = fleet.ground.posts["paris-1"].namespace.popen(
            words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    require(fleet, process.returncode)
    times = [moment for moment, _ in syns.seen]
    wall = time.monotonic() - began
    return Row("one plain sweep", max(times) - min(times), wall, usage.ru_utime + usage.ru_stime)


def require(fleet: Fleet, code: int) -> None:
    """Everything was found and asked. Raises RuntimeError."""
    manifest = json.loads(next(fleet.output.glob("*/manifest.json")).read_bytes())
    if code != 1 or manifest["state"] != "complete" or fleet.ground.strays():
        raise RuntimeError(f"code {code}, {manifest['state']}: {manifest['reasons']} {fleet.ground.strays()}")


def measured(ground: Ground, prefix: str, folder: Path, rounds: int) -> list[Row]:
    """One plain sweep, one worker, two workers, in turn."""
    rows = []
    fleet = Fleet(ground, folder / "fleet", scopes={"paris": [prefix]})
    try:
        fleet.scheduler()
        fleet.worker(WORKERS[0])
        for turn in range(rounds):
            rows.append(plain(fleet, folder / f"plain-{turn}"))
            rows.append(swept(fleet, folder / f"one-{turn}", 1))
            second = fleet.worker(WORKERS[1])
            rows.append(swept(fleet, folder / f"two-{turn}", 2))
            assert second.process is not None
            second.process.terminate()
            second.wait(30)
            del fleet.parts[WORKERS[1]]
            for row in rows[-3:]:
                sys.stderr.write(
                    f"{row.name:22} {row.seconds:6.1f} s, {row.wall:6.1f} s, {row.cpu:5.1f} s CPU\n"
                )
    finally:
        fleet.end()
    return rows


def markdown(rows: list[Row], shards: int, servers: int, rounds: int, busy: str) -> tuple[str, Goal]:
    """The page, and its goal."""
    names = list(dict.fromkeys(row.name for row in rows))
    middle = {
        name: Row(
            name,
            *(
                statistics.median(getattr(row, what) for row in rows if row.name == name)
                for what in ("seconds", "wall", "cpu")
            ),
        )
        for name in names
    }
    alone, one, two = (middle[name] for name in names)
    goal = Goal("two workers of a site against one", 1.9, one.seconds / two.seconds, "x")
    table = ["| | goal | measured | |", "|---|--:|--:|---|"]
    table += [f"| {goal.text} | at least {goal.goal:g}x | {goal.measured:.2f}x | {goal.word} |"]
    said = ["| | at the estate | from start to exit | CPU, all processes |", "|---|--:|--:|--:|"]
    said += [
        f"| {row.name} | {row.seconds:.1f} s | {row.wall:.1f} s | {row.cpu:.1f} s |"
        for row in middle.values()
    ]
    text = PAGE.format(
        machine=machine(),
        targets=shards * SHARD,
        servers=servers,
        shards=shards,
        shard=SHARD,
        rate=RATE,
        rounds=f"Medians of {rounds} rounds." if rounds > 1 else "One round.",
        busy=busy,
        goals="\n".join(table),
        rows="\n".join(said),
        wall=(one.seconds - alone.seconds) / shards,
        cpu=(one.cpu - alone.cpu) / shards,
    )
    return text, goal


def main() -> int:
    """Measure, write, print; 0 when the goal was reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet", description=__doc__)
    parser.add_argument("--shards", type=int, default=8, help="how many; an even number")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--no-write", action="store_true", help="leave FLEET.md as it is")
    options = parser.parse_args()
    if why := netns.missing():
        sys.stderr.write(f"The benchmark cannot run here: {why}.\n")
        return 2
    before = os.getloadavg()
    last = options.shards * SHARD - 1
    prefix = f"10.1.0.0-10.1.{last >> 8}.{last & 255}"
    places = [f"10.1.{at >> 8}.{at & 255}" for at in range(7, last, SHARD // 2)]
    with (
        tempfile.TemporaryDirectory() as folder,
        sites.laid({"paris": ["10.1.0.0/16"]}, dict.fromkeys(WORKERS, "paris")) as ground,
        serving(ground.estates["paris"], *(f"{ip}=open_8_0" for ip in places)),
    ):
        rows = measured(ground, prefix, Path(folder), options.rounds)
    text, goal = markdown(rows, options.shards, len(places), options.rounds, load(before))
    if not options.no_write:
        (ROOT / "bench" / "FLEET.md").write_text(text)
    sys.stdout.write(text)
    return 0 if goal.word == "reached" else 1


if __name__ == "__main__":
    sys.exit(main())
