"""What is said on the stdin of a process that sweeps a shard: the shard, then that it is wanted, or not.

A word renews the lease from when it was certainly not there yet, not from when it was read: a process that
was stopped finds words that were written before somebody else took its shard over.
"""

from __future__ import annotations

import os
import select
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.clock import SystemClock
from scanner.errors import ExitCode
from scanner.fleet.messages import MOST_BYTES, MessageError
from scanner.fleet.shard_process import LEASE, STOP

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.clock import Clock

TICK = 0.25  # seconds between two looks at stdin, and at the time
_CHUNK = 1 << 16


def process_began() -> float:
    """When this process was started, as boot time in seconds: field 22 of /proc/self/stat (proc(5)). Now, on
    a system that does not tell."""
    try:
        fields = Path("/proc/self/stat").read_bytes().rsplit(b")", 1)[1].split()
        return int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return SystemClock.boottime()


def end_process(why: str) -> None:
    """End this process at once, whatever its threads are doing: nothing more is sent, nothing written."""
    line = f"error: {why}\n".encode()
    try:
        if select.select([], [2], [], 0)[1]:
            os.write(2, line[: select.PIPE_BUF])
    except (OSError, ValueError):
        pass
    os._exit(ExitCode.INCOMPLETE)


class Lease(threading.Thread):
    """Implements `scanner.network.guard.Wanted`. `description` first, then `start`.

    `began`: boot time in seconds at which the first word cannot have been there. `end` is called, in any
    thread, when nothing was said for `seconds`.
    """

    def __init__(
        self,
        descriptor: int,
        seconds: float = LEASE,
        *,
        began: float,
        end: Callable[[str], None] = end_process,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name="lease", daemon=True)
        self.seconds = seconds
        self.until = began + seconds
        self.stopped = False
        """Whether it is to stop: somebody said so, or nobody is there any more who could say anything."""
        self._descriptor = descriptor
        self._end = end
        self._clock = clock or SystemClock()
        self._empty_at = began
        self._rest = b""

    def stop(self) -> None:
        """It is to stop for a reason of our own."""
        self.stopped = True

    def over(self) -> None:
        """Nothing was said for too long."""
        self._end(f"nobody has said for {self.seconds:g} s that this shard is wanted; ended at once")

    def description(self) -> bytes:
        """The first line, without its newline. Raises MessageError when there is none."""
        data = bytearray()
        while (end := data.find(b"\n", max(0, len(data) - _CHUNK))) < 0:
            if len(data) > MOST_BYTES:
                raise MessageError(f"the first line of standard input has more than {MOST_BYTES:,} bytes")
            if not self._is_ready(max(0.0, self.until - self._clock.boottime())):
                raise MessageError(f"no description of a shard came on standard input in {self.seconds:g} s")
            chunk = os.read(self._descriptor, _CHUNK)
            if not chunk:
                if not data:
                    raise MessageError("standard input is empty; a shard is described in its first line")
                end = len(data)
                break
            data += chunk
        self._rest = bytes(data[end + 1 :])
        return bytes(data[:end])

    def run(self) -> None:
        """The thread's work: listen, and look at the time."""
        self._hear(b"")
        while True:
            looked_at = self._clock.boottime()
            ready = self._is_ready(TICK)
            now = self._clock.boottime()
            if now >= self.until:
                self.over()
                return
            if not ready:
                self._empty_at = looked_at
                continue
            try:
                data = os.read(self._descriptor, _CHUNK)
            except OSError:
                data = b""
            if not data:
                self._nobody_there()
                return
            self._hear(data)
            if len(data) < _CHUNK:  # that was all
                self._empty_at = now

    def _hear(self, data: bytes) -> None:
        *words, self._rest = (self._rest + data).split(b"\n")
        self._rest = self._rest[-_CHUNK:]
        if words:
            self.until = max(self.until, self._empty_at + self.seconds)
        if STOP.strip() in (word.strip() for word in words):
            self.stopped = True

    def _nobody_there(self) -> None:
        """Stdin has ended: stop, and be done by the end of the lease."""
        self.stopped = True
        while (left := self.until - self._clock.boottime()) > 0:
            threading.Event().wait(min(left, TICK))
        self.over()

    def _is_ready(self, seconds: float) -> bool:
        return bool(select.select([self._descriptor], [], [], seconds)[0])
