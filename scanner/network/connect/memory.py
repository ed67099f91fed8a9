"""A connector without a network: peers are plain objects and time stands still."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from results.verdict import Verdict
from scanner.contact import Ending, LocalFault, Token
from scanner.network.connect.base import Deadline, Prober, Timeouts, connect_each
from targets.scope import OutOfScope, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Peer(Protocol):
    """The far end of one connection."""

    def opened(self) -> list[bytes | Ending]:
        """What the peer does unasked when it is connected to."""

    def received(self, data: bytes) -> list[bytes | Ending]:
        """What the peer does when bytes come: sends, or ends the connection. Nothing means silence."""


class MemoryLink:
    """One connection. Implements `Link`."""

    def __init__(self, connector: MemoryConnector, target: Target, token: Token) -> None:
        self._connector = connector
        self.target = target
        self.token = token
        self.talk: Any = None
        self.kind = Deadline.REPLY
        self.opened_at = self.connected_at = self.connect_seconds = self.cut_at = 0.0
        self.peer: Peer | None = None
        self.pending: deque[bytes | Ending] = deque()
        self.done = False
        self.reopened = False
        self.held = False
        self.patient = False

    def send(self, data: bytes) -> None:
        """See `Link.send`."""
        self._connector.sent.append((self.target, data))
        if self.peer is not None:
            self.pending.extend(self.peer.received(data))

    def reopen(self) -> None:
        """See `Link.reopen`."""
        self.pending.clear()
        self.peer = None
        self.reopened = True

    def restart_reply_clock(self) -> None:
        """See `Link.restart_reply_clock`: silence is what is left when a peer has nothing more to do."""

    def hold(self) -> None:
        """See `Link.hold`."""
        self.held = True

    def go_on(self) -> None:
        """See `Link.go_on`."""
        if self.held:
            self.held = False
            self._connector.queue.append(self)

    def close(self) -> None:
        """See `Link.close`."""
        self.done = True
        self._connector.open.discard(self)


class MemoryConnector:
    """Implements `Connector`. `world(target)` says who is there: a peer, or why there is nobody."""

    def __init__(
        self,
        prober: Prober,
        permits: Callable[[Target], bool],
        world: Callable[[Target], Peer | Verdict | LocalFault],
        capacity: int = 64,
    ) -> None:
        self.capacity = capacity
        self.half_open = 0
        self.suspensions = 0
        self.waited = 0.0
        self.timeouts = Timeouts()
        self.sent: list[tuple[Target, bytes]] = []
        self.open: set[MemoryLink] = set()
        self._prober = prober
        self._permits = permits
        self._world = world
        self.queue: deque[MemoryLink] = deque()

    @property
    def free(self) -> int:
        """See `Connector.free`."""
        return self.capacity - len(self.open)

    @property
    def late_seconds(self) -> float:
        """See `Connector.late_seconds`: time stands still here."""
        return 0.0

    @property
    def behind(self) -> bool:
        """See `Connector.behind`: everything happens at once here."""
        return False

    @property
    def busy(self) -> int:
        """Links that belong to a target now."""
        return len(self.open)

    def connect(self, target: Target, token: Token) -> None:
        """See `Connector.connect`."""
        if not self._permits(target):
            raise OutOfScope(str(target), "the scope refused it")
        link = MemoryLink(self, target, token)
        self.open.add(link)
        self.queue.append(link)

    def run(self) -> None:
        """Let everything happen, one link after the other, until nothing is left to happen."""
        while self.queue:
            self._live(self.queue.popleft())

    def _live(self, link: MemoryLink) -> None:
        while not link.done and not link.held:
            if link.peer is None:
                link.reopened = False
                found = self._world(link.target)
                if isinstance(found, (Verdict, LocalFault)):
                    self._nobody(link, found)
                    return
                link.peer = found
                link.pending.extend(found.opened())
                self._prober.connected(link)
            self._talk(link)

    def _nobody(self, link: MemoryLink, why: Verdict | LocalFault) -> None:
        link.close()
        if isinstance(why, Verdict):
            self._prober.failed(link.target, link.token, why, "scripted", link.talk)
        else:
            self._prober.fault(link.target, link.token, why, "scripted", link.talk)

    def _talk(self, link: MemoryLink) -> None:
        while not link.done and not link.reopened and not link.held:
            event: bytes | Ending = link.pending.popleft() if link.pending else Ending.TIMEOUT
            if isinstance(event, bytes):
                self._prober.received(link, event)
                continue
            self._prober.ended(link, event)
            if not link.reopened and not link.done:
                link.close()

    def connect_many(
        self, batch: Iterable[tuple[Token, Target]], permits: Callable[[Target], bool]
    ) -> list[Token]:
        """See `Connector.connect_many`."""
        return connect_each(self, batch, permits)

    def extend(self, seconds: float) -> None:
        """See `Connector.extend`: there is no time here."""

    def ask_again(self, detail: str, *, talking: bool = False) -> None:
        """See `Connector.ask_again`: nothing is ever unanswered here."""

    def drop_forbidden(self) -> None:
        """See `Connector.drop_forbidden`: nothing is ever under way here."""

    def close(self) -> None:
        """See `Connector.close`."""
        self.queue.clear()
        for link in list(self.open):
            link.close()
