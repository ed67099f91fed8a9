"""The connector for machines without epoll: plain asyncio, one task a target. Slower, same promises."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

from results.verdict import Verdict
from scanner.contact import Ending, LocalFault, Token
from scanner.network.connect import errnos
from scanner.network.connect.base import (
    BEHIND_SECONDS,
    NARROWED,
    TICK,
    Deadline,
    Prober,
    Timeouts,
    WorkClock,
    connect_each,
)
from scanner.network.connect.slot import talks_to_itself
from targets.scope import OutOfScope, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


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
        self.connected_at = self.cut_at = 0.0
        self.host_deadline = 0.0
        self.patience: asyncio.Timeout | None = None  # of the connect under way
        self.held_at = 0.0  # since when nothing is read; 0.0 = it is
        self._left = 0.0  # seconds that the deadline had left when reading stopped
        self._ended: Ending | None = None  # what came of the connection while nothing was read
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
        self._timer = loop.call_at(deadline, self._expire, self._life)

    def _expire(self, life: int, ending: Ending = Ending.TIMEOUT) -> None:
        if self.kind is Deadline.HOST and ending is Ending.TIMEOUT and life == self._life:
            # When that is so for many at once, all are reset before one is written down.
            loop = self._connector.loop
            self.cut_at = loop.time()
            if self._transport is not None:
                transport, self._transport = self._transport, None
                transport.abort()
            loop.call_soon(self.guarded, self._over, ending, life)
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
            self._transport.pause_reading()

    def go_on(self) -> None:
        """See `Link.go_on`."""
        if not self.held_at or self.done:
            return
        loop = self._connector.loop
        self.host_deadline += loop.time() - self.held_at
        self.held_at = 0.0
        self._timer = loop.call_later(max(0.0, self._left), self._expire, self._life)
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
        if self._connector.loop.time() > self.host_deadline:
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
        if self._timer is not None and self.kind is Deadline.REPLY:
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


class _Life(asyncio.Protocol):
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


class PortableConnector:
    """Implements `Connector` with asyncio alone."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        prober: Prober,
        permits: Callable[[Target], bool],
        timeouts: Timeouts,
        capacity: int,
        after_turn: Callable[[], None] | None = None,
    ) -> None:
        self.loop = loop
        self.prober = prober
        self.timeouts = timeouts
        self.capacity = capacity
        self.half_open = 0
        self.suspensions = 0
        self.waited = 0.0
        self._permits = permits
        self._after_turn = after_turn or (lambda: None)
        self._links: set[PortableLink] = set()
        self._tasks: dict[asyncio.Task[None], PortableLink] = {}
        self._closed = False
        self._work = WorkClock(loop.time())
        self._ticked = loop.time()
        self._late = False
        self._ticker = loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        now = self.loop.time()
        self._late, self._ticked = now - self._ticked > BEHIND_SECONDS, now
        self._ticker = self.loop.call_later(TICK, self._tick)
        self.notice_stop(always=True)

    def notice_stop(self, *, always: bool = False) -> None:
        """Deadlines do not run while the process is stopped, and those of replies not while it is late."""
        now = self.loop.time()
        if not (always or self._work.is_late(now)):
            return
        stopped, late = self._work.look(now)
        if stopped:
            self.suspensions += 1
            self.extend(stopped)
        if late:
            for link in self._links:
                link.wait_longer(late)

    def connect_many(
        self, batch: Iterable[tuple[Token, Target]], permits: Callable[[Target], bool]
    ) -> list[Token]:
        """See `Connector.connect_many`."""
        return connect_each(self, batch, permits)

    def extend(self, seconds: float) -> None:
        """See `Connector.extend`."""
        for link in self._links:
            link.extend(seconds)

    def ask_again(self, detail: str, *, talking: bool = False) -> None:
        """See `Connector.ask_again`."""
        opening = set()
        for task, link in list(self._tasks.items()):
            opening.add(link)
            if (talking or link.patience is not None) and task.cancel():
                self._report(link, LocalFault.NETWORK, detail)
        for link in [link for link in self._links if talking and link not in opening]:
            self._report(link, LocalFault.NETWORK, detail)

    def drop_forbidden(self) -> None:
        """See `Connector.drop_forbidden`."""
        opening = {link: task for task, link in self._tasks.items()}
        for link in list(self._links):
            if not self._permits(link.target):
                if link in opening:
                    opening[link].cancel()
                self._report(link, LocalFault.FORBIDDEN, NARROWED)

    @property
    def free(self) -> int:
        """See `Connector.free`."""
        return self.capacity - len(self._links)

    @property
    def behind(self) -> bool:
        """See `Connector.behind`."""
        return self._late

    @property
    def busy(self) -> int:
        """Links that belong to a target now."""
        return len(self._links)

    def connect(self, target: Target, token: Token) -> None:
        """See `Connector.connect`."""
        if not self._permits(target):
            raise OutOfScope(str(target), "the scope refused it")
        link = PortableLink(self, target, token)
        self._links.add(link)
        self.start(link)

    def start(self, link: PortableLink) -> None:
        """Begin (or begin again) the connect of a link. The scope is asked every time."""
        task = self.loop.create_task(self._open(link))
        self._tasks[task] = link
        task.add_done_callback(self._tasks.pop)

    def forget(self, link: PortableLink) -> None:
        """The link is done with."""
        self._links.discard(link)
        self.loop.call_soon(self._after_turn)

    async def _open(self, link: PortableLink) -> None:
        if not self._permits(link.target):
            self._report(link, LocalFault.FORBIDDEN, NARROWED)
            return
        family = socket.AF_INET if link.target.version == 4 else socket.AF_INET6
        sock: socket.socket | None = None
        self.half_open += 1
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.setblocking(False)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            async with asyncio.timeout(self.timeouts.connect) as link.patience:
                await self.loop.sock_connect(sock, link.target.sockaddr)
            link.patience = None
            if link.target.is_loopback and talks_to_itself(sock):
                raise ConnectionRefusedError(111, "connected to itself")
            life = link._life
            await self.loop.create_connection(lambda: _Life(link, life), sock=sock)
            sock = None  # the transport owns it now
        except TimeoutError:
            self._report(link, Verdict.FILTERED, "")
        except OSError as error:
            number = error.errno or 0
            if number in errnos.AMBIGUOUS:
                self._report(link, Verdict.UNREACHABLE, errnos.describe(number))
            else:
                self._report(link, errnos.classify(number), errnos.describe(number))
        finally:
            self.half_open -= 1
            link.patience = None
            if sock is not None:
                sock.close()

    def _report(self, link: PortableLink, meaning: Verdict | LocalFault, detail: str) -> None:
        talk = link.talk
        self.waited = self.loop.time() - link.opened_at
        link.close()
        if self._closed:
            return
        if isinstance(meaning, Verdict):
            self.prober.failed(link.target, link.token, meaning, detail, talk)
        else:
            self.prober.fault(link.target, link.token, meaning, detail, talk)

    def close(self) -> None:
        """See `Connector.close`."""
        self._closed = True
        self._ticker.cancel()
        for task in list(self._tasks):
            task.cancel()
        for link in list(self._links):
            with contextlib.suppress(RuntimeError):
                link.close()
