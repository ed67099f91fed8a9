"""A server of streams in a test's own loop, of which nothing is left once its context is over."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_IN_HAND = 0.05  # seconds in which a handler may come to its own end
_TURNS = 3  # of the loop, from a connection that the kernel took to the one that a handler has


@contextlib.asynccontextmanager
async def stream_server(
    handler: Handler, host: str = "127.0.0.1", port: int = 0, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Its port. Each connection is handled in a task of its own, then closed; clients may hang up."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def handled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await handler(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # No coroutine of its own: cancelled before its first step, it would leave the connection open.
        writers.append(writer)
        tasks.add(asyncio.get_running_loop().create_task(handled(reader, writer)))

    server = await asyncio.start_server(accept, host, port, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        # Closed between a connection's acceptance and its transport, a server of Python 3.11 leaves it open.
        for listening in server.sockets:
            asyncio.get_running_loop().remove_reader(listening)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        server.close()
        if tasks:
            await asyncio.wait(tasks, timeout=_IN_HAND)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)
