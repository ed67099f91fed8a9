"""What the codes of the ledger read like in a report: states, kinds of change, spans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.ledger.words import SEEN_ONCE
from results.text import at_least, at_most

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure

STATE_WORDS = {
    "new": "new",
    "open": "open",
    "changed": "open, changed",
    "unreachable": "unreachable, not proved closed",
    "closed": "proved closed",
    "reopened": "reopened",
    "accepted": "open, accepted",
}

CHANGE_WORDS = {
    "opened": "seen open",
    "changed": "changed",
    "wiped": "wiped",
    "ransomed": "held to ransom",
    "restored": "restored",
    "moved": "moved",
    "unreachable": "no longer reachable",
    "closed": "proved closed",
    "reopened": "open again",
    "reach_changed": "another reach",
}


def open_for(exposure: TrackedExposure) -> str:
    """How long the present or last stretch of being open lasted, by its bounds."""
    least, most = exposure.open_at_least_seconds, exposure.open_at_most_seconds
    if least is None:
        return "not known"
    if most is None:
        return f"{at_least(least)} or more" if least else SEEN_ONCE
    if not least:
        return f"up to {at_most(most)}"
    low, high = at_least(least), at_most(most)
    if low == high:
        return low
    number, _, unit = low.partition(" ")
    return f"{number if high.partition(' ')[2] == unit else low} to {high}"
