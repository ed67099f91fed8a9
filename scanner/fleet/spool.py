"""A worker's folder of its own runs over shards: what an earlier attempt left of one, and what is removed.

SPOOL/RUN_ID/NAME/shard.lock      held by the process that sweeps this shard
SPOOL/RUN_ID/NAME/shard.json      the shard for which the run beside it was begun, its rows as a hash
SPOOL/RUN_ID/NAME/ended.json      what was said of its end, once that is sealed
SPOOL/RUN_ID/NAME/RUN_ID/…        the run itself (`results/run.py`)
SPOOL/RUN_ID/NAME/RUN_ID.before   the one before it, which could not be gone on with
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from typing import TYPE_CHECKING, Self

import msgspec

from results.files import (
    REAL,
    ResultsError,
    StorageRefusedError,
    read_newest_valid,
    write_durably,
)
from results.going_on import note_of
from results.lock import Lock
from results.place import make_directory, refusing
from results.run import load_manifest
from scanner.fleet.messages import Ended, Shard, decode, decode_shard, encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from results.manifest import Manifest

KEPT = 32  # finished shards that are kept,
MOST = 512  # and shards at all
KEPT_SECONDS = 86_400.0  # for which anything is kept, finished or not
LOCK = "shard.lock"
_SHARD, _ENDED = "shard.json", "ended.json"
_TRIES = 3  # to make a folder that somebody else is removing


class Entry:
    """One shard's folder, locked for this process. A context manager."""

    def __init__(self, path: Path, run_id: str, lock: Lock) -> None:
        self.path = path
        self.run = path / run_id
        self._lock = lock

    @classmethod
    def take(cls, spool: Path, shard: Shard) -> Entry:
        """The shard's folder, made if need be. Raises DirectoryBusyError while another process has it, and
        StorageRefusedError."""
        path = spool / shard.run_id / shard.name
        for left in reversed(range(_TRIES)):
            with refusing(path):
                make_directory(REAL, path)
            try:
                lock = Lock.acquire(path, note_of(shard.run_id), name=LOCK, by="process")
            except StorageRefusedError:
                if left and not path.is_dir():
                    continue
                raise
            return cls(path, shard.run_id, lock)
        raise AssertionError("unreachable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def manifest(self, shard: Shard) -> Manifest | None:
        """Of a run that was begun for this very shard; None where there is none that can be read."""
        try:
            begun = read_newest_valid(self.path / _SHARD, decode_shard)
            if begun != _essence(shard):
                return None
            return load_manifest(self.run)[0]
        except ResultsError:
            return None

    def begin_anew(self, shard: Shard) -> None:
        """Put aside what is there, and note for what the next run is begun. Raises StorageRefusedError."""
        before = self.run.with_name(f"{self.run.name}.before")
        with refusing(self.path):
            (self.path / _ENDED).unlink(missing_ok=True)
            if self.run.exists():
                shutil.rmtree(before, ignore_errors=True)
                self.run.rename(before)
            write_durably(REAL, self.path / _SHARD, encode(_essence(shard)), keep_previous=False)

    def keep(self, ended: Ended) -> None:
        """Keep what is said of the end. Raises StorageError."""
        write_durably(REAL, self.path / _ENDED, encode(ended), keep_previous=False)

    def ended(self) -> Ended | None:
        """What was said of the end; None where nothing was, or it cannot be read."""
        try:
            found = read_newest_valid(self.path / _ENDED, decode)
        except ResultsError:
            return None
        return found if isinstance(found, Ended) else None


def _essence(shard: Shard) -> Shard:
    """What must be the same for a run to be gone on with."""
    rows = [hashlib.sha256("\n".join(shard.rows).encode()).hexdigest()]
    return msgspec.structs.replace(shard, attempt=1, sent_at="", rate=1.0, rows=rows, watched=[])


def clean(spool: Path, now: float) -> None:
    """Remove what is old, and all but the newest of what is finished; never a shard that a process has.
    `now` is wall time in seconds. What cannot be removed stays."""
    finished = 0
    for number, (at, path) in enumerate(sorted(_entries(spool), reverse=True)):
        over = (path / _ENDED).exists()
        finished += over
        if now - at <= KEPT_SECONDS and number < MOST and (finished <= KEPT or not over):
            continue
        try:
            lock = Lock.acquire(path, name=LOCK, tries=1)
        except ResultsError:
            continue
        shutil.rmtree(path, ignore_errors=True)
        lock.release()
        with contextlib.suppress(OSError):
            path.parent.rmdir()  # when that was the last of its run


def _entries(spool: Path) -> Iterator[tuple[float, Path]]:
    """Every shard's folder, with when a process took it last."""
    for run in _folders(spool):
        for path in _folders(run):
            with contextlib.suppress(OSError):
                yield (path / LOCK).stat().st_mtime, path


def _folders(path: Path) -> list[Path]:
    try:
        return [each for each in path.iterdir() if each.is_dir() and not each.is_symlink()]
    except OSError:
        return []
