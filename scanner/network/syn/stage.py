"""The stage as the engine sees it: starts the process, gives what it finds while it runs. Imports no numpy.

stage = SynStage(Job(...))
await stage.start()                   # NoRawSockets, StageTrouble: the sweep goes on with the connect engine
async for event in stage.events():    # LiveTargets and others, as they come; reading slowly slows the stage
    ...
stage.stats                           # final once events() has ended; stage.direct: what it could not ask
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import zlib
from array import array
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from scanner.network.syn.messages import (
    HEADER,
    MOST_PAYLOAD,
    Command,
    Job,
    Kind,
    OrderParameters,
    Progress,
    Ready,
    SetRate,
    Stats,
    Stop,
    TargetRange,
    Trouble,
    line,
)
from scanner.network.syn.needs import GRANT
from scanner.program import module

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from targets.scope import Scope

_READY_SECONDS = 30.0
_GRACE_SECONDS = 5.0


class StageTrouble(Exception):  # noqa: N818 — not always an error: the sweep goes on without the stage
    """The stage cannot run, or not to its end, on this machine. Says nothing of any target."""

    def __init__(self, message: str, what: str = "") -> None:
        super().__init__(message)
        self.what = what


class NoRawSockets(StageTrouble):
    """The capability is missing. The text says how to grant it."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"The SYN stage cannot open raw sockets: {detail}. The sweep goes on with the connect engine. "
            f"To grant it, {GRANT}",
            "no raw sockets",
        )


def job_for(
    scope: Scope, order: OrderParameters, *, rate: float | None, attempts: int = 2, wait: float = 2.0
) -> Job:
    """The job for a whole scope. Other fields may be set on a copy of the result."""
    ranges = [
        TargetRange(version, segment.first, segment.last, tuple(segment.ports))
        for version in (4, 6)
        for segment in scope.segments(version)
    ]
    until = None if scope.expires == float("inf") else scope.expires
    return Job(ranges=ranges, order=order, rate=rate, attempts=attempts, wait=wait, until=until)


class LiveTargets(NamedTuple):
    """Indices of targets that accept connections, each once in the life of a stage."""

    indices: array[int]


class RefusedTargets(NamedTuple):
    """Indices of targets that refuse connections; only when the job says `report_refused`."""

    indices: array[int]


class SnapshotBegun(NamedTuple):
    """A snapshot holds exactly the live targets that came before this event."""


class SnapshotWhole(NamedTuple):
    """And now all of it has come; a later stage goes on from `progress` with `marks`, once these are
    decompressed (zlib)."""

    progress: Progress
    marks: bytes


Event = LiveTargets | RefusedTargets | SnapshotBegun | SnapshotWhole


class IncomingSnapshot:
    """The pieces of the stage's marks, compressed as they come: most of them are empty."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.missing = progress.pieces
        self._compressor = zlib.compressobj(1)
        self._packed = bytearray()

    def add(self, piece: bytes) -> None:
        """One more."""
        self._packed += self._compressor.compress(piece)
        self.missing -= 1

    def packed(self) -> bytes:
        """All of them, once they are there, as `zlib.decompress` takes them."""
        return bytes(self._packed + self._compressor.flush())


class SynStage:
    """One run of the stage's process; `marks` of a `SnapshotWhole`, decompressed, for a job that goes on."""

    def __init__(self, job: Job, marks: bytes = b"") -> None:
        self._job = msgspec.structs.replace(job, marks_bytes=len(marks))
        self._marks = marks
        self._coming: IncomingSnapshot | None = None  # of which pieces are missing
        self._process: asyncio.subprocess.Process | None = None
        self.stats = Stats()
        self.direct: list[tuple[int, int]] = []  # (first index, count) of targets left to the connect engine
        self.lanes: list[str] = []
        self.notes: list[str] = []

    @property
    def pid(self) -> int:
        """The stage's process."""
        assert self._process is not None, "the stage has not been started"
        return self._process.pid

    async def start(self) -> None:
        """Start it; returns when its privileges are gone and before its first frame. Raises StageTrouble."""
        environment = {
            key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "LC_ALL", "TZ")
        }
        # A maths library that starts threads would leave each of them with the capabilities of the start.
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        self._process = await asyncio.create_subprocess_exec(
            *module(f"{__package__}.process", "-I"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,  # a traceback is for the text of a StageTrouble
            env=environment,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(line(self._job) + self._marks)
        self._marks = b""
        try:
            kind, payload = await asyncio.wait_for(self._message(), _READY_SECONDS)
        except TimeoutError:
            await self.close()
            raise StageTrouble("the SYN stage did not get ready within 30 seconds") from None
        if kind is not Kind.READY:
            await self.close()
            raise StageTrouble("the SYN stage ended before it was ready")
        ready = msgspec.json.decode(payload, type=Ready)
        self.direct, self.lanes, self.notes = ready.direct, ready.lanes, ready.notes

    async def _message(self) -> tuple[Kind, bytes]:
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            kind, length = HEADER.unpack(await self._process.stdout.readexactly(HEADER.size))
            if length > MOST_PAYLOAD:
                raise StageTrouble(f"the SYN stage sent a message of {length} bytes", "bug")
            payload = await self._process.stdout.readexactly(length)
        except asyncio.IncompleteReadError:
            raise StageTrouble(await self._without_a_word(self._process), "bug") from None
        kind = Kind(kind)
        if kind is Kind.TROUBLE:
            trouble = msgspec.json.decode(payload, type=Trouble)
            await self.close()
            if trouble.what == "no raw sockets":
                raise NoRawSockets(trouble.text)
            raise StageTrouble(trouble.text, trouble.what)
        return kind, payload

    @staticmethod
    async def _without_a_word(process: asyncio.subprocess.Process) -> str:
        """How it ended, with the last line that it wrote on stderr, such as of a module that is missing."""
        written = b"" if process.stderr is None else await process.stderr.read()
        status = f"status {await process.wait()}"
        said = written.decode(errors="replace").strip().rpartition("\n")[2]
        return f"the SYN stage ended without a last word ({status}{': ' if said else ''}{said[:300]})"

    async def events(self) -> AsyncIterator[Event]:
        """What the stage says, in its order. Ends when the stage has ended; then `stats` is final. Raises
        StageTrouble when it broke off.

        Nothing else of the loop runs between the reading of a message and its event: whoever handles a
        SnapshotBegun without an await has the state that all events before it have led to, and no other.
        """
        while True:
            kind, payload = await self._message()
            if kind in (Kind.LIVE, Kind.REFUSED):
                indices = array("Q", payload)
                if sys.byteorder == "big":
                    indices.byteswap()
                yield LiveTargets(indices) if kind is Kind.LIVE else RefusedTargets(indices)
            elif kind is Kind.SNAPSHOT:
                self._coming = IncomingSnapshot(msgspec.json.decode(payload, type=Progress))
                yield SnapshotBegun()
            elif kind is Kind.MARKS:
                if self._coming is not None:
                    self._coming.add(payload)
            else:
                self.stats = msgspec.json.decode(payload, type=Stats)
                if kind is Kind.DONE:
                    await self.close()
                    return
            if self._coming is not None and not self._coming.missing:
                coming, self._coming = self._coming, None
                yield SnapshotWhole(coming.progress, coming.packed())

    def set_rate(self, rate: float | None) -> None:
        """SYNs a second from now on; None: as fast as the machine can."""
        self._command(SetRate(rate))

    def stop(self) -> None:
        """No SYN after this has been read (milliseconds). `events` then ends by itself."""
        self._command(Stop())

    def _command(self, command: Command) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                self._process.stdin.write(line(command))

    async def close(self) -> None:
        """Make sure that the process is gone. Safe to call twice, and in a `finally`."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(self._ended(process), _GRACE_SECONDS)
        except TimeoutError:
            process.kill()
            await self._ended(process)

    @staticmethod
    async def _ended(process: asyncio.subprocess.Process) -> None:
        if process.stdout is not None:
            while await process.stdout.read(65536):  # to its end, so that the loop closes the pipe, too
                pass
        await process.wait()
