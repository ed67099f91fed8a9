"""The real connector and the real probe against servers on loopback, and the records that come out.

No run directory and no pace: what is asked and what is concluded is that of a sweep.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from results.verdict import Verdict
from scanner.clock import SystemClock
from scanner.engine.observe import RunContext, observe
from scanner.engine.probe import Probe
from scanner.mongo.commands import client_metadata
from scanner.mongo.console import PORT as CONSOLE_PORT
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Limits
from scanner.mongo.metadata import MetadataPlan
from scanner.network.connect.base import Timeouts
from scanner.network.connect.choose import make_connector
from scanner.network.connect.memory import MemoryConnector
from scanner.network.guard import ScopeGuard
from targets.entries import Entry
from targets.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from results.record import Observation
    from scanner.contact import LocalFault, Token
    from scanner.engine.conversation import Conversation
    from targets.scope import Target

CLIENT = client_metadata("Example", "soc@example.com", "0")
PATIENT = Timeouts(connect=60.0, reply=60.0, host=120.0)
"""For servers that answer: a slow machine changes nothing, and nobody waits as long as this."""
HASTY = Timeouts(connect=5.0, reply=0.4, host=3.0)
"""For servers that stay silent."""
SLACK = 20.0
"""Seconds over the host's own deadline after which a test gives up instead of waiting for ever."""

Place = tuple[str, int]


@dataclass
class Asked:
    """What one target gave: its record and its conversation, or why there is none. Seconds from the start."""

    observation: Observation | None = None
    talk: Conversation | None = None
    failure: Verdict | LocalFault | None = None
    seconds: float = 0.0

    @property
    def record(self) -> Observation:
        """The record; a target that accepted no connection has none."""
        assert self.observation is not None, self.failure
        return self.observation


@dataclass
class Gathering:
    """Implements `Outcomes`: one record for each target, and a future for the last."""

    context: RunContext
    expected: int
    done: asyncio.Future[None]
    answers: dict[Place, Asked] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    def on_answer(self, target: Target, token: Token, talk: Conversation) -> None:
        """See `Outcomes.on_answer`."""
        self._keep(target, Asked(observe(self.context, target, talk, time.time()), talk))

    def on_witness(self, token: Token) -> None:
        """Nobody is asked as a witness here."""

    def on_no_connection(self, target: Target, token: Token, failure: Verdict, detail: str) -> None:
        """See `Outcomes.on_no_connection`."""
        self._keep(target, Asked(failure=failure))

    def on_refused(self, batch: list[tuple[Token, Target, float]]) -> None:
        """See `Outcomes.on_refused`."""
        for _, target, _ in batch:
            self._keep(target, Asked(failure=Verdict.REFUSED))

    def on_local_fault(self, target: Target, token: Token, fault: LocalFault, detail: str) -> None:
        """See `Outcomes.on_local_fault`."""
        self._keep(target, Asked(failure=fault))

    def on_bug(self, target: Target, token: Token, error: Exception) -> None:
        """See `Outcomes.on_bug`."""
        if not self.done.done():
            self.done.set_exception(error)

    def _keep(self, target: Target, asked: Asked) -> None:
        asked.seconds = time.monotonic() - self.begun
        self.answers[target.ip, target.port] = asked
        if len(self.answers) == self.expected and not self.done.done():
            self.done.set_result(None)


def scope_of(places: Iterable[Place]) -> Scope:
    """These addresses and ports, and nothing else."""
    return Scope([Entry.of(ip, owner="tests", kind="lab", ports=(port,)) for ip, port in places])


def dialogue_maker(depth: Depth, limits: Limits | None, *, local: bool) -> Callable[[Target], Dialogue]:
    """A dialogue as a sweep makes it."""

    def begin(target: Target) -> Dialogue:
        dialogue = Dialogue(
            client=CLIENT,
            depth=depth,
            limits=limits or Limits(),
            loopback=local,
            plan_factory=MetadataPlan,
            console=target.port == CONSOLE_PORT,
        )
        dialogue.facts.observed_at = datetime.now(UTC)
        return dialogue

    return begin


async def ask_all(
    places: Iterable[Place],
    *,
    timeouts: Timeouts = PATIENT,
    depth: Depth = Depth.COLLECTIONS,
    limits: Limits | None = None,
    local: bool = True,
) -> dict[Place, Asked]:
    """Ask every place at once. `local` False: as if from another host, without the localhost exception."""
    wanted = list(places)
    scope = scope_of(wanted)
    loop = asyncio.get_running_loop()
    gathering = Gathering(RunContext("accuracy", scope), len(wanted), loop.create_future())
    guard = ScopeGuard(scope, SystemClock())
    probe = Probe(gathering, dialogue_maker(depth, limits, local=local), loop.time)
    connector = make_connector(loop, probe, guard.permits, timeouts, len(wanted), lambda: None)
    try:
        for token, (ip, port) in enumerate(wanted):
            connector.connect(scope.target(ip, port), token)
        async with asyncio.timeout(timeouts.connect + timeouts.host + SLACK):
            await gathering.done
    finally:
        connector.close()
    return gathering.answers


async def ask(place: Place, **options: Any) -> Asked:
    """Ask one place."""
    return (await ask_all([place], **options))[place]


async def ask_in_memory(peer: Any, depth: Depth = Depth.VERDICT) -> Asked:
    """Ask one peer without a socket: `peer.another()` makes its side of each connection."""
    place = ("127.95.0.1", 27017)
    scope = scope_of([place])
    loop = asyncio.get_running_loop()
    gathering = Gathering(RunContext("accuracy", scope), 1, loop.create_future())
    probe = Probe(gathering, dialogue_maker(depth, None, local=False), loop.time)
    connector = MemoryConnector(probe, ScopeGuard(scope, SystemClock()).permits, lambda _: peer.another())
    connector.connect(scope.target(*place), 0)
    connector.run()
    return gathering.answers[place]
