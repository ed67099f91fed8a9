"""One coordinator and 256 simulated sites of a /16 each: `python -m bench.fleet_gathering RATE` prints what
the coordinator needs when every site asks RATE targets a second, as JSON.

The coordinator is the real one, over a carrier of its own; the sites are `bench.fleet_sites`, in a process of
their own. Messages are the bytes that Dask or ssh would carry; no packet is sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pickle
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bench.fleet_division import resident_peak
from bench.recorded import record
from results.manifest import MANIFEST_FILE
from scanner.fleet.carrier import Heard, Worker
from scanner.fleet.coordinator import run_fleet
from scanner.fleet.messages import MOST_BYTES, decode, encode
from scanner.setup.fleet_settings import FleetSettings
from scanner.setup.settings import Settings, SweepOptions, SweepSettings
from targets.entries import Entry
from targets.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.record import Observation
    from scanner.fleet.carrier import Event
    from scanner.fleet.messages import Shard
    from scanner.sweep.plan import Plan
    from scanner.sweep.progress import ProgressSnapshot, RunSummary

SHARD_SECONDS = 20


@dataclass(frozen=True)
class Gathered:
    """What one sweep took of the coordinator's process. Seconds, bytes, counts."""

    sites: int
    rate: float
    targets: int
    state: str
    wall: float
    cpu: float
    before: int  # peak of resident memory with all imported and nothing done
    peak: int
    received: int
    messages: int
    servers: int
    lines: int
    journal: int
    checkpoint: int


class SimulatedSites:
    """A carrier to `bench.fleet_sites`; a site has one worker."""

    def __init__(self, names: Sequence[str], recorded: Path, rate: float) -> None:
        self._workers = [Worker(f"{name}-1", name, name) for name in names]
        self._recorded, self._rate = recorded, rate
        self.received = self.messages = 0

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.fleet_sites", str(self._recorded), "--rate", str(self._rate)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=MOST_BYTES,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    def workers(self) -> Sequence[Worker]:
        return self._workers

    def capacity(self, site: str) -> int:
        return 1

    def give(self, shard: Shard) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(encode(shard))

    def withdraw(self, name: str, attempt: int) -> None:
        pass

    async def next(self) -> Event:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        self.received += len(line)
        self.messages += 1
        message = decode(line)
        return Heard(f"{message.name.partition('_')[0]}-1", message)


class Looking:
    """A screen that shows nothing, and looks at the size of the checkpoint."""

    wants_found = False

    def __init__(self, output: Path) -> None:
        self._output = output
        self.checkpoint = 0

    def started(self, plan: Plan) -> None:
        pass

    def progress(self, snapshot: ProgressSnapshot) -> None:
        for path in self._output.glob("*/checkpoint.json"):
            self.checkpoint = max(self.checkpoint, path.stat().st_size)

    def found(self, observation: Observation) -> None:
        pass

    def notice(self, text: str) -> None:
        sys.stderr.write(text + "\n")

    def finished(self, summary: RunSummary) -> None:
        pass


def measured(sites: int, rate: float, recorded: Path, folder: Path) -> Gathered:
    """One sweep."""
    names = [f"site-{site:03}" for site in range(sites)]
    scope = Scope(
        [Entry.of(f"10.{n}.0.0/16", owner="web platform", site=name) for n, name in enumerate(names)],
        ports=[27017],
    )
    settings = Settings(sweep=SweepSettings(rate=rate), fleet=FleetSettings(shard_seconds=SHARD_SECONDS))
    carrier = SimulatedSites(names, recorded, rate)
    before, began, spent = resident_peak(), time.monotonic(), time.process_time()
    screen = Looking(folder / "runs")
    run_fleet(settings, scope, SweepOptions(output=folder / "runs"), screen, carrier)
    wall, cpu = time.monotonic() - began, time.process_time() - spent
    (manifest,) = folder.glob(f"runs/*/{MANIFEST_FILE}")
    said = json.loads(manifest.read_bytes())
    segments = list(manifest.parent.glob("observations-*.jsonl"))
    return Gathered(
        sites=sites,
        rate=rate,
        targets=len(scope),
        state=said["state"],
        wall=wall,
        cpu=cpu,
        before=before,
        peak=resident_peak(),
        received=carrier.received,
        messages=carrier.messages,
        servers=said["coverage"]["outcomes"] - said["outcomes"].get("filtered", 0),
        lines=sum(_count(path) for path in segments),
        journal=sum(path.stat().st_size for path in segments),
        checkpoint=screen.checkpoint,
    )


def _count(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)


def main() -> None:
    """Measure one sweep and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet_gathering", description=__doc__)
    parser.add_argument("rate", type=float, help="targets a second of each site")
    parser.add_argument("--sites", type=int, default=256)
    parser.add_argument(
        "--recorded", type=Path, help="pickled servers of `bench.recorded`; default: new ones"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recorded = options.recorded or Path(folder) / "recorded"
        if options.recorded is None:
            recorded.write_bytes(pickle.dumps(record()))
        print(json.dumps(vars(measured(options.sites, options.rate, recorded, Path(folder)))))


if __name__ == "__main__":
    main()
