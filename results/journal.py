"""The journal: append-only segments of observations, fsynced. The one source of truth of a run.

Every process start and every rotation begins a new segment; a file of an earlier process is never appended
to, cut or mended, because a torn last line is evidence. A line counts only after `sync` returned for it.
Nobody else may write here: place and size of the segment are compared at every write and fsync, its content
before it is sealed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from typing import TYPE_CHECKING

from msgspec import Struct

from results.chain import ChainFile, ChainLink, content_of, sha256_of
from results.files import MOST_BYTES, FileSystem, StorageError, open_to_read, storage_error, write_whole
from results.reading import (
    TornTail,
    read_lines,
    read_run,
    read_segment,
    segment_name,
    segment_number,
    segments_in,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from hashlib import _Hash
    from pathlib import Path

__all__ = [
    "JournalWriter",
    "Position",
    "TornTail",
    "read_lines",
    "read_run",
    "read_segment",
    "segments_in",
]

_log = logging.getLogger(__name__)
ROTATE_BYTES = 64 * 1024 * 1024
_LEAVE_IT = "let nothing rotate, cut or edit the files of a run, and resume it"
_NEW_SEGMENT = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW


class Position(Struct, frozen=True, kw_only=True):
    """How far the journal is durable: everything in earlier segments, and these first bytes of this one.

    A checkpoint that carries it can be checked against the files (`holds`) before it is believed.
    """

    segment: str
    lines: int
    bytes: int
    sha256: str

    def holds(self, directory: Path) -> bool:
        """True when the segment still begins with exactly these bytes; False means evidence is missing."""
        try:
            content = content_of(directory / self.segment, first_bytes=self.bytes)
        except OSError:
            return False
        return (content.bytes, content.sha256) == (self.bytes, self.sha256)


class _Segment:
    """One open segment and the running account of what was written to it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.lines = 0
        self.bytes = 0
        self.digest: _Hash = hashlib.sha256()
        self.marks: list[Position] = []  # one a flush, to say where somebody changed it

    def position(self) -> Position:
        return Position(
            segment=self.path.name, lines=self.lines, bytes=self.bytes, sha256=self.digest.copy().hexdigest()
        )


def _first_difference(segment: _Segment) -> tuple[int, int]:
    """Two flushes between which the file first differs from what was written, as bytes from its beginning."""
    digest, at = hashlib.sha256(), 0
    with open_to_read(segment.path, "segment") as file:
        for mark in segment.marks:
            digest.update(file.read(mark.bytes - at))
            if digest.copy().hexdigest() != mark.sha256:
                return at, mark.bytes
            at = mark.bytes
    return at, segment.bytes


class JournalWriter:
    """Appends lines to a run's journal. The caller holds the run's lock.

    `append` belongs to one thread and never waits for the disk's cache to empty; `sync` and `close` belong to
    one other thread, or to the same. The first failure of a call is final: every later call raises
    `StorageError` again and touches no file, because a second fsync of the same file may claim a success that
    it is not.
    """

    def __init__(
        self, directory: Path, fs: FileSystem, chain: ChainFile, *, rotate_bytes: int = ROTATE_BYTES
    ) -> None:
        self._directory = directory
        self._fs = fs
        self._chain = chain
        self._rotate_bytes = rotate_bytes
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        self._appended = 0
        self._durable = 0
        self._failure: StorageError | None = None
        self._closed = False
        self._current = self._new_segment()
        self._position = self._current.position()

    @property
    def appended(self) -> int:
        """Lines taken by this writer so far."""
        return self._appended

    @property
    def durable(self) -> int:
        """Lines of this writer that will survive a loss of power."""
        return self._durable

    @property
    def position(self) -> Position:
        """How far the journal is durable, for a checkpoint."""
        return self._position

    @property
    def path(self) -> Path:
        """The segment that is being written."""
        return self._current.path

    def append(self, line: bytes) -> int:
        """Write one line that ends in a newline; return how many were taken. Raises `StorageError`.

        The line is durable once `sync` has returned at least this number.
        """
        return self.append_many((line,))

    def append_many(self, lines: Sequence[bytes]) -> int:
        """The same for several lines, in one write."""
        if not all(line.endswith(b"\n") for line in lines):
            raise ValueError("a line ends in a newline")
        data = b"".join(lines)
        with self._lock:
            self._require_open()
            segment = self._current
            if segment.bytes + len(data) > MOST_BYTES["segment"]:
                raise self._misfit(segment, "it is full, and the disk is too slow for the next one")
            try:
                write_whole(self._fs, segment.descriptor, data)
                end = os.lseek(segment.descriptor, 0, os.SEEK_CUR)  # where this write ended
            except OSError as error:
                raise self._fail(segment.path, error) from error
            self._require_size(segment, end - len(data))
            segment.digest.update(data)
            segment.lines += len(lines)
            segment.bytes += len(data)
            self._appended += len(lines)
            return self._appended

    def sync(self) -> int:
        """Make every line taken so far durable; return how many that are. Raises `StorageError`.

        Begins a new segment when the current one has grown over its size.
        """
        with self._syncing:
            return self._sync()

    def _sync(self) -> int:
        with self._lock:
            self._require_open()
            segment, appended, position = self._current, self._appended, self._current.position()
        if appended > self._durable:
            self._flush(segment)
            self.check_in_place()
            segment.marks.append(position)
            self._durable, self._position = appended, position
        if position.bytes >= self._rotate_bytes:
            self._rotate(segment)
        return self._durable

    def close(self) -> None:
        """Make everything durable, seal the segment and close it. Safe to repeat, and after a failure."""
        with self._syncing:
            if self._closed:
                return
            self._closed = True
            if self._failure is not None:
                self._release(self._current)
                return
            try:
                self._sync_last()
            finally:
                self._release(self._current)

    def _sync_last(self) -> None:
        with self._lock:
            segment, appended = self._current, self._appended
        self._flush(segment)
        self._require_as_written(segment)
        self._durable, self._position = appended, segment.position()
        self._release(segment)
        self._seal(segment)

    def require_sound(self) -> None:
        """Raise the first failure again, if there was one: then nothing may rest on the lines."""
        if self._failure is not None:
            raise StorageError(self._failure.place, self._failure.reason, self._failure.remedy)

    def check_in_place(self) -> None:
        """Raise `StorageError` when the segment was removed, replaced, cut or written to by somebody else."""
        with self._lock:
            if self._closed or self._failure is not None:
                return
            segment = self._current
            ours = os.fstat(segment.descriptor)
            self._require_size(segment, ours.st_size)
        self._require_place(segment, ours)

    def _require_size(self, segment: _Segment, size: int) -> None:
        """`size` is what the file had where ours ended; under the lock of `append`."""
        written = segment.bytes
        if size < written:
            raise self._misfit(
                segment, f"somebody cut it at byte {size:,} during the run; {written:,} had been written"
            )
        if size > written:
            raise self._misfit(
                segment,
                f"somebody else wrote to it from byte {written:,} on during the run; it has {size:,} now",
            )

    def _require_place(self, segment: _Segment, ours: os.stat_result) -> None:
        try:
            named = segment.path.stat(follow_symlinks=False)
        except OSError as error:
            raise self._fail(segment.path, error) from error
        if (ours.st_dev, ours.st_ino) != (named.st_dev, named.st_ino):
            raise self._misfit(segment, "another file took the place of the one being written")

    def _require_as_written(self, segment: _Segment) -> None:
        """Before it is sealed: place, size, and every byte. Nobody appends to it any more."""
        ours = os.fstat(segment.descriptor)
        self._require_size(segment, ours.st_size)
        self._require_place(segment, ours)
        try:
            same = sha256_of(segment.path) == segment.digest.hexdigest()
            if not same:
                after, before = _first_difference(segment)
        except OSError as error:
            raise self._fail(segment.path, error) from error
        if not same:
            raise self._misfit(
                segment, f"somebody changed it between byte {after:,} and byte {before:,} during the run"
            )

    def _misfit(self, segment: _Segment, reason: str) -> StorageError:
        self._failure = StorageError(segment.path, reason, _LEAVE_IT)
        return self._failure

    def _rotate(self, old: _Segment) -> None:
        new = self._new_segment()
        with self._lock:
            self._current, appended, position = new, self._appended, new.position()
        # Lines that came in between: the old segment is whole only after one more flush.
        self._flush(old)
        self._require_as_written(old)
        self._durable, self._position = appended, position
        self._release(old)
        self._seal(old)

    def _new_segment(self) -> _Segment:
        sealed = (segment_number(name) or 0 for name in self._chain.chain.segments())
        present = (segment_number(path.name) or 0 for path in self._directory.iterdir())
        path = self._directory / segment_name(max((*sealed, *present), default=0) + 1)
        try:
            segment = _Segment(path, self._fs.open(path, _NEW_SEGMENT))
            self._fs.fsync_dir(self._directory)
        except OSError as error:
            raise self._fail(path, error) from error
        _log.info("segment %s begins", path.name)
        return segment

    def _flush(self, segment: _Segment) -> None:
        try:
            self._fs.fdatasync(segment.descriptor)
        except OSError as error:
            raise self._fail(segment.path, error) from error

    def _release(self, segment: _Segment) -> None:
        descriptor, segment.descriptor = segment.descriptor, -1
        if descriptor < 0:
            return
        try:
            self._fs.close(descriptor)
        except OSError as error:
            raise self._fail(segment.path, error) from error

    def _seal(self, segment: _Segment) -> None:
        try:
            self._chain.add(
                ChainLink(
                    kind="segment",
                    name=segment.path.name,
                    lines=segment.lines,
                    bytes=segment.bytes,
                    sha256=segment.digest.hexdigest(),
                )
            )
        except StorageError as error:
            self._failure = error
            raise
        _log.info("segment %s is sealed: %d lines, %d bytes", segment.path.name, segment.lines, segment.bytes)

    def _fail(self, path: Path, error: OSError) -> StorageError:
        self._failure = storage_error(path, error)
        return self._failure

    def _require_open(self) -> None:
        self.require_sound()
        if self._closed:
            raise ValueError("the journal is closed")
