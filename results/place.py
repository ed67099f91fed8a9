"""Is this directory fit to take a run's results? Asked before the first packet."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from results.files import (
    FileSystem,
    ResultsError,
    StorageError,
    StorageRefusedError,
    explain,
    remedy_for,
    write_whole,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEED_INODES = 16
_PROBE_FILE = "probe.tmp"
_PROBE_BYTES = 64 * 1024


def make_directory(fs: FileSystem, path: Path) -> None:
    """Make `path` and what is missing above it, durably. Raises `StorageRefusedError` and `OSError`."""
    if path.is_dir():
        # Whoever made it may have died before it was durable. A parent that may not be read cannot be synced.
        with contextlib.suppress(OSError):
            fs.fsync_dir(path.parent)
        return
    above = path
    while not above.exists() and above.parent != above:
        above = above.parent
    if not above.is_dir():
        raise StorageRefusedError(
            above, "a file stands where a directory is needed", "give another directory with --output"
        )
    if path.parent != path:
        make_directory(fs, path.parent)
    try:
        fs.mkdir(path)
    except FileExistsError:
        if not path.is_dir():  # otherwise somebody else made it meanwhile
            raise
    fs.fsync_dir(path.parent)


def prove_writable(fs: FileSystem, directory: Path, need_bytes: int) -> None:
    """A write, an fsync and a removal: a full or broken disk may show itself only at the fsync.

    Raises `StorageRefusedError` when less than `need_bytes` is free, and `OSError`.
    """
    free = fs.statvfs(directory)
    available = free.f_bavail * free.f_frsize
    if available < need_bytes:
        raise StorageRefusedError(
            directory,
            f"only {available} bytes are free there, {need_bytes} are needed",
            "free space or give another directory with --output",
        )
    if free.f_files and free.f_favail < NEED_INODES:
        raise StorageRefusedError(
            directory,
            f"only {free.f_favail} more files fit there",
            "remove files or give another directory with --output",
        )
    probe = directory / _PROBE_FILE
    with contextlib.suppress(FileNotFoundError):
        fs.unlink(probe)
    descriptor = fs.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
    try:
        write_whole(fs, descriptor, b"\0" * _PROBE_BYTES)
        fs.fsync(descriptor)
    finally:
        fs.close(descriptor)
        with contextlib.suppress(OSError):
            fs.unlink(probe)


@contextlib.contextmanager
def refusing(place: Path) -> Iterator[None]:
    """Whatever storage says before a run starts is a refusal: nothing was sent."""
    try:
        yield
    except StorageError as error:
        raise StorageRefusedError(error.place, error.reason, error.remedy) from error
    except ResultsError:
        raise
    except FileExistsError as error:
        raise StorageRefusedError(
            error.filename or place, "it exists already", "give another name for the run or the directory"
        ) from error
    except OSError as error:
        raise StorageRefusedError(error.filename or place, explain(error), remedy_for(error)) from error
