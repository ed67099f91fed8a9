"""Whether a server was written to between two looks, and by which methods that is known.

Every method that was asked in both looks is named. A server says of itself when it wrote last
(`hello.lastWrite`), but its own housekeeping moves that too, so that alone never counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.ledger.compare import Holding, grown, remade, same_process
from results.ledger.tracked import Liveness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.ledger.visit import Visit

COUNTERS, OPERATIONS, NEWEST, DOCUMENTS, SIZES, MADE = (
    "counters-rose",
    "write-operations-rose",
    "newer-id",
    "document-counts",
    "collection-sizes",
    "collections-made",
)
"""Codes of the methods."""


def liveness(old: Visit, new: Visit) -> Liveness:
    """Compare two visits that found the same server open."""
    compared = dict(_methods(Holding.of(old), Holding.of(new)))
    shown = [method for method, differs in compared.items() if differs]
    return Liveness(
        after=old.at,
        until=new.at,
        written=True if shown else (False if compared else None),
        methods=shown or list(compared),
        grown=grown(old, new),
    )


def _methods(old: Holding, new: Holding) -> Iterator[tuple[str, bool]]:
    """(method, whether it shows a write), for each that both looks allow."""
    difference = grown(old.visit, new.visit)
    counters = [difference.inserted, difference.updated, difference.deleted]
    if any(count is not None for count in counters) and not any(counters):
        yield COUNTERS, False  # that they rose shows nothing: a server keeps its own books in them, too
    if not (old.visit.figures and new.visit.figures):
        if difference.documents is not None:
            yield DOCUMENTS, difference.documents != 0
        return
    before, after = old.visit.figures.collections, new.visit.figures.collections
    common = [(before[name], after[name]) for name in before.keys() & after.keys() if name in new.users]
    if same_process(old.visit, new.visit) and any(a[3] is not None and b[3] is not None for a, b in common):
        yield OPERATIONS, any(a[3] is not None and b[3] is not None and b[3] > a[3] for a, b in common)
    if any(a[2] and b[2] for a, b in common):
        yield NEWEST, any(a[2] and b[2] and b[2] > a[2] for a, b in common)
    if not common and difference.documents is not None:
        yield DOCUMENTS, difference.documents != 0
    if any(a[0] is not None and b[0] is not None for a, b in common):
        yield DOCUMENTS, any(a[0] is not None and b[0] is not None and a[0] != b[0] for a, b in common)
    if any(a[1] is not None and b[1] is not None for a, b in common):
        yield SIZES, any(a[1] is not None and b[1] is not None and a[1] != b[1] for a, b in common)
    came_or_went = old.whole and new.whole and old.all_databases != new.all_databases
    if came_or_went or (old.users and new.users):
        yield MADE, bool(came_or_went or remade(old, new) or _named(old, new) != _named(new, old))


def _named(one: Holding, other: Holding) -> set[str]:
    """Namespaces of the databases that named all their collections in both looks."""
    known = one.named & other.named
    return {name for name in one.users if name.partition(".")[0] in known}
