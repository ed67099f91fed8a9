"""A fleet that is larger than any machine here: `python -m bench.fleet_scale [--quick] [--no-write]` writes
docs/scale.md.

Two simulations, each in a process of its own: `bench.fleet_division`, which brings scopes of up to all IPv4
space to their end shard by shard, and `bench.fleet_gathering`, a coordinator that hears 256 sites.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

from bench.ledger import ROOT, Goal
from bench.recorded import record
from bench.report import load, machine

SIZES = ((20, 1), (24, 1), (28, 1), (32, 1), (32, 2))
RATES = (1_000, 20_000)
SITES = 256


PAGE = """\
# How far a fleet goes

`python -m bench.fleet_scale` on {machine} made every figure here. These are simulations: no packet was
sent. Planning, division, checkpoints, journal and the coordinator are the real ones, on a real disk; the
sites are simulated. What two real workers do beside one is measured over links between namespaces, in
[bench/FLEET.md](../bench/FLEET.md).

{busy}

{goals}

## 256 sites of a /16 each: 16,777,216 targets

One coordinator, 256 sites that each ask their own /16 with one worker. Every hundredth address answers,
with the very lines that a real sweep of the lab wrote at the default depth, addresses and ids filled in:
two thirds ask for a login, an eighth is open and tells of its databases, the rest is no MongoDB. Sites
speak at the pace of their rate, by the clock, in a process of their own; the coordinator reads the bytes
that ssh or Dask would bring. Neither TLS nor compression is in the figures. `python -m
bench.fleet_gathering RATE` makes one row.

{gathering}

* The coordinator's work follows the servers that answer: {server:.0f} us of CPU each, from the bytes of a
  message to a line on the disk, held against shard, run, site and digest. Silent targets cost next to
  nothing.
* So it takes in about {servers:,.0f} answering servers a second and core. Where all sites together are
  faster, as in the last row, the sweep takes as long as the coordinator needs. Meanwhile lines wait:
  at the sites here, as over ssh; over Dask, which pushes, in the memory of scheduler and coordinator,
  where at worst all is that open shards have found ({received:,.0f} MB here).
* Memory follows the shards that are open, about {memory:,.0f} kB a site, and neither the scope nor what
  was found: the event ids of a shard are forgotten when it has ended.
* A real sweep takes longer than its sites alone need: each worker asks again who was silent, and each
  shard begins and ends (bench/FLEET.md says what that costs).

## All IPv4 space, divided

The coordinator's bookkeeping over a whole sweep: the scope is planned and divided between sites; a run is
begun on the disk; every shard is given and comes to its end, two of each site at a time, with a
checkpoint each 64 ends; then the run is taken up again. Shards take 60 s at 1,000/s. {space:,} targets
are 0.0.0.0/0 without what no allow-list can allow, a /8 a site; the last row asks two ports of them.
Times are CPU. `python -m bench.fleet_division BITS [PORTS]` makes one row.

{division}

* Nothing grows with the scope: a site's state is one position in the order of its shards, the few that
  are open, and counts. A shard is made from its number when it is given.
* A checkpoint has about 500 bytes for each site.
* `covered.json` has a line for each range that does not touch the next; the manifest names every allow
  entry.
* One machine at 1,000/s asks {space:,} targets in {days:.0f} days; {sites} sites with a worker each do in
  {hours:.1f} hours. The coordinator's own part of that is {walking:.1f} s, and what it takes in.
"""


def measured(module: str, *words: object) -> SimpleNamespace:
    """What such a process prints. Raises CalledProcessError."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words)], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    return SimpleNamespace(**json.loads(done.stdout))


def goals_of(divided: list[SimpleNamespace], gathered: list[SimpleNamespace]) -> list[Goal]:
    """What has to hold at this scale."""
    small, large = divided[0], divided[-1]
    slow = gathered[0]
    return [
        Goal(
            f"peak RSS, {large.targets:,} targets over {small.targets:,}",
            10,
            (large.peak / small.peak - 1) * 100,
            " %",
            -1,
        ),
        Goal("largest checkpoint of a sweep of all IPv4 space", 256, divided[-2].checkpoint / 1e3, " kB", -1),
        Goal("bookkeeping for all IPv4 space, CPU", 60, divided[-2].walking, " s", -1),
        Goal("256 sites, coordinator: peak RSS", 400, max(each.peak for each in gathered) / 1e6, " MB", -1),
        Goal(
            "256 sites at 1,000/s each, coordinator: share of one core",
            75,
            slow.cpu / (slow.targets / slow.sites / slow.rate) * 100,
            " %",
            -1,
        ),
    ]


def _table(head: str, rows: list[list[str]]) -> list[str]:
    return [head, "|" + "--:|" * head.count(" | ") + "--:|", *(f"| {' | '.join(row)} |" for row in rows)]


def _division(rows: list[SimpleNamespace]) -> list[str]:
    head = "| targets | sites | shards | planned in | all shards in | checkpoint | written in "
    head += "| manifest | covered.json | resumed in | peak RSS |"
    return _table(
        head,
        [
            [
                f"{each.targets:,}",
                f"{each.sites}",
                f"{each.shards:,}",
                f"{each.planning:.2f} s",
                f"{each.walking:.2f} s",
                f"{each.checkpoint / 1e3:,.0f} kB",
                f"{each.writing * 1e3:.1f} ms",
                f"{each.manifest / 1e3:,.0f} kB",
                f"{each.covered:,} B",
                f"{each.resuming:.2f} s",
                f"{each.peak / 1e6:.1f} MB",
            ]
            for each in rows
        ],
    )


def _gathering(rows: list[SimpleNamespace]) -> list[str]:
    head = "| a site asks | the sites alone need | the sweep took | coordinator's CPU | of a core | peak RSS "
    head += "| received | a second | servers | lines | a second | journal | a second |"
    return _table(
        head,
        [
            [
                f"{each.rate:,.0f}/s",
                f"{each.targets / each.sites / each.rate:.1f} s",
                f"{each.wall:.1f} s",
                f"{each.cpu:.1f} s",
                f"{each.cpu / each.wall * 100:.0f} %",
                f"{each.peak / 1e6:.0f} MB",
                f"{each.received / 1e6:.0f} MB",
                f"{each.received / each.wall / 1e6:.1f} MB",
                f"{each.servers:,}",
                f"{each.lines:,}",
                f"{each.lines / each.wall:,.0f}",
                f"{each.journal / 1e6:.0f} MB",
                f"{each.journal / each.wall / 1e6:.1f} MB",
            ]
            for each in rows
        ],
    )


def page(
    divided: list[SimpleNamespace], gathered: list[SimpleNamespace], goals: list[Goal], busy: str
) -> str:
    """docs/scale.md."""
    fast, space = gathered[-1], divided[-2]
    table = ["| | goal | measured | |", "|---|--:|--:|---|"]
    for goal in goals:
        value = f"{goal.measured:,.1f}{goal.unit}"
        table.append(f"| {goal.text} | at most {goal.goal:,g}{goal.unit} | {value} | {goal.word} |")
    return PAGE.format(
        machine=machine(),
        busy=busy,
        goals="\n".join(table),
        gathering="\n".join(_gathering(gathered)),
        division="\n".join(_division(divided)),
        server=fast.cpu / fast.servers * 1e6,
        servers=fast.servers / fast.cpu,
        memory=(fast.peak - fast.before) / fast.sites / 1e3,
        space=space.targets,
        days=space.targets / 1000 / 86400,
        sites=space.sites,
        hours=space.targets / space.sites / 1000 / 3600,
        walking=space.walking,
        received=fast.received / 1e6,
    )


def main() -> int:
    """Measure, write, print; 0 when all goals were reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet_scale", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="16 sites, and no scope beyond 2^24; no page")
    parser.add_argument("--no-write", action="store_true", help="leave docs/scale.md as it is")
    options = parser.parse_args()
    before = os.getloadavg()
    sizes, sites = (SIZES[:2], 16) if options.quick else (SIZES, SITES)
    divided = [measured("bench.fleet_division", *size) for size in sizes]
    with tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder) / "recorded"
        recorded.write_bytes(pickle.dumps(record()))
        gathered = [
            measured("bench.fleet_gathering", rate, "--sites", sites, "--recorded", recorded)
            for rate in RATES
        ]
    goals = goals_of(divided, gathered)
    text = page(divided, gathered, goals, load(before))
    if not options.no_write and not options.quick:
        (ROOT / "docs" / "scale.md").write_text(text)
    sys.stdout.write(text)
    return 0 if all(goal.word == "reached" for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
