"""The file layer: the only way in which anything durable is written or a run's file is read, and the errors
that storage ends in.

Every durable write goes through a `FileSystem` that was handed in, so that a test can make a call fail, die
in the middle of it, or take the power away. The real one does nothing of its own. Every read of a run's file
begins with `open_to_read`, so that what is no plain file, or too large to be what its name says, is refused
before a byte of it is read.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
MOST_BYTES = {
    "manifest.json": 128 << 20,
    "covered.json": 128 << 20,
    "chain.json": 16 << 20,
    "checkpoint.json": 256 << 20,
    "marks": 256 << 20,
    "actions.jsonl": 1 << 30,
    "events.jsonl": 1 << 40,
    "ownership.jsonl": 1 << 30,
    "segment": 1 << 31,
}
"""How large a run's file may be, by kind. What writes a segment or a manifest keeps to it, too."""
_MOST_OF_OTHERS = 16 << 20
_TEMPORARY = ".tmp"
_PREVIOUS = ".prev"


class ResultsError(Exception):
    """Something about stored results that ends a command: where, what, and what to do about it."""

    exit_code = 4

    def __init__(self, place: str | Path, reason: str, remedy: str = "") -> None:
        self.place = str(place)
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{place}: {reason}" + (f"; {remedy}" if remedy else ""))


class StorageRefusedError(ResultsError):
    """The place for results is unusable. Raised before a run starts, so nothing was sent."""

    exit_code = 2


class AlreadyCompleteError(StorageRefusedError):
    """A run that ended as `complete` has nothing left to resume."""


class StorageError(ResultsError):
    """A write, fsync or rename failed during a run. The file concerned must never be fsynced again.
    `run_dir`: the directory of a run that was stopped by it, and can be taken up again; "" where none was."""

    exit_code = 4
    run_dir = ""


class DirectoryBusyError(ResultsError):
    """Another process writes there."""

    exit_code = 5


class CorruptError(ResultsError):
    """A stored file is not what was written: damaged or edited. Never passed over in silence."""

    exit_code = 4


class NotARunError(ResultsError):
    """What was named is no run directory and no file of observations, or cannot be read."""

    exit_code = 2


class FileSystem(Protocol):
    """The calls of the operating system that durable writing needs; each raises `OSError` as `os` does."""

    def open(self, path: Path, flags: int, mode: int = FILE_MODE) -> int:
        """Open and return a descriptor that no child inherits."""
        ...

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        """Write some of `data`; the number of bytes taken may be smaller than asked."""
        ...

    def fsync(self, descriptor: int) -> None:
        """Force data and metadata of one file to the medium."""
        ...

    def fdatasync(self, descriptor: int) -> None:
        """Force the data of one file, and the metadata needed to read it back."""
        ...

    def close(self, descriptor: int) -> None:
        """Close; nothing is made durable by it."""
        ...

    def rename(self, source: Path, target: Path) -> None:
        """Replace `target` by `source` in one step."""
        ...

    def link(self, source: Path, target: Path) -> None:
        """Give the file a second name."""
        ...

    def unlink(self, path: Path) -> None:
        """Take a name away."""
        ...

    def mkdir(self, path: Path) -> None:
        """Make one directory, for the owner only."""
        ...

    def fsync_dir(self, path: Path) -> None:
        """Force the names in a directory to the medium."""
        ...

    def statvfs(self, path: Path) -> os.statvfs_result:
        """Free blocks and inodes of the file system that holds `path`."""
        ...

    def allocate(self, descriptor: int, size: int) -> None:
        """Reserve `size` bytes of the medium for the file."""
        ...


class RealFileSystem:
    """The operating system's own calls."""

    def open(self, path: Path, flags: int, mode: int = FILE_MODE) -> int:
        return os.open(path, flags | os.O_CLOEXEC, mode)

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        return os.write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        _full_fsync(descriptor)

    def fdatasync(self, descriptor: int) -> None:
        _data_fsync(descriptor)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        target.hardlink_to(source)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def mkdir(self, path: Path) -> None:
        path.mkdir(mode=DIRECTORY_MODE)

    def fsync_dir(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _full_fsync(descriptor)
        finally:
            os.close(descriptor)

    def statvfs(self, path: Path) -> os.statvfs_result:
        return os.statvfs(path)

    def allocate(self, descriptor: int, size: int) -> None:
        _allocate(descriptor, size)


def _full_fsync(descriptor: int) -> None:
    """On macOS fsync leaves the data in the drive's cache; F_FULLFSYNC is what the name promises."""
    full: int | None = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, full)


_data_fsync: Callable[[int], None] = getattr(os, "fdatasync", _full_fsync)


def _allocate(descriptor: int, size: int) -> None:
    allocate: Callable[[int, int, int], None] | None = getattr(os, "posix_fallocate", None)
    if allocate is not None:
        allocate(descriptor, 0, size)
    else:
        os.ftruncate(descriptor, size)


REAL = RealFileSystem()


def write_whole(fs: FileSystem, descriptor: int, data: bytes) -> None:
    """Write all of `data`. A full disk first takes a part and only refuses the next call, so loop."""
    written = fs.write(descriptor, data)
    if written == len(data):
        return
    view = memoryview(data)
    while written < len(data):
        taken = fs.write(descriptor, view[written:])
        if taken == 0:
            raise OSError(errno.ENOSPC, "the write took nothing")
        written += taken


def write_durably(
    fs: FileSystem, path: Path, data: bytes, *, keep_previous: bool = True, mode: int = FILE_MODE
) -> None:
    """Replace `path` by a file holding `data`, so that after any crash it is the old one or the new one.

    The old content stays as `<name>.prev` when `keep_previous`. Raises `StorageError`; the old file is then
    still in place. The caller holds the lock of the directory: the temporary name is fixed.
    """
    temporary = path.with_name(path.name + _TEMPORARY)
    try:
        _write_new(fs, temporary, data, mode)
        if keep_previous:
            _keep(fs, path)
        fs.rename(temporary, path)
        fs.fsync_dir(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            fs.unlink(temporary)
        raise storage_error(path, error) from error


def _write_new(fs: FileSystem, path: Path, data: bytes, mode: int = FILE_MODE) -> None:
    # A leftover of a crash is removed, not reused: it may be open elsewhere or linked.
    with contextlib.suppress(FileNotFoundError):
        fs.unlink(path)
    descriptor = fs.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        write_whole(fs, descriptor, data)
        fs.fsync(descriptor)
    finally:
        fs.close(descriptor)


def _keep(fs: FileSystem, path: Path) -> None:
    previous = path.with_name(path.name + _PREVIOUS)
    if not path.exists():
        return
    with contextlib.suppress(FileNotFoundError):
        fs.unlink(previous)
    fs.link(path, previous)


class UnfitFileError(OSError):
    """A file of a run that is not opened, because it is no plain file, or larger than its kind can be."""


def open_to_read(path: Path, kind: str) -> BinaryIO:
    """Open a file of a run; `kind` names its bound in `MOST_BYTES`. Raises `OSError`: `UnfitFileError` for
    a directory, FIFO, socket, device or symbolic link, none of which the tool makes, and for what is larger.

    What is looked at is what is read: the descriptor, which is opened without waiting for anybody.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise UnfitFileError(error.errno, "it is a symbolic link", str(path)) from None
        if error.errno == errno.ENXIO:
            raise UnfitFileError(error.errno, "it is a socket, FIFO or device", str(path)) from None
        raise
    status = os.fstat(descriptor)
    problem = _unfit(status, MOST_BYTES.get(kind, _MOST_OF_OTHERS))
    if problem:
        os.close(descriptor)
        raise UnfitFileError(errno.EINVAL, problem, str(path))
    return os.fdopen(descriptor, "rb")


def _unfit(status: os.stat_result, most: int) -> str:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        return f"it is {_KINDS.get(kind, 'no plain file')} and no plain file"
    if status.st_size > most:
        return f"it has {status.st_size:,} bytes; one that was written by this tool has {most:,} at most"
    return ""


_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def read_whole(path: Path, kind: str) -> bytes:
    """All bytes of a small file of a run. Raises as `open_to_read` does."""
    most = MOST_BYTES.get(kind, _MOST_OF_OTHERS)
    with open_to_read(path, kind) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise UnfitFileError(errno.EFBIG, f"it grows, over {most:,} bytes", str(path))
    return data


def read_newest_valid(
    path: Path, parse: Callable[[bytes], T], passed_over: Callable[[str], None] = lambda reason: None
) -> T | None:
    """What `path` holds, or else what `<name>.prev` holds; None when neither is there.

    `parse` raises `ValueError` for content that it does not accept. Raises `CorruptError` when a file is
    there and none is valid: somebody must look, because a crash alone never leaves that behind. With a valid
    one, `passed_over` is told of the newer one that is not, in one line.
    """
    reasons = []
    for candidate in (path, path.with_name(path.name + _PREVIOUS)):
        try:
            found = parse(read_whole(candidate, path.name))
        except FileNotFoundError:
            continue
        except OSError as error:
            reasons.append(f"{candidate.name}: {explain(error)}")
        except ValueError as error:
            reasons.append(f"{candidate.name}: {error}")
        else:
            if reasons:
                passed_over(f"{path}: {reasons[0]}")
            return found
    if reasons:
        raise CorruptError(path, "no valid copy left (" + "; ".join(reasons) + ")")
    return None


def storage_error(path: Path, error: OSError) -> StorageError:
    """The one translation of an `OSError` met while a run writes."""
    return StorageError(path, explain(error), remedy_for(error))


def explain(error: OSError) -> str:
    """The error in the system's own words, without number and path."""
    return (error.strerror or str(error)).lower()


def not_listed(output: Path, error: OSError | None = None) -> NotARunError:
    """That an output directory is not there, or by which error it cannot be listed."""
    if error is not None and error.errno != errno.ENOENT:
        return NotARunError(output, explain(error), "name the directory given to sweep with --output")
    remedy = "`mongosweep sweep` makes it; or name the one that was given to sweep with --output"
    return NotARunError(output, "no such directory", remedy)


def remedy_for(error: OSError) -> str:
    """What a person can do about it, where that is known."""
    return _REMEDIES.get(error.errno or 0, "")


_REMEDIES = {
    errno.ENOSPC: "free space on that disk or give another directory with --output",
    errno.EDQUOT: "the disk quota is used up: free space or give another directory with --output",
    errno.EFBIG: "the limit on file sizes (ulimit -f) is too low",
    errno.EROFS: "that file system is mounted read-only: give another directory with --output",
    errno.EACCES: "give a directory with --output that you may write to",
    errno.EPERM: "give a directory with --output that you may write to",
    errno.ENOTDIR: "a file stands where a directory is needed: give another directory with --output",
    errno.EEXIST: "a file stands where a directory is needed: give another directory with --output",
    errno.ENOENT: "create the directory above it, or give another with --output",
    errno.ENAMETOOLONG: "give a shorter path with --output",
    errno.EIO: "the disk or its connection failed: look at the system's log before you resume",
}
