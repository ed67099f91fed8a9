"""Stdout as one more reader of the journal: a thread copies new lines from the segment files to it.

So a slow reader of stdout holds up nothing, a closed one loses nothing, and no second queue exists. Where
lines are to become another format, a process of its own between the thread and stdout makes them so: it takes
none of the sweep's time, and what befalls it befalls nothing else.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from results.files import ResultsError
from results.follow import Cursor, GrowingJournal
from results.reading import segment_number
from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LOOK_INTERVAL = 0.05  # seconds between two looks for new lines
ENDING_SECONDS = 5.0  # for a conversion that reads no more
MEEK = 10  # steps of niceness of a conversion below the sweep
PATIENCE = 600.0  # seconds in which a reader must take something once the sweep is over


class RawStream(Protocol):
    """An unbuffered stream of bytes."""

    def fileno(self) -> int:
        """Its descriptor."""

    def write(self, data: memoryview, /) -> int | None:
        """How much of it was taken; None when a stream that does not wait takes nothing now."""


class Follower(threading.Thread):
    """Copies whole lines from segment `first` and its successors to a stream until it is told to finish."""

    def __init__(
        self,
        directory: Path,
        first: Path,
        stream: RawStream,
        why_closed: Callable[[], str] = lambda: "",
    ) -> None:
        """`why_closed`: asked when the stream takes no more; "" where its reader has what it wanted."""
        super().__init__(name="stdout", daemon=True)
        self._why_closed = why_closed
        self._stream = stream
        self._finishing = threading.Event()
        self._journal = GrowingJournal(
            directory,
            Cursor(segment_number(first.name) or 1),
            somebody_writes=lambda: not self._finishing.is_set(),  # we are told before the lock is free
        )
        self._copied = 0  # bytes that the reader took
        self.patience = PATIENCE
        self.left = False  # the reader closed its end: it has what it wanted
        self.lost = ""  # why lines are missing on stdout although somebody wants them; empty when none are

    def run(self) -> None:
        """The thread's work."""
        try:
            self._copy()
        except BrokenPipeError:
            why = self._why_closed()
            self.left, self.lost = not why, self.lost or why
        except OSError as error:
            self.lost = f"standard output: {error.strerror or error}"
        except ResultsError as error:
            self.lost = f"standard output: the journal could not be read: {error}"
        except ValueError:
            self.lost = "standard output was closed"

    def _copy(self) -> None:
        with contextlib.closing(self._journal):
            while True:
                if lines := self._journal.read():
                    self._put(lines)
                elif self._journal.at_end:
                    return
                else:
                    self._finishing.wait(LOOK_INTERVAL)

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = self._stream.write(rest)
            if written is None:  # it does not let us wait in the write
                self._until_it_takes()
                continue
            rest = rest[written:]
            self._copied += written

    def _until_it_takes(self) -> None:
        writable = select.poll()
        writable.register(self._stream.fileno(), select.POLLOUT)
        while not writable.poll(1000):
            pass

    def finish(self, patience: float) -> None:
        """Let it copy the rest, now that the last line is in the journal; wait for that at most `patience`
        seconds."""
        self._finishing.set()
        with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C ends the wait
            self.join(patience)

    def drain(self, patience: float | None = None) -> None:
        """Wait for the end, as long as the reader takes something every `patience` seconds. One that does not
        is given up: it would keep the run's lock for ever."""
        patience = self.patience if patience is None else patience
        self._finishing.set()
        with contextlib.suppress(KeyboardInterrupt):
            copied = -1
            while self.is_alive() and copied != self._copied:
                copied = self._copied
                self.join(patience)
            if self.is_alive():
                self.lost = f"standard output: its reader took nothing for {patience:.0f} seconds"
        if self.is_alive() and not self.lost:
            self.lost = "standard output: the wait for its reader was interrupted"
        if self.lost or self.left:
            silence_stdout()


def silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's own last flush finds no broken pipe."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


@contextlib.contextmanager
def follow_journal(directory: Path, first: Path, through: Sequence[str] = ()) -> Iterator[Follower]:
    """Copy the journal to stdout while the context lasts, and all of it at its end.

    `through`: a program that reads it on stdin and writes to stdout what shall stand there instead."""
    sys.stdout.flush()
    if through:
        with _follow_through(directory, first, through) as follower:
            yield follower
        return
    # Without a buffer of Python's: a write that hangs there would hold a lock that the exit waits for.
    with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as stream:
        follower = Follower(directory, first, stream)
        follower.start()
        try:
            yield follower
        finally:
            follower.drain()


@contextlib.contextmanager
def _follow_through(directory: Path, first: Path, program: Sequence[str]) -> Iterator[Follower]:
    process = _Filter(program)
    follower = Follower(directory, first, process.stdin, process.why_closed)
    follower.start()
    try:
        yield follower
    finally:
        follower.drain()
        if follower.lost:
            process.kill()  # so that a write to it that hangs ends
        elif not follower.left:
            follower.lost = process.end(follower.patience)
        follower.join(ENDING_SECONDS)
        process.close()


class _Filter:
    """A program from lines on its stdin to our stdout."""

    def __init__(self, program: Sequence[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own command line
            program,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=sys.stdout.fileno(),
            stderr=subprocess.PIPE,
            env=_environment(),
            start_new_session=True,  # a Ctrl-C at the terminal is for us, and the end of its input for it
        )
        self.stdin = cast("BinaryIO", self._process.stdin)
        with contextlib.suppress(OSError):  # the sweep comes first
            mine = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, self._process.pid, mine + MEEK)

    def why_closed(self) -> str:
        """Why it reads no more: nothing where it ended well, as it does when nobody reads what it writes."""
        try:
            code = self._process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return "standard output: the conversion hangs"
        if code == 0:
            return ""
        said = cast("BinaryIO", self._process.stderr).read(4096).decode(errors="replace").splitlines()
        why = visible(said[0].removeprefix("error: ").removeprefix("output: "), 300) if said else ""
        return f"standard output: {why or f'the conversion ended with code {code}'}"

    def end(self, patience: float) -> str:
        """Let it write the rest, for at most so many seconds; why something is missing, or nothing."""
        try:
            self.stdin.close()
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            return f"standard output: its reader took nothing for {patience:.0f} seconds"
        except KeyboardInterrupt:
            self.kill()
            return "standard output: the wait for its reader was interrupted"
        return self.why_closed()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Let go of what is left of it."""
        self.stdin.close()
        cast("BinaryIO", self._process.stderr).close()


def _environment() -> dict[str, str]:
    """What it may know: where the code is, and none of our secrets (`MONGOSWEEP_*`)."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MONGOSWEEP_")}
    places = [str(Path(__file__).resolve().parents[__package__.count(".") + 1]), ours.get("PYTHONPATH", "")]
    return ours | {"PYTHONPATH": os.pathsep.join(filter(None, places))}
