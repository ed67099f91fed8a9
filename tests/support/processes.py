"""Sweeps as processes: how one is started, when it is under way, and which signals it takes."""

from __future__ import annotations

import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess


def command(config: Path, *arguments: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "scanner",
        "sweep",
        "-c",
        str(config),
        "-o",
        str(config.parent / "runs"),
        *arguments,
    ]


def only_run(config: Path) -> Path:
    (manifest,) = (config.parent / "runs").glob("2*/manifest.json")
    return manifest.parent


def wait_for_run(process: subprocess.Popen[bytes], config: Path, seconds: float) -> Path:
    """Until the sweep of this process is under way and hears signals, and so many seconds more."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if list((config.parent / "runs").glob("2*/observations-0001.jsonl")) and catches_signals(process):
            time.sleep(seconds)
            return only_run(config)
        assert process.poll() is None, "the sweep ended before it began"
        time.sleep(0.02)
    raise AssertionError("the sweep did not start")


def catches_signals(process: subprocess.Popen[bytes]) -> bool:
    """Whether SIGHUP has a handler; on systems that do not tell, it is taken to have one."""
    return signal.SIGHUP in signals(process, "SigCgt", {signal.SIGHUP})


def signals(process: subprocess.Popen[bytes], field: str, untold: set[int]) -> set[int]:
    """A set of signals from the process's status: caught (SigCgt), sent and not yet taken (ShdPnd)."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except FileNotFoundError:  # not Linux
        return untold
    found = re.search(rf"^{field}:\s*([0-9a-f]+)", status, re.MULTILINE)
    return {number for number in range(1, 64) if found and int(found[1], 16) >> (number - 1) & 1}


def workers_of(parent: int) -> list[int]:
    """Worker processes of a sweep that is a process, and zombies among its children."""
    found = []
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        with suppress(OSError):  # it may end between the calls
            fields = (place / "stat").read_text().rsplit(")", 1)[1].split()
            line = (place / "cmdline").read_bytes()
            if int(fields[1]) == parent and (b"scanner.engine.worker" in line or fields[0] == "Z"):
                found.append(int(place.name))
    return found


def watch_memory(process: subprocess.Popen[bytes]) -> int:
    """Wait for a process; the peak of its resident set, KiB.

    Not `ru_maxrss`: Linux carries the parent's own peak over fork and exec into it.
    """
    peak = 0
    while process.poll() is None:
        with suppress(OSError):  # it may end between the two calls
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max([peak, *(int(kib) for kib in re.findall(r"VmHWM:\s+(\d+)", status))])
        time.sleep(0.02)
    return peak
