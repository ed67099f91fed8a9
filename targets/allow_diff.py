"""What differs between two allow-lists, address by address: which came, which went, and whose changed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from targets.entries import govern
from targets.grammar import Span
from targets.policy import is_swept_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from targets.entries import Entry

What = Literal["added", "gone", "owner", "terms"]


class Row(NamedTuple):
    """A run of addresses that changed in one way. `owner` and `before`: whose they are, and were."""

    what: What
    span: Span
    owner: str
    before: str


class Difference(NamedTuple):
    """What changed, by address; counts of addresses, where IPv6 prefixes that are too wide to sweep count for
    nothing, since only what is known of them is ever asked."""

    rows: tuple[Row, ...]  # "terms": another contact, site, label, authorisation, expiry, port, ...
    before: int
    after: int
    added: int
    gone: int

    def of(self, what: What) -> list[Row]:
        """The rows of one kind, the largest first."""
        return sorted(
            (row for row in self.rows if row.what == what), key=lambda row: (-row.span.size, row.span)
        )

    @property
    def growth(self) -> float:
        """Added addresses as a share of those before; 0 where there were none to grow from."""
        return self.added / self.before if self.before else 0.0

    @property
    def loss(self) -> float:
        """Addresses gone as a share of those before."""
        return self.gone / self.before if self.before else 0.0


def difference(old: Sequence[Entry], new: Sequence[Entry]) -> Difference:
    """What `new` changes; the most specific entry speaks for an address. O(n log n)."""
    rows: list[Row] = []
    counts = [0, 0]
    for version in (4, 6):
        left, right = govern(old, version), govern(new, version)
        for number, pieces in enumerate((left, right)):
            counts[number] += sum(
                last - first + 1 for first, last, entry in pieces if is_swept_whole(entry.span)
            )
        rows += _rows(version, left, right)
    asked = [(row, row.span.size) for row in rows if is_swept_whole(row.span)]
    return Difference(
        tuple(rows),
        counts[0],
        counts[1],
        sum(count for row, count in asked if row.what == "added"),
        sum(count for row, count in asked if row.what == "gone"),
    )


_Piece = tuple[int, int, "Entry"]


def _rows(version: int, left: Sequence[_Piece], right: Sequence[_Piece]) -> Iterator[Row]:
    """Both lists are sorted and disjoint."""
    edges = sorted({edge for first, last, _ in (*left, *right) for edge in (first, last + 1)})
    i = j = 0
    pending: Row | None = None
    for edge, following in pairwise(edges):
        while i < len(left) and left[i][1] < edge:
            i += 1
        while j < len(right) and right[j][1] < edge:
            j += 1
        old = left[i][2] if i < len(left) and left[i][0] <= edge else None
        new = right[j][2] if j < len(right) and right[j][0] <= edge else None
        row = _row(Span(version, edge, following - 1), old, new)
        if pending is not None:
            if row is not None and row._replace(span=pending.span) == pending:  # edges leave no hole
                pending = pending._replace(span=pending.span._replace(last=following - 1))
                continue
            yield pending
        pending = row
    if pending is not None:
        yield pending


def _row(span: Span, old: Entry | None, new: Entry | None) -> Row | None:
    if new is None:
        return Row("gone", span, "", old.owner) if old is not None else None
    if old is None:
        return Row("added", span, new.owner, "")
    if old.owner != new.owner:
        return Row("owner", span, new.owner, old.owner)
    return Row("terms", span, new.owner, old.owner) if old.terms != new.terms else None
