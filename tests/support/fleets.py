"""A fleet as real processes on the ground of `tests.support.sites`: scheduler and coordinator in the hub, a
worker in each place, each with a configuration and a scope of its own.

Waiting is shortened by what is in `haste`, a folder that is put on their PYTHONPATH.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.fleet.issuing import held, issue, make_authority
from tests.support.only_run import OnlyRun
from tests.support.sites import MEETING, PORT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.netns import Namespace
    from tests.support.sites import Ground

ROOT = Path(__file__).parent.parent.parent
SCHEDULER_PORT = 8786
ADDRESS = f"tls://{MEETING}:{SCHEDULER_PORT}"
QUICK = """\
[sweep]
rate = {rate}
per_prefix_rate = {per_prefix_rate}
connect_timeout = 0.4
reply_timeout = 1.5
host_timeout = 6
"""


def certify(authority: Path, ground: Ground) -> None:
    """An authority, and certificates for everybody of the ground."""
    now = time.time()
    make_authority(authority, now)
    with held(authority):
        issue(authority, "scheduler", "scheduler", now)
        issue(authority, "coordinator", "coordinator", now)
        for post in ground.posts.values():
            issue(authority, "worker", post.name, now, site=post.site)


@dataclass
class Part:
    """One process of the fleet, which may be started again after its death."""

    name: str
    namespace: Namespace
    words: list[str]
    log: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0

    def start(self) -> Part:
        """Start it, or start it again."""
        with self.log.open("ab") as log:
            self.process = self.namespace.popen(
                self.words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment
            )
        return self

    @property
    def alive(self) -> bool:
        """Whether it runs; one that is stopped does."""
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """One signal to this process alone, not to its children."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()
            self.deaths += 1

    def wait(self, seconds: float) -> int:
        """Its exit code. Raises TimeoutExpired."""
        assert self.process is not None
        return self.process.wait(seconds)

    def end(self) -> None:
        """Take it away, with its children."""
        if self.process is None:
            return
        family = [self.process.pid, *children_of(self.process.pid)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    @property
    def said(self) -> str:
        """All that it wrote."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def children_of(pid: int) -> list[int]:
    """All processes that descend from one, as Linux tells it (proc(5), task/children)."""
    try:
        tasks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    own = [int(child) for text in tasks for child in text.split()]
    return [each for child in own for each in (child, *children_of(child))]


@dataclass
class Fleet(OnlyRun):
    """Everything of one fleet, in a folder of its own. `haste`: by how much waiting is shortened. `scopes`:
    what of the estates is asked, by site; empty for all of them."""

    ground: Ground
    home: Path
    haste: float = 1.0
    rate: float = 2000.0
    per_prefix_rate: float = 2000.0
    patience: int = 20
    output: Path = Path()
    scopes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.output = self.home / "runs"
        certify(self.home / "authority", self.ground)
        self.configure_all()

    def configure_all(self) -> None:
        """Everybody's usual configuration: workers have what their site has, the coordinator all of it."""
        for post in self.ground.posts.values():
            self.configure(post.name, self.allow(post.site))
        self.configure("coordinator", "".join(map(self.allow, self.ground.estates)))

    def begin_again(
        self, output: Path, *, rate: float = 2000.0, per_prefix_rate: float = 2000.0, patience: int = 20
    ) -> None:
        """For another sweep into another folder: nobody was asked yet, and everybody is there."""
        self.output, self.rate = output, rate
        self.per_prefix_rate, self.patience = per_prefix_rate, patience
        self.configure_all()
        for part in self.parts.values():
            if part.name != "coordinator" and not part.alive:
                part.start()
        for post in self.ground.posts.values():
            post.forget()

    def allow(self, site: str, prefixes: Sequence[str] | None = None) -> str:
        """The part of an allow-list that is about one site."""
        wanted = (self.scopes or self.ground.prefixes)[site] if prefixes is None else prefixes
        return "".join(
            f'[[allow]]\ncidr = "{prefix}"\nowner = "web platform"\nsite = "{site}"\n' for prefix in wanted
        )

    def configure(self, name: str, scope: str) -> Path:
        """Write somebody's configuration; takes force when its process starts, or at its next shard."""
        sweep = QUICK.format(rate=self.rate, per_prefix_rate=self.per_prefix_rate)
        role = name if name == "coordinator" else f"workers/{name}"
        fleet = (
            f'[fleet]\nscheduler = "{ADDRESS}"\ncertificates = "{self.home}/authority/{role}"\n'
            f"patience = {self.patience}\nshard_seconds = 1\n"
        )
        path = self.home / f"{name}.toml"
        path.write_text(scope + sweep + fleet)
        return path

    def scheduler(self) -> Part:
        """Start it, and wait until it listens."""
        folder = self.home / "authority" / "scheduler"
        listen = ADDRESS.removeprefix("tls://")
        words = ["fleet", "scheduler", "--listen", listen, "--certificates", str(folder)]
        part = self._part("scheduler", self.ground.hub, words).start()
        end = time.monotonic() + 60
        while "listens at" not in part.said:
            if not part.alive or time.monotonic() > end:
                raise RuntimeError(f"the scheduler did not start: {part.said}")
            time.sleep(0.05)
        return part

    def worker(self, name: str) -> Part:
        """Start the one of a place."""
        where = self.ground.posts[name].namespace
        words = ["fleet", "worker", ADDRESS, "-c", str(self.home / f"{name}.toml")]
        words += ["--spool", str(self.home / "spool" / name)]
        (self.home / "spool").mkdir(exist_ok=True)
        return self._part(name, where, words).start()

    def sweep(self, *arguments: str) -> Part:
        """Start a coordinator, or the next one."""
        words = ["sweep", "--fleet", ADDRESS, "-c", str(self.home / "coordinator.toml")]
        words += ["-o", str(self.output), *arguments]
        return self._part("coordinator", self.ground.hub, words).start()

    def _part(self, name: str, where: Namespace, words: list[str]) -> Part:
        before = self.parts.get(name)
        environment = os.environ | {
            "HOME": str(self.home),
            "HASTE": str(self.haste),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "haste"), str(ROOT)]),
        }
        part = Part(
            name,
            where,
            [sys.executable, "-P", "-m", "scanner", *words],
            self.home / f"{name}.log",
            environment,
            deaths=before.deaths if before else 0,
        )
        self.parts[name] = part
        return part

    def end(self) -> None:
        """Take all of it away."""
        for part in self.parts.values():
            part.end()

    # -- the coordinator's run

    @property
    def runs(self) -> Path:
        """Where its only run is."""
        return self.output


@contextlib.contextmanager
def running(fleet: Fleet) -> Iterator[Fleet]:
    """A fleet whose scheduler and workers run while the block does."""
    try:
        fleet.scheduler()
        workers = [fleet.worker(name) for name in fleet.ground.posts]
        end = time.monotonic() + 60
        while not all("is there, at" in worker.said for worker in workers):
            if time.monotonic() > end:
                raise RuntimeError("".join(worker.said for worker in workers))
            time.sleep(0.05)
        yield fleet
    finally:
        fleet.end()


__all__ = ["ADDRESS", "PORT", "Fleet", "Part", "certify", "children_of", "running"]
