"""SIGKILL at random instants of a real `mongosweep sweep` process, and of each process that resumes it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from random import Random
from typing import TYPE_CHECKING

from tests.support.processes import workers_of
from tests.torture.trial import KEPT, Tally, lanes, run_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.lab import Ground

KILLS_PER_RUN = 5
PATIENCE = 300.0  # on a machine that has much else to do
COMPLETE = b"this run is complete"


class Victim:
    """One run, killed and resumed until it is complete."""

    latest = 0.5  # seconds after the beginning of its sweep at which a process is killed

    def __init__(self, ground: Ground, place: Path, number: int, tally: Tally, workers: int = 1) -> None:
        self.random = Random(number)
        self.workers = workers
        self.ground = ground
        self.place = place
        self.output = place / "runs"
        self.tally = tally
        self.everything = self.random.random() < 0.5
        self.seed = number
        self.truth = ground.truth(number)
        place.mkdir(parents=True)
        ground.write_config(place / "mongosweep.toml")

    def command(self) -> list[str]:
        """The words that begin a new run, or go on with the old one."""
        command = [sys.executable, "-m", "tests.torture.launch", "sweep", "-q", "--json"]
        command += ["-c", str(self.place / "mongosweep.toml"), "-o", str(self.output)]
        command += ["--workers", str(self.workers)]
        if self.everything:
            command.append("--all")
        run = run_in(self.output)
        if run is None:
            command += ["--seed", str(self.seed)]
        else:
            command += ["--resume", run.name]
            self.tally.add(resumes=1)
        return command

    def start(self) -> subprocess.Popen[bytes]:
        """A new run, or the old one again."""
        return subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def segments(self) -> int:
        """How many segments the run has now."""
        return len(list(self.output.glob("2*/observations-*")))

    def wait_for_a_segment(self, process: subprocess.Popen[bytes], before: int) -> None:
        """Until the sweep of this process is about to begin, or the process is gone."""
        end = time.monotonic() + PATIENCE
        while process.poll() is None and self.segments() <= before and time.monotonic() < end:
            time.sleep(0.005)

    def wait_for_workers(self, process: subprocess.Popen[bytes]) -> None:
        """Until they are there; what they need to get ready is left to chance."""
        end = time.monotonic() + PATIENCE
        while (
            self.workers > 1
            and process.poll() is None
            and len(workers_of(process.pid)) < self.workers
            and time.monotonic() < end
        ):
            time.sleep(0.02)
        if self.workers > 1:
            time.sleep(self.random.uniform(0.0, 1.5))

    def kill(self) -> bool:
        """Start and kill. False when the process came to its end first."""
        segments = self.segments()
        process = self.start()
        if self.random.random() < 0.7:
            # Most instants are to fall into the sweep, not into the start of an interpreter.
            self.wait_for_a_segment(process, segments)
            self.wait_for_workers(process)
            pause = self.random.uniform(0, self.latest)
        else:
            pause = self.random.uniform(0, 1.0)
        for worker in workers_of(process.pid) if self.random.random() < 0.5 else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, self.random.choice((signal.SIGKILL, signal.SIGSTOP)))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(pause)
        if self.segments() > segments and self.random.random() < 0.25:
            process.send_signal(signal.SIGINT)  # and then it dies while it closes its accounts
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.random.uniform(0, 0.4))
        process.kill()
        _, errors = process.communicate()
        if process.returncode != -signal.SIGKILL:
            self._came_to_an_end(process.returncode, errors)
            return False
        self.tally.add(deaths=1)
        run = run_in(self.output)
        if run is not None:
            self.tally.examine(run, self.truth, f"after a kill of run {self.seed}")
        return True

    def _came_to_an_end(self, code: int, errors: bytes) -> None:
        """0, 1: complete; 3 and 130: interrupted by us; 2: it was complete before."""
        fine = code in (0, 1, 3, 130, -signal.SIGINT) or (code == 2 and COMPLETE in errors)
        if not fine or b"Traceback" in errors:
            self.tally.blame(f"run {self.seed} ended with {code}: {errors.decode()[-300:]}")

    def finish(self) -> None:
        """Resume without any more harm; it must come to its end and have everything."""
        process = self.start()
        try:
            _, errors = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGUSR1)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2)
            process.kill()
            _, errors = process.communicate()
            self.tally.blame(f"run {self.seed} hung: {errors.decode()[-2000:]}")
            return
        if process.returncode != 1 and not (process.returncode == 2 and COMPLETE in errors):
            self.tally.blame(f"run {self.seed} ended with {process.returncode}: {errors.decode()[-300:]}")
        run = run_in(self.output)
        if run is None:
            self.tally.blame(f"run {self.seed} has no directory")
            return
        self.tally.examine(run, self.truth, f"at the end of run {self.seed}", ended=True)


def torture(
    ground: Ground, place: Path, deaths: int, *, first: int = 0, width: int = 2, workers: int = 1
) -> Tally:
    """At least so many deaths, in runs of up to five deaths each. With workers these are killed, too."""
    tally = Tally("SIGKILL at random" if workers == 1 else f"SIGKILL, {workers} workers")
    began = time.monotonic()

    def one(number: int) -> None:
        if tally.deaths >= deaths or len(tally.violations) >= KEPT:
            return
        victim = Victim(ground, place / f"run-{number}", number, tally, workers)
        for _ in range(victim.random.randint(1, KILLS_PER_RUN)):
            victim.kill()
        victim.finish()
        if tally.sound:
            shutil.rmtree(victim.place)

    lanes(width, list(range(first, first + deaths + 50)), one)
    tally.seconds = time.monotonic() - began
    return tally
