"""`sweep --forward`: a process beside the sweep that sends what the sweep writes down.

A process, because the sweep owes its loop to the network: what a receiver does reaches neither its pace nor
its exit code. It has no share in stdout, so that a reader of it sees the end, and is in a session of its own,
so that a Ctrl-C at the terminal is for the sweep, whose end is still to be sent. It ends when its standard
input does, which our own death brings about too.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import tempfile
from typing import IO, TYPE_CHECKING

from results.text import visible
from scanner.program import PROGRAM, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Say = Callable[[str], None]

LAST_PATIENCE = 15.0  # seconds for what is there once the sweep is over; a receiver that is down gets fewer
MARGIN = 15.0  # seconds that it has besides, for reading what is there and for what was under way
FAREWELL = 3.0  # seconds from one signal to the next, stronger one
_TOLD = 20  # lines of what it said
_BUSY = 5  # another forward has all the sinks, and sends what there is
_ENDS = (0, 3, 4)
_BY_HAND = "mongosweep forward sends what waits"


class Forwarding:
    """The process, and what it said."""

    def __init__(self, config: str, output: Path, say: Say, *, quiet: bool = False, log: str = "") -> None:
        """Start it. Where it cannot be started, that is said, and the sweep goes on without. `log`: how much
        of its log goes to our stderr as it comes, with all that it says; "": what it said is said at its end.
        """
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        words = (*PROGRAM, "forward", "--follow", "--while-stdin")
        options = ("--patience", f"{LAST_PATIENCE:g}", "-c", config, "-o", str(output))
        self._said: IO[bytes] = io.BytesIO()
        try:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `finish`
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                (*words, *options, *(("--quiet",) if quiet else ()), *(("--log", log) if log else ())),
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=None if log else self._said,
                start_new_session=True,
            )
        except OSError as error:
            self._said.close()
            say(f"nothing is forwarded meanwhile: {error.strerror}; {_BY_HAND}")

    def finish(self) -> None:
        """Let it send what is there, and say what it said. Bounded: one that does not end is ended."""
        process = self._process
        if process is None:
            return
        self._process = None
        try:
            died = process.poll() is not None
            code = _ended(process)
        except KeyboardInterrupt:  # somebody does not want to wait
            code, died = _end(process), False
        lines = self._lines()
        if code != _BUSY and (died or code not in _ENDS):
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            self._say(f"forwarding ended early, with {how}; {_BY_HAND}")
        for line in lines:
            self._say(f"forward: {line}")

    def _lines(self) -> list[str]:
        with self._said as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16384))
            text = file.read().decode("utf-8", "replace")
        return [visible(line, 1000) for line in text.splitlines()[-_TOLD:]]


@contextlib.contextmanager
def forwarding(config: str, output: Path, say: Say, *, quiet: bool = False, log: str = "") -> Iterator[None]:
    """Forward while the context lasts, and what is there at its end. `quiet`: nothing is said when all was
    delivered. `log`: see `Forwarding`."""
    beside = Forwarding(config, output, say, quiet=quiet, log=log)
    try:
        yield
    finally:
        beside.finish()


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Close its input, and wait for its end."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        return process.wait(LAST_PATIENCE + MARGIN)
    except subprocess.TimeoutExpired:
        return _end(process)


def _end(process: subprocess.Popen[bytes]) -> int:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            return process.wait(FAREWELL)
    return process.wait()
