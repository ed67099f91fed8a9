"""How a coordinator reaches its sites, whatever the way: shards are given, and what is said of them returns.

A carrier promises little, and the coordinator rests on no more: an attempt may be heard of twice, in any
order, after it was withdrawn, or never again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.fleet.messages import Message, Shard

MOST_SKEW = 60.0  # seconds that a worker's clock may be ahead of, or behind, the coordinator's


class Heard(NamedTuple):
    """A site said something. `worker` is who carried it, by name; "" where that is not known."""

    worker: str
    message: Message


class Failed(NamedTuple):
    """An attempt came to nothing. `why` is a clause. `worker`: who died over it, was lost, or spoke nonsense,
    which counts against the shard; "" where only the way was lost, which does not."""

    name: str
    attempt: int
    worker: str
    why: str


class WorkersChanged(NamedTuple):
    """Workers came or went, or cannot be used; `told` says it, one line each. Ask `capacity` again."""

    told: tuple[str, ...]


class Worker(NamedTuple):
    """One worker as a carrier knows it. `unfit`: why it is given nothing; "" for one that may work."""

    name: str
    site: str
    host: str
    busy: bool = False
    unfit: str = ""
    version: str = ""
    clock_skew: float | None = None  # seconds that its clock is ahead of ours


Event = Heard | Failed | WorkersChanged


class Carrier(Protocol):
    """One way to the sites. Used as an async context manager: entering connects, or raises RefusedError;
    leaving withdraws what is still under way and waits for nobody longer than a few seconds."""

    async def __aenter__(self) -> Carrier: ...

    async def __aexit__(self, *_: object) -> None: ...

    def workers(self) -> Sequence[Worker]:
        """Everybody who is known now."""
        ...

    def capacity(self, site: str) -> int:
        """How many attempts of this site may be under way at once, now; 0 while it has no worker."""
        ...

    def give(self, shard: Shard) -> None:
        """Begin an attempt, soon. What comes of it is told by `next`."""
        ...

    def withdraw(self, name: str, attempt: int) -> None:
        """Have an attempt stopped as soon as its worker can be told; it keeps what it has for a next one."""
        ...

    async def next(self) -> Event:
        """The next thing that happened; waits for it."""
        ...
