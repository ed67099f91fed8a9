"""One file of lines that outlives runs, for a shipper to follow: whole lines, durable before they count.

It may be followed by name (`tail -F`), be renamed or cut by logrotate, and be read by another account. A line
that a crash tore is completed when its event comes again, which it does: nobody was told that it was taken.
What a shipper may have read already is never taken back.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import grp
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from results.events.log import EVENTS_FILE, LOCK_FILE
from results.files import REAL, explain, write_whole
from results.manifest import MANIFEST_FILE
from results.sinks.sink import Answer, Limits, StoppedError, UnavailableError, UnfitEventError
from results.text import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.events.event import Event
    from results.files import FileSystem
    from results.formats.fields import Sender
    from results.formats.format import Format
    from results.sinks.sink import Item

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_LONGEST_LINE = 1 << 20  # a torn line that is longer was not ours
_LOCK_LOOKS = 50  # a tenth of a second apart
_REPEATS = 5  # times that the file may be renamed or cut under one sending
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR, errno.EMFILE, errno.ENFILE})


class FileOptions(Struct, frozen=True, kw_only=True):
    """`path` of the file. `mode` and `group` are given to it where it is new or empty; `group` "" leaves
    its group alone. Before it would pass `rotate_bytes` it is renamed to `path.1`, and so on up to `keep`;
    0 leaves that to somebody else."""

    path: Path
    mode: int = 0o640
    group: str = ""
    rotate_bytes: int = 64 << 20
    keep: int = 7


class FileSink:
    """One file."""

    kind = "file"

    def __init__(
        self,
        name: str,
        options: FileOptions,
        format: Format,  # noqa: A002
        sender: Sender,
        fs: FileSystem = REAL,
    ) -> None:
        self.name = name
        self.place = str(options.path)
        self.limits = Limits()
        self._options, self._format, self._sender, self._fs = options, format, sender, fs

    def render(self, event: Event, line: bytes) -> bytes | None:
        """The event's line in the format of this sink."""
        document = line if self._format.name == "native" else self._format.document(event, self._sender)
        if document is None:
            return None
        if b"\n" in document:
            raise UnfitEventError(f"the format {self._format.name} gives more than one line")
        return document + b"\n"

    async def send(self, items: Sequence[Item]) -> Answer:
        """Append them all, durably."""
        return await asyncio.to_thread(self._append, [item.body for item in items])

    async def close(self) -> None:
        """Nothing is open between two sendings: logrotate may have the file then."""

    def _append(self, lines: list[bytes]) -> Answer:
        for _ in range(_REPEATS):
            try:
                with _Appending(self._fs, self._options, self._format.head(self._sender)) as file:
                    written = file.write(lines)
                    still_there = file.still_there()
            except OSError as error:
                raise self._failed(error) from error
            if still_there:
                said = f"{plural(written, 'line')} in {self.place}"
                if written == len(lines):
                    return Answer(said)
                again = frozenset(range(written, len(lines)))
                return Answer(f"{said}, then: {file.failure}", again=again)
        raise UnavailableError(f"{self.place}: it is renamed or cut at every write")

    def _failed(self, error: OSError) -> Exception:
        reason = f"{self.place}: {explain(error)}"
        if error.errno in _PASSING:
            return UnavailableError(reason)
        if error.errno in (errno.ELOOP, errno.EMLINK):
            reason = f"{self.place}: it is a symbolic link, which is not followed"
        if error.errno == errno.ENOENT:
            return StoppedError(f"{reason}; make its directory, or give another path")
        return StoppedError(f"{reason}; give a path in a directory in which we may make files")


class _Appending:
    """The open file, locked against another of our kind, from one look at it to the end of one writing."""

    def __init__(self, fs: FileSystem, options: FileOptions, head: bytes) -> None:
        self._fs, self._options, self._path, self._head = fs, options, options.path, head
        self._descriptor = -1
        self._end = 0
        self.failure = ""

    def __enter__(self) -> _Appending:
        _refuse_ours(self._path)
        for _ in range(_REPEATS):
            self._descriptor = self._fs.open(self._path, _FLAGS, 0o600)
            try:
                _refuse_unfit(self._path, os.fstat(self._descriptor))
                _lock(self._path, self._descriptor)
                if self.still_there():  # the wait for the lock was not for a file that has been renamed
                    return self
            except BaseException:
                self._fs.close(self._descriptor)
                raise
            self._fs.close(self._descriptor)
        raise UnavailableError(f"{self._path}: it is renamed whenever it is opened")

    def __exit__(self, *_: object) -> None:
        self._fs.close(self._descriptor)

    def still_there(self) -> bool:
        """Whether a reader of the path finds what was written: it was not renamed, removed, or cut since."""
        try:
            named, ours = self._path.lstat(), os.fstat(self._descriptor)
        except FileNotFoundError:
            return False
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino) and ours.st_size >= self._end

    def write(self, lines: list[bytes]) -> int:
        """Append lines until all are durable or one cannot be written; how many are. Where that is not all
        of them, `failure` says why. Raises `OSError` when none is."""
        if torn := self._torn():
            lines = _made_whole(torn, lines)
        else:
            self._rotate_before(sum(map(len, lines)))
        self._begin()
        data = b"".join(lines)
        start = self._size()
        try:
            write_whole(self._fs, self._descriptor, data)
        except OSError as error:
            whole = _whole_lines(lines, self._size() - start)
            if not whole:
                raise
            self.failure = explain(error)
        else:
            whole = len(lines)
        self._fs.fsync(self._descriptor)
        self._end = start + sum(map(len, lines[:whole]))
        return whole

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def _torn(self) -> bytes:
        """What stands after the last line break: a crash, or a full disk, left it."""
        size = self._size()
        if not size or os.pread(self._descriptor, 1, size - 1) == b"\n":
            return b""
        return os.pread(self._descriptor, _LONGEST_LINE, max(size - _LONGEST_LINE, 0)).rpartition(b"\n")[2]

    def _rotate_before(self, more: int) -> None:
        options, size = self._options, self._size()
        if not options.rotate_bytes or not size or size + more <= options.rotate_bytes:
            return
        for number in range(options.keep, 1, -1):
            with contextlib.suppress(FileNotFoundError):
                self._fs.rename(self._numbered(number - 1), self._numbered(number))
        if options.keep:
            self._fs.rename(self._path, self._numbered(1))
        else:
            self._fs.unlink(self._path)
        self._fs.fsync_dir(self._path.parent)
        self.__exit__()
        self.__enter__()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _begin(self) -> None:
        """Give a file that holds nothing its mode, its group and its first line."""
        if self._size():
            return
        if self._options.group:
            try:
                os.fchown(self._descriptor, -1, _group(self._path, self._options.group))
            except PermissionError:
                raise StoppedError(
                    f"{self._path}: we may not give it to the group {self._options.group!r}: run as a member "
                    "of that group, or name another"
                ) from None
        os.fchmod(self._descriptor, self._options.mode)
        if self._head:
            write_whole(self._fs, self._descriptor, self._head)
        self._fs.fsync_dir(self._path.parent)


def _refuse_ours(path: Path) -> None:
    """What events are read from is not written to: they would be read once more, for ever."""
    is_log = path.name == EVENTS_FILE and path.with_name(LOCK_FILE).exists()
    if is_log or path.with_name(MANIFEST_FILE).exists():
        raise StoppedError(f"{path}: it belongs to the results that events are read from; give another path")


def _refuse_unfit(path: Path, status: os.stat_result) -> None:
    """Nothing but a plain file with one name of its own is written to."""
    if not stat.S_ISREG(status.st_mode):
        raise StoppedError(f"{path}: no plain file stands there; give another path")
    if status.st_nlink > 1:
        raise StoppedError(f"{path}: that file has another name, too; give another path")


def _lock(path: Path, descriptor: int) -> None:
    """Wait a while for another of our kind; whoever may read the file could hold it for ever."""
    for _ in range(_LOCK_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
        else:
            return
    raise UnavailableError(f"{path}: another process holds its lock")


def _group(path: Path, name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise StoppedError(f"{path}: there is no group {name!r} on this machine") from None


def _made_whole(torn: bytes, lines: list[bytes]) -> list[bytes]:
    """As many lines, of which the first begins with the rest of the torn one where that is among them, and
    with a line break where it is not."""
    for number, line in enumerate(lines):
        if line.startswith(torn):
            rest = [b"" if number == at else each for at, each in enumerate(lines)]
            return [line[len(torn) :] + rest[0], *rest[1:]]
    return [b"\n" + lines[0], *lines[1:]]


def _whole_lines(lines: list[bytes], written: int) -> int:
    """How many of the lines stand in the first `written` bytes of them."""
    for number, line in enumerate(lines):
        written -= len(line)
        if written < 0:
            return number
    return len(lines)
