"""What a list on standard input gives: its claims as text, its warnings, or the refusal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from targets.errors import ScopeError
from targets.grammar import format_span
from targets.sources.read import read_claims

if TYPE_CHECKING:
    from targets.sources.reading import Reading


def claims(text: str | bytes, warnings: list[str] | None = None) -> list[tuple[str, int | None]]:
    """Addresses and ports in the order of the list called `in`; without `warnings` there must be none."""
    raw = text.encode() if isinstance(text, str) else text
    heard: list[str] = [] if warnings is None else warnings
    found = [(format_span(c.span), c.port) for c in read_claims(io.BytesIO(raw), "in", heard.append)]
    assert warnings is not None or not heard
    return found


def told(text: str | bytes) -> Reading:
    """The reading of a list, for who wants more of it; warnings are printed."""
    raw = text.encode() if isinstance(text, str) else text
    return read_claims(io.BytesIO(raw), "in", print)


def refused(text: str | bytes) -> str:
    """The line that refuses a list."""
    with pytest.raises(ScopeError) as caught:
        claims(text, [])
    return str(caught.value)


class Counting(io.RawIOBase):
    """An endless stream, and how much of it was read: a beginning, then the same bytes again and again."""

    def __init__(self, beginning: bytes, then: bytes) -> None:
        self.count = 0
        self._beginning = beginning
        self._then = then

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""
        begun, self._beginning = self._beginning[:size], self._beginning[size:]
        data = begun or (self._then * (size // len(self._then) + 1))[:size]
        self.count += len(data)
        assert self.count < 32 * 1024 * 1024, "nobody stopped reading"
        return data
