"""What a running sweep tells whoever watches it: counts and rates, read four times a second, and its end.

The watchers themselves are in `cli/screen.py`; those in other processes read `results/progress.py`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from results.progress import Progress
from scanner.clock import timestamp
from scanner.engine.launch_queue import MAX_HELD
from scanner.engine.pace import BUSY

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.record import Observation
    from scanner.engine.engine import Engine
    from scanner.engine.recorder import Recorder
    from scanner.sweep.plan import Plan

WINDOW = 20  # readings over which the rate is taken: five seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressSnapshot:
    """Where a sweep stands. `rate` is new connections a second over the last few seconds."""

    done: int
    planned: int
    elapsed: float  # seconds
    rate: float
    open_found: int
    answered: int = 0  # targets that spoke at all
    in_flight: int = 0
    remaining: float | None = None  # seconds, None while nobody can say
    slowed_by: str = ""  # why it goes slower than the rate set, in a few words
    paused_by: str = ""  # why nothing new is sent at the moment
    asked: int = 0  # targets to whom a packet has gone
    position: int = 0  # about the targets whose step of the order lies before it were asked
    positions: int = 0  # steps of the whole order

    def of_run(self, run_id: str, at: str) -> Progress:
        """The same, as others may read it: of this run, written at `at`."""
        return Progress(
            run_id=run_id,
            at=at,
            planned=self.planned,
            asked=self.asked,
            done=self.done,
            open=self.open_found,
            answered=self.answered,
            in_flight=self.in_flight,
            elapsed=round(self.elapsed, 3),
            rate=round(self.rate, 1),
            remaining=None if self.remaining is None else round(self.remaining, 1),
            slowed_by=self.slowed_by,
            paused_by=self.paused_by,
            position=self.position,
            positions=self.positions,
        )


class Walked(NamedTuple):
    """How far the walk through the order is; see `ProgressSnapshot`."""

    asked: int
    position: int
    positions: int
    by_engine: bool = False  # asked by the engine, which may make them wait


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """How a sweep ended: `state` is complete, degraded or interrupted; `reasons` say why not complete."""

    run_id: str
    run_dir: str
    state: str
    reasons: tuple[str, ...]
    planned: int
    outcomes: dict[str, int]  # verdict or connection outcome -> targets
    excluded: int
    not_reached: int
    elapsed: float  # seconds
    exit_code: int
    agreed: tuple[int, int, int] | None = None  # with --confirm: the driver agrees, cannot speak, disagrees
    interrupted: bool = False  # by a signal, or when its time was over
    chain_head: str = ""  # the last hash over the run's files; worth keeping elsewhere
    unlisted: int = 0  # of those excluded: their inventories list them no longer
    blind: tuple[int, int] = (0, 0)  # see `Parts.blind`
    unheard: float | None = None  # servers that were probably missed; None where nobody can say


class Screen(Protocol):
    """Called by the sweep on its own thread; no call may block or raise."""

    def started(self, plan: Plan) -> None:
        """The plan stands and the first packet is about to leave."""
        ...

    def progress(self, snapshot: ProgressSnapshot) -> None:
        """At most four times a second."""
        ...

    @property
    def wants_found(self) -> bool:
        """Whether `found` would show anything now."""
        ...

    def found(self, observation: Observation) -> None:
        """A server is open; its line is in the journal."""
        ...

    def notice(self, text: str) -> None:
        """Something the user should know now, in one line."""
        ...

    def finished(self, summary: RunSummary) -> None:
        """The sweep is over and the run directory is closed."""
        ...


class ProgressMeter:
    """Turns the engine's counters into snapshots."""

    def __init__(
        self,
        engine: Engine,
        recorder: Recorder,
        walked: Callable[[], Walked],
        now: Callable[[], float],
        before: float,
    ) -> None:
        self._engine = engine
        self._recorder = recorder
        self._walked = walked
        self._now = now
        self._start = now() - before
        self._readings: deque[tuple[float, int, int]] = deque(maxlen=WINDOW)

    @property
    def elapsed(self) -> float:
        """Seconds of work on this run, those before a resume included."""
        return self._now() - self._start

    def read(self) -> ProgressSnapshot:
        """Where the sweep stands now."""
        engine, now = self._engine, self._now()
        again = engine.repetition
        done = engine.accounts.done + len(again.asked_again)  # those had an outcome, and keep one
        self._readings.append((now, engine.started_connects, done))
        first_at, first_started, first_done = self._readings[0]
        span = now - first_at
        rate = (engine.started_connects - first_started) / span if span else 0.0
        finishing = (done - first_done) / span if span else 0.0
        left = engine.accounts.planned - done - engine.accounts.excluded
        walked = self._walked()
        asked, way = walked.asked, walked.position
        if walked.by_engine and asked:
            # Those that wait for the turn of their prefix were not asked: their part is taken off the way.
            asked = min(asked, done + engine.connector.busy)
            way = way * asked // walked.asked
        return ProgressSnapshot(
            done=done,
            planned=engine.accounts.planned,
            elapsed=self.elapsed,
            rate=rate,
            open_found=self._recorder.open_found,
            answered=engine.answered_count,
            in_flight=engine.connector.busy,
            remaining=left / finishing if finishing > 0 and not again.number else None,
            slowed_by=self._slowed_by(),
            paused_by=self._paused_by(),
            asked=asked,
            position=way,
            positions=walked.positions,
        )

    def _slowed_by(self) -> str:
        number = self._engine.repetition.number
        if number:
            return f"round {number} of asking again who did not answer"
        note = self._engine.pace.note or self._engine.caps.note
        return note or (BUSY if self._recorder.full else "")

    def _paused_by(self) -> str:
        engine = self._engine
        if engine.pause_reasons:
            return "; ".join(sorted(engine.pause_reasons))
        nothing_else = engine.source.exhausted or engine.queue.held_back >= MAX_HELD
        if engine.queue.held_back and nothing_else and not engine.connector.busy:
            until = f", at {timestamp(end)[:16]}Z" if (end := engine.queue.held_until) else ""
            return f"{engine.queue.held_back} targets wait for the end of a blackout window{until}"
        return ""
