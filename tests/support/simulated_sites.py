"""Sites that do not exist: a carrier whose workers answer by rule, well or badly, without a network."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw

from results.covered import parse_row
from results.ids import event_id, finding_id
from results.lines import to_lines
from results.record import Endpoint, Exposure, Observation, Owner
from results.summary import Loss
from results.verdict import Severity, Verdict
from scanner.fleet.carrier import Failed, Heard, Worker, WorkersChanged
from scanner.fleet.messages import Began, Ended, Going, Lines, Refused, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from scanner.fleet.carrier import Event
    from scanner.fleet.messages import Message, Shard

EVENTS = (Heard, Failed, WorkersChanged)
AT = "2026-01-02T03:04:05.006Z"


def packed(address: int) -> bytes:
    """16 bytes of an IPv4 address."""
    return b"\0" * 10 + b"\xff\xff" + address.to_bytes(4, "big")


def dotted(address: int) -> str:
    """Its text."""
    return ".".join(str(address >> shift & 255) for shift in (24, 16, 8, 0))


def seen(shard: Shard, address: int, port: int, verdict: Verdict, site: str | None = None) -> list[bytes]:
    """The lines of a server, without newlines."""
    observation = Observation(
        event_id=event_id(shard.run_id, packed(address), port),
        finding_id=finding_id(shard.site if site is None else site, packed(address), port),
        run_id=shard.run_id,
        observed_at=AT,
        vantage=shard.vantage,
        verdict=verdict,
        severity=Severity.HIGH if verdict.is_open else Severity.INFO,
        severity_number=4 if verdict.is_open else 1,
        target=Endpoint(ip=dotted(address), port=port),
        owner=Owner(owner="web platform", site=shard.site),
        exposure=Exposure(access="full", database_count=1, documents=3) if verdict.is_open else None,
    )
    return [line.rstrip(b"\n") for line in to_lines(observation)]


def targets_of(shard: Shard) -> Iterator[tuple[int, int]]:
    """Address and port of each of its targets."""
    for row in map(parse_row, shard.rows):
        for address in range(row.first, row.last + 1):
            for port in row.ports:
                yield address, port


def by_address(address: int) -> Verdict | None:
    """Who answers: every hundredth address; every thousandth is open."""
    if address % 1000 == 0:
        return Verdict.OPEN
    return Verdict.AUTH_REQUIRED if address % 100 == 0 else None


def honest(
    shard: Shard,
    answers: Callable[[int], Verdict | None] = by_address,
    *,
    worker: str = "",
    batch: int = 50,
    site: str | None = None,
) -> list[Message]:
    """All that a good worker says of a shard."""
    who: dict[str, Any] = {"run_id": shard.run_id, "name": shard.name, "attempt": shard.attempt}
    lines: list[bytes] = []
    outcomes: Counter[str] = Counter()
    for address, port in targets_of(shard):
        verdict = answers(address)
        outcomes[verdict or Verdict.FILTERED] += 1
        if verdict is not None:
            lines += seen(shard, address, port, verdict, site)
    said: list[Message] = [
        Began(
            **who,
            worker=worker or f"{shard.site}-1",
            host="here",
            site=shard.site,
            vantage=shard.vantage,
            version=shard.version,
            at=AT,
            targets=shard.targets,
        )
    ]
    for number, first in enumerate(range(0, len(lines), batch), start=1):
        part = [Raw(line) for line in lines[first : first + batch]]
        said.append(Lines(**who, number=number, lines=part))
    said.append(Going(**who, asked=shard.targets, done=shard.targets // 2, rate=100.0))
    said.append(
        Ended(
            **who,
            state="complete",
            reasons=[],
            planned=shard.targets,
            outcomes={str(name): count for name, count in outcomes.items()},
            loss=Loss(missed_at_most=0, answered=len(lines)),
            unheard=0.0,
            lines=len(lines),
            digest=digest_of(lines),
            seconds=1.0,
        )
    )
    return said


def refusal(shard: Shard, code: Any, why: str) -> list[Message]:
    """A worker that does not ask."""
    return [Refused(run_id=shard.run_id, name=shard.name, attempt=shard.attempt, code=code, why=why)]


def changed(message: Message, **fields: Any) -> Message:
    """The same message with other fields."""
    made: Message = msgspec.structs.replace(message, **fields)
    return made


@dataclass
class Sites:
    """A carrier. `act` says what comes of a shard, as events in order; by default everybody is honest.

    `working`: how many workers each site has. `given` are all shards, `withdrawn` all attempts that were.
    """

    working: dict[str, int]
    act: Callable[[Shard], Sequence[Event | Message]] = honest
    given: list[Shard] = field(default_factory=list)
    withdrawn: list[tuple[str, int]] = field(default_factory=list)
    at_once: int = 0  # the most that one site ever had under way
    _more: asyncio.Event = field(default_factory=asyncio.Event)
    _open: dict[str, str] = field(default_factory=dict)
    _waiting: deque[list[Event]] = field(default_factory=deque)

    async def __aenter__(self) -> Sites:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def workers(self) -> list[Worker]:
        """Everybody."""
        return [
            Worker(f"{site}-{number}", site, "here")
            for site, count in self.working.items()
            for number in range(1, count + 1)
        ]

    def capacity(self, site: str) -> int:
        """One for each worker."""
        return self.working.get(site, 0)

    def give(self, shard: Shard) -> None:
        """All that comes of it is ready at once, in turn with what comes of others."""
        self.given.append(shard)
        self._open[shard.name] = shard.site
        self.at_once = max(self.at_once, Counter(self._open.values())[shard.site])
        name = f"{shard.site}-1"
        said = [each if isinstance(each, EVENTS) else Heard(name, each) for each in self.act(shard)]
        if said:
            self._waiting.append(said)
            self._more.set()

    def withdraw(self, name: str, attempt: int) -> None:
        """Nothing more comes of it, perhaps."""
        self.withdrawn.append((name, attempt))
        self._open.pop(name, None)

    async def next(self) -> Event:
        """The next event, of each shard in turn."""
        while not self._waiting:
            self._more.clear()
            await self._more.wait()
        await asyncio.sleep(0)
        events = self._waiting.popleft()
        event = events.pop(0)
        if events:
            self._waiting.append(events)
        elif isinstance(event, Heard):
            self._open.pop(event.message.name, None)
        return event
