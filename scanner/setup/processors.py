"""How many processes a sweep's conversations are spread over on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scanner.setup.choices import WorkerCount

MOST_BY_ITSELF = 8  # workers that `auto` starts; the loop that feeds them has one core
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of the container or service: "max 100000", or microseconds of them


def worker_count(asked: WorkerCount) -> int:
    """How many workers: 1 means none beside the loop. They need Linux, where sockets are handed on."""
    if sys.platform != "linux":
        return 1
    return min(processors(), MOST_BY_ITSELF) if asked == "auto" else asked


def processors(quota: Path = _QUOTA) -> int:
    """Processors that this process may use at the same time, rounded down; at least one."""
    ours = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    try:
        most, period = quota.read_text().split()
        ours = min(ours, int(most) // int(period))
    except (OSError, ValueError, ZeroDivisionError):  # no such group, or "max"
        pass
    return max(1, ours)
