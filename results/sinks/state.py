"""What is kept of a sink: how far it is, what it did, and what was set aside, in `OUTPUT/sinks/NAME`.

Whoever holds `lock` there is alone in sending to that sink. `state.json` is replaced as a whole, durably; a
crash leaves the one before, and what was sent since is sent once more, with the same ids.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct

from results.files import (
    REAL,
    DirectoryBusyError,
    FileSystem,
    ResultsError,
    StorageError,
    StorageRefusedError,
    explain,
    open_to_read,
    read_newest_valid,
    storage_error,
    write_durably,
    write_whole,
)
from results.lock import Lock, is_held
from results.past import Count
from results.place import make_directory

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SINKS_FOLDER: Final = "sinks"
STATE_FILE: Final = "state.json"
SET_ASIDE_FILE: Final = "set-aside.jsonl"
SCHEMA: Final = "mongosweep.sink/1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_SCHEMA = re.compile(rb'"schema":\s*"(mongosweep\.sink/[0-9]{1,6})"')


class CursorError(ResultsError):
    """Where a sink stands does not fit what is there to be sent. Nothing is sent to it until a person has
    said where to go on."""

    exit_code = 4


class Place(NamedTuple):
    """Behind one line: of the events file (`run` is ""), or of a segment of a run's journal."""

    run: str
    segment: int
    offset: int


class JournalCursor(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a sink is in one run's journal. `ended`: nothing stood behind it, and nobody wrote."""

    segment: Annotated[int, Meta(ge=1)] = 1
    offset: Count = 0
    ended: bool = False


class SinkCursor(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a sink is: bytes of the events file; of the line before them its bytes without the newline, and
    their SHA-256 (hex); and how far in each run whose observations it sends, by the name of its directory."""

    offset: Count = 0
    last_bytes: Count = 0
    last_sha256: str = ""
    runs: dict[str, JournalCursor] = {}


class SinkState(Struct, frozen=True, kw_only=True, tag_field="schema", tag=SCHEMA):
    """`state.json`. `sink` is its name, `kind` and `place` as of the last `forward`.

    `delivered`: events that the other side took; `passed_over`: of a kind that its format has no place for.
    `attempts_failed`: sendings that were tried again, or are to be. Times are RFC 3339 in UTC, "" never.
    `stopped`: why nothing is sent any more until a person has done something; "" where that is not so.
    """

    sink: str
    kind: str = ""
    place: str = ""
    every: bool = False
    cursor: SinkCursor = SinkCursor()
    delivered: Count = 0
    passed_over: Count = 0
    set_aside: Count = 0
    attempts_failed: Count = 0
    last_delivered_at: str = ""
    last_failure: str = ""
    last_failure_at: str = ""
    stopped: str = ""


class SetAside(Struct, frozen=True, kw_only=True):
    """One line of `set-aside.jsonl`: an event that this sink will never take, as it stands in its file.

    `event` is the event itself, or text where its line is no JSON.
    """

    at: str
    event_id: str
    reason: str
    event: msgspec.Raw


_encode = msgspec.json.Encoder().encode
_state_decoder: Final[msgspec.json.Decoder[SinkState]] = msgspec.json.Decoder(SinkState)


def set_aside(line: bytes, *, at: str, event_id: str, reason: str) -> SetAside:
    """The record of one line that is not sent."""
    try:
        msgspec.json.decode(line)
        event = line
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        event = _encode(line.decode("utf-8", "backslashreplace"))
    return SetAside(at=at, event_id=event_id, reason=reason, event=msgspec.Raw(event))


class SinkFolder:
    """`OUTPUT/sinks/NAME`. Raises `ValueError` for a name that is not letters, figures, `-` and `_`."""

    def __init__(self, output: Path, name: str, fs: FileSystem = REAL) -> None:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a sink: use letters, figures, - and _")
        self.name = name
        self.path = output / SINKS_FOLDER / name
        self._fs = fs

    def hold(self) -> Lock:
        """Be alone in sending to this sink; its directory is made. Raises `DirectoryBusyError` and
        `StorageError`."""
        try:
            for path in (self.path.parent, self.path):
                with contextlib.suppress(FileExistsError):  # another sink made it at the same time
                    make_directory(self._fs, path)
        except OSError as error:
            raise storage_error(self.path, error) from error
        try:
            return Lock.acquire(self.path, f"forward, process {os.getpid()}", by="forward")
        except DirectoryBusyError as error:
            raise DirectoryBusyError(
                self.path,
                error.reason.replace("holds this directory", f"sends to {self.name} already"),
                "let it go on, or end it first",
            ) from error
        except StorageRefusedError as error:  # of this sink: others may have been sent something
            raise StorageError(error.place, error.reason, error.remedy) from error

    def is_held(self) -> bool:
        """Whether somebody sends to it now."""
        return is_held(self.path)

    def load(self) -> SinkState:
        """What was kept; of a sink that never sent, the beginning.

        Raises `CursorError` for a state of a newer version or another sink's, `StorageError` for one that
        this user may not read, and `CorruptError` where no valid copy is left.
        """
        path = self.path / STATE_FILE
        try:
            found = read_newest_valid(path, self._parse)
        except ResultsError as error:
            if isinstance(error, CursorError):
                raise
            with contextlib.suppress(FileNotFoundError):
                _require_readable(path)
            remedy = f"`mongosweep forward --restart {self.name}` sends all events once more"
            raise type(error)(error.place, error.reason, remedy) from error
        return found if found is not None else SinkState(sink=self.name)

    def save(self, state: SinkState) -> None:
        """Keep it, durably. Raises `StorageError`; what was kept before is then still there."""
        write_durably(self._fs, self.path / STATE_FILE, msgspec.json.format(_encode(state)) + b"\n")

    def append(self, records: Iterable[SetAside]) -> None:
        """Add to `set-aside.jsonl`, durably. Raises `StorageError`."""
        data = b"".join(_encode(record) + b"\n" for record in records)
        path = self.path / SET_ASIDE_FILE
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        try:
            is_new = not os.path.lexists(path)
            descriptor = self._fs.open(path, flags)
            try:
                if not is_new and _is_torn(descriptor):  # a crash cut the last line off
                    data = b"\n" + data
                write_whole(self._fs, descriptor, data)
                self._fs.fsync(descriptor)
            finally:
                self._fs.close(descriptor)
            if is_new:
                self._fs.fsync_dir(self.path)
        except OSError as error:
            raise storage_error(path, error) from error

    def _parse(self, data: bytes) -> SinkState:
        try:
            state = _state_decoder.decode(data)
        except msgspec.MsgspecError as error:
            schema = _SCHEMA.search(data)
            if schema is not None and schema[1].decode() != SCHEMA:
                raise CursorError(
                    self.path / STATE_FILE,
                    f"it was written by a newer version of mongosweep ({schema[1].decode()}, here {SCHEMA})",
                    "forward with that version",
                ) from error
            raise ValueError(f"no state of a sink: {error}") from error
        if state.sink != self.name:
            raise CursorError(
                self.path / STATE_FILE,
                f"it is the state of the sink {state.sink}",
                f"give {self.name} another name, or remove that file",
            )
        return state


def _require_readable(path: Path) -> None:
    """Raises `StorageError` where another user's file is in the way, which is not damaged."""
    try:
        open_to_read(path, path.name).close()
    except PermissionError as error:
        raise StorageError(path, explain(error), "do this as the user that forwards") from error


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
