"""The three standard streams: made fit for use before anything is opened, and written to without waiting.

A terminal that its user stopped (Ctrl-S), or a pipe that nobody reads, takes nothing for as long as it likes.
What is written to it while a sweep turns is therefore written by a thread of its own.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import sys
import threading
import time
from collections import deque
from typing import IO, TYPE_CHECKING, TextIO, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

MOST_WAITING = 1 << 20  # bytes; what comes above it is dropped and counted
STDERR_PATIENCE = 3.0  # seconds at the end in which somebody must take a byte of stderr
TABLE_PATIENCE = 60.0  # the same for a table on stdout: people stop a terminal to read it


def prepare_streams() -> None:
    """Open what was closed, and let no character end a command.

    A descriptor 0, 1 or 2 that the caller closed would be given to the next file or socket, and whoever
    writes to stdout then writes into that. /dev/null takes its place.
    """
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free descriptor: this one
    if sys.stdin is None:
        sys.stdin = _nothing("r")
    if sys.stdout is None:
        sys.stdout = _nothing("w")
    if sys.stderr is None:
        sys.stderr = _nothing("w")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test's stand-in may have none
            stream.reconfigure(errors="backslashreplace")


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether somebody sees what is written to this stream as it comes."""
    with contextlib.suppress(ValueError, OSError):
        return stream is not None and stream.isatty()
    return False


def terminal_width(stream: IO[str] | None) -> int | None:
    """The columns of the terminal that this stream is, or what COLUMNS says; None where it is none, and
    nothing is cut. Another stream may be a pipe meanwhile: each is asked for itself."""
    if stream is None or not is_terminal(stream):
        return None
    if not os.environ.get("COLUMNS"):
        with contextlib.suppress(ValueError, OSError):  # a test's stand-in has no descriptor
            return os.get_terminal_size(stream.fileno()).columns or 80
    return shutil.get_terminal_size().columns


def may_reach_terminal(stream: IO[str] | None) -> bool:
    """Whether what is written to this stream may appear on a terminal. Nobody can tell what is at the other
    end of a pipe or a socket: `| jq` writes beside us, on the terminal that we draw on. A file does not."""
    with contextlib.suppress(ValueError, OSError, AttributeError):
        if stream is not None:
            mode = os.fstat(stream.fileno()).st_mode
            return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or is_terminal(stream)
    return False


def readable(ask: Callable[[], T]) -> T:
    """What somebody answers on a terminal: asked again as long as it is not in the terminal's encoding."""
    while True:
        try:
            return ask()
        except UnicodeDecodeError as error:
            sys.stderr.write(f"that is not {error.encoding}; write it again, or without special signs\n")


def _nothing(mode: str) -> IO[str]:
    return open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123 - lives as long as the process


class PatientStream(io.TextIOBase):
    """Text for a descriptor that may take nothing for a while: a thread writes it, and `write` never waits.

    Unbuffered, because a write of Python's own that hangs would hold a lock that the exit waits for. A reader
    that went away is written to no more.
    """

    def __init__(
        self,
        descriptor: int,
        like: TextIO,
        most: int | None = MOST_WAITING,
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        """`begin` is called first in the thread."""
        super().__init__()
        self._begin = begin
        self.dropped = 0  # writes that found no room
        self.given_up = False
        self._descriptor = descriptor
        self._encoding = getattr(like, "encoding", None) or "utf-8"
        self._watched = like.isatty()
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._bytes = 0  # that nobody has taken yet
        self._gone = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._copy, name="stream", daemon=True)
        self._thread.start()

    @property
    def encoding(self) -> str:  # type: ignore[override]  # it is fixed here
        """As of the stream it stands in for."""
        return self._encoding

    def isatty(self) -> bool:
        """As of the stream it stands in for."""
        return self._watched

    def writable(self) -> bool:
        """It is."""
        return True

    @property
    def behind(self) -> bool:
        """Whether something was written that nobody has taken yet."""
        return self._bytes > 0

    def write(self, text: str, /) -> int:
        """Take the text to be written, or drop it where too much waits already."""
        data = text.encode(self._encoding, "backslashreplace")
        with self._changed:
            if self._most is not None and self._bytes + len(data) > self._most:
                self.dropped += 1
            elif data and not self._gone:
                self._waiting.append(data)
                self._bytes += len(data)
                self._changed.notify_all()
        return len(text)

    def drain(self, patience: float) -> bool:
        """Wait until all is written; False when nobody takes a byte for `patience` seconds."""
        with self._changed:
            while self._bytes:
                before = self._bytes
                if not self._changed.wait(patience) and self._bytes >= before:
                    return False
        return True

    def _copy(self) -> None:
        self._begin()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                data = memoryview(self._waiting.popleft())
            while data:
                data = data[self._write_some(data) :]

    def _write_some(self, data: memoryview) -> int:
        try:
            written = os.write(self._descriptor, data)
        except BlockingIOError:  # somebody else set it so
            time.sleep(0.05)
            return 0
        except OSError:
            with self._changed:
                self._gone, self._bytes = True, 0
                self._waiting.clear()
                self._changed.notify_all()
            return len(data)
        with self._changed:
            self._bytes -= written
            self._changed.notify_all()
        return written


@contextlib.contextmanager
def patient_stderr(begin: Callable[[], None] = lambda: None) -> Iterator[PatientStream | TextIO]:
    """Let stderr be a `PatientStream` meanwhile, for everybody who writes to it; its thread calls `begin`
    first. One that takes nothing at the end is given up: from then on nothing is written there, and the
    command can end."""
    real = sys.stderr
    try:
        descriptor = real.fileno()
    except (OSError, ValueError):  # a stand-in that nobody can delay
        yield real
        return
    real.flush()
    stream = PatientStream(descriptor, real, begin=begin)
    sys.stderr = cast("TextIO", stream)
    try:
        yield stream
    finally:
        sys.stderr = real
        if stream.dropped:
            stream.write(f"dropped {stream.dropped:,} lines: stderr was too slow\n")
        if not stream.drain(STDERR_PATIENCE):
            stream.given_up = True
            _silence(descriptor)


@contextlib.contextmanager
def patient_stdout() -> Iterator[PatientStream | TextIO]:
    """A stream for what stdout shall get, all of it. One that takes nothing for a minute is given up."""
    sys.stdout.flush()
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):
        yield sys.stdout
        return
    stream = PatientStream(descriptor, sys.stdout, most=None)
    yield stream
    if not stream.drain(TABLE_PATIENCE):
        _silence(descriptor)


def _silence(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
