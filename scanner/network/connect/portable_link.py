"""One target's socket on a machine without epoll: an asyncio transport, its timers, and its lives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from scanner.contact import Ending, Token
from scanner.network.connect.base import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.network.connect.portable import PortableConnector
    from targets.scope import Target


class PortableLink(asyncio.Protocol):
    """One target's socket. Implements `Link`."""

    def __init__(self, connector: PortableConnector, target: Target, token: Token) -> None:
        self._connector = connector
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._life = 0
        self.target = target
        self.token = token
        self.talk: Any = None
        self.kind = Deadline.CONNECT
        self.opened_at = connector.loop.time()
        self.connected_at = self.connect_seconds = self.cut_at = 0.0
        self.host_deadline = 0.0
        self.patience: asyncio.Timeout | None = None  # of the connect under way
        self.held_at = 0.0  # since when nothing is read; 0.0 = it is
        self._left = 0.0  # seconds that the deadline had left when reading stopped
        self._ended: Ending | None = None  # what came of the connection while nothing was read
        self.patient = False
        self.done = False

    # --- Link ----------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """See `Link.send`."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def reopen(self) -> None:
        """See `Link.reopen`."""
        self._drop()
        self._connector.start(self)

    def restart_reply_clock(self) -> None:
        """See `Link.restart_reply_clock`."""
        self._stop_timer()
        loop = self._connector.loop
        deadline = loop.time() + self._connector.timeouts.reply
        self.kind = Deadline.REPLY
        if deadline >= self.host_deadline:
            deadline, self.kind = self.host_deadline, Deadline.HOST
        if self.held_at and self.patient:
            self._left = deadline - loop.time()
            return
        self._timer = loop.call_at(deadline, self._expire, self._life)

    def tell_end(self, life: int) -> None:
        """The host's time was over, and the connection was reset."""
        self.guarded(self._over, Ending.TIMEOUT, life)

    def _expire(self, life: int, ending: Ending = Ending.TIMEOUT) -> None:
        if self.kind is Deadline.HOST and ending is Ending.TIMEOUT and life == self._life:
            self.cut_at = self._connector.loop.time()
            if self._transport is not None:
                transport, self._transport = self._transport, None
                transport.abort()
            self._connector.tell_later(self, life)
        else:
            self.guarded(self._over, ending, life)

    def guarded(self, call: Callable[..., None], *arguments: Any) -> None:
        """Run one callback; when our own code raises, this link ends with it and the others go on."""
        try:
            call(*arguments)
        except Exception as error:
            if self.done:
                raise
            self.close()
            self._connector.prober.broke(self.target, self.token, error, self.talk)

    def hold(self) -> None:
        """See `Link.hold`."""
        if self._transport is not None and not self.held_at:
            self.held_at = self._connector.loop.time()
            if self._timer is not None:
                self._left = self._timer.when() - self.held_at
                self._stop_timer()
            if not self.patient:
                self.kind = Deadline.HOST
                self._timer = self._connector.loop.call_at(self.host_deadline, self._expire, self._life)
            self._transport.pause_reading()

    def go_on(self) -> None:
        """See `Link.go_on`."""
        if not self.held_at or self.done:
            return
        loop = self._connector.loop
        away, self.held_at = loop.time() - self.held_at, 0.0
        if self.patient:
            self.host_deadline += away
            self._timer = loop.call_later(max(0.0, self._left), self._expire, self._life)
        else:
            self.restart_reply_clock()
        if self._ended is not None:
            loop.call_soon(self._expire, self._life, self._ended)
        elif self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """See `Link.close`."""
        if not self.done:
            self.done = True
            self._drop()
            self._connector.forget(self)

    # --- asyncio.Protocol ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ours and connected: begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.connected_at = self._connector.loop.time()
        if not self.host_deadline:
            self.host_deadline = self.connected_at + self._connector.timeouts.host
        self.restart_reply_clock()
        self._connector.prober.connected(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self.done:
            return
        self._connector.notice_stop()
        if not self.patient and self._connector.loop.time() > self.host_deadline:
            self.kind = Deadline.HOST
            self._over(Ending.TIMEOUT, self._life)
        else:
            self._connector.prober.received(self, data)

    def eof_received(self) -> None:
        """The peer closed its side."""
        self._over(Ending.CLOSED, self._life)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection broke; after `_drop` this belongs to an older life and is not ours."""
        ending = Ending.RESET if error else Ending.CLOSED
        if self.held_at:
            self._ended = ending
        elif self._transport is not None:
            self._over(ending, self._life)

    def _over(self, ending: Ending, life: int) -> None:
        if self.done or life != self._life:
            return
        self._connector.prober.ended(self, ending)
        if life == self._life:
            self.close()

    def extend(self, seconds: float) -> None:
        """Move whatever deadline runs, and the host's own."""
        if self.host_deadline:
            self.host_deadline += seconds
        if self.held_at:
            self.held_at += seconds
        if self._timer is not None:
            when = self._timer.when() + seconds
            self._timer.cancel()
            self._timer = self._connector.loop.call_at(when, self._expire, self._life)
        if self.patience is not None and (until := self.patience.when()) is not None:
            self.patience.reschedule(until + seconds)

    def wait_longer(self, seconds: float) -> None:
        """Move the deadline of the reply that is awaited, but never past the host's own."""
        if self.held_at:
            return  # its clocks stand still as it is, or only the host's own runs
        if self.patient:
            self.host_deadline += seconds
        if self._timer is not None and (self.patient or self.kind is Deadline.REPLY):
            when = self._timer.when() + seconds
            self._timer.cancel()
            if when >= self.host_deadline:
                when, self.kind = self.host_deadline, Deadline.HOST
            self._timer = self._connector.loop.call_at(when, self._expire, self._life)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self) -> None:
        self._life += 1
        self.held_at, self._ended = 0.0, None
        self._stop_timer()
        if self._transport is not None:
            transport, self._transport = self._transport, None
            transport.abort()


class Life(asyncio.Protocol):
    """Forwards one connection's events while the link is still living that life."""

    def __init__(self, link: PortableLink, life: int) -> None:
        self._link, self._mine = link, life

    def _current(self) -> bool:
        return self._link._life == self._mine and not self._link.done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._current():
            self._link.guarded(self._link.connection_made, transport)
        else:
            assert isinstance(transport, asyncio.Transport)
            transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._current():
            self._link.guarded(self._link.data_received, data)

    def eof_received(self) -> bool:
        if self._current():
            self._link.guarded(self._link.eof_received)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._current():
            self._link.guarded(self._link.connection_lost, exc)
