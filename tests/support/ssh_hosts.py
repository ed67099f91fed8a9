"""Hosts behind a real sshd: of some a process speaks that we control, behind others is a real worker."""

from __future__ import annotations

import asyncio
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.fleet.carrier import Failed, Heard
from scanner.fleet.messages import Began, Ended, Refused
from scanner.fleet.ssh import SshCarrier, parse_hosts
from scanner.fleet.ssh_state import Times
from tests.support.serving import wait_until
from tests.support.shards import configuration, shard_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.fleet.carrier import Event
    from scanner.fleet.messages import Shard
    from tests.support.listening import Listener
    from tests.support.sshd import Sshd

ROOT = Path(__file__).resolve().parents[2]
SPEAKER = "tests.support.ssh_speaker"
QUICK = Times(again=(0.05, 0.2), unfit=0.3, lease=0.2)
HOSTS = {
    "works": "works",
    "chatters": "chatters",
    "also": "works",
    "of-paris": "works paris",
    "waits": "waits",
    "fails": "fails",
    "refuses": "refuses",
    "nonsense": "nonsense",
    "prints": "prints",
    "other-shard": "other-shard",
    "other-version": "other-version",
    "ahead": "ahead",
    "behind": "behind",
    "problem": "problem",
    "site": "works london\x1b[31m",
}

SCOPES = {"wide": "127.92.0.0/24", "narrow": "127.92.0.0/26"}  # of hosts where a real worker is


class World:
    """The hosts, and `listener` which counts whom real workers ask."""

    def __init__(self, server: Sshd, folders: Path, listener: Listener) -> None:
        self.server = server
        self.listener = listener
        self._folders = folders

    def of(self, host: str) -> Path:
        return self._folders / host

    @property
    def asked(self) -> int:
        """How often somebody connected to the listener."""
        return sum(map(len, list(self.listener.times.values())))

    def carrier(self, hosts: str, times: Times = QUICK, *options: str) -> SshCarrier:
        return SshCarrier(parse_hosts(hosts), ssh=(*self.server.ssh, *options), times=times)


def forced_commands(folders: Path, port: int) -> dict[str, str]:
    """What is forced upon each host, which gets a folder of its own. `port`: which real workers ask."""
    forced = {
        "absent": "/nonexistent/mongosweep fleet shard",
        "module": f"{sys.executable} -m nothing_here",
    }
    for name, how in HOSTS.items():
        (folders / name).mkdir()
        arguments = shlex.join([sys.executable, "-m", SPEAKER, str(folders / name), *how.split(" ")])
        forced[name] = f"cd {ROOT} && exec {arguments}"
    for name, allowed in SCOPES.items():
        (folders / name).mkdir()
        entry = f'[[allow]]\ncidr = "{allowed}"\nkind = "lab"\nowner = "web platform"\nsite = "paris"\n'
        config = configuration(folders / name, port, entry)
        worker = [sys.executable, "-P", "-m", "scanner", "fleet", "shard", "-c", str(config)]
        worker += ["--site", "paris", "--name", name, "--spool", str(folders / name / "spool")]
        forced[name] = shlex.join(["env", f"PYTHONPATH={ROOT}", f"TMPDIR={folders / name}", *worker])
    return forced


def shard(number: int = 1, site: str = "paris", attempt: int = 1) -> Shard:
    """A shard that nobody sweeps."""
    return shard_of("127.0.0.1-127.0.0.2:27017", name=f"{site}-{number}", site=site, attempt=attempt)


async def until(carrier: SshCarrier, wanted: Callable[[Event], object]) -> list[Event]:
    """Events up to the first that is wanted."""
    events: list[Event] = []
    async with asyncio.timeout(60):
        while not events or not wanted(events[-1]):
            events.append(await carrier.next())
    return events


def ends(event: Event) -> bool:
    return isinstance(event, Failed) or (
        isinstance(event, Heard) and isinstance(event.message, Ended | Refused)
    )


def begins(event: Event) -> bool:
    return isinstance(event, Heard) and isinstance(event.message, Began)


async def wait_for(place: Path) -> str:
    await asyncio.to_thread(wait_until, place.exists, place.name)
    return await asyncio.to_thread(place.read_text)
