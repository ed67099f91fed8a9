"""`progress.json` of a run directory: how far the run is, for whoever looks while it goes on.

Nothing rests on it. The run replaces it about once a second, without an fsync, and removes it at its end; one
that was killed leaves its last.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from results.files import FILE_MODE, read_whole

if TYPE_CHECKING:
    from pathlib import Path

PROGRESS_FILE = "progress.json"
PROGRESS_SCHEMA = "mongosweep.progress/1"
_TEMPORARY = "progress.json.tmp"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Progress(Struct, frozen=True, kw_only=True):
    """Where a run stands. Counts are of targets, of this start and those before it.

    `at`: when this was written (RFC 3339, UTC). `asked`: to whom a packet has gone. `done`: those with an
    outcome; who is asked again has kept one. `answered`: those that said anything. `elapsed`: seconds of
    work; `remaining`: seconds, None where nobody can say; `rate`: new connections or SYNs a second.
    `position` of `positions`: about the targets whose step of the run's order lies before it were asked; of
    those taken from the order, the part that waits for the turn of its prefix is taken off.
    """

    schema: str = PROGRESS_SCHEMA
    run_id: str
    at: str
    planned: int
    asked: int
    done: int
    open: int
    answered: int = 0
    in_flight: int = 0
    elapsed: float = 0.0
    rate: float = 0.0
    remaining: float | None = None
    slowed_by: str = ""
    paused_by: str = ""
    position: int = 0
    positions: int = 0


def write_progress(directory: Path, progress: Progress) -> None:
    """Replace the file in one step. What the disk says to that does not concern the run: it is passed over,
    for the journal meets the same disk, and is believed."""
    temporary = directory / _TEMPORARY
    with contextlib.suppress(OSError):
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        descriptor = os.open(temporary, _NEW, FILE_MODE)
        try:
            data = msgspec.json.encode(progress) + b"\n"
            whole = os.write(descriptor, data) == len(data)
        finally:
            os.close(descriptor)
        if whole:
            temporary.replace(directory / PROGRESS_FILE)


def remove_progress(directory: Path) -> None:
    """The run has ended, and its manifest says more."""
    for name in (PROGRESS_FILE, _TEMPORARY):
        with contextlib.suppress(OSError):
            (directory / name).unlink()


def read_progress(directory: Path) -> Progress | None:
    """What a run said last; None where it said nothing yet, or nothing that can be read."""
    try:
        found = msgspec.json.decode(read_whole(directory / PROGRESS_FILE, PROGRESS_FILE), type=Progress)
    except (OSError, ValueError, RecursionError):
        return None
    return found if found.schema == PROGRESS_SCHEMA else None
