"""A sweep without a network and without waiting: recorded servers behind the in-memory connector."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from scanner.contact import Ending
from scanner.engine.accounts import Accounts
from scanner.engine.engine import Engine
from scanner.engine.failure import FirstFailure
from scanner.engine.observe import RunContext
from scanner.engine.order import Order
from scanner.engine.pace import Pace, PrefixCaps
from scanner.engine.probe import Probe
from scanner.engine.recorder import Recorder
from scanner.engine.repetition import Repetition
from scanner.engine.response_cache import ResponseCache
from scanner.engine.sources import WalkSource
from scanner.mongo.dialogue import Dialogue
from scanner.mongo.facts import Depth, Limits
from scanner.mongo.metadata import MetadataPlan
from scanner.network.connect.memory import MemoryConnector
from scanner.network.guard import ScopeGuard
from scanner.setup.blackout import ActiveBlackouts

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.journal import JournalWriter
    from targets.scope import Scope, Target
    from tests.support.replay import Replay

CLIENT = {"driver": {"name": "mongosweep", "version": "0"}, "os": {"type": "Linux"}}


class StillClock:
    """A clock that a test sets."""

    def __init__(self, wall: float = 1_790_000_000.0) -> None:
        self.time = wall

    def wall(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def boottime(self) -> float:
        return self.time


class RecordedPeer:
    """One connection to a recorded server, for the in-memory connector."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def opened(self) -> list[bytes | Ending]:
        answer = self._replay.connect()
        return [Ending.CLOSED] if answer.closed else []

    def received(self, data: bytes) -> list[bytes | Ending]:
        answer = self._replay.answer(data)
        events: list[bytes | Ending] = [answer.reply] if answer.reply else []
        return [*events, Ending.CLOSED] if answer.closed else events


World = "Callable[[Target], RecordedPeer | Verdict | LocalFault]"


async def walk(
    scope: Scope,
    journal: JournalWriter,
    world: Callable[[Target], Any],
    *,
    everything: bool = False,
    seed: int = 1,
    rounds: int = 2000,
    clock: StillClock | None = None,
) -> Engine:
    """Sweep `scope` in memory; returns the engine with its accounts. Nothing waits for real time."""
    clock = clock or StillClock()
    loop = asyncio.get_running_loop()
    order = Order(len(scope), seed)
    guard = ScopeGuard(scope, clock)
    cache, failure = ResponseCache(), FirstFailure()
    recorder = Recorder(
        journal,
        RunContext("walk", scope),
        clock,
        cache,
        everything=everything,
        opinions=None,
        found=lambda observation: None,
        failure=failure,
    )

    def begin(target: Target) -> Dialogue:
        return Dialogue(
            client=CLIENT,
            depth=Depth.COLLECTIONS,
            limits=Limits(),
            loopback=False,
            plan_factory=MetadataPlan,
        )

    def connect(engine: Engine) -> MemoryConnector:
        return MemoryConnector(Probe(engine, begin, loop.time, cache), guard.permits, world)

    accounts = Accounts(planned=order.count())
    engine = Engine(
        loop,
        WalkSource(order, scope),
        guard,
        pace=Pace(1e9, loop.time()),
        caps=PrefixCaps(1e9),
        accounts=accounts,
        repetition=Repetition(accounts, seed, tries=3),
        recorder=recorder,
        make_connector=connect,
        failure=failure,
        blackouts=ActiveBlackouts(),
        pause_reasons=set(),
        half_open_limit=64,
    )
    connector = engine.connector
    assert isinstance(connector, MemoryConnector)
    for _ in range(rounds):
        engine.pump()
        connector.run()
        if engine.finished.done():
            break
        await asyncio.sleep(0)
    if failure.error is not None:
        raise failure.error
    return engine
