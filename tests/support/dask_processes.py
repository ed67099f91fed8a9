"""A scheduler and workers of Dask in processes of their own, with certificates of a fleet, for tests.

Run as a module it is such a process; the workers of `Fleet` start `shard_speaker` for a shard.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from msgspec import Struct

from scanner import __version__
from scanner.fleet.authority import Own, Role, called, read_own
from scanner.fleet.carrier import Failed, Heard, WorkersChanged
from scanner.fleet.issuing import issue, make_authority
from scanner.fleet.messages import Ended, Refused, Shard

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from scanner.fleet.carrier import Event
    from scanner.fleet.dask.carrier import DaskCarrier

M = TypeVar("M", bound=Struct)
ROOT = Path(__file__).resolve().parents[2]
SPEAKER = Path(__file__).with_name("shard_speaker.py")


class Note(NamedTuple):
    """What a `shard_speaker` did."""

    what: str
    name: str
    attempt: int
    worker: str
    pid: int
    at: float


def a_shard(name: str, site: str, attempt: int = 1) -> Shard:
    """A shard of four targets; what a `shard_speaker` does with it is in its name."""
    return Shard(
        run_id="20261129T101112Z-abcdef",
        site=site,
        name=name,
        first=0,
        last=4,
        attempt=attempt,
        targets=4,
        rows=["127.0.0.0/30 27017"],
        seed=1,
        version=__version__,
        sent_at="2026-11-29T10:11:12.000Z",
        connect_timeout=1.0,
        reply_timeout=1.0,
        host_timeout=10.0,
        rate=100.0,
    )


async def until(
    carrier: DaskCarrier, enough: Callable[[list[Event]], object], seconds: float = 60.0
) -> list[Event]:
    """What is heard until it is enough, or until something else is."""
    events: list[Event] = []
    end = time.monotonic() + seconds
    while not enough(events):
        assert time.monotonic() < end, f"heard {events}; workers {carrier.workers()}"
        with contextlib.suppress(TimeoutError):
            events.append(await asyncio.wait_for(carrier.next(), 0.05))
    return events


async def until_there(carrier: DaskCarrier, site: str, workers: int = 1) -> None:
    """Until so many workers of a site may be given work."""
    await until(carrier, lambda _: carrier.capacity(site) >= 2 * workers)


def heard(events: Sequence[Event], kind: type[Struct]) -> list[Heard]:
    """The messages of a kind, with who said them."""
    return [each for each in events if isinstance(each, Heard) and isinstance(each.message, kind)]


def messages(events: Sequence[Event], kind: type[M]) -> list[M]:
    """The messages of a kind."""
    return [e.message for e in events if isinstance(e, Heard) and isinstance(e.message, kind)]


def failures(events: Sequence[Event]) -> list[Failed]:
    """The attempts that came to nothing."""
    return [each for each in events if isinstance(each, Failed)]


def told(events: Sequence[Event]) -> list[str]:
    """What is said of workers and of the scheduler."""
    return [line for each in events if isinstance(each, WorkersChanged) for line in each.told]


def over(name: str, attempt: int = 1) -> Callable[[list[Event]], object]:
    """Whether an attempt has ended, in whichever way."""

    def is_over(events: list[Event]) -> bool:
        ends: list[Ended | Refused | Failed] = [*messages(events, Ended), *messages(events, Refused)]
        return any((e.name, e.attempt) == (name, attempt) for e in ends + list(failures(events)))

    return is_over


class Fleet:
    """An authority, a scheduler and workers; what is under `folder` is theirs. Closing it ends them."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.settings = folder, settings
        self._processes: list[subprocess.Popen[bytes]] = []
        make_authority(folder / "ca", time.time())
        self.address = ""
        self.scheduler: subprocess.Popen[bytes]
        (folder / "shared").mkdir()

    def own(self, role: Role, name: str = "", site: str = "") -> Own:
        """Certificates of the fleet's authority for somebody."""
        now = time.time()
        issued = issue(self.folder / "ca", role, name or role, now, site=site)
        return read_own(issued.folder, role, now, site)

    def start_scheduler(self, *arguments: str) -> None:
        """Start it, or start it again where it was."""
        self.own("scheduler")
        if self.address:
            self.scheduler.wait()
        port = self.address.rpartition(":")[2] or "0"
        certificates = f"--certificates={self.folder / 'ca/scheduler'}"
        process = self._start("scheduler", f"--port={port}", certificates, *arguments)
        assert process.stdout is not None
        line = process.stdout.readline().decode().strip()
        assert line.startswith("tls://"), self.log("scheduler")
        self.scheduler, self.address = process, line

    def start_worker(self, site: str, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A worker of a site; it connects while the test goes on."""
        self.own("worker", name, site)
        given = [f"--site={site}", f"--name={name}", f"--shared={self.folder / 'shared'}"]
        certificates = f"--certificates={self.folder / 'ca/workers' / name}"
        return self._start("worker", *given, certificates, f"--address={self.address}", *arguments)

    def start_coordinator(self) -> subprocess.Popen[bytes]:
        """One that has nothing to do and writes down what it is told; SIGINT ends it."""
        self.own("coordinator")
        certificates = f"--certificates={self.folder / 'ca/coordinator'}"
        return self._start("coordinator", f"--address={self.address}", certificates)

    def _start(self, what: str, *arguments: str) -> subprocess.Popen[bytes]:
        settings = [f"--set={key}={value}" for key, value in self.settings.items()]
        with (self.folder / f"{what}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, what, *arguments, *settings],
                stdout=subprocess.PIPE if what == "scheduler" else log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def log(self, what: str) -> str:
        """What these processes wrote."""
        file = self.folder / f"{what}.log"
        return file.read_text() if file.exists() else ""

    def notes(self, name: str = "") -> list[Note]:
        """What the processes of shards did, those of one shard or all."""
        file = self.folder / "shared/notes"
        rows = [line.split() for line in (file.read_text() if file.exists() else "").splitlines()]
        notes = [Note(r[0], r[1], int(r[2]), r[3], int(r[4]), float(r[5])) for r in rows]
        return [note for note in notes if not name or note.name == name]

    def wait_for(self, what: str, name: str) -> None:
        """Until the process of a shard has done something."""
        end = time.monotonic() + 60
        while not any(note.what == what for note in self.notes(name)):
            assert time.monotonic() < end, self.notes(name)
            time.sleep(0.05)

    def wait_for_line(self, what: str, line: str) -> None:
        """Until one of these processes has written a line."""
        end = time.monotonic() + 60
        while line not in self.log(what).splitlines():
            assert time.monotonic() < end, self.log(what)
            time.sleep(0.05)

    def go(self, name: str) -> None:
        """Let a slow shard go on."""
        (self.folder / "shared" / f"{name}.go").touch()

    def close(self) -> None:
        """End everybody, frozen ones too."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["scheduler", "worker", "coordinator"])
    for name in ("port", "certificates", "address", "site", "name", "shared", "version", "problem"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--autoscale", default="")
    parser.add_argument("--lease", type=float, default=20.0)
    parser.add_argument("--most-result", type=int, default=0)
    parser.add_argument("--clock", type=float, default=0.0)
    parser.add_argument("--set", action="append", default=[])
    given = parser.parse_args()
    if given.what == "coordinator":
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started us beside it
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_coordinator(given))
        return
    from scanner.fleet.dask.settings import configure

    what: Role = given.what
    configure(what)
    import dask

    for key, _, value in (each.partition("=") for each in given.set):
        dask.config.set({key: int(value) if value.isdigit() else value})
    logging.basicConfig(level=logging.INFO)
    _scheduler(given) if what == "scheduler" else _worker(given)


async def _coordinator(given: argparse.Namespace) -> None:
    from scanner.fleet.dask.carrier import DaskCarrier, Pace

    own = read_own(Path(given.certificates), "coordinator", time.time())
    async with DaskCarrier(given.address, own, pace=Pace(look=0.3, silent=3.0)) as carrier:
        while True:
            carrier.capacity("nowhere")
            for line in told([await carrier.next()]):
                print("told:", line, flush=True)  # noqa: T201 - the test reads it


def _scheduler(given: argparse.Namespace) -> None:
    from ipaddress import ip_address

    from scanner.fleet.dask import scheduler
    from scanner.fleet.dask.demand import autoscaled
    from scanner.setup.listen import Listen

    if given.version:
        vars(scheduler)["__version__"] = given.version

    own = read_own(Path(given.certificates), "scheduler", time.time())
    scheduler.run_scheduler(
        own,
        Listen(address=ip_address("127.0.0.1"), port=int(given.port)),
        lambda address: print(address, flush=True),  # noqa: T201 - the test reads it
        autoscaled(given.autoscale) if given.autoscale else None,
    )


def _worker(given: argparse.Namespace) -> None:
    from scanner.fleet.dask import task
    from scanner.fleet.dask.worker import Setting, run_worker

    command = [sys.executable, "-P", str(SPEAKER), given.shared, str(given.lease), given.name]
    task.SITE_PROCESS = task.SiteProcess(
        command, given.site, given.name, problem=given.problem, answered_within=given.lease
    )
    if given.most_result:
        vars(task)["MOST_RESULT"] = given.most_result
    if given.version:
        vars(task)["__version__"] = given.version
    if given.clock:
        real = time.time
        time.time = lambda: real() + given.clock  # of this process, for all
    own = called(read_own(Path(given.certificates), "worker", time.time(), given.site), given.name)
    folder = Path(given.certificates) / "dask"
    folder.mkdir(exist_ok=True)
    run_worker(Setting(own, given.address, folder, lambda: "", listen="127.0.0.1:0"))


if __name__ == "__main__":
    _main()
