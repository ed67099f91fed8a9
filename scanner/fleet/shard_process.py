"""A process that sweeps one shard, here or at the other end of ssh: fed on stdin, read on stdout.

Its first line of stdin is the shard; every line after that says that somebody still wants it. A process that
hears nothing for `LEASE` seconds sends nothing more and ends: whoever lost touch with it may give the shard
to another one by then. A process whose first line is `DESCRIBE` says who it is, and ends; a word, not an
option, because a command that authorized_keys force upon ssh knows no options of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, TypeVar

from results.text import visible
from scanner.fleet.messages import (
    BATCH_BYTES,
    MOST_BYTES,
    Description,
    Message,
    MessageError,
    decode,
    decode_description,
    encode,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from scanner.fleet.messages import Shard

T = TypeVar("T")

LEASE = 20.0  # seconds without a word after which a shard is let be
RENEW = 2.0  # seconds between two words
WANTED = b"wanted\n"
STOP = b"stop\n"
DESCRIBE = b"describe\n"
STOPPING = 10.0  # seconds that a process has to end in when it is told to
_TAIL = 2_000  # bytes of stderr that are kept for what is said of a process that failed
_MOST_DESCRIBED = 64 << 10  # bytes of what a process says of itself


class ShardProcessError(Exception):
    """The process ended without a word on how; says what it left on stderr.

    `code` is its exit status, negative for a signal; `said` the last lines of its stderr, as they came.
    """

    def __init__(self, code: int, said: str) -> None:
        last = visible(said.strip().rpartition("\n")[2], 300)
        super().__init__(f"it ended with code {code}" + (f": {last}" if last else ""))
        self.code = code
        self.said = said


async def sweep_shard(
    command: Sequence[str],
    shard: Shard,
    *,
    still_wanted: Callable[[], bool] = lambda: True,
    told: Callable[[str], None] = lambda text: None,
) -> AsyncGenerator[Message, None]:
    """Run a command that sweeps a shard, and give out what it says, until it has ended.

    `still_wanted` is asked every `RENEW` seconds: while it is true the shard's lease is renewed; once it is
    not the process is stopped. `told` gets the lines of its stderr. Raises ShardProcessError, MessageError
    for an answer that is none, and OSError when the command cannot be started. When the iterator is closed
    the process is stopped.
    """
    over = False
    async with _started(command, encode(shard), still_wanted, told, MOST_BYTES) as process:
        while line := await process.line():
            message = _read(decode, line)
            over = over or message.__struct_config__.tag in ("ended", "refused")
            yield message
        failure = await process.end()
        if not over:
            raise failure


async def describe(command: Sequence[str], seconds: float) -> Description:
    """Ask such a process who it is, for at most `seconds`.

    Raises ShardProcessError when it ended without an answer, MessageError for an answer that is none,
    TimeoutError when none came, and OSError when the command cannot be started.
    """
    async with _started(command, DESCRIBE, lambda: True, lambda text: None, _MOST_DESCRIBED) as process:
        async with asyncio.timeout(seconds):
            if line := await process.line():
                return _read(decode_description, line)
            raise await process.end()


class _Process:
    """One that was started, for as long as somebody reads what it says."""

    def __init__(
        self, process: asyncio.subprocess.Process, most: int, tail: bytearray, listening: asyncio.Future[None]
    ) -> None:
        self._process, self._most, self._tail, self._listening = process, most, tail, listening

    async def line(self) -> bytes:
        """The next line that it writes on stdout; b"" at the end. Raises MessageError for one too long."""
        assert self._process.stdout is not None
        return await _line(self._process.stdout, self._most)

    async def end(self) -> ShardProcessError:
        """Waits for its end; what that means, where it did not say so itself."""
        code = await self._process.wait()
        await asyncio.wait([self._listening], timeout=1)
        return ShardProcessError(code, self._tail.decode("utf-8", "replace"))


@contextlib.asynccontextmanager
async def _started(
    command: Sequence[str],
    first: bytes,
    still_wanted: Callable[[], bool],
    told: Callable[[str], None],
    most: int,
) -> AsyncGenerator[_Process, None]:
    """A process that reads `first` and then that it is wanted, for as long as it is; ended on the way out.
    `most`: bytes of one of its lines."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=min(BATCH_BYTES, most),
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stderr is not None
    tail = bytearray()
    listening = asyncio.ensure_future(_listen(process.stderr, tail, told))
    beside = [asyncio.ensure_future(_renew(process.stdin, first, still_wanted)), listening]
    try:
        yield _Process(process, most, tail, listening)
    finally:
        await _over(beside, process)


async def _line(stream: asyncio.StreamReader, most: int) -> bytes:
    """The next line, as far as it goes; b"" at the end. Raises MessageError beyond `most` bytes.

    Not `readline`: a reader whose limit is the longest line there may be holds twice as much of everything.
    """
    line = bytearray()
    while len(line) <= most:
        try:
            return bytes(line + await stream.readuntil())
        except asyncio.IncompleteReadError as error:
            return bytes(line + error.partial)
        except asyncio.LimitOverrunError as error:
            line += await stream.readexactly(error.consumed)
    raise MessageError(f"a line of more than {most:,} bytes, which is no message")


def _read(decoder: Callable[[bytes], T], line: bytes) -> T:
    """What a line says; who reads of one that says nothing sees how it begins."""
    try:
        return decoder(line)
    except MessageError as error:
        begins = visible(line[:200].decode("utf-8", "replace").strip(), 60)
        raise MessageError(f"{error}: {begins!r}") from error


async def _renew(stdin: asyncio.StreamWriter, first: bytes, still_wanted: Callable[[], bool]) -> None:
    with contextlib.suppress(ConnectionError):
        stdin.write(first)
        await stdin.drain()
        while still_wanted():
            stdin.write(WANTED)
            await stdin.drain()
            await asyncio.sleep(RENEW)
        stdin.write(STOP)
        await stdin.drain()


async def _listen(stderr: asyncio.StreamReader, tail: bytearray, told: Callable[[str], None]) -> None:
    with contextlib.suppress(MessageError):  # what follows a line without an end is not kept
        while line := await _line(stderr, _MOST_DESCRIBED):
            tail += line
            del tail[:-_TAIL]
            told(visible(line.decode("utf-8", "replace").rstrip("\n"), 500))
    await _discard(stderr)


async def _over(beside: Sequence[asyncio.Future[None]], process: asyncio.subprocess.Process) -> None:
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Have it end: first by closing its stdin, then by force, with everything that it started."""
    assert process.stdin is not None
    process.stdin.close()
    # What nobody reads any more must not keep it from ending, nor us from seeing that it has.
    rest = [asyncio.ensure_future(_discard(each)) for each in (process.stdout, process.stderr) if each]
    try:
        if process.returncode is None:
            await asyncio.wait([asyncio.ensure_future(process.wait())], timeout=STOPPING)
        if process.returncode is not None:
            await asyncio.wait(rest, timeout=1)
    finally:  # also when nobody waits so long
        if process.returncode is None or not all(task.done() for task in rest):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            await asyncio.wait(rest, timeout=1)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


async def _discard(stream: asyncio.StreamReader) -> None:
    while await stream.read(1 << 16):
        pass
