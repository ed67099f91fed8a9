"""The accounts of a sweep: every planned target has one outcome, was excluded, or was not reached."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from results.summary import AccountingError


@dataclass(slots=True, kw_only=True)
class Accounts:
    """Counts of one sweep or shard. `planned` is what the order would visit."""

    planned: int
    outcomes: Counter[str] = field(default_factory=Counter)
    excluded: int = 0  # refused by the guard while the sweep ran
    edges: int = 0  # of these, edges of our own links: no host has such an address
    unlisted: int = 0  # of these, addresses that their inventory lists no longer: they are not ours any more
    faults: Counter[str] = field(default_factory=Counter)  # local faults met; none of them is an outcome

    @property
    def done(self) -> int:
        """Targets with an outcome."""
        return self.outcomes.total()

    @property
    def by_name(self) -> dict[str, int]:
        """Targets by the name of their outcome, sorted."""
        return {str(name): count for name, count in sorted(self.outcomes.items())}

    def not_reached(self, remaining: int) -> int:
        """Targets that nobody asked: planned and neither done nor excluded. `remaining` is what the engine
        itself counts as left; the two must agree. Raises AccountingError."""
        left = self.planned - self.done - self.excluded
        if left != remaining:
            raise AccountingError(
                f"planned {self.planned} = outcomes {self.done} + excluded {self.excluded}"
                f" + not reached {left}, but {remaining} are left"
            )
        return left
