"""Proof that silence means something: servers known to answer are found through the same code, or the run
is degraded. One is our own, on loopback; others come from the configuration.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.verdict import Verdict
from scanner.contact import LocalFault
from scanner.mongo.judge import judge
from targets.entries import Entry
from targets.grammar import parse_span
from targets.scope import OutOfScope, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scanner.engine.engine import Engine, Heard
    from scanner.lab.server import LabServer
    from scanner.network.guard import ScopeGuard
    from scanner.setup.settings import CanarySettings
    from targets.scope import Target

_log = logging.getLogger(__name__)
_HEARD = frozenset(Verdict) - {Verdict.FILTERED, Verdict.UNREACHABLE}
OWN = "the sweep's own server on loopback"


@dataclass(frozen=True, slots=True)
class Canary:
    """A server that must answer, and with what verdict."""

    name: str
    target: Target
    expect: Verdict


class Canaries:
    """Asks every canary at the start, in between and at the end; remembers who was silent."""

    def __init__(self, engine: Engine, canaries: Sequence[Canary]) -> None:
        self._engine = engine
        self._canaries = list(canaries)
        self.failures: list[str] = []
        self.heard_beyond = 0  # answers of canaries that are not on this machine

    def __len__(self) -> int:
        return len(self._canaries)

    async def check(self, when: str) -> bool:
        """Ask all of them. True when each gave the verdict expected; else `failures` says who did not."""
        answers = [self._ask(canary) for canary in self._canaries]
        good = True
        for canary, answer in zip(self._canaries, answers, strict=True):
            said = await answer
            _log.info("canary %s (%s): %s", canary.name, when, said)
            if not canary.target.is_loopback and said in _HEARD:
                self.heard_beyond += 1
            if self._engine.abandoned:
                return False  # a second Ctrl-C: their silence is ours
            if said != canary.expect.value:
                good = False
                expected = canary.expect.value
                self.failures.append(f"canary {canary.name} ({when}): expected {expected}, got {said}")
        return good

    def _ask(self, canary: Canary) -> asyncio.Future[str]:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def told(heard: Heard) -> None:
            if not answer.done():
                answer.set_result(_word(heard))

        try:
            self._engine.ask_canary(canary.target, told)
        except OutOfScope as error:
            answer.set_result(str(error))
        return answer


def _word(heard: Heard) -> str:
    if isinstance(heard, Verdict | LocalFault):
        return heard.value
    return judge(heard.dialogue.facts).verdict.value


def scope_of_canaries(whole: Scope, canaries: Sequence[CanarySettings]) -> Scope:
    """The targets of the whole scope that are canaries, whatever part of it is swept."""
    return whole.restrict((parse_span(canary.address), canary.port) for canary in canaries)


def configured(scope: Scope, canaries: Sequence[CanarySettings], now: float) -> list[Canary]:
    """The canaries of the configuration. Raises OutOfScope for one that `scope`, the whole, does not hold."""
    return [
        Canary(
            f"{canary.address}:{canary.port}", scope.target(canary.address, canary.port, now), canary.expect
        )
        for canary in canaries
    ]


async def own_server(guard: ScopeGuard) -> tuple[LabServer, Canary]:
    """Start an open server of our own on loopback and let it through the guard. The caller stops it."""
    from scanner.lab.honest import mongod
    from scanner.lab.server import LabServer, Record

    server = LabServer(mongod("canary", "the sweep's own open server"))
    server.record = Record(0)  # nobody reads what it was asked, and a long sweep asks it often
    await server.start()
    span = parse_span("127.0.0.1")
    scope = Scope([Entry(span=span, text="127.0.0.1", owner="mongosweep", kind="lab")], ports=[server.port])
    guard.admit_self_test(scope)
    return server, Canary(OWN, scope.target("127.0.0.1", server.port), Verdict.OPEN)
