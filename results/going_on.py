"""The runs that go on in an output directory now, by the locks that they hold, and whether another may
begin."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from results.files import DirectoryBusyError
from results.latest import is_link
from results.lock import holder, is_held
from results.manifest import MANIFEST_FILE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    WhyNot = Callable[[Path], str]
    """Of a run that goes on: why another must not begin beside it, as a clause; "" where it may."""

_NOTE = re.compile(r"run ([A-Za-z0-9._-]{1,64}), process ([0-9]{1,10})")


def note_of(run_id: str) -> str:
    """What a run writes into its lock, for people and for `process_of`."""
    return f"run {run_id}, process {os.getpid()}"


def process_of(run: Path) -> int:
    """The process that works on a run, or did last; 0 where nobody can tell."""
    found = _NOTE.fullmatch(holder(run))
    return int(found[2]) if found is not None and found[1] == run.name else 0


def going_on(output: Path, *, newest: int | None = None) -> Iterator[Path]:
    """The directories of runs whose process lives, the oldest first. With `newest`, among so many, and the
    one that was begun or taken up last. Nothing where the directory cannot be listed."""
    try:
        found = sorted(entry for entry in output.iterdir() if not is_link(entry))
    except OSError:
        return
    if newest is not None and len(found) > newest:
        last = _NOTE.fullmatch(holder(output))
        found = sorted({*found[-newest:], *([output / last[1]] if last is not None else [])})
    for run in found:
        if is_held(run) and (run / MANIFEST_FILE).is_file():
            yield run


def require_room(output: Path, run_id: str, why_not: WhyNot | None) -> None:
    """Raise `DirectoryBusyError` where a run goes on beside which this one must not begin; without `why_not`,
    where any does."""
    for run in going_on(output):
        reason = "" if why_not is None else why_not(run)
        if run.name != run_id and (why_not is None or reason):
            raise DirectoryBusyError(
                output,
                f"another run holds this directory ({holder(run)})" + (f": {reason}" if reason else ""),
                "wait for it or use another --output",
            )
