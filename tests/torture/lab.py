"""What is swept: a fleet on loopback in a process of its own, half of it closed, and the truth about it."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scanner.engine.order import Order
from scanner.lab.fleet import Fleet
from scanner.setup.settings import Settings, SweepSettings
from targets.entries import Entry
from targets.scope import Scope
from tests.torture.verify import Place, Truth

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# No silent ones: a death should cost a second, and a time-out tests nothing about files.
MIX = {"empty": 3.0, "open_3_6": 1.0, "auth_7_1": 3.0, "http": 1.0, "ssh": 1.0}
PREFIX = "127.93.0.0/26"
SEED = 7
RATE = 320.0
PATIENCE = 60.0  # nobody here is silent: a time-out would only tell of a machine with much else to do


@dataclass(frozen=True)
class Ground:
    """A running fleet and what is true about it. `rate` is connects a second of a sweep over `prefix`."""

    port: int
    closed_port: int
    rate: float = RATE
    prefix: str = PREFIX

    @property
    def scope(self) -> Scope:
        """Every address of the fleet, on the open port and on the closed one."""
        entry = Entry.of(self.prefix, owner="web platform", kind="lab")
        return Scope([entry], [], ports=[self.port, self.closed_port])

    @property
    def settings(self) -> Settings:
        """The same as `write_config` says, for sweeps that are started without the command line."""
        return Settings(
            sweep=SweepSettings(
                rate=self.rate,
                per_prefix_rate=5000,
                connect_timeout=PATIENCE,
                reply_timeout=PATIENCE,
                host_timeout=2 * PATIENCE,
                concurrency=64,
            )
        )

    def write_config(self, path: Path) -> None:
        """A configuration file for the command line."""
        path.write_text(
            f'[[allow]]\ncidr = "{self.prefix}"\nowner = "web platform"\nkind = "lab"\n'
            f"[sweep]\nports = [{self.port}, {self.closed_port}]\nrate = {self.rate}\n"
            f"per_prefix_rate = 5000.0\nconnect_timeout = {PATIENCE}\nreply_timeout = {PATIENCE}\n"
            f"host_timeout = {2 * PATIENCE}\n"
            "concurrency = 64\n"
        )

    def truth(self, seed: int) -> Truth:
        """What a sweep with this seed must find."""
        fleet, scope = Fleet(PREFIX, self.port, MIX, SEED), self.scope
        places: dict[Place, frozenset[str]] = {}
        for index in range(len(scope)):
            target = scope.pick(index)
            who = fleet.truth(target.ip) if target.port == self.port else None
            verdicts = {"refused"} if who is None else {verdict.value for verdict in who.acceptable}
            places[target.ip, target.port] = frozenset(verdicts)
        order = Order(len(scope), seed)

        def at(position: int) -> Place | None:
            index = order.at(position)
            return None if index is None else (scope.pick(index).ip, scope.pick(index).port)

        return Truth(places, frozenset(place for place in places if place[1] == self.port), at)


@contextmanager
def fleet(rate: float = RATE) -> Iterator[Ground]:
    """A fleet in a process of its own, gone at the end."""
    command = [sys.executable, "-m", "tests.torture.lab"]
    with (
        socket.socket() as closed,  # held and never listening: nobody else can open that port meanwhile
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        closed.bind(("0.0.0.0", 0))
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield Ground(int(process.stdout.readline()), closed.getsockname()[1], rate)
        finally:
            process.stdin.close()
            process.wait(10)


async def _serve() -> None:
    async with Fleet(PREFIX, 0, MIX, SEED) as servers:
        print(servers.port, flush=True)  # noqa: T201 - how the parent learns the port
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve())
