"""What a running sweep tells whoever watches it. The watchers themselves are in `cli/screen.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from results.record import Observation
    from scanner.sweep.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
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
    chain_head: str = ""  # the last hash over the run's files; worth keeping elsewhere


class Screen(Protocol):
    """Called by the sweep on its own thread; no call may block or raise."""

    def started(self, plan: Plan) -> None:
        """The plan stands and the first packet is about to leave."""
        ...

    def progress(self, snapshot: Snapshot) -> None:
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

    def finished(self, summary: Summary) -> None:
        """The sweep is over and the run directory is closed."""
        ...
