"""How far a fleet's run is, from what its workers say while they ask."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from scanner.sweep.progress import ProgressSnapshot

if TYPE_CHECKING:
    from collections.abc import Collection

    from scanner.fleet.tally import Tally

WINDOW = 120  # readings over which the time that is left is judged: a minute


class FleetMeter:
    """Turns the tallies of all sites into snapshots. `before`: seconds of work of earlier starts."""

    def __init__(self, tallies: Collection[Tally], now: float, before: float) -> None:
        self._tallies = tallies
        self._start = now - before
        self._readings: deque[tuple[float, int]] = deque(maxlen=WINDOW)

    def elapsed(self, now: float) -> float:
        """Seconds of work on this run."""
        return now - self._start

    def read(self, now: float, paused_by: str) -> ProgressSnapshot:
        """Where the run stands now."""
        running = [each for tally in self._tallies for each in tally.running.values()]
        counts = [tally.counts for tally in self._tallies]
        outcomes = sum(sum(each.outcomes.values()) for each in counts)
        done = outcomes + sum(each.done for each in running)
        planned = sum(tally.division.targets for tally in self._tallies)
        left = sum(tally.left for tally in self._tallies) - sum(each.done for each in running)
        self._readings.append((now, left))
        first_at, first_left = self._readings[0]
        pace = (first_left - left) / (now - first_at) if now > first_at else 0.0
        slowed = next((each.slowed_by for each in running if each.slowed_by), "")
        paused = paused_by or next((each.paused_by for each in running if each.paused_by), "")
        found = sum(each.outcomes.get("open", 0) + each.outcomes.get("open_no_data", 0) for each in counts)
        silent = sum(each.outcomes.get(word, 0) for each in counts for word in ("filtered", "unreachable"))
        return ProgressSnapshot(
            done=done,
            planned=planned,
            elapsed=self.elapsed(now),
            rate=sum(each.rate for each in running),
            open_found=found + sum(each.open for each in running),
            answered=outcomes - silent + sum(each.answered for each in running),
            in_flight=sum(each.in_flight for each in running),
            remaining=left / pace if pace > 0 else None,
            slowed_by=slowed,
            paused_by=paused,
            asked=outcomes + sum(each.asked for each in running),
        )
