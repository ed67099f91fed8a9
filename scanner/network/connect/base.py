"""The interface of connectors: what one does for a prober, and what it tells it.

A connector owns sockets, deadlines and slots. It knows nothing of MongoDB. Every implementation (epoll,
asyncio, memory) passes the same contract tests.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from targets.scope import OutOfScope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from results.verdict import Verdict
    from scanner.contact import Ending, LocalFault, Token
    from targets.scope import Target


NARROWED = "the scope was narrowed meanwhile"
TICK = 0.05  # seconds between two looks at the clock; the precision of every deadline
SUSPENDED_SECONDS = 1.0  # so long between two ticks without work of our own: the process was stopped
BEHIND_SECONDS = 0.25  # so long without a turn that served all that waited: nothing new is to begin
TURN_SECONDS = 0.1  # so long is worked in one go: then deadlines are looked at again
READ_SIZE = 65536  # one read a turn and socket, so that a firehose starves nobody


class Deadline(Enum):
    """Which clock is running for a slot; each kind has one length, so deadlines are plain queues."""

    CONNECT = "connect"
    REPLY = "reply"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `host` is absolute from the first accepted connection, over all further ones. No byte of the
    server extends it; only time in which the process was stopped, or the link was `patient` and was held or
    read late."""

    connect: float = 3.5
    reply: float = 3.0
    host: float = 20.0


def connect_each(
    connector: Connector, batch: Iterable[tuple[Token, Target]], permits: Callable[[Target], bool]
) -> list[Token]:
    """`Connector.connect_many`, one after the other."""
    outside = []
    for token, target in batch:
        try:
            if not permits(target):
                raise OutOfScope(str(target), "the scope refused it")
            connector.connect(target, token)
        except OutOfScope:
            outside.append(token)
    return outside


class Link(Protocol):
    """One established connection, as its prober sees it. Valid until `close`, `reopen` or `ended`."""

    target: Target
    token: Token  # see `scanner.contact.Token`
    talk: Any  # the prober's conversation; None until it sets one
    kind: Deadline  # which deadline runs (or has just passed, inside `ended` with TIMEOUT)
    opened_at: float  # monotonic seconds when the first connect for this target began
    connected_at: float  # monotonic seconds when the current connection was established
    connect_seconds: float  # that its handshake took: by the kernel's count where there is one
    patient: bool  # set by the prober: by how much we are late to read is not the host's time
    cut_at: float  # monotonic seconds when the host's time was over and it was reset; 0.0 before

    def send(self, data: bytes) -> None:
        """Write all of `data`; what the kernel does not take now is kept and written later."""

    def reopen(self) -> None:
        """Reset this connection and open a fresh one to the same target, in the same slot."""

    def restart_reply_clock(self) -> None:
        """Start the reply deadline anew: a new question has been asked."""

    def hold(self) -> None:
        """Read nothing more from this connection for now, and wait for no reply. Until `go_on` no callback
        comes but for a `fault`. The host's own time stands still when the link is `patient`; else it runs,
        and its end is told."""

    def go_on(self) -> None:
        """End a `hold`: what came meanwhile is read in a turn to come."""

    def close(self) -> None:
        """Reset the connection and give the slot back. No callback follows."""


class WorkClock:
    """Tells time in which the process was stopped from time in which it worked, between two looks.

    A loop that is held by its own work is not stopped: the hosts' time runs on. But what a server sent then
    waits for us, so that the clocks of its replies are set back.
    """

    __slots__ = ("_looked", "_told", "_worked", "late_seconds")

    def __init__(self, now: float) -> None:
        self.late_seconds = 0.0  # by which all looks were late for work of our own
        self._told = 0.0  # of these, by `lag`
        self._looked = now
        self._worked = time.thread_time()

    def is_late(self, now: float) -> bool:
        """Whether so much time has passed since the last look that the process may have been stopped."""
        return now - self._looked > SUSPENDED_SECONDS

    def lag(self) -> float:
        """Seconds by which looks were late since this was last asked."""
        lag, self._told = self.late_seconds - self._told, self.late_seconds
        return lag

    def look(self, now: float) -> tuple[float, float]:
        """Seconds since the last look in which the process was stopped, and by which this look is late for
        work of its own; 0.0 for less than a moment."""
        gap, self._looked = now - self._looked, now
        before, self._worked = self._worked, time.thread_time()
        idle = gap - (self._worked - before)
        stopped = idle if idle > SUSPENDED_SECONDS else 0.0
        late = max(0.0, gap - stopped - TICK)
        self.late_seconds += late
        return stopped, late if late > TICK else 0.0


class Prober(Protocol):
    """What a connector calls. One object serves all slots; nothing is made for a silent target."""

    def connected(self, link: Link) -> None:
        """The target accepted a connection."""

    def received(self, link: Link, data: bytes) -> None:
        """Bytes came."""

    def ended(self, link: Link, ending: Ending) -> None:
        """The connection is over. Call `reopen` inside this callback to go on, else the slot is free."""

    def failed(self, target: Target, token: Token, outcome: Verdict, detail: str, talk: Any) -> None:
        """No connection came about. `talk` is set when it was a reopening that failed."""

    def refused(self, batch: list[tuple[Token, Target, float]]) -> None:
        """Nobody listens on these targets: (token, target, seconds from the first connect to the refusal).
        What `failed` tells of one, a connector may tell here of all that were refused in one turn."""

    def fault(self, target: Target, token: Token, fault: LocalFault, detail: str, talk: Any) -> None:
        """This machine could not try: the target has not been asked."""

    def broke(self, target: Target, token: Token, error: Exception, talk: Any) -> None:
        """Our own code raised while it served this link: a bug. The link is closed and its slot is free."""

    def ticked(self, lag: float) -> None:
        """The clock was looked at, as it is every `TICK`. What happened on a link may have waited for our own
        work for up to `lag` seconds."""


class Connector(Protocol):
    """Opens connections to targets, at most `capacity` at a time."""

    timeouts: Timeouts  # of all that begins from now on; may be changed

    @property
    def late_seconds(self) -> float:
        """Seconds by which looks at the clock were late for work of our own, in all."""

    @property
    def capacity(self) -> int:
        """How many there may be at a time."""

    @property
    def half_open(self) -> int:
        """Connects under way that nobody has answered yet."""

    @property
    def suspensions(self) -> int:
        """How often the process was found to have been stopped."""

    @property
    def waited(self) -> float:
        """Inside `Prober.failed`: seconds from the first connect to this outcome."""

    @property
    def behind(self) -> bool:
        """Whether more waits to be served than we can keep up with, so that nothing new should begin."""

    @property
    def busy(self) -> int:
        """How many targets are being asked now."""

    @property
    def free(self) -> int:
        """How many more connects may be started now."""

    def connect(self, target: Target, token: Token) -> None:
        """Start one connect. The scope is asked once more; a target outside it raises `OutOfScope`."""

    def connect_many(
        self, batch: Iterable[tuple[Token, Target]], permits: Callable[[Target], bool]
    ) -> list[Token]:
        """Start a connect for each (token, target). `permits` is the scope as it stands for this burst, and
        is asked immediately before each connect. Returns the tokens of those that it refused."""

    def extend(self, seconds: float) -> None:
        """Time stood still for so long: no deadline may have passed meanwhile."""

    def ask_again(self, detail: str, *, talking: bool = False) -> None:
        """Report a fault of this machine for every connect that nobody has answered yet, and for every
        conversation too when `talking`."""

    def drop_forbidden(self) -> None:
        """Break off whatever is under way with targets that the scope holds no longer: left alone, the
        kernel would repeat their SYNs. Each is reported as a `FORBIDDEN` fault."""

    def close(self) -> None:
        """Drop everything. No callback follows."""
