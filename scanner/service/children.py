"""Processes of the service: how one is started, watched and ended, whether this service started it or one
that was killed before did.

Each is in a session of its own, so that a Ctrl-C at the terminal is for the service, which ends them in
order. What one says goes into a file that has no name, so that it can go on when the service is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from results.text import visible
from scanner import program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TOLD: Final = 20  # last lines of what it said
_TOLD_BYTES: Final = 16 * 1024
_TOLD_CHARACTERS: Final = 500  # a line
_LOOK: Final = 0.1  # seconds, where the system cannot tell of an end by itself
_OURS_ALONE: Final = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"})


class Child:
    """A process that runs, or has ended: then `ended` is set, and `exit_code` is what it ended with (below 0:
    by that signal), None where that is known only to a service that is gone."""

    def __init__(self, pid: int, process: subprocess.Popen[bytes] | None, said: IO[bytes] | None) -> None:
        self.pid = pid
        self.exit_code: int | None = None
        self.ended = asyncio.Event()
        self._process = process
        self._said = said
        self._descriptor = -1
        self._watch()

    @classmethod
    def start(
        cls,
        words: Sequence[str],
        environment: Mapping[str, str],
        *,
        descriptors: Sequence[int] = (),
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        heard: bool = True,
    ) -> Child:
        """Start a program. `heard`: what it says on stderr is kept, and goes where ours goes else. Raises
        `OSError`."""
        said = tempfile.TemporaryFile() if heard else None  # noqa: SIM115 - closed when it was read
        try:
            process = subprocess.Popen(  # noqa: S603 - our own program
                list(words),
                env=dict(environment),
                stdin=stdin,
                stdout=stdout,
                stderr=said,
                pass_fds=tuple(descriptors),
                start_new_session=True,
            )
        except BaseException:
            if said is not None:
                said.close()
            raise
        return cls(process.pid, process, said)

    @classmethod
    def adopt(cls, pid: int, words: Sequence[str]) -> Child | None:
        """The process of this number, if it still is the one that was started with these words; None if not,
        and where the system does not tell."""
        if pid <= 0 or not _runs(pid, words):
            return None
        child = cls(pid, None, None)
        if _runs(pid, words):  # the number may have gone to another between the two
            return child
        child._forget()
        return None

    @property
    def stdin(self) -> IO[bytes] | None:
        """Its input, where that is a pipe."""
        return self._process.stdin if self._process is not None else None

    @property
    def stdout(self) -> IO[bytes] | None:
        """Its output, where that is a pipe."""
        return self._process.stdout if self._process is not None else None

    def signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.ended.is_set():
            return
        with contextlib.suppress(ProcessLookupError):
            if self._process is not None:
                self._process.send_signal(number)
            elif self._descriptor >= 0:
                signal.pidfd_send_signal(self._descriptor, number)
            else:
                os.kill(self.pid, number)

    async def end(self, *waits: float) -> None:
        """SIGTERM now, another one after the first wait, SIGKILL after the last; seconds."""
        for wait in waits:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), wait)
                return
        self.signal(signal.SIGKILL)
        await self.ended.wait()

    def said(self) -> tuple[str, ...]:
        """Its last lines on stderr, made fit to be shown; nothing once it was read."""
        if self._said is None:
            return ()
        with self._said as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TOLD_BYTES))
            text = file.read().decode("utf-8", "replace")
        self._said = None
        return tuple(visible(line, _TOLD_CHARACTERS) for line in text.splitlines()[-_TOLD:])

    # --- noticing its end -----------------------------------------------------------------------------

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            self._end()
        except (AttributeError, OSError):  # no such call here
            loop.call_later(_LOOK, self._look)
        else:
            loop.add_reader(self._descriptor, self._end)

    def _look(self) -> None:
        process = self._process
        if process.poll() is not None if process is not None else not _exists(self.pid):
            self._end()
        else:
            asyncio.get_running_loop().call_later(_LOOK, self._look)

    def _end(self) -> None:
        self._forget()
        if self._process is not None:
            self.exit_code = self._process.wait()
        self.ended.set()

    def _forget(self) -> None:
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def environment(*, secrets: bool) -> dict[str, str]:
    """Ours for a child, with where the code is. Without `secrets`, only what a program needs to run."""
    found = {name: value for name, value in os.environ.items() if name not in _OURS_ALONE}
    if not secrets:
        found = {name: value for name, value in found.items() if not name.startswith("MONGOSWEEP_")}
        found.pop("CREDENTIALS_DIRECTORY", None)
    return program.environment(found)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _runs(pid: int, words: Sequence[str]) -> bool:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return line == b"".join(os.fsencode(word) + b"\0" for word in words)
