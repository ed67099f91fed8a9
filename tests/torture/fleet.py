"""`python -m tests.torture.fleet`: workers, shard processes, scheduler and coordinator of a fleet are killed
and frozen at random instants, over sweep after sweep; a table, and exit code 1 when anything was lost.

The truth is the servers that were put there, the files as `verify` reads them, and the kernel's own record of
every SYN that arrived at each estate.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.netns.arrivals import Timestamps
from tests.netns.oracle import serving
from tests.support import sites
from tests.support.fleets import Fleet, children_of
from tests.torture.trial import KEPT, Tally, in_memory
from tests.torture.verify import Truth, verify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.fleets import Part
    from tests.support.sites import Ground

POSTS = {"paris-1": "paris", "paris-2": "paris", "lyon-1": "lyon"}
PREFIXES = {"paris": ["10.1.0.0/21"], "lyon": ["10.2.0.0/21"]}
KINDS = {"open_8_0": "open", "auth_7_1": "auth_required", "empty": "open", "open_3_6": "open"}
SERVERS = 24  # at each site
BLOCK = 1024  # targets of a shard, which is a /22 here
HASTE = 0.4
MOST_A_RUN = 8  # deaths
ENDS = ("coordinator", "scheduler")  # struck as often as workers
UNREACHED = "is `mongosweep fleet scheduler` running there"  # a coordinator that cannot even begin
PATIENCE = 400.0  # seconds for a sweep, on a machine that has much else to do
MOST_SWITCHES = 3  # of workers in one block beyond its attempts: a SYN or two may be under way


def servers_of(site: str) -> dict[str, str]:
    """Who stands where: the personality by address."""
    random, number = Random(site), 1 if site == "paris" else 2
    places = random.sample(range(2048), SERVERS)
    return {f"10.{number}.{at >> 8}.{at & 255}": random.choice(sorted(KINDS)) for at in places}


def truth() -> Truth:
    """Every target with the verdicts that are right for it."""
    places = {
        (f"10.{number}.{at >> 8}.{at & 255}", sites.PORT): frozenset({"refused"})
        for number in (1, 2)
        for at in range(2048)
    }
    standing = {
        (ip, sites.PORT): frozenset({KINDS[name]})
        for site in PREFIXES
        for ip, name in servers_of(site).items()
    }
    return Truth(places | standing, frozenset(standing), lambda _: None)


@contextmanager
def laid() -> Iterator[Ground]:
    """Two sites with servers behind them."""
    with ExitStack() as stack:
        ground = stack.enter_context(sites.laid(PREFIXES, POSTS))
        for site, estate in ground.estates.items():
            stack.enter_context(serving(estate, *(f"{ip}={who}" for ip, who in servers_of(site).items())))
        yield ground


class Victims:
    """One sweep, whose processes die and freeze until it has come to its end."""

    def __init__(self, fleet: Fleet, number: int, deaths: int, tally: Tally) -> None:
        self.fleet = fleet
        self.random = Random(number)
        self.deaths = min(deaths, self.random.randint(3, MOST_A_RUN))
        self.tally = tally
        self.number = number
        self.done: list[str] = []

    def go(self) -> None:
        """From its beginning to its end; what was found wrong is in the tally."""
        coordinator = self._coordinate()
        end = time.monotonic() + PATIENCE
        left = self.deaths
        while time.monotonic() < end:
            if not self._sleep(coordinator, self.random.uniform(0.5, 12.0)):
                code = coordinator.wait(1)
                if code == 2 and UNREACHED in coordinator.said[-400:]:
                    coordinator = self._coordinate()  # as whoever started it would, a little later
                    continue
                self._examine(code, coordinator)
                return
            if left:
                coordinator = self._strike(coordinator)
                left -= 1
        self.tally.blame(f"sweep {self.number} hung after {self.done}: {coordinator.said[-1500:]}")

    def _coordinate(self) -> Part:
        """The next coordinator: of a new run, or of the one that there is."""
        runs = [path.parent.name for path in self.fleet.output.glob("2*/manifest.json")]
        self.tally.add(resumes=len(runs))
        return self.fleet.sweep("-q", *(["--resume", *runs] if runs else ["--seed", str(self.number)]))

    def _sleep(self, coordinator: Part, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not coordinator.alive:
                return False
            time.sleep(0.05)
        return True

    def _strike(self, coordinator: Part) -> Part:
        """One death or frost of one process; the coordinator that goes on."""
        who = self.random.choice(["coordinator", "scheduler", "shard", *POSTS, *ENDS])
        frozen = 0.0 if self.random.random() < 0.6 else self.random.choice([0.5, 3.0, 8.0, 20.0])
        if who == "shard":
            self._strike_shard(frozen)
            return coordinator
        part = self.fleet.parts[who]
        if frozen:
            self._note(f"SIGSTOP {self._kind(who)}")
            part.send(signal.SIGSTOP)
            self._sleep(coordinator, frozen) if who != "coordinator" else time.sleep(frozen)
            part.send(signal.SIGCONT)
            return coordinator
        self._note(f"SIGKILL {self._kind(who)}")
        part.send(signal.SIGKILL)
        time.sleep(self.random.choice([0.0, 0.5, 3.0]))  # as long as a unit's RestartSec may be
        if who != "coordinator":
            part.start()
            return coordinator
        return self._coordinate()

    def _strike_shard(self, frozen: float) -> None:
        workers = [part for name, part in self.fleet.parts.items() if name in POSTS and part.process]
        shards = [pid for part in workers if part.process for pid in children_of(part.process.pid)]
        if not shards:
            return
        pid = self.random.choice(shards)
        number = signal.SIGSTOP if frozen else signal.SIGKILL
        self._note(f"{number.name} shard process")
        try:
            os.kill(pid, number)
            if frozen:
                time.sleep(frozen)
                os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return

    def _kind(self, who: str) -> str:
        return who if who in ("coordinator", "scheduler") else "worker"

    def _note(self, what: str) -> None:
        self.done.append(what)
        self.tally.add(deaths=1, note=what)

    def _examine(self, code: int, coordinator: Part) -> None:
        label, tally = f"sweep {self.number} after {self.done}", self.tally
        said = coordinator.said
        if code not in (1, 3) or "Traceback" in said:
            tally.blame(f"{label} ended with {code}: {said[-800:]}")
            return
        manifest = self.fleet.manifest
        coverage = manifest["coverage"]
        if manifest["state"] != "complete":
            tally.add(note=f"told as {manifest['state']}")
            if not manifest["reasons"] or code != 3:
                tally.blame(f"{label} is {manifest['state']} without a reason, code {code}")
        report = verify(self.fleet.run_dir, truth(), ended=manifest["state"] == "complete", walked=False)
        tally.violations += [f"{tally.name}, {label}: {text}" for text in report.violations]
        whole = sum(coverage.get(name, 0) for name in ("outcomes", "excluded", "not_reached"))
        if whole != coverage["planned"] or coverage["planned"] != len(truth().places):
            tally.blame(f"{label}: {coverage} does not add up")
        if manifest["state"] == "complete":
            tally.lost += report.lost
        tally.torn += report.torn
        tally.duplicates += report.duplicates


def witnessed(fleet: Fleet, syns: dict[str, Timestamps], label: str, tally: Tally) -> None:
    """What the kernel saw: nobody outside was asked, and no two workers asked a shard beside each other."""
    if strays := fleet.ground.strays():
        tally.blame(f"{label}: asked outside: {strays}")
    attempts: dict[int, int] = {}
    for line in (fleet.run_dir / "fleet.jsonl").read_text().splitlines():
        said = json.loads(line)
        if said["event"] == "began":
            first = int(said["shard"].rpartition("_")[2].split("-")[0])
            number = 1 if said["shard"].startswith("paris") else 2
            block = (10 << 24 | number << 16) + first >> 10
            attempts[block] = attempts.get(block, 0) + 1
    complete = fleet.manifest["state"] == "complete"
    for site, arrivals in syns.items():
        asked: dict[int, list[tuple[float, int]]] = {}
        for (moment, address), source in zip(arrivals.seen, arrivals.sources, strict=True):
            asked.setdefault(address >> 10, []).append((moment, source))
        every = {address for _, address in arrivals.seen}
        if complete and len(every) != 2048:
            tally.blame(f"{label}: complete, and {2048 - len(every)} addresses of {site} were never asked")
        for block, seen in asked.items():
            seen.sort()
            switches = sum(one[1] != other[1] for one, other in pairwise(seen))
            begun = attempts.get(block, 0)
            if switches > begun + MOST_SWITCHES:
                tally.blame(f"{label}: {switches} changes of workers in a shard with {begun} attempts")


def torture(place: Path, deaths: int, *, first: int = 0) -> Tally:
    """At least so many deaths, in sweeps of some deaths each, by one fleet after the other."""
    tally, began = Tally("fleet"), time.monotonic()
    number = first
    with laid() as ground:
        while tally.deaths < deaths and len(tally.violations) < KEPT:
            home = place / f"sweep-{number}"
            fleet = Fleet(ground, home, haste=HASTE, rate=300.0, patience=60)
            before = len(tally.violations)
            with ExitStack() as stack:
                syns = {
                    site: stack.enter_context(Timestamps(estate)) for site, estate in ground.estates.items()
                }
                stack.callback(fleet.end)
                fleet.scheduler()
                for name in POSTS:
                    fleet.worker(name)
                victims = Victims(fleet, number, deaths - tally.deaths, tally)
                victims.go()
                fleet.end()
            if list(fleet.output.glob("*/manifest.json")):
                witnessed(fleet, syns, f"sweep {number} after {victims.done}", tally)
            tally.add(note="sweeps")
            if len(tally.violations) == before:
                shutil.rmtree(home)
            number += 1
    tally.seconds = time.monotonic() - began
    return tally


def main() -> int:
    """Parse, torture, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.fleet", description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="deaths and frosts, in all")
    parser.add_argument("--first", type=int, default=0, help="number of the first sweep, which is its seed")
    parser.add_argument("--place", type=Path, help="where to write; default: in memory")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="torture-", dir=options.place or in_memory()))
    tally = torture(place, options.kills, first=options.first)
    lines = [f"{name:<12} {getattr(tally, name):>6}" for name in ("deaths", "resumes", "lost", "torn")]
    lines += [f"{text:<32} {count:>6}" for text, count in sorted(tally.notes.items())]
    lines += [f"violations   {len(tally.violations):>6}", *tally.violations[:KEPT]]
    sys.stdout.write("\n".join([*lines, f"{tally.seconds:.0f} s"]) + "\n")
    if tally.sound:
        shutil.rmtree(place)
    return 0 if tally.sound else 1


if __name__ == "__main__":
    sys.exit(main())
