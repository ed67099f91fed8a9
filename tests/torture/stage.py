"""SIGKILL at random instants of sweeps with the SYN engine, between two namespaces."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scanner.engine.order import Order
from targets.entries import Entry
from targets.scope import Scope
from tests.netns.oracle import PORT, estate, serving
from tests.support import netns
from tests.torture.kills import KILLS_PER_RUN, PATIENCE, Victim
from tests.torture.lab import Ground
from tests.torture.trial import KEPT, Tally, lanes, run_in
from tests.torture.verify import Place, Truth

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.support.netns import Namespace

GOES_ON = "resumed from a snapshot"
SERVERS = ("10.77.0.3", "10.77.0.9", "10.77.0.22", "10.77.0.37", "10.77.0.48", "10.77.0.62")
SILENT = range(0x0A4D0020, 0x0A4D0030)  # 10.77.0.32 to .47, but for the servers among them
RATE = 120.0
LATEST = 3.0  # seconds that a whole sweep takes, about


@dataclass(frozen=True)
class Estate(Ground):
    """64 addresses behind a gateway: open servers, closed ports and silence."""

    @property
    def scope(self) -> Scope:
        """See `Ground.scope`."""
        return Scope([Entry.of(self.prefix, owner="web platform")], [], ports=[self.port, self.closed_port])

    def write_config(self, path: Path) -> None:
        """See `Ground.write_config`."""
        path.write_text(
            f'[[allow]]\ncidr = "{self.prefix}"\nowner = "web platform"\n'
            f"[sweep]\nports = [{self.port}, {self.closed_port}]\nrate = {self.rate}\n"
            "per_prefix_rate = 5000.0\nconnect_timeout = 0.4\nreply_timeout = 30.0\nhost_timeout = 60.0\n"
        )

    def truth(self, seed: int) -> Truth:
        """See `Ground.truth`. A server's SYN-ACK may be late on a busy machine, a verdict is not."""
        scope = self.scope
        places: dict[Place, frozenset[str]] = {}
        answering = set()
        for index in range(len(scope)):
            target = scope.pick(index)
            if target.ip in SERVERS and target.port == self.port:
                places[target.ip, target.port] = frozenset({"open", "open_no_data"})
                answering.add((target.ip, target.port))
            elif target.address in SILENT:
                places[target.ip, target.port] = frozenset({"filtered"})
            else:
                places[target.ip, target.port] = frozenset({"refused"})
        order = Order(len(scope), seed)

        def at(position: int) -> Place | None:
            index = order.at(position)
            return None if index is None else (scope.pick(index).ip, scope.pick(index).port)

        return Truth(places, frozenset(answering), at)


class StageVictim(Victim):
    """A run with the SYN engine, inside `scan`."""

    latest = LATEST

    def __init__(self, scan: Namespace, ground: Ground, place: Path, number: int, tally: Tally) -> None:
        super().__init__(ground, place, number, tally)
        self.everything = False  # which the stage cannot do
        self._scan = scan

    def command(self) -> list[str]:
        """See `Victim.command`."""
        if self.has_a_snapshot():
            self.tally.add(note=GOES_ON)
        return self._scan.command([*super().command(), "--engine", "syn"])

    def has_a_snapshot(self) -> bool:
        """Whether a stage could go on from where the last one was."""
        run = run_in(self.output)
        if run is None or not (run / "checkpoint.json").exists():
            return False
        point = json.loads((run / "checkpoint.json").read_bytes().partition(b"\n")[0])
        return bool(point["stage"] and point["stage"]["progress"]["position"])

    def wait_for_a_segment(self, process: subprocess.Popen[bytes], before: int) -> None:
        """See `Victim.wait_for_a_segment`. Many a death is to find a snapshot, however slow everything is."""
        super().wait_for_a_segment(process, before)
        if self.random.random() < 0.5 or not self.tally.notes[GOES_ON]:
            end = time.monotonic() + PATIENCE
            while process.poll() is None and not self.has_a_snapshot() and time.monotonic() < end:
                time.sleep(0.01)


def torture(place: Path, deaths: int, *, first: int = 0, width: int = 2) -> Tally:
    """At least so many deaths, in runs of up to five deaths each."""
    tally = Tally("SIGKILL, SYN engine")
    if why := netns.missing():
        tally.add(note=f"not done: {why}")
        return tally
    began = time.monotonic()
    ground = Estate(PORT, PORT + 1, RATE, "10.77.0.0/26")
    with estate() as (scan, corp), serving(corp, *(f"{ip}=empty" for ip in SERVERS)):
        corp.nft(
            "table inet quiet {\nchain c {\ntype filter hook input priority 0\n"
            f"ip daddr {{ {', '.join(SERVERS)} }} tcp dport {PORT} accept\n"
            f"ip daddr 10.77.0.32/28 tcp dport {{ {PORT}, {PORT + 1} }} drop\n}}\n}}\n"
        )

        def one(number: int) -> None:
            enough = tally.deaths >= deaths and tally.notes[GOES_ON]
            if enough or len(tally.violations) >= KEPT:
                return
            victim = StageVictim(scan, ground, place / f"run-{number}", number, tally)
            for _ in range(victim.random.randint(2, KILLS_PER_RUN)):
                victim.kill()
            victim.finish()
            if tally.sound:
                shutil.rmtree(victim.place)

        lanes(width, list(range(first, first + deaths + 50)), one)
    tally.seconds = time.monotonic() - began
    return tally
