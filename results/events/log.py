"""`events.jsonl`, the one log of events of an output directory: how it is added to, and how it is read.

Lines are only ever added at its end, whole, by one process at a time, which holds `events.lock`. What stands
after the last newline is no line: a crash left it, or it is being written. No reader goes beyond that
newline, so the next writer may cut it off.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Final

from results.events.line import MAX_EVENT
from results.files import (
    REAL,
    CorruptError,
    FileSystem,
    explain,
    open_to_read,
    remedy_for,
    storage_error,
    write_whole,
)
from results.lock import Lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

EVENTS_FILE: Final = "events.jsonl"
LOCK_FILE: Final = "events.lock"
_TRIES: Final = 200  # looks for another process that writes, within ten seconds
_CHUNK: Final = 1 << 20  # bytes read at once
_AT_ONCE: Final = 64  # events written at once
_HEAD: Final = re.compile(rb'\{"schema":"mongosweep\.(?:run|change)/1","event_id":"(m[rc]_[0-9a-f]{24})"')


class EventLog:
    """The log, open for adding to it. Use it as a context manager, or call `close`."""

    def __init__(self, path: Path, lock: Lock, descriptor: int, fs: FileSystem) -> None:
        self.path = path
        self.ids: set[str] = set()
        """The ids of all events in it."""
        self._lock = lock
        self._descriptor = descriptor
        self._fs = fs

    @classmethod
    def open(cls, output: Path, *, fs: FileSystem = REAL, tries: int = _TRIES) -> EventLog:
        """Open it, or make it; cut off what a crash left after the last newline, and read all ids.

        Raises `DirectoryBusyError` when another process writes for ten seconds, `StorageRefusedError` where
        the lock cannot be, and `StorageError`.
        """
        path = output / EVENTS_FILE
        lock = Lock.acquire(output, "events", name=LOCK_FILE, by="process", tries=tries)
        with contextlib.ExitStack() as undo:
            undo.callback(lock.release)
            try:
                is_new = not path.exists()
                flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
                log = cls(path, lock, fs.open(path, flags), fs)
                undo.callback(fs.close, log._descriptor)
                if is_new:
                    fs.fsync_dir(output)
                log._cut_torn()
                if not is_new:
                    # Its last writer may have died before its own fsync: what is there counts as told now.
                    fs.fsync(log._descriptor)
                log.ids = {each.decode() for each in log._ids()}
            except OSError as error:
                raise storage_error(path, error) from error
            undo.pop_all()
        return log

    def append(self, lines: Iterable[tuple[str, bytes]]) -> int:
        """Add events by id, each a whole line with its newline, leaving out those that are there; returns how
        many were added. They are on the disk when this returns. Raises `StorageError`, after which this log
        must be closed."""
        before = len(self.ids)
        held: dict[str, bytes] = {}
        try:
            for event_id, line in lines:
                if event_id not in self.ids:
                    held.setdefault(event_id, line)
                if len(held) == _AT_ONCE:
                    self._write(held)
            self._write(held)
            if len(self.ids) > before:
                self._fs.fsync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                self._cut_torn()
            raise storage_error(self.path, error) from error
        return len(self.ids) - before

    def _write(self, held: dict[str, bytes]) -> None:
        if held:
            write_whole(self._fs, self._descriptor, b"".join(held.values()))
            self.ids.update(held)
            held.clear()

    def close(self) -> None:
        """Let go of the file and the lock. Safe to repeat."""
        if self._descriptor >= 0:
            self._fs.close(self._descriptor)
            self._descriptor = -1
        self._lock.release()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _cut_torn(self) -> None:
        """Take away what stands after the last newline."""
        size = end = os.fstat(self._descriptor).st_size
        while end > 0:
            start = max(0, end - _CHUNK)
            newline = os.pread(self._descriptor, end - start, start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < size:
            os.ftruncate(self._descriptor, end)

    def _ids(self) -> Iterator[bytes]:
        """Ids of what is there. What somebody else put in has none, nor has a line with a NUL, in which a
        loss of power left a hole."""
        offset, rest = 0, b""
        while data := os.pread(self._descriptor, _CHUNK, offset):
            offset += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                if (found := _HEAD.match(line)) and b"\0" not in line:
                    yield found[1]
            if len(rest) > MAX_EVENT:
                rest = b"\0"  # none of ours, whatever follows


def read_lines(output: Path, offset: int = 0, most_bytes: int = _CHUNK) -> tuple[list[bytes], int]:
    """Whole lines from `offset` on, each with its newline, and the offset behind the last; no line where
    there is none yet, and where there is no log. `offset` is 0, or one that this gave.

    At most `most_bytes` (at least `MAX_EVENT`) are read. A line longer than that is none of ours, and comes
    in pieces, so that nobody waits for its end. Raises `CorruptError` for a log that cannot be read.
    """
    path = output / EVENTS_FILE
    most_bytes = max(most_bytes, MAX_EVENT)
    try:
        with open_to_read(path, EVENTS_FILE) as file:
            data = os.pread(file.fileno(), most_bytes, offset)
    except FileNotFoundError:
        return [], offset
    except OSError as error:
        raise CorruptError(path, explain(error), remedy_for(error)) from error
    whole = data[: data.rfind(b"\n") + 1]
    if not whole and len(data) == most_bytes:
        return [data], offset + len(data)
    return [line + b"\n" for line in whole.split(b"\n")[:-1]], offset + len(whole)
