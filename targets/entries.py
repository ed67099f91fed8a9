"""What an allow-list says: allow entries with their owner, deny entries with their reason.

Plain data, already checked. An entry covers one run of addresses; the most specific one speaks for an
address, in ownership, ports and expiry alike.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

from targets.grammar import Span, parse_span

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["estate", "lab"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One allowed run of addresses. `expires` is seconds since the epoch; at that instant it is over."""

    span: Span
    text: str  # as it was written
    owner: str = ""
    contact: str = ""
    site: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    authorised_by: str = ""
    expires: float = math.inf
    kind: Kind = "estate"
    ports: tuple[int, ...] | None = None  # None: the ports of the scope
    inventory: str = ""  # whose newest answer must list an address that is asked; "": none
    hostnames: tuple[str, ...] = ()  # the names that resolved to this address
    source: str = ""
    line: int | None = None

    @classmethod
    def of(cls, text: str, **fields: object) -> Entry:
        """An entry for `text`, mostly for tests: everything else by keyword."""
        return cls(span=parse_span(text), text=text, **fields)  # type: ignore[arg-type]  # forwarded as they are

    def __hash__(self) -> int:
        """Of what tells entries apart: one is looked up for every line."""
        return hash((self.text, self.span.first))

    @property
    def terms(self) -> tuple[object, ...]:
        """Everything that two entries for one address would have to agree on."""
        return (
            self.owner,
            self.contact,
            self.site,
            self.labels,
            self.authorised_by,
            self.expires,
            self.kind,
            self.ports,
            self.inventory,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """One denied run of addresses: an exclusion or an owner's opt-out. It wins over every allow entry."""

    span: Span
    text: str
    reason: str = ""
    expires: float = math.inf
    opt_out: bool = False  # an owner asked for it
    inventory: str = ""  # that does not confirm a part of the run; only that part is taken away
    source: str = ""
    line: int | None = None

    @classmethod
    def of(cls, text: str, reason: str = "") -> Deny:
        """A deny entry for `text`, mostly for tests."""
        return cls(span=parse_span(text), text=text, reason=reason)


class HasSpan(Protocol):
    """Anything that covers a run of addresses."""

    @property
    def span(self) -> Span:
        """The run."""


T = TypeVar("T", bound=HasSpan)


def govern(items: Sequence[T], version: int) -> list[tuple[int, int, T]]:
    """Cut one family's address space so that every piece has one governor: the narrowest item, first wins.

    Returns sorted disjoint `(first, last, item)` pieces, in O(n log n) for n items of any overlap.
    """
    ours = sorted(
        (item.span.first, item.span.size, order, item)
        for order, item in enumerate(items)
        if item.span.version == version
    )
    edges = sorted({edge for first, size, _, _ in ours for edge in (first, first + size)})
    pieces: list[tuple[int, int, T]] = []
    active: list[tuple[int, int, int, T]] = []  # (size, order, last, item): the narrowest on top
    at = 0
    for edge, following in pairwise(edges):
        while at < len(ours) and ours[at][0] == edge:
            first, size, order, item = ours[at]
            heapq.heappush(active, (size, order, first + size - 1, item))
            at += 1
        while active and active[0][2] < edge:
            heapq.heappop(active)
        if not active:
            continue
        item = active[0][3]
        if pieces and pieces[-1][2] is item and pieces[-1][1] == edge - 1:
            pieces[-1] = (pieces[-1][0], following - 1, item)
        else:
            pieces.append((edge, following - 1, item))
    return pieces
