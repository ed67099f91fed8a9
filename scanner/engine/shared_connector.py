"""The connector of a sweep with workers: our own, which begins everything, and what they have in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scanner.contact import Token
    from scanner.engine.workers import Workers
    from scanner.network.connect.base import Timeouts
    from scanner.network.connect.epoll import EpollConnector
    from targets.scope import Target


class SharedConnector:
    """Implements `Connector`. What is done to all that is under way reaches the workers' connections, too."""

    def __init__(self, own: EpollConnector, workers: Workers) -> None:
        self.own = own
        self.workers = workers
        workers.use(own)

    @property
    def capacity(self) -> int:
        """See `Connector.capacity`."""
        return self.own.capacity

    @property
    def half_open(self) -> int:
        """See `Connector.half_open`."""
        return self.own.half_open + self.workers.half_open

    @property
    def suspensions(self) -> int:
        """See `Connector.suspensions`."""
        return self.own.suspensions + self.workers.stopped

    @property
    def waited(self) -> float:
        """See `Connector.waited`."""
        return self.own.waited

    @property
    def timeouts(self) -> Timeouts:
        """See `Connector.timeouts`; workers hear of them with what they are handed."""
        return self.own.timeouts

    @timeouts.setter
    def timeouts(self, given: Timeouts) -> None:
        self.own.timeouts = given

    @property
    def late_seconds(self) -> float:
        """See `Connector.late_seconds`; workers bound what they have under way by their own lag."""
        return self.own.late_seconds

    @property
    def behind(self) -> bool:
        """See `Connector.behind`."""
        return self.own.behind or self.workers.full

    @property
    def busy(self) -> int:
        """See `Connector.busy`."""
        return self.own.busy  # whoever is in a worker's hand still has a slot here

    @property
    def free(self) -> int:
        """See `Connector.free`."""
        return self.own.free

    def connect(self, target: Target, token: Token) -> None:
        """See `Connector.connect`."""
        self.own.connect(target, token)

    def connect_many(
        self, batch: Iterable[tuple[Token, Target]], permits: Callable[[Target], bool]
    ) -> list[Token]:
        """See `Connector.connect_many`."""
        return self.own.connect_many(batch, permits)

    def extend(self, seconds: float) -> None:
        """See `Connector.extend`."""
        self.own.extend(seconds)
        self.workers.extend(seconds)

    def ask_again(self, detail: str, *, talking: bool = False) -> None:
        """See `Connector.ask_again`."""
        self.own.ask_again(detail, talking=talking)
        self.workers.ask_again(detail, talking=talking)

    def drop_forbidden(self) -> None:
        """See `Connector.drop_forbidden`."""
        self.workers.narrow()
        self.own.drop_forbidden()

    def close(self) -> None:
        """See `Connector.close`."""
        self.own.close()
        self.workers.close()
