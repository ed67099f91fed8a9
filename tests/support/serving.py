"""`mongosweep serve` as a process, over a folder with a configuration of its own, and what it wrote down."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.service.store import StoreReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scanner.service.jobs import Job, ServiceStatus

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds that only a hang reaches


def wait_until(true: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"{what} did not come about"
        time.sleep(0.02)


class Serving:
    """The service of one folder: its process, its file, what it said."""

    def __init__(self, home: Path, process: subprocess.Popen[bytes], err: Path) -> None:
        self.home = home
        self.runs = home / "runs"
        self.process = process
        self._err = err
        self._reader = StoreReader(self.runs)

    @property
    def said(self) -> str:
        return self._err.read_text()

    def status(self) -> ServiceStatus | None:
        found = self._reader.status()
        return found if found is not None and found.pid == self.process.pid else None

    def warnings(self) -> tuple[str, ...]:
        status = self.status()
        return status.warnings if status is not None else ()

    def ended(self, kind: str) -> list[Job]:
        """Jobs of this kind that have ended, the oldest first."""
        return [job for job in reversed(self._reader.jobs(limit=1000)) if job.kind == kind]

    def running(self, kind: str) -> Job | None:
        """The job of this kind that runs, once its run is known."""
        status = self.status()
        jobs = status.running if status is not None else ()
        return next((job for job in jobs if job.kind == kind and job.run_id), None)

    def wait_for_running(self, kind: str) -> Job:
        wait_until(lambda: self.running(kind) or self._require_alive(), f"a running {kind}")
        found = self.running(kind)
        assert found is not None
        return found

    def wait_for_end(self, kind: str, count: int = 1) -> list[Job]:
        wait_until(lambda: len(self.ended(kind)) >= count, f"the end of {count} {kind}")
        return self.ended(kind)

    def page(self) -> int:
        """The process of its page, once it can be reached."""
        wait_until(lambda: "the page is at" in self.said or self._require_alive(), "the page")
        (found,) = self.pages()
        return found

    def pages(self) -> list[int]:
        return [pid for pid, line in children(self.process.pid) if b"scanner.service.web" in line]

    def end(self) -> int:
        """Tell it to end, and wait."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def _require_alive(self) -> bool:
        assert self.process.poll() is None, self.said
        return False


def children(parent: int) -> list[tuple[int, bytes]]:
    """Processes that a process started, with their command lines."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with contextlib.suppress(OSError):  # it may end between the calls
                fields = (place / "stat").read_text().rsplit(")", 1)[1].split()
                if int(fields[1]) == parent:
                    found.append((int(place.name), (place / "cmdline").read_bytes()))
    return found


@contextlib.contextmanager
def serving(home: Path, *words: str, **environment: str) -> Iterator[Serving]:
    """Have a service while the context lasts."""
    number = len(list(home.glob("serve-*.err")))
    err = home / f"serve-{number}.err"
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MONGOSWEEP_")}
    given = inherited | {"PYTHONPATH": str(ROOT), "HOME": str(home), "TMPDIR": str(home), **environment}
    with err.open("wb") as into:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "scanner", "serve", *words],
            cwd=home,
            env=given,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=into,
        )
    service = Serving(home, process, err)
    try:
        yield service
    finally:
        if process.poll() is None:
            service.end()
