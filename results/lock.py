"""The single-writer lock of a directory: an flock on a file in it that is never removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from typing import TYPE_CHECKING

from results.files import FILE_MODE, DirectoryBusyError, StorageRefusedError, explain, remedy_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOCK_FILE = "lock"
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_LOOK = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a FIFO is not waited for
TRIES = 6
_PAUSE = 0.05  # a listing of runs holds the lock for microseconds; a run holds it for hours


class Lock:
    """Held from `acquire` to `release`, or to the death of the process.

    flock and not a file with a process number, which outlives its process; and not POSIX record locks, which
    vanish when any descriptor of the file is closed. Whoever removes the lock file by hand makes it possible
    to lock a second one of the same name, so the inode is compared with the name, here and by `still_held`.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(
        cls,
        directory: Path,
        note: str = "",
        pause: Callable[[float], None] = time.sleep,
        *,
        name: str = LOCK_FILE,
        by: str = "run",
        tries: int = TRIES,
    ) -> Lock:
        """Take the lock of `directory` and leave `note` in it for people.

        Raises `DirectoryBusyError` when another process has it, after `tries` looks (a third of a second),
        and `StorageRefusedError` when the file cannot be opened.
        """
        path = directory / name
        for attempt in range(tries):
            if attempt:
                pause(_PAUSE)
            try:
                descriptor = os.open(path, _OPEN, FILE_MODE)
            except OSError as error:
                raise StorageRefusedError(path, explain(error), remedy_for(error)) from error
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                os.close(descriptor)
                raise StorageRefusedError(path, "it is no plain file", "remove it, when no sweep runs there")
            if _locked(descriptor) and _is_named(descriptor, path):
                lock = cls(path, descriptor)
                if note:
                    lock.leave(note)
                return lock
            os.close(descriptor)
        by_whom = holder(directory, name)
        raise DirectoryBusyError(
            directory,
            f"another {by} holds this directory" + (f" ({by_whom})" if by_whom else ""),
            "wait for it or use another --output",
        )

    def leave(self, note: str) -> None:
        """Leave a note for whoever finds the lock."""
        with contextlib.suppress(OSError):  # a full disk: the note is for people only
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, note.encode("ascii", "backslashreplace")[:200], 0)

    def still_held(self) -> bool:
        """False when the lock file was removed or replaced, so that it keeps nobody out any more."""
        return _is_named(self._descriptor, self.path)

    def release(self) -> None:
        """Let go; safe to repeat. The file stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_held(directory: Path) -> bool:
    """True when a living process holds the lock of `directory`, or when that cannot be asked. Creates
    nothing."""
    try:
        descriptor = os.open(directory / LOCK_FILE, _LOOK)
    except PermissionError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        os.close(descriptor)
        raise
    return True


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        ours, named = os.fstat(descriptor), path.stat(follow_symlinks=False)
    except OSError:
        return False
    return (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino)


def holder(directory: Path, name: str = LOCK_FILE) -> str:
    """The note that whoever took a lock last left in it, "" where there is none."""
    try:
        descriptor = os.open(directory / name, _LOOK)
    except OSError:
        return ""
    try:
        note = os.read(descriptor, 200).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
    return "".join(character for character in note if character.isprintable())
