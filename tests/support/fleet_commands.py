"""The commands of a fleet as processes on loopback, with certificates of an authority of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.fleet.authority import Own, Role, read_own
from scanner.fleet.issuing import issue, make_authority

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
LISTENS = re.compile(r"^the scheduler listens at (tls://127\.0\.0\.1:\d+)$", re.MULTILINE)
PATIENCE = 60.0  # seconds; only what hangs takes so long
CONFIG = """
[organisation]
name = "Example"

[[allow]]
cidr = "127.77.1.0/30"
owner = "tests"
site = "paris"
kind = "lab"

[[allow]]
cidr = "127.77.2.0/30"
owner = "tests"
site = "london"
kind = "lab"
"""


class Commands:
    """An authority, and the processes that were started with its certificates. Closing it ends them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = ""
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(exist_ok=True)
        make_authority(folder / "ca", time.time())
        (folder / "worker.toml").write_text(CONFIG)

    def certificates(self, role: Role, name: str = "", site: str = "", *, now: float | None = None) -> Path:
        """A folder of certificates for somebody, valid from `now` on."""
        at = time.time() if now is None else now
        return issue(self.folder / "ca", role, name or role, at, site=site).folder

    def own(self, role: Role, name: str = "", site: str = "") -> Own:
        return read_own(self.certificates(role, name, site), role, time.time(), site)

    def start(self, label: str, *words: str) -> subprocess.Popen[bytes]:
        """`mongosweep fleet …` in the background; its stderr is `log(label)`."""
        with (self.folder / f"{label}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "scanner", "fleet", *words],
                stdout=subprocess.DEVNULL,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,
            )
        self.processes[label] = process
        return process

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`mongosweep fleet …` to its end."""
        return subprocess.run(
            [sys.executable, "-P", "-m", "scanner", "fleet", *words],
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=self.environment(),
            timeout=PATIENCE,
            check=False,
        )

    def start_scheduler(self) -> None:
        """Start it, or start it again where it was; returns when it listens."""
        port = self.address.rpartition(":")[2] or "0"
        before = len(self.log("scheduler"))
        folder = self.certificates("scheduler")
        self.start("scheduler", "scheduler", "--certificates", str(folder), "--listen", f"127.0.0.1:{port}")
        self.wait(lambda: LISTENS.search(self.log("scheduler"), before) is not None)
        found = LISTENS.search(self.log("scheduler"), before)
        assert found is not None
        self.address = found[1]

    def start_worker(self, name: str, site: str, *words: str, label: str = "") -> subprocess.Popen[bytes]:
        """A worker of a site; it connects while the test goes on."""
        given = ["--certificates", str(self.certificates("worker", name, site)), "--spool", f"spool-{name}"]
        listen = ["--listen", "127.0.0.1:0", "-c", "worker.toml"]
        return self.start(label or name, "worker", self.address, *given, *listen, *words)

    def log(self, label: str) -> str:
        file = self.folder / f"{label}.log"
        return file.read_text() if file.exists() else ""

    def wait_for(self, label: str, text: str, times: int = 1) -> None:
        """Until the process has written a text so often."""
        self.wait(lambda: self.log(label).count(text) >= times, lambda: self.log(label))

    def wait(self, done: Callable[[], bool], said: Callable[[], str] = lambda: "") -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, said()
            time.sleep(0.05)

    def close(self) -> None:
        """End everybody, frozen ones too."""
        for process in self.processes.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
