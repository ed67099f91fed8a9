"""A universe of 1,024 addresses of each family, small enough for a naive model of every set operation."""

from __future__ import annotations

from hypothesis import strategies as st

from targets.entries import Deny, Entry
from targets.grammar import Span, format_span

BASE = {4: 0x0A140000, 6: 0xFD00 << 112}  # 10.20.0.0 and fd00::
SIZE = 1024


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """A run of addresses inside the universe."""
    version = draw(st.sampled_from((4, 6)))
    first = draw(st.integers(0, SIZE - 1))
    last = draw(st.integers(first, min(SIZE - 1, first + draw(st.sampled_from((0, 3, 60, SIZE))))))
    return Span(version, BASE[version] + first, BASE[version] + last)


@st.composite
def crowded(draw: st.DrawFn) -> Span:
    """A run in the first 24 addresses of the universe, where many touch, cross and coincide."""
    version = draw(st.sampled_from((4, 6)))
    first = draw(st.integers(0, 23))
    size = draw(st.sampled_from((1, 1, 1, 2, 3, 4, 8)))
    return Span(version, BASE[version] + first, BASE[version] + first + size - 1)


def entry(span: Span, ports: tuple[int, ...] | None = None, owner: str = "") -> Entry:
    """An allow entry for a span."""
    return Entry(span=span, text=format_span(span), ports=ports, owner=owner)


def deny(span: Span) -> Deny:
    """A deny entry for a span."""
    return Deny(span=span, text=format_span(span), reason="because")


def members(span: Span) -> set[tuple[int, int]]:
    """The addresses of a span, one by one, with their family."""
    return {(span.version, address) for address in range(span.first, span.last + 1)}


def union(many: list[Span]) -> set[tuple[int, int]]:
    """The addresses of several spans."""
    return {place for span in many for place in members(span)}
