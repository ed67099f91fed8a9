"""Takes connections, never more than so many: who is slow makes room for who comes next.

Of all connections only those count as busy whose request came whole, from somebody who may have an answer.
The others (no request yet, a handshake that does not end, an answer that nobody reads) are quiet; when the
house is full, the one that has been quiet longest is closed, and after a while each of them is.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable

    from aiohttp.web_protocol import RequestHandler

MOST: Final = 1024
QUIET: Final = 30.0  # seconds that a connection may be quiet
HANDSHAKE: Final = 10.0  # seconds for TLS
_SPARE_FILES: Final = 128  # descriptors for everything else
_PAUSE: Final = 0.002  # seconds between two that are turned away: a flood costs so much and no more


def most_connections() -> int:
    """As many as descriptors allow, which are raised to what this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST + _SPARE_FILES
    if soft < wanted:
        raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    return max(16, min(MOST, soft - _SPARE_FILES))


class _Connection:
    """One connection. `quiet_since` is loop time; None while it is busy."""

    __slots__ = ("opening", "protocol", "quiet_since")

    def __init__(self, protocol: RequestHandler, now: float) -> None:
        self.protocol = protocol
        self.quiet_since: float | None = now
        self.opening: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        return self.opening is None and self.protocol.transport is None

    def close(self) -> None:
        if self.opening is not None:
            self.opening.cancel()
        elif self.protocol.transport is not None:
            self.protocol.transport.abort()


class Connections:
    """All of a listener. `context` gives the TLS of the next connection, None for none."""

    def __init__(
        self, context: Callable[[], ssl.SSLContext | None], most: int = MOST, quiet: float = QUIET
    ) -> None:
        self._context = context
        self._most = most
        self._quiet = quiet
        self._all: dict[object, _Connection] = {}

    def __len__(self) -> int:
        self._forget_over()
        return len(self._all)

    async def serve(self, listener: socket.socket, make: Callable[[], RequestHandler]) -> None:
        """Take connections until cancelled."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        ending = loop.create_task(self._end_quiet())
        try:
            while True:
                try:
                    client, _ = await loop.sock_accept(listener)
                except OSError:  # no descriptor left, or the client went away
                    await asyncio.sleep(0.1)
                    continue
                if not self._has_room():
                    client.close()
                    await asyncio.sleep(_PAUSE)
                    continue
                connection = _Connection(make(), loop.time())
                self._all[connection.protocol] = connection
                connection.opening = loop.create_task(self._open(connection, client))
                await asyncio.sleep(0)  # who is inside has its turn, however many come
        finally:
            ending.cancel()

    def busy(self, request: web.Request) -> None:
        """This request is being answered."""
        if (connection := self._all.get(request.protocol)) is not None:
            connection.quiet_since = None

    def quiet(self, request: web.Request) -> None:
        """Its answer is made, and on its way."""
        if (connection := self._all.get(request.protocol)) is not None:
            connection.quiet_since = asyncio.get_running_loop().time()

    async def _open(self, connection: _Connection, client: socket.socket) -> None:
        context = self._context()
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection.protocol,
                client,
                ssl=context,
                ssl_handshake_timeout=HANDSHAKE if context is not None else None,
                ssl_shutdown_timeout=1.0 if context is not None else None,
            )
        except (OSError, EOFError):  # no TLS, or not in time
            client.close()
        except BaseException:
            client.close()
            raise
        finally:
            connection.opening = None

    def _has_room(self) -> bool:
        """Whether one more may come; makes room where it can."""
        if len(self._all) < self._most:
            return True
        self._forget_over()
        if len(self._all) < self._most:
            return True
        quiet = [each for each in self._all.values() if each.quiet_since is not None]
        if not quiet:
            return False
        longest = min(quiet, key=lambda each: each.quiet_since or 0.0)
        longest.close()
        del self._all[longest.protocol]
        return True

    def _forget_over(self) -> None:
        for connection in [each for each in self._all.values() if each.is_over]:
            del self._all[connection.protocol]

    async def _end_quiet(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, self._quiet))
            self._forget_over()
            last = asyncio.get_running_loop().time() - self._quiet
            for connection in self._all.values():
                if connection.quiet_since is not None and connection.quiet_since < last:
                    connection.close()


CONNECTIONS: Final = web.AppKey("connections", Connections)
