"""What a run covers, and what of it was taken out while it went on: by a reload, an expiry, a link's edge."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from results.covered import Covered, Row, parse_row, withdrawn_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scanner.network.guard import ScopeGuard
    from targets.scope import Scope


def rows_of(scope: Scope, now: float = -math.inf) -> Iterator[Row]:
    """The targets of a scope that may be asked at wall time `now`, as ranges."""
    for version in (4, 6):
        for segment in scope.segments(version):
            if now < segment.expires:
                yield Row(version, segment.first, segment.last, segment.ports)


class Withdrawal:
    """Compares the scope that a run began with and what the guard permits now.

    `before`: what earlier starts of the run have said. Asked at every checkpoint, in any thread: it is only
    worked out again when the guard's scope is another one, or a part of it has expired.
    """

    def __init__(self, scope: Scope, guard: ScopeGuard, before: Sequence[str]) -> None:
        self._scope = scope
        self._guard = guard
        self._before = list(before)
        self._found = self._before
        self._of = scope
        self._holds_until = scope.expires

    def ranges(self) -> list[str]:
        """The ranges that are out, as text."""
        left, now = self._guard.scope, self._guard.now()
        if left is not self._of or now >= self._holds_until:
            before = Covered(map(parse_row, self._before))
            kept = Covered(Covered(rows_of(left, now)).minus(before))
            self._found = withdrawn_text(Covered(rows_of(self._scope)).minus(kept))
            self._of = left
            ends = (each.expires for v in (4, 6) for each in left.segments(v) if each.expires > now)
            self._holds_until = min(ends, default=math.inf)
        return self._found
