"""Prefixes and ranges as a tree: what they inherit from those around them, and crossing ones cut until every
two are apart or one inside the other, as an allow-list wants them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from targets.entries import HasSpan, govern
from targets.grammar import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from targets.gathered import Terms, Voice

T = TypeVar("T", bound=HasSpan)


class Block(NamedTuple):
    """Addresses that become one entry, with what is said of them and who says so."""

    span: Span
    terms: Terms
    voice: Voice


def inherited(terms: Terms, around: Terms) -> Terms:
    """`terms` with what they leave open taken from those around: the owner, the contact where the owner is
    the same, the site."""
    owner = terms.owner or around.owner
    contact = terms.contact or (around.contact if owner == around.owner else "")
    return terms._replace(owner=owner, contact=contact, site=terms.site or around.site)


def with_inheritance(blocks: Sequence[Block], containers: Sequence[Block]) -> list[Block]:
    """The blocks in order of their addresses, wider ones first, each with what the narrowest block or
    container around it says and it does not."""
    marked = [(block, True) for block in containers] + [(block, False) for block in blocks]
    marked.sort(key=lambda item: (item[0].span.version, item[0].span.first, -item[0].span.last, not item[1]))
    found: list[Block] = []
    around: list[Block] = []
    for block, only_holds in marked:
        version, _, last = block.span
        while around and not (around[-1].span.version == version and last <= around[-1].span.last):
            around.pop()
        if around:
            block = block._replace(terms=inherited(block.terms, around[-1].terms))
        around.append(block)
        if not only_holds:
            found.append(block)
    return found


def nested(blocks: Sequence[Block]) -> list[Block]:
    """The same addresses with the same governors, where no two blocks cross: those that do are replaced by
    the pieces that they govern, the narrowest first of all. `blocks` have different spans."""
    ordered = sorted(blocks, key=lambda block: (block.span.version, block.span.first, -block.span.last))
    crossing: set[Span] = set()
    open_: list[Span] = []
    for block in ordered:
        version, first, last = block.span
        open_ = [span for span in open_ if span.version == version and span.last >= first]
        for before in open_:
            if before.last < last:
                crossing |= {before, block.span}
        open_.append(block.span)
    if not crossing:
        return ordered
    kept = [block for block in ordered if block.span not in crossing]
    for version in (4, 6):
        kept += [
            block._replace(span=Span(version, first, last))
            for first, last, block in govern(ordered, version)
            if block.span in crossing
        ]
    return sorted(kept, key=lambda block: (block.span.version, block.span.first, -block.span.last))


class Governed(Generic[T]):
    """Which item governs an address: the narrowest one that holds it."""

    def __init__(self, items: Sequence[T]) -> None:
        self._pieces = {version: govern(items, version) for version in (4, 6)}
        self._firsts = {version: [piece[0] for piece in self._pieces[version]] for version in (4, 6)}

    def parts(self, span: Span) -> Iterator[tuple[Span, T | None]]:
        """`span` cut at every change of its governor, in order, with it; None where there is none."""
        version, first, last = span
        pieces = self._pieces[version]
        at = max(bisect_right(self._firsts[version], first) - 1, 0)
        while first <= last:
            while at < len(pieces) and pieces[at][1] < first:
                at += 1
            if at == len(pieces) or pieces[at][0] > last:
                yield Span(version, first, last), None
                return
            left, right, item = pieces[at]
            if left > first:
                yield Span(version, first, left - 1), None
                first = left
            stop = min(last, right)
            yield Span(version, first, stop), item
            first = stop + 1
