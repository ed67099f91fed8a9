"""A proxy on loopback that speaks CONNECT (RFC 9110, 9.3.6) and carries bytes both ways."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from tests.support.streams import stream_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Proxy:
    """Leads wherever it is asked to. `answer` is what it says: 200, or a status in its place."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answer = 200
        self.place = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Proxy]:
        """Serve while the context lasts."""
        async with stream_server(self._serve) as port:
            self.place = f"127.0.0.1:{port}"
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        method, target, _ = first.split(" ")
        self.asked.append((f"{method} {target}", dict(line.split(": ", 1) for line in rest)))
        writer.write(f"HTTP/1.1 {self.answer} So\r\nContent-Length: 0\r\n\r\n".encode())
        if self.answer != 200:
            await writer.drain()
            return
        host, _, port = target.rpartition(":")
        there, onward = await asyncio.open_connection(host, int(port))
        with contextlib.closing(onward):
            await asyncio.gather(_carry(reader, onward), _carry(there, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
