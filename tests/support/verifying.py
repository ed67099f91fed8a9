"""Verifications and confirmations inside a test: on loopback, on a clock that waiting moves, in a world that
changes."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from scanner.lab.thread import LabThread
from scanner.setup.request import LoadedRequest
from scanner.setup.settings import Settings, SweepOptions
from scanner.sweep.confirm import Confirmation, Report, confirm
from scanner.sweep.sweep import run
from scanner.sweep.verify import Verification, VerifyOptions, verify
from targets.reported import sort_rows
from tests.support.sweeps import FAST, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from scanner.lab.channel import ServerConnection
    from scanner.lab.personality import Personality
    from targets.claims import Claim
    from targets.scope import Scope

EPOCH = 1_772_424_000.0  # 2026-03-02T04:00:00Z


class MovedClock:
    """Begins at a fixed time, goes on as the machine's does, and is moved ahead by who waits."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._start = time.monotonic()

    def wall(self) -> float:
        return EPOCH + self.boottime()

    def monotonic(self) -> float:
        return time.monotonic()

    def boottime(self) -> float:
        return time.monotonic() - self._start + self.ahead


@dataclass
class World:
    """Servers on loopback, a scope, and who asks. `waited`: the waits between rounds, in seconds."""

    output: Path
    port: int
    scope: Scope
    settings: Settings = field(default_factory=lambda: Settings(sweep=FAST))
    servers: dict[str, Personality] = field(default_factory=dict)
    clock: MovedClock = field(default_factory=MovedClock)
    watcher: Watcher = field(default_factory=Watcher)
    waited: list[float] = field(default_factory=list)
    meanwhile: Callable[[World], None] = lambda world: None
    stopped: bool = False
    _lab: LabThread | None = None

    def sweep(self, **options: Any) -> Any:
        """One sweep of the scope."""
        with self:
            return run(
                self.settings,
                self.scope,
                SweepOptions(output=self.output, **options),
                self.watcher,
                clock=self.clock,
            )

    def verify(self, *names: str, **options: Any) -> Verification:
        """Ask again."""
        with self:
            given = VerifyOptions(output=self.output, names=names, seed=7, **options)
            return verify(self.look, given, self.watcher, clock=self.clock, patience=self)

    def confirm(self, claims: Iterable[Claim]) -> Confirmation:
        """Answer a report of these rows."""
        rows = sort_rows(claims, self.scope, "report.csv", self.watcher.notice)
        report = Report(name="report.csv", format="CSV", rows=rows, unusable=0)
        with self:
            loaded = self.look(self.clock.wall())
            return confirm(loaded, report, self.output, self.watcher, clock=self.clock, patience=self)

    def look(self, now: float) -> LoadedRequest:
        """The allow-list as it is now."""
        options = SweepOptions(whole_scope=self.scope)
        return LoadedRequest(settings=self.settings, scope=self.scope, options=options, config=None)

    # as `Patience`

    def hold(self) -> None:
        """No signal is awaited here."""

    def wait(self, seconds: float) -> None:
        """The time passes at once; the world may change."""
        self.waited.append(seconds)
        self.clock.ahead += seconds
        self.meanwhile(self)
        self.become(self.servers)

    def become(self, servers: dict[str, Personality]) -> None:
        """These stand from now on, and no others."""
        self.servers = servers
        if self._lab is not None:
            self.__exit__()
            self.__enter__()

    def __enter__(self) -> World:
        self._lab = LabThread({(ip, self.port): who for ip, who in self.servers.items()})
        self._lab.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._lab is not None
        self._lab.__exit__(None, None, None)
        self._lab = None


def two_faced(first: Personality, then: Personality) -> Personality:
    """Talks like `first` to whoever comes first, and like `then` to all who come later."""
    connections = itertools.count()

    async def talk(channel: ServerConnection) -> None:
        await (first if next(connections) == 0 else then).talk(channel)

    return replace(first, name="two-faced", talk=talk)
