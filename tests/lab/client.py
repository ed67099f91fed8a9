"""A raw client for tests of the lab: writes bytes, reads bytes, decodes with `bson`; no scanner code."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import bson

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from types import TracebackType

    from scanner.lab.server import LabServer

SECONDS = 10.0
STEP = 0.01


@dataclass(frozen=True)
class Reply:
    """One message of a server, taken apart as far as its opcode is known."""

    length: int
    request_id: int
    response_to: int
    opcode: int
    body: bytes

    @property
    def flags(self) -> int:
        """responseFlags of an OP_REPLY, flagBits of an OP_MSG."""
        return int(struct.unpack_from("<I", self.body)[0])

    @property
    def document_bytes(self) -> bytes:
        """What follows the fixed fields."""
        return self.body[20:] if self.opcode == 1 else self.body[5:]

    @property
    def document(self) -> dict[str, Any]:
        """The one document of a command reply."""
        return bson.decode(self.document_bytes)


def query(
    document: dict[str, Any],
    *,
    namespace: str = "admin.$cmd",
    flags: int = 4,
    limit: int = -1,
    fields: dict[str, Any] | None = None,
    request_id: int = 7,
) -> bytes:
    """An OP_QUERY."""
    body = struct.pack("<i", flags) + namespace.encode() + b"\x00" + struct.pack("<ii", 0, limit)
    body += bson.encode(document) + (bson.encode(fields) if fields is not None else b"")
    return struct.pack("<iiii", 16 + len(body), request_id, 0, 2004) + body


def msg(document: dict[str, Any], database: str = "admin", *, flags: int = 0, request_id: int = 8) -> bytes:
    """An OP_MSG."""
    body = struct.pack("<I", flags) + b"\x00" + bson.encode({**document, "$db": database})
    return struct.pack("<iiii", 16 + len(body), request_id, 0, 2013) + body


def is_whole(received: bytes | bytearray) -> bool:
    """Whether these bytes are exactly one message by their own length."""
    return len(received) > 20 and struct.unpack_from("<i", received)[0] == len(received)


@contextlib.asynccontextmanager
async def patience(seconds: float) -> AsyncIterator[None]:
    """`asyncio.timeout`, but of time in which the loop turns: on a busy machine it may stand still."""
    async with asyncio.timeout(None) as limit:

        async def turn() -> None:
            for _ in range(round(seconds / STEP)):
                await asyncio.sleep(STEP)
            limit.reschedule(asyncio.get_running_loop().time())

        turning = asyncio.create_task(turn())
        try:
            yield
        finally:
            turning.cancel()


class Client:
    """One connection. Every wait is bounded."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None = None) -> None:
        self._where = host, port
        self._context = context
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    @classmethod
    def to(cls, server: LabServer, context: ssl.SSLContext | None = None) -> Self:
        """A client for a running server."""
        return cls(server.host, server.port, context)

    async def __aenter__(self) -> Self:
        opening = asyncio.open_connection(*self._where, ssl=self._context, limit=2**20)
        self.reader, self.writer = await asyncio.wait_for(opening, SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def send(self, data: bytes) -> None:
        """Write without waiting; nothing when the server has hung up already."""
        if not self.writer.is_closing():
            self.writer.write(data)

    async def exactly(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        return await asyncio.wait_for(self.reader.readexactly(count), SECONDS)

    async def rest(self, seconds: float = SECONDS) -> bytes:
        """Everything until the server closes. Raises `ConnectionResetError` or `TimeoutError`."""
        return await asyncio.wait_for(self.reader.read(-1), seconds)

    async def within(self, seconds: float, *, one_message: bool = False) -> bytes:
        """What comes in that time; ends early when the server closes, or when one whole message is there."""
        received = bytearray()
        try:
            async with patience(seconds):
                while part := await self.reader.read(65_536):
                    received += part
                    if one_message and is_whole(received):
                        break
        except TimeoutError:
            pass
        return bytes(received)

    async def reply(self) -> Reply:
        """One message, read by its own length."""
        head = await self.exactly(16)
        length, request_id, response_to, opcode = struct.unpack("<iiii", head)
        return Reply(length, request_id, response_to, opcode, await self.exactly(length - 16))

    async def ask(self, request: bytes) -> Reply:
        """Send one message and read one."""
        self.send(request)
        return await self.reply()
