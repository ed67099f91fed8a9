"""Targets that could not be asked for a fault of this machine or of our own code: asked again, or given up.

Such a fault is never an outcome. One target is tried a few times; nothing but faults for a minute ends the
sweep.
"""

from __future__ import annotations

import traceback
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from scanner.contact import Token

FAULT_DELAY = 1.0  # seconds until a target that this machine could not ask is tried again
FAULT_TRIES = 8  # such faults in a row after which one target is given up, and not reached
FAULT_PATIENCE = 60.0  # seconds of nothing but local faults after which the sweep gives up


class Retries:
    """Counts faults by target and in a row."""

    def __init__(self) -> None:
        self.given_up: set[Token] = set()  # in flight for ever: a resume may ask them
        self.bugs: Counter[str] = Counter()  # failures of our own code that ended one probe, by kind
        self._tries: dict[Token, int] = {}
        self._since = 0.0  # when the present row of faults began; 0.0 = the last attempt was none

    def worked(self) -> None:
        """Somebody could be asked: this machine is able to."""
        self._since = 0.0

    def settled(self, token: Token) -> None:
        """A target has its outcome."""
        if self._tries:
            self._tries.pop(token, None)

    def settled_many(self, tokens: Collection[Token]) -> None:
        """The same for several."""
        if self._tries:
            for token in self._tries.keys() & tokens:
                del self._tries[token]

    def again(self, token: Token, cost: int = 1) -> bool:
        """Whether a target that met a fault is to be asked again. Not when it has met too many in a row;
        a fault of `cost` counts for so many."""
        tries = self._tries[token] = self._tries.get(token, 0) + cost
        if tries < FAULT_TRIES:
            return True
        self.given_up.add(token)
        return False

    def outlasted(self, now: float) -> bool:
        """A fault of this machine at `now`: whether there was nothing else for too long."""
        self._since = self._since or now
        return now - self._since > FAULT_PATIENCE

    def note_bug(self, error: Exception) -> None:
        """Our own code failed on one target."""
        self.bugs[kind_of(error)] += 1


class BugInWorker(Exception):  # noqa: N818 - the name says what is so
    """Our own code failed in a worker; the text is what `kind_of` said there."""


def kind_of(error: Exception) -> str:
    """A failure's class and place, in a few words."""
    if isinstance(error, BugInWorker):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" at {where[0].name}:{where[0].lineno}" if where else ""
    return f"{type(error).__name__}{place}"
