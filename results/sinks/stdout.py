"""Stdout as one more reader of the journal: a thread copies new lines from the segment files to it.

So a slow reader of stdout holds up nothing, a closed one loses nothing, and no second queue exists.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from typing import TYPE_CHECKING, Protocol

from results.files import ResultsError
from results.follow import Cursor, GrowingJournal
from results.reading import segment_number

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOOK_INTERVAL = 0.05  # seconds between two looks for new lines
PATIENCE = 600.0  # seconds in which a reader must take something once the sweep is over


class RawStream(Protocol):
    """An unbuffered stream of bytes."""

    def fileno(self) -> int:
        """Its descriptor."""

    def write(self, data: memoryview, /) -> int | None:
        """How much of it was taken; None when a stream that does not wait takes nothing now."""


class Follower(threading.Thread):
    """Copies whole lines from segment `first` and its successors to a stream until it is told to finish."""

    def __init__(self, directory: Path, first: Path, stream: RawStream) -> None:
        super().__init__(name="stdout", daemon=True)
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
            self.left = True
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
def follow_journal(directory: Path, first: Path) -> Iterator[Follower]:
    """Copy the journal to stdout while the context lasts, and all of it at its end."""
    sys.stdout.flush()
    # Without a buffer of Python's: a write that hangs there would hold a lock that the exit waits for.
    with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as stream:
        follower = Follower(directory, first, stream)
        follower.start()
        try:
            yield follower
        finally:
            follower.drain()
