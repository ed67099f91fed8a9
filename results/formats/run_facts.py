"""What is counted of a run, as formats that keep an object of our own show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from results.formats.fields import TITLES
from results.verdict import Verdict

if TYPE_CHECKING:
    from results.events.event import RunEvent
    from results.summary import Coverage, Loss

_OUTCOMES: Final = frozenset(verdict.value for verdict in Verdict)
_CHANGES: Final = frozenset(TITLES)


def run_facts(run: RunEvent) -> dict[str, Any]:
    """Its purpose, what it covers and what it counted. What is not known is left out."""
    told: dict[str, Any] = {
        "purpose": run.purpose or "sweep",
        "scope": run.scope or None,
        "shard": run.shard or None,
        "planned": run.planned,
        "open": run.open,
        "exposures_open": run.exposures_open,
        "coverage": _plain(run.coverage),
        "loss": _plain(run.loss),
        "outcomes": _by_word(run.outcomes, _OUTCOMES),
        "changes": _by_word(run.changes, _CHANGES),
    }
    return _known(told)


def _plain(counted: Coverage | Loss | None) -> dict[str, int] | None:
    return _known(msgspec.to_builtins(counted)) if counted is not None else None


def _known(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def _by_word(counts: dict[str, int], words: frozenset[str]) -> dict[str, int] | None:
    """Counts by our own words. A key that is none would be a column of its own in every index: `other`."""
    known = {word: count for word, count in counts.items() if word in words}
    if len(known) < len(counts):
        known["other"] = sum(count for word, count in counts.items() if word not in words)
    return known or None
