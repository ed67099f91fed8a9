"""A real `mongosweep sweep` on a real ext4 that is shut down under it, as when the power goes.

EXT4_IOC_SHUTDOWN with NOLOGFLUSH stops the file system without writing its log: what no fsync forced is gone
after the next mount, and every later call of the process ends in EIO. It needs root, loop devices and a mount
namespace of its own: `python -m tests.torture.shutdown` is started inside one by `torture`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

from tests.torture.kills import Victim
from tests.torture.lab import Ground
from tests.torture.trial import Tally, run_in

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2
MEBIBYTES = 48
COMPLETE = (0, 1)  # exit codes of a sweep that reached everything
STORAGE = 4  # exit code of a sweep whose storage failed
_TOOLS = ("mkfs.ext4", "unshare", "mount", "umount")


def missing() -> str:
    """Why this machine cannot do it; empty when it can."""
    if os.geteuid() != 0:
        return "it needs root"
    if absent := [tool for tool in _TOOLS if shutil.which(tool) is None]:
        return f"{absent[0]} is not installed"
    tried = subprocess.run(
        ["unshare", "--mount", "losetup", "--find"], capture_output=True, text=True, check=False
    )
    return "" if tried.returncode == 0 else f"no loop device: {tried.stderr.strip()}"


def torture(ground: Ground, place: Path, losses: int, *, first: int = 0) -> Tally:
    """At least so many shutdowns, counted by a process in a mount namespace of its own."""
    tally = Tally("loss of power, ext4")
    began = time.monotonic()
    place.mkdir(parents=True, exist_ok=True)
    job = [str(place), json.dumps(dataclasses.asdict(ground)), str(losses), str(first)]
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m", __spec__.name, *job]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        tally.blame(f"the harness itself failed: {done.stderr[-600:]}")
    else:
        found = json.loads(done.stdout)
        for key in ("deaths", "resumes", "lost", "torn", "duplicates", "violations"):
            setattr(tally, key, found[key])
        tally.notes.update(found["notes"])
    tally.seconds = time.monotonic() - began
    return tally


class Disk:
    """One image file and where it is mounted."""

    def __init__(self, place: Path) -> None:
        self.image = place / "image"
        self.mounted_at = place / "disk"
        self.mounted_at.mkdir(parents=True)
        with self.image.open("wb") as file:
            file.truncate(MEBIBYTES << 20)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(self.image)], check=True)

    def mount(self) -> None:
        """Replay the log, as after a start of the machine."""
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.mounted_at)], check=True)

    def shut_down(self) -> None:
        """The power goes."""
        descriptor = os.open(self.mounted_at, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Let go of it; a process that still holds a file is given a moment."""
        for _ in range(50):
            if (
                subprocess.run(["umount", str(self.mounted_at)], capture_output=True, check=False).returncode
                == 0
            ):
                return
            time.sleep(0.1)
        subprocess.run(["umount", "--lazy", str(self.mounted_at)], check=True)


class Unpowered(Victim):
    """A run whose output directory is on the disk that loses power."""

    def __init__(self, ground: Ground, place: Path, number: int, tally: Tally) -> None:
        super().__init__(ground, place, number, tally)
        self.disk = Disk(place)
        self.output = self.disk.mounted_at / "runs"
        self.disk.mount()

    def lose_power(self) -> None:
        """Start, shut the file system down at some instant, see the process stop by itself, mount again."""
        before = self.segments()
        process = self.start()
        self.wait_for_a_segment(process, before)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.random.uniform(0, 0.5))
        running = process.poll() is None
        self.disk.shut_down()
        self.tally.add(deaths=1)
        try:
            _, errors = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            _, errors = process.communicate()
            self.tally.blame(f"run {self.seed} went on for 20 s over a dead disk")
        if running:
            self.tally.add(note=f"ended with {process.returncode}")
            if process.returncode not in (STORAGE, 2, *COMPLETE) or b"Traceback" in errors:
                self.tally.blame(f"run {self.seed} ended with {process.returncode}: {errors.decode()[-300:]}")
        self.disk.unmount()
        self.disk.mount()
        run = run_in(self.output)
        if run is not None:
            # A process that said that it came to its end before the power went must be believed for ever.
            ended = process.returncode in COMPLETE
            self.tally.examine(run, self.truth, f"after a shutdown of run {self.seed}", ended=ended)


def _main(place: Path, ground: Ground, losses: int, first: int) -> None:
    tally = Tally("loss of power, ext4")
    number = first
    while tally.deaths < losses:
        victim = Unpowered(ground, place / f"ext4-{number}", number, tally)
        try:
            for _ in range(victim.random.randint(1, 4)):
                victim.lose_power()
            victim.finish()
        finally:
            victim.disk.unmount()
        shutil.rmtree(victim.place)
        number += 1
    print(  # noqa: T201 - how the parent learns the result
        json.dumps(
            {
                "deaths": tally.deaths,
                "resumes": tally.resumes,
                "lost": tally.lost,
                "torn": tally.torn,
                "duplicates": tally.duplicates,
                "violations": tally.violations,
                "notes": tally.notes,
            }
        )
    )


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Ground(**json.loads(sys.argv[2])), int(sys.argv[3]), int(sys.argv[4]))
