"""What goes on inside a sweep, for `--log info`: what changed since the last look, and nothing of one target.

It looks from outside, four times a second, so that nothing of it stands in the way of a connect.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results.manifest import Manifest
    from scanner.engine.engine import Engine
    from scanner.sweep.plan import Plan
    from scanner.sweep.progress import RunSummary
    from scanner.sweep.syn_feeder import SynFeeder

_log = logging.getLogger(__name__)
RATE_CHANGED = 0.01  # of the rate, from which on a change is worth a line


class Narrator:
    """Remembers what was told last. `wanted`: whether anybody listens."""

    def __init__(self, engine: Engine, stage: SynFeeder | None) -> None:
        self.wanted = _log.isEnabledFor(logging.INFO)
        self._engine = engine
        self._stage = stage
        self._round = 0
        self._paused: frozenset[str] = frozenset()
        self._rate = engine.pace.bucket.rate
        self._slow = ""
        self._stage_over = stage is None

    def began(self, manifest: Manifest, plan: Plan) -> None:
        """A run begins, or goes on."""
        accounts, start = self._engine.accounts, len(manifest.starts)
        left = accounts.planned - accounts.done - accounts.excluded
        again = f", start {start}, {left:,} left" if start > 1 else ""
        _log.info(
            "run %s: %s targets, engine %s, at most %g connects a second, seed %d%s",
            manifest.run_id,
            f"{plan.targets:,}",
            plan.engine,
            plan.rate,
            manifest.seed,
            again,
        )

    def phase(self, name: str) -> None:
        """Another part of the story begins."""
        accounts = self._engine.accounts
        _log.info(
            "%s: %s outcomes, %s excluded, %s planned",
            name,
            f"{accounts.done:,}",
            f"{accounts.excluded:,}",
            f"{accounts.planned:,}",
        )

    def turned(self) -> None:
        """The engine has stopped."""
        if self.wanted:
            self.look()
            reason = self._engine.stop_reason
            self.phase(f"asking was stopped ({reason})" if reason else "every target was asked")

    def ended(self, summary: RunSummary) -> None:
        """The run is sealed."""
        _log.info("run %s is sealed: %s, head %s", summary.run_id, summary.state, summary.chain_head)

    def look(self) -> None:
        """Tell what changed."""
        if not self.wanted:
            return
        engine = self._engine
        self._look_at_pauses()
        if not self._stage_over and self._stage is not None and self._stage.over:
            self._stage_over = True
            self.phase("the SYN stage is over")
        number = engine.repetition.number
        if number != self._round:
            self._round = number
            self.phase(f"round {number} of asking again who did not answer")
        rate, slow = engine.pace.bucket.rate, "; ".join(filter(None, (engine.pace.note, engine.caps.note)))
        if abs(rate - self._rate) > RATE_CHANGED * self._rate or slow != self._slow:
            why = f" ({slow})" if slow else ""
            _log.info("the pace is %.4g connects a second%s, it was %.4g", rate, why, self._rate)
            self._rate, self._slow = rate, slow

    def _look_at_pauses(self) -> None:
        now = frozenset(self._engine.pause_reasons)
        for reason in sorted(now - self._paused):
            _log.info("paused: %s", reason)
        for reason in sorted(self._paused - now):
            _log.info("no longer paused: %s", reason)
        self._paused = now
