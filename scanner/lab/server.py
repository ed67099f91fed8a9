"""One personality on one address: accepts, speaks TLS where it should, records what it was asked."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from scanner.lab.channel import GoneError, ServerConnection, TlsChannel
from scanner.lab.security import ClientCertificate, Demand
from scanner.lab.wire import BadFrameError, Document, parse

if TYPE_CHECKING:
    from types import TracebackType

    from scanner.lab.personality import Personality

RECORD_SIZE = 20_000
PAUSE_SECONDS = 0.05
HTTP_PAGE_TEXT = b"It looks like you are trying to access MongoDB over HTTP on the native driver port.\r\n"


def http_page(text: bytes = HTTP_PAGE_TEXT) -> bytes:
    """What a mongod says to `GET `, before it looks whether TLS is required (3.6.4 and later: 85 bytes)."""
    head = "HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    head += f"Content-Length: {len(text)}\r\n\r\n"
    return head.encode() + text


@dataclass(frozen=True, slots=True)
class Seen:
    """One whole message that a client sent. `command` is empty for legacy reads and unknown opcodes."""

    peer: tuple[str, int]
    local: tuple[str, int]
    opcode: int
    namespace: str
    command: str
    document: Document
    raw: bytes


class Record:
    """What came to a server: `connections` accepted and the last messages."""

    def __init__(self, size: int = RECORD_SIZE) -> None:
        self.connections = 0
        self.messages: deque[Seen] = deque(maxlen=size)
        self.failures: list[BaseException] = []  # faults of the lab itself; always empty when it is sound

    def add(self, channel: ServerConnection, raw: bytes) -> None:
        """Keep one message; what cannot be parsed is kept as bytes."""
        try:
            request = parse(raw)
        except BadFrameError:
            self.messages.append(Seen(channel.peer, channel.local, 0, "", "", {}, raw))
            return
        self.messages.append(
            Seen(
                channel.peer,
                channel.local,
                request.opcode,
                request.namespace,
                request.command,
                request.document,
                raw,
            )
        )


class Listener:
    """Accepts on one socket and runs a task for each connection; `personality_for` says who answers."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.record = Record()
        self._socket: socket.socket | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def personality_for(self, channel: ServerConnection) -> Personality | None:
        """Who answers this connection; None resets it."""
        raise NotImplementedError

    def make_socket(self) -> socket.socket:
        """The listening socket, bound; subclasses set options here."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM | getattr(socket, "SOCK_CLOEXEC", 0))
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.prepare(listening)
            listening.bind((self.host, self.port))
            listening.listen(1024)
        except OSError:
            listening.close()
            raise
        listening.setblocking(False)
        return listening

    def prepare(self, listening: socket.socket) -> None:
        """Set options before bind."""

    @property
    def accepts(self) -> bool:
        """False: connections pile up in the kernel, as behind a hung process."""
        return True

    @property
    def open_conversations(self) -> int:
        """Connections being served now."""
        return len(self._tasks)

    async def start(self) -> Self:
        """Bind and accept. `port` 0 becomes the port that the kernel chose."""
        self._socket = self.make_socket()
        self.port = self._socket.getsockname()[1]
        if self.accepts:
            self._listen()
        return self

    async def stop(self) -> None:
        """Close everything; no socket and no task stays behind."""
        if self._socket is None:
            return
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = self._pause = None
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _listen(self) -> None:
        assert self._socket is not None
        asyncio.get_running_loop().add_reader(self._socket, self._accept, self._socket)

    def _accept(self, listening: socket.socket) -> None:
        """Take all that wait. In a callback, because a cancelled task could lose a connection."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor left: let some conversations finish first
                loop.remove_reader(listening)
                self._pause = loop.call_later(PAUSE_SECONDS, self._listen)
                return
            accepted.setblocking(False)
            self.record.connections += 1
            channel = ServerConnection(accepted, self.record.connections)
            task = loop.create_task(self._serve(channel))
            self._tasks.add(task)
            task.add_done_callback(functools.partial(self._done, channel))

    def _done(self, channel: ServerConnection, task: asyncio.Task[None]) -> None:
        channel.close()  # also of a conversation that was cancelled before it began
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.record.failures.append(failure)

    async def _serve(self, channel: ServerConnection) -> None:
        channel.note = lambda raw: self.record.add(channel, raw)
        try:
            personality = self.personality_for(channel)
            if personality is None:
                channel.reset()
                return
            secured = await secure(channel, personality)
            if secured is not None:
                await personality.talk(secured)
        except (GoneError, BadFrameError, ssl.SSLError):
            pass  # the client left, or sent what no server answers: either way the connection ends


async def secure(channel: ServerConnection, personality: Personality) -> ServerConnection | None:
    """The channel on which the personality talks, TLS where the client began it; None: already closed.

    A mongod tells TLS from plain by the bytes of responseTo, and knows `GET ` before that.
    """
    security = personality.security
    if security is None:
        return channel
    begin = await channel.peek(16)
    if begin.startswith(b"GET "):
        await channel.send(http_page())
        return None
    if len(begin) < 16:
        return None
    plain = begin[8:12] in (b"\x00\x00\x00\x00", b"\xff\xff\xff\xff")
    if plain:
        return channel if security.demand is Demand.ALLOW else None
    secured = TlsChannel(channel, security.context())
    await secured.handshake()
    required = security.client_certificate is ClientCertificate.REQUIRED
    return None if required and secured.client_certificate is None else secured


class LabServer(Listener):
    """One personality on one address. `port` 0 lets the kernel choose."""

    def __init__(self, personality: Personality, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.personality = personality

    async def start(self) -> Self:
        if self.personality.security is not None:
            self.personality.security.context()  # keys are made now, not while a client waits
        return await super().start()

    def personality_for(self, channel: ServerConnection) -> Personality | None:
        return self.personality

    def prepare(self, listening: socket.socket) -> None:
        if self.personality.receive_buffer is not None:
            with contextlib.suppress(OSError):
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.personality.receive_buffer)

    @property
    def accepts(self) -> bool:
        return self.personality.accepts
