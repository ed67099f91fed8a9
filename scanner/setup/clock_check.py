"""Whether the clock can be right. One that is behind would accept an authorisation that has expired.

Nobody is asked. What has happened proves that it is later: this version was made, and the kernel noted by its
own clock when it last changed a file (st_ctime of stat(2), which no copy, archive or checkout carries along).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import scanner
from scanner.errors import RefusedError
from scanner.setup.config_file import find_config
from targets import special

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scanner.clock import Clock

SLACK = 86400.0  # seconds: a file server's clock and a wrong time zone are not worth a refusal


class ClockFault(NamedTuple):
    """Why the clock cannot be right, and what to do."""

    found: str
    remedy: str


def witnesses(
    config: str | None, scope_file: str | None, output: str | None = None, resume: str | None = None
) -> list[Path]:
    """What was there before the command began: the program, the files that it reads, the runs before it."""
    folder = Path(output or os.environ.get("MONGOSWEEP_OUTPUT") or "runs")
    found = [Path(scanner.__file__), folder]
    found += [Path(name) for name in (find_config(config, os.environ), scope_file) if name is not None]
    if resume is not None:
        found += [folder / resume / "manifest.json", Path(resume) / "manifest.json"]
    return found


def clock_fault(now: float, seen: Iterable[Path]) -> ClockFault | None:
    """What proves that it is later than `now` (wall time in seconds); None while nothing does."""
    made = datetime.fromisoformat(special.AS_OF).replace(tzinfo=UTC)
    if now < made.timestamp():
        return ClockFault(f"the clock says {_day(now)}, before this version was made", "set the clock (NTP)")
    changed = [(when, path) for path in seen if (when := _changed(path)) > now + SLACK]
    if not changed:
        return None
    when, path = max(changed)
    return ClockFault(
        f"the clock says {_day(now)}, but {path} was changed on {_day(when)}",
        f"set the clock (NTP), or touch {path} if it is right now and was wrong then",
    )


def require_clock(clock: Clock, seen: Iterable[Path]) -> float:
    """Wall time in seconds, for whoever judges by it what has expired. Raises RefusedError."""
    now = clock.wall()
    fault = clock_fault(now, seen)
    if fault is not None:
        raise RefusedError(f"{fault.found}; {fault.remedy}")
    return now


def _changed(path: Path) -> float:
    try:
        return path.stat().st_ctime
    except (OSError, ValueError):
        return 0.0


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
