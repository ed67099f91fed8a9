"""How a running sweep is doing, for whoever watches: counts and rates, read four times a second."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from scanner.engine.engine import MAX_HELD
from scanner.sweep.progress import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.engine.engine import Engine
    from scanner.engine.recorder import Scribe

WINDOW = 20  # readings over which the rate is taken: five seconds


class Meter:
    """Turns the engine's counters into snapshots."""

    def __init__(self, engine: Engine, scribe: Scribe, now: Callable[[], float], before: float) -> None:
        self._engine = engine
        self._scribe = scribe
        self._now = now
        self._start = now() - before
        self._readings: deque[tuple[float, int, int]] = deque(maxlen=WINDOW)

    @property
    def elapsed(self) -> float:
        """Seconds of work on this run, those before a resume included."""
        return self._now() - self._start

    def read(self) -> Snapshot:
        """Where the sweep stands now."""
        engine, now = self._engine, self._now()
        done = engine.accounts.done
        self._readings.append((now, engine.started_connects, done))
        first_at, first_started, first_done = self._readings[0]
        span = now - first_at
        rate = (engine.started_connects - first_started) / span if span else 0.0
        finishing = (done - first_done) / span if span else 0.0
        left = engine.accounts.planned - done - engine.accounts.excluded
        return Snapshot(
            done=done,
            planned=engine.accounts.planned,
            elapsed=self.elapsed,
            rate=rate,
            open_found=self._scribe.open_found,
            answered=engine.answered_count,
            in_flight=engine.connector.busy,
            remaining=left / finishing if finishing > 0 else None,
            slowed_by=engine.slowed_by,
            paused_by=self._paused_by(),
        )

    def _paused_by(self) -> str:
        engine = self._engine
        if engine.pauses:
            return "; ".join(sorted(engine.pauses))
        nothing_else = engine.source.exhausted or engine.held_back >= MAX_HELD
        if engine.held_back and nothing_else and not engine.connector.busy:
            return f"{engine.held_back} targets wait for the end of a blackout window"
        return ""
