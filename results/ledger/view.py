"""One reading of the ledger, with the clock and what people did laid over it: what every face begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from results.ledger.actions import Actions
from results.ledger.overlay import lay_over
from results.ledger.store import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from results.ledger.overlay import Deadlines
    from results.ledger.tracked import TrackedExposure


class View(NamedTuple):
    """Exposures laid over, gravest first; the ledger, which the caller closes; and the actions."""

    exposures: list[TrackedExposure]
    ledger: Ledger
    actions: Actions


def read(output: Path, now: str, deadlines: Deadlines) -> View:
    """Read all of it as it is at `now`. Raises `LedgerError` and `StorageRefusedError`."""
    actions = Actions.open(output)
    ledger = Ledger.open(output)
    return View(lay_over(ledger.exposures(), actions, now, deadlines), ledger, actions)
