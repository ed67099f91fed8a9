"""One accepted connection, in the clear or inside TLS, with the few verbs that servers good and bad need."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 65_536
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: close sends RST


class GoneError(ConnectionError):
    """The peer closed or reset the connection while more was expected of it."""


class ServerConnection:
    """What a personality sees of a connection. Sizes are bytes.

    `number` is 1 for the first connection of its server, 2 for the next; `note` is called with every
    whole message that came, for the server's record.
    """

    secure = False

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.peer: tuple[str, int] = _address(sock.getpeername)
        self.local: tuple[str, int] = _address(sock.getsockname)
        self.note: Callable[[bytes], None] = lambda _: None
        self._held = bytearray()
        self._ended = False

    async def peek(self, count: int) -> bytes:
        """Up to `count` bytes without taking them; fewer only when the peer stopped sending."""
        while len(self._held) < count and not self._ended:
            await self._fill()
        return bytes(self._held[:count])

    @property
    def held(self) -> int:
        """Bytes that have come and are not taken yet."""
        return len(self._held)

    def take(self, count: int) -> bytes:
        """Remove `count` bytes that `peek` has shown."""
        data = bytes(self._held[:count])
        del self._held[:count]
        return data

    async def recv(self) -> bytes:
        """What has come, at least one byte; empty when the peer stopped sending."""
        if not self._held and not self._ended:
            await self._fill()
        return self.take(len(self._held))

    async def recv_exactly(self, count: int) -> bytes:
        """Exactly `count` bytes. Raises `GoneError` when fewer come."""
        if len(await self.peek(count)) < count:
            raise GoneError("end of stream")
        return self.take(count)

    async def _fill(self) -> None:
        data = await self._read()
        if data:
            self._held += data
        else:
            self._ended = True

    async def _read(self) -> bytes:
        try:
            return await asyncio.get_running_loop().sock_recv(self.sock, CHUNK)
        except OSError as error:
            raise GoneError(str(error)) from error

    async def send(self, data: bytes) -> None:
        """Write all of `data`. Raises `GoneError` when the peer is no longer there."""
        try:
            await asyncio.get_running_loop().sock_sendall(self.sock, data)
        except OSError as error:
            raise GoneError(str(error)) from error

    def close(self) -> None:
        """Close with FIN, as a server does that has read all that came."""
        # Bytes left unread would turn the FIN into a RST.
        with contextlib.suppress(OSError):
            while self.sock.recv(CHUNK):
                pass
        self.sock.close()

    async def hang_up(self) -> None:
        """Send FIN now and read on to the client's end: what it sends too late must not turn into a RST."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        with contextlib.suppress(GoneError):
            while await ServerConnection._read(self):
                pass

    def reset(self) -> None:
        """Close with RST."""
        with contextlib.suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.sock.close()


def _address(ask: Callable[[], object]) -> tuple[str, int]:
    try:
        name = ask()
    except OSError:  # the peer was faster and is gone already
        return "", 0
    assert isinstance(name, tuple)
    return str(name[0]), int(name[1])


class TlsChannel(ServerConnection):
    """TLS over a plain channel by memory BIOs, so that a bare FIN without close_notify can be shown."""

    secure = True

    def __init__(self, plain: ServerConnection, context: ssl.SSLContext) -> None:
        super().__init__(plain.sock, plain.number)
        self.note = plain.note
        self._plain = plain
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def handshake(self) -> None:
        """Complete the handshake. Raises `ssl.SSLError` or `GoneError`; an alert has been sent then."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._feed()
            except ssl.SSLError:
                await self._flush()
                raise
            else:
                await self._flush()
                return

    @property
    def client_certificate(self) -> bytes | None:
        """The client's certificate in DER, if it showed one."""
        return self._tls.getpeercert(binary_form=True)

    async def _feed(self) -> None:
        data = await self._plain.recv()
        if not data:
            raise GoneError("end of stream inside TLS")
        self._incoming.write(data)

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._plain.send(self._outgoing.read())

    async def _read(self) -> bytes:
        while True:
            try:
                return self._tls.read(CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()
                try:
                    await self._feed()
                except GoneError:
                    return b""
            except ssl.SSLError as error:
                if error.reason in ("APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "UNEXPECTED_EOF_WHILE_READING"):
                    return b""
                raise GoneError(str(error)) from error

    async def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                written = self._tls.write(view[:CHUNK])
            except ssl.SSLError as error:
                raise GoneError(str(error)) from error
            view = view[written:]
            await self._flush()
