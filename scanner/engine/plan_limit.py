"""How many conversations may ask for metadata at once: as many as our own loop keeps up with.

Pure arithmetic, told at each tick how late our loop is. Whoever has its verdict waits before its plan begins,
so that those under way end soon. Slow servers keep nobody busy: then the number grows by a few a tick, later
by an eighth, and a thousand are under way within two seconds. Where the loop is late it shrinks by a quarter;
those under way go on. It never exceeds by much what is under way, so that room which nobody needed for long
is not there when many need it at once.
"""

from __future__ import annotations

from typing import Final

FEWEST: Final = 8  # whatever the loop does: one alone would wait for the network most of the time
UNHURRIED: Final = 32  # while the loop is not late, so many may begin at once
STEP: Final = 4  # more a tick, at least
LATE: Final = 0.05  # seconds that what happens waits for us; from here on none is added
TOO_LATE: Final = 0.1  # from here on there are too many


class PlanLimit:
    """`most` may be under way."""

    __slots__ = ("most",)

    def __init__(self) -> None:
        self.most = UNHURRIED

    def review(self, lag: float, under_way: int) -> None:
        """What happens on a link waits for our own work for up to `lag` seconds, with so many under way."""
        if lag < LATE:
            more = max(STEP, under_way // 8)
            self.most = min(self.most + more, max(UNHURRIED, under_way + more))
        elif lag >= TOO_LATE:
            self.most = max(FEWEST, min(self.most, under_way) * 3 // 4)
