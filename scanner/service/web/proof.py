"""What a page that shows what is open rests on: the last sweep of the ledger, how much of the scope that was
to ask, and runs that the ledger does not have (yet)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from scanner.service.web.context import CONTEXT, RUNS
from scanner.service.web.derived import derived

if TYPE_CHECKING:
    from aiohttp import web

    from results.ledger.store import LedgerRun
    from scanner.service.view.snapshot import Snapshot


class Proof(NamedTuple):
    """`last_sweep`: the newest one in the ledger that does not go on, None where there is none. `in_scope`:
    targets of the scope, 0 where no configuration tells. `unread`: states of runs that the ledger does not
    have wholly, and how many are in each: what those found open is in no list. A verification that goes on is
    none of them: it looks at what is listed."""

    last_sweep: LedgerRun | None
    in_scope: int
    unread: dict[str, int]

    @property
    def is_part(self) -> bool:
        """Whether the last sweep set out to ask less than the whole scope."""
        return self.last_sweep is not None and self.last_sweep.planned < self.in_scope

    @property
    def unread_count(self) -> int:
        """How many runs the ledger does not have wholly."""
        return sum(self.unread.values())


async def proof_of(request: web.Request, snapshot: Snapshot) -> Proof:
    """For a snapshot, as it is now. Raises `ResultsError`."""
    scope = request.app[CONTEXT].scope
    runs = await request.app[RUNS].current(snapshot.runs)
    taken = {run.run_id for run in snapshot.runs if _is_taken(run)}
    asking_again = (run for run in runs if run.purpose and run.state == "running")
    taken.update(run.run_id for run in asking_again)  # over what is listed as open until its end
    unread = Counter(run.state for run in runs if run.run_id not in taken)
    return Proof(derived(snapshot).last_sweep, len(scope) if scope is not None else 0, dict(unread))


def _is_taken(run: LedgerRun) -> bool:
    """Whether the ledger has all of it; one that was taken in while it went on may have found more since."""
    return not run.damage and (run.whole or bool(run.ended_at))
