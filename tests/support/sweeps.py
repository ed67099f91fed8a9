"""Sweeps inside a test: over loopback, with a screen that remembers, and what they found."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from results.reading import read_run
from scanner.lab.honest import personalities
from scanner.setup.settings import Settings, SweepOptions, SweepSettings
from scanner.sweep.sweep import run
from targets.entries import Deny, Entry
from targets.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.record import Observation
    from scanner.lab.personality import Personality
    from scanner.sweep.plan import Plan
    from scanner.sweep.progress import ProgressSnapshot, RunSummary

FAST = SweepSettings(
    rate=5000, per_prefix_rate=5000, connect_timeout=0.5, reply_timeout=0.6, host_timeout=5, concurrency=256
)


class Watcher:
    """A screen that remembers."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []
        self.snapshots: list[ProgressSnapshot] = []
        self.seen: list[Observation] = []
        self.notices: list[str] = []

    def started(self, plan: Plan) -> None:
        self.plans.append(plan)

    def progress(self, snapshot: ProgressSnapshot) -> None:
        self.snapshots.append(snapshot)

    wants_found = True

    def found(self, observation: Observation) -> None:
        self.seen.append(observation)

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def finished(self, summary: RunSummary) -> None:
        pass


class Timed(Watcher):
    """Knows when each progress came, and calls `then` at the third."""

    def __init__(self, then: Callable[[], object]) -> None:
        super().__init__()
        self.acted_at = 0.0
        self.times: list[float] = []
        self._then = then

    def progress(self, snapshot: ProgressSnapshot) -> None:
        super().progress(snapshot)
        self.times.append(time.monotonic())
        if len(self.times) == 3:
            self._then()
            self.acted_at = time.monotonic()

    @property
    def longest_gap(self) -> float:
        """Seconds."""
        return max(later - earlier for earlier, later in zip(self.times, self.times[1:], strict=False))


def estate(wanted: set[str] | None = None) -> dict[str, Personality]:
    """Address -> personality, one address each."""
    chosen = [p for p in personalities() if wanted is None or p.name in wanted]
    return {f"127.91.0.{number}": personality for number, personality in enumerate(chosen, start=1)}


def scope_of(port: int, cidr: str = "127.91.0.0/26", deny: tuple[str, ...] = ()) -> Scope:
    return Scope(
        [Entry.of(cidr, owner="web platform", contact="web@example.com", site="paris", kind="lab")],
        [Deny.of(text, reason="not ours") for text in deny],
        ports=[port],
    )


def sweep(
    scope: Scope, output: Path, settings: Settings | None = None, **options: Any
) -> tuple[Any, Watcher]:
    watcher = Watcher()
    settings = settings or Settings(sweep=FAST)
    return run(settings, scope, SweepOptions(output=output, **options), watcher), watcher


def found(run_dir: str) -> dict[str, Observation]:
    return {observation.target.ip: observation for observation in read_run(Path(run_dir))}
