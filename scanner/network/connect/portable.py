"""The connector for machines without epoll: plain asyncio, one task a target. Slower, same promises."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.contact import LocalFault, Token
from scanner.network.connect import errnos
from scanner.network.connect.base import (
    BEHIND_SECONDS,
    NARROWED,
    TICK,
    TURN_SECONDS,
    Prober,
    Timeouts,
    WorkClock,
    connect_each,
)
from scanner.network.connect.handshake import connect_seconds
from scanner.network.connect.portable_link import Life, PortableLink
from scanner.network.connect.slot import talks_to_itself
from targets.scope import OutOfScope, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


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
        self._cut: deque[tuple[PortableLink, int]] = deque()  # whose end is not told yet
        self._tasks: dict[asyncio.Task[None], PortableLink] = {}
        self._closed = False
        self._work = WorkClock(loop.time())
        self._ticked = loop.time()
        self._late = False
        self._lag = 0.0  # seconds by which the last look at the clock was late
        self._ticker = loop.call_later(TICK, self._tick)

    def _tick(self) -> None:
        now = self.loop.time()
        self._late, self._ticked = now - self._ticked > BEHIND_SECONDS, now
        self._ticker = self.loop.call_later(TICK, self._tick)
        self.notice_stop(always=True)
        self._lag = self._work.lag()
        self.prober.ticked(self._lag)

    def tell_later(self, link: PortableLink, life: int) -> None:
        """A host's time is over. When many are at once, all are reset before one is written down."""
        self._cut.append((link, life))
        if len(self._cut) == 1:
            self.loop.call_soon(self._tell_cut)

    def _tell_cut(self) -> None:
        began = self.loop.time()
        while self._cut and self.loop.time() - began <= TURN_SECONDS:
            link, life = self._cut.popleft()
            link.tell_end(life)
        if self._cut:
            self.loop.call_soon(self._tell_cut)

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
    def late_seconds(self) -> float:
        """See `Connector.late_seconds`."""
        return self._work.late_seconds

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
            if link.talk is None:
                measured = self.loop.time() - link.opened_at
                link.connect_seconds = connect_seconds(sock, measured, self._lag)
            if link.target.is_loopback and talks_to_itself(sock):
                raise ConnectionRefusedError(111, "connected to itself")
            life = link._life
            await self.loop.create_connection(lambda: Life(link, life), sock=sock)
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
