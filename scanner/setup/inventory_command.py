"""Runs the command of an inventory and reads what it lists: no shell, no input, bounded time and output, and
nothing of it left running."""

from __future__ import annotations

import contextlib
import io
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from results.text import plural, visible
from targets.errors import ScopeError
from targets.ranges import Ranges, merge
from targets.sources.read import read_claims
from targets.sources.reading import TOLD

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from targets.claims import Claim
    from targets.ranges import Interval

MAX_OUTPUT: Final = 1 << 30  # bytes: the interfaces of a large organisation take some hundred MiB
MAX_RANGES: Final = 1_000_000  # runs of addresses that an answer may list
_STDERR: Final = 4096  # bytes of its end that are kept
_LOOK: Final = 0.25  # seconds between two looks whether it is to be ended
_ENVIRONMENT: Final = "MONGOSWEEP_"  # of variables that it does not get: secrets of ours are among them


class Listed(NamedTuple):
    """What a command listed, or in `trouble` why that is no answer."""

    listed: Ranges
    what: str
    trouble: str = ""


def run_command(
    name: str, command: Sequence[str], timeout: float, over: threading.Event | None = None
) -> Listed:
    """Run a command for at most `timeout` seconds, and read its standard output as a list of any format.

    An answer counts only when the command ended with exit code 0 and its list is whole; records that cannot
    be used are left out and counted. `over` ends it early. Never raises for what a command does.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - it stands in the configuration, which only its owner writes
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={key: value for key, value in os.environ.items() if not key.startswith(_ENVIRONMENT)},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        return _none(f"{visible(command[0], 80)} cannot be run: {reason}")
    output = _Output(process, timeout, over)
    stream = io.BufferedReader(output)  # which closes the other, and must last as long
    try:
        listed, what, trouble = _read(name, stream)
        return Listed(listed, what, output.ended() or trouble)
    finally:
        stream.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _none(trouble: str) -> Listed:
    return Listed(Ranges(), "", trouble)


def _read(name: str, stream: BinaryIO) -> tuple[Ranges, str, str]:
    """What it lists; which format that is, with how much of it was left out; and why it is no list."""
    warnings: list[str] = []
    reading = read_claims(stream, f"inventory {name}", warnings.append)
    found: dict[int, list[Interval]] = {4: [], 6: []}
    most = 2 * MAX_RANGES
    try:
        for claim in reading:
            if _confirms(claim):
                ours = found[claim.span.version]
                ours.append((claim.span.first, claim.span.last))
                if len(ours) >= most:
                    ours[:] = merge(ours)
                    if len(ours) > MAX_RANGES:
                        return Ranges(), "", f"it lists more than {MAX_RANGES:,} runs of addresses"
    except ScopeError as error:
        return Ranges(), "", visible(str(error), 300)
    left_out = reading.unusable
    if reading.warned:
        return Ranges(), "", visible(warnings[-1 - (left_out > TOLD)], 300)
    if not (found[4] or found[6]):
        return Ranges(), "", "it lists no address"
    what = str(reading.format)
    what += f", {plural(left_out, 'record')} of it cannot be used" if left_out else ""
    return Ranges(found[4], found[6]), what, ""


def _confirms(claim: Claim) -> bool:
    """A container, such as a VPC, says where addresses may be, and not that one is there."""
    return claim.said.kind != "container"


class _Output(io.RawIOBase):
    """The standard output of a process while its time lasts; of its stderr the end is kept."""

    def __init__(
        self, process: subprocess.Popen[bytes], timeout: float, over: threading.Event | None
    ) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._over = over
        self._pipes = process.stdout, process.stderr
        self._out = process.stdout.fileno()
        self._selector = selectors.DefaultSelector()
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe.fileno(), selectors.EVENT_READ)
        self._bytes = 0
        self._all = False  # of standard output has come
        self._said: deque[int] = deque(maxlen=_STDERR)
        self._trouble = ""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]  # typeshed has a wider one
        """What it wrote next; nothing more once it has ended, or when its time is over."""
        while not self._all and self._in_time():
            for key, _ in self._selector.select(_LOOK):
                data = self._take(key.fd, len(target))
                if key.fd == self._out and data is not None:
                    self._bytes += len(data)
                    if self._bytes > MAX_OUTPUT:
                        self._trouble = f"it wrote more than {MAX_OUTPUT:,} bytes"
                        return 0
                    target[: len(data)] = data
                    return len(data)
        return 0

    def ended(self) -> str:
        """Wait for the end of the process; why its output is no answer, "" when it is."""
        while self._process.poll() is None and self._in_time():
            for key, _ in self._selector.select(_LOOK if self._selector.get_map() else 0):
                self._take(key.fd, 65536)  # whatever it still says is not asked for any more
            if not self._selector.get_map():
                time.sleep(0.01)
        if self._trouble:
            return self._trouble
        code = self._process.returncode
        if code == 0:
            return ""
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        while self._selector.get_map() and (ready := self._selector.select(0)):
            for key, _ in ready:
                self._take(key.fd, 65536)
        said = bytes(self._said).decode(errors="replace").strip().split("\n")[-1].strip()
        return f"its command {how}" + (f": {visible(said, 200)}" if said else "")

    def _in_time(self) -> bool:
        if self._over is not None and self._over.is_set():
            self._trouble = self._trouble or "the sweep is over"
        elif time.monotonic() > self._deadline:
            self._trouble = self._trouble or f"its command took longer than {self._timeout:g} s"
        return not self._trouble

    def _take(self, descriptor: int, most: int) -> bytes | None:
        """What a pipe has; b"" at its end. None: nothing at the moment."""
        try:
            data = os.read(descriptor, most)
        except BlockingIOError:
            return None
        if not data:
            self._selector.unregister(descriptor)
            self._all = self._all or descriptor == self._out
        elif descriptor != self._out:
            self._said.extend(data)
        return data

    def close(self) -> None:
        """Give the pipes back."""
        if not self.closed:
            self._selector.close()
            for pipe in self._pipes:
                pipe.close()
        super().close()
