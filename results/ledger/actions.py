"""What people did, and what they were told: `actions.jsonl` in the output folder, append-only, hash-chained.

Each line ends in the SHA-256 of all that stands before it in the line, and holds the hash of the line
before. So a line that was edited, taken out or put in breaks the chain where it stands. `actions.head`
says how many lines there are, so that lines missing at the end show as well. Whoever rewrites both files
as a whole is found out only by a hash that was kept elsewhere.

A crash leaves at most one line that was cut off at the end and was never durable: the next writer removes it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from results.files import (
    REAL,
    CorruptError,
    DirectoryBusyError,
    FileSystem,
    StorageRefusedError,
    explain,
    open_to_read,
    read_whole,
    remedy_for,
    storage_error,
    write_durably,
    write_whole,
)
from results.ledger.action import (
    ACTION,
    GENESIS,
    MAX_LINE,
    TOLD,
    ActionKind,
    ActionRecord,
    Stage,
    read_line,
    sealed,
    shown,
    slimmed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = [
    "ACTION",
    "ACTIONS_FILE",
    "GENESIS",
    "HEAD_FILE",
    "MAX_LINE",
    "TOLD",
    "ActionKind",
    "ActionRecord",
    "Actions",
    "ChainBreak",
    "Stage",
    "shown",
]
ACTIONS_FILE, HEAD_FILE = "actions.jsonl", "actions.head"
_TRIES, _PAUSE = 100, 0.05  # a writer holds the file for two fsyncs


class ChainBreak(NamedTuple):
    """The first line (from 1) that does not follow from the one before it, why, and how many lines from there
    on are unproven."""

    line: int
    reason: str
    unproven: int
    vouched_by: str = ""

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class _Head(Struct, frozen=True):
    lines: int
    hash: str


class Actions:
    """The file as it is now. A writer takes in what others wrote before it adds a line of its own.

    `proven` are the actions up to the first break of the chain, or all; `unproven` those behind it, which are
    shown and not acted upon. Lines that cannot be read at all are counted in `broken`, too. `slim`: records
    are kept without their hashes, in half the memory, for a reader that stays.
    """

    def __init__(self, output: Path, fs: FileSystem = REAL, *, slim: bool = False) -> None:
        self.path = output / ACTIONS_FILE
        self._fs = fs
        self._slim = slim
        self._reset()

    def _reset(self) -> None:
        self.proven: list[ActionRecord] = []
        self.unproven: list[ActionRecord] = []
        self.broken: ChainBreak | None = None
        self._lines = self._end = 0
        self._seen: tuple[int, int, int] | None = None
        self._last = GENESIS
        self._whole = hashlib.sha256()

    @classmethod
    def open(cls, output: Path, *, write: bool = False, fs: FileSystem = REAL) -> Actions:
        """Read the file; none is no action. Raises `StorageRefusedError` when it cannot be read.

        With `write` a chain that is broken raises `CorruptError`: what would be done next depends on what was
        done before, and that is not known.
        """
        actions = cls(output, fs)
        actions.refresh()
        if write:
            actions.refuse_if_broken()
        return actions

    def refresh(self) -> None:
        """Read the whole file again. Raises `StorageRefusedError`."""
        self._reset()
        self._read_on()

    def follow(self) -> bool:
        """Read what was added since the last look. False: it is not the same file any more, only longer, so
        all of it was read again. What is edited while lines are added is found by `refresh` alone. Raises
        `StorageRefusedError`."""
        try:
            now = _signature(self.path.stat())
        except OSError:
            now = None  # reading it says why
        seen, whole = self._seen, self.broken is None or not self.broken.unproven
        if now is not None and now == seen:
            return True
        if now is not None and whole and (seen is None or (now[0] == seen[0] and now[1] > seen[1])):
            self._read_on()
            return True
        had_none = self._lines == 0
        self.refresh()
        return had_none

    def _read_on(self) -> None:
        """From where reading ended. The head comes first: what was durable then must be there."""
        head = self._read_head()
        self._seen = None
        try:
            with open_to_read(self.path, ACTIONS_FILE) as file:
                signature = _signature(os.fstat(file.fileno()))
                file.seek(self._end)
                for line in file:
                    if line.endswith(b"\n"):
                        self._take_in(line)
                self._seen = signature
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StorageRefusedError(self.path, explain(error), remedy_for(error)) from error
        self._hold_against(head)

    def refuse_if_broken(self) -> None:
        """Raise `CorruptError` while lines are unproven."""
        if self.broken is not None and self.broken.unproven:
            raise CorruptError(
                self.path,
                f"{self.broken}, so {self.broken.unproven} lines from there on prove nothing",
                "put the file back as it was, or stand for it as it is: mongosweep actions --vouch NAME",
            )

    def all(self) -> list[ActionRecord]:
        """Every action that could be read, the unproven ones last."""
        return [*self.proven, *self.unproven]

    def of(self, exposure_ids: Iterable[str]) -> list[ActionRecord]:
        """Those about an exposure, by its id and its former ids; unproven ones too."""
        wanted = set(exposure_ids)
        return [record for record in self.all() if wanted.intersection(record.exposure_ids)]

    def append(
        self,
        kind: ActionKind,
        exposure_ids: Iterable[str] = (),
        *,
        at: str,
        by: str = "",
        to: Iterable[str] = (),
        detail: str = "",
        until: str = "",
        since: str = "",
        message_id: str = "",
        transport: str = "",
        stage: Stage = "",
        reminds: Iterable[str] = (),
    ) -> ActionRecord:
        """Add one line; it is on the disk when this returns. Raises `StorageError`, `CorruptError` when the
        chain was broken meanwhile, and `DirectoryBusyError` when another writer does not let go."""
        record = ActionRecord(
            at=at,
            kind=kind,
            exposure_ids=list(exposure_ids),
            by=_one_line(by),
            to=[_one_line(each) for each in to],
            detail=_clean(detail),
            until=until,
            since=since,
            message_id=message_id,
            transport=transport,
            stage=stage,
            reminds=list(reminds),
        )
        return self._write(lambda: sealed(record, self._last))

    def vouch(self, by: str, at: str) -> ActionRecord:
        """Stand for the lines as they are: the chain goes on from the hash of all that is there now."""

        def line() -> tuple[ActionRecord, bytes]:
            assert self.broken is not None
            record = ActionRecord(at=at, kind="vouched", by=_one_line(by), detail=self.broken.reason)
            return sealed(record, self._whole.hexdigest())

        if self.broken is None:
            raise StorageRefusedError(self.path, "its chain is whole, so there is nothing to stand for")
        return self._write(line, despite_break=True)

    def _write(
        self, line: Callable[[], tuple[ActionRecord, bytes]], *, despite_break: bool = False
    ) -> ActionRecord:
        is_new = not self.path.exists()
        try:
            descriptor = self._fs.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW)
        except OSError as error:
            raise storage_error(self.path, error) from error
        try:
            self._lock(descriptor)
            self._catch_up(descriptor, despite_break=despite_break)
            record, data = line()
            if len(data) > MAX_LINE:
                reason = f"a line of {len(data):,} bytes is too long"
                raise StorageRefusedError(self.path, reason, "name fewer")
            write_whole(self._fs, descriptor, data)
            self._fs.fsync(descriptor)
            if is_new:
                self._fs.fsync_dir(self.path.parent)
            self._take_in(data)
            head = msgspec.json.encode(_Head(self._lines, self._last)) + b"\n"
            write_durably(self._fs, self.path.with_name(HEAD_FILE), head, keep_previous=False)
        except OSError as error:
            raise storage_error(self.path, error) from error
        finally:
            self._fs.close(descriptor)
        return record

    def _lock(self, descriptor: int) -> None:
        for _ in range(_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_PAUSE)
            else:
                return
        raise DirectoryBusyError(self.path, "another process writes there", "wait for it")

    def _catch_up(self, descriptor: int, *, despite_break: bool) -> None:
        """Under the lock: read what others added, and take away a line that a crash cut off."""
        size = os.fstat(descriptor).st_size
        if size < self._end:
            self._reset()
        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(self._end)
            self._take_in(file.read())
        self._hold_against(self._read_head())
        if not despite_break:
            self.refuse_if_broken()
        if self._end == size:
            return
        if self.broken is None or not self.broken.unproven:
            os.ftruncate(descriptor, self._end)
        else:  # it is evidence, too: a line of its own, which does not read
            write_whole(self._fs, descriptor, b"\n")
            with os.fdopen(os.dup(descriptor), "rb") as file:
                file.seek(self._end)
                self._take_in(file.read())

    def _take_in(self, data: bytes) -> None:
        whole = data[: data.rfind(b"\n") + 1]
        for line in whole.split(b"\n")[:-1]:
            self._lines += 1
            self._end += len(line) + 1
            self._take_in_line(line)
            self._whole.update(line + b"\n")

    def _take_in_line(self, line: bytes) -> None:
        record, problem = read_line(line)
        if record is not None and record.kind == "vouched" and not problem:
            if record.previous == self._whole.hexdigest():  # all that stands before it, byte by byte
                at = self.broken.line if self.broken is not None else self._lines
                self.broken = ChainBreak(at, record.detail, 0, record.by)
                self.proven += [*self.unproven, record]
                self.unproven = []
                self._last = record.hash
                return
            problem = "what was vouched for is not what stands there"
        behind = self.broken is not None and self.broken.unproven > 0
        if not problem and not behind and record is not None and record.previous != self._last:
            problem = "it does not follow from the line before it"
        if behind:
            assert self.broken is not None
            self.broken = self.broken._replace(unproven=self.broken.unproven + 1)
        elif problem:
            self.broken = ChainBreak(self._lines, problem, 1)
        if record is not None:
            self._last = record.hash
            kept = slimmed(record) if self._slim else record
            (self.unproven if problem or behind else self.proven).append(kept)

    def _read_head(self) -> _Head | None:
        try:
            return msgspec.json.decode(read_whole(self.path.with_name(HEAD_FILE), HEAD_FILE), type=_Head)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None  # a note on the file, and not the file: the chain itself is what proves

    def _hold_against(self, head: _Head | None) -> None:
        """Lines that were durable and are not there are a break behind the last line."""
        missing = head.lines - self._lines if head is not None else 0
        if missing > 0 and (self.broken is None or not self.broken.unproven):
            reason = f"{missing} lines that were written are not there"
            self.broken = ChainBreak(self._lines + 1, reason, missing)


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    """Which file it is, how long, and when it was written to last."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def _one_line(text: str) -> str:
    return " ".join(_clean(text).split())


def _clean(text: str) -> str:
    """What JSON can hold, however it was typed."""
    return text.encode("utf-8", "replace").decode("utf-8")
