"""Fuzz target `lists`: other programs' lists, read in pieces of any size, narrow a scope, never widen it."""

from __future__ import annotations

import io
from typing import Final

from targets.entries import Deny, Entry
from targets.errors import ScopeError
from targets.planning import narrow_by_claims
from targets.scope import Scope
from targets.sources.read import read_claims
from tests.fuzz.oracle import must

SCOPE: Final = Scope(
    [Entry.of("10.77.0.0/24"), Entry.of("10.77.0.6", ports=(27018,)), Entry.of("fd77::/120")],
    [Deny.of("10.77.0.9")],
    [27017, 443],
)
LOOKED_AT: Final = 64  # targets of one input


class _Pieces(io.BytesIO):
    """A stream that gives so many bytes at once, as a pipe may."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._most = size

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, self._most) if size and size > 0 else self._most)


def run(data: bytes) -> None:
    """One input: its first byte is the size of a piece, the rest the list."""
    told: list[str] = []
    reading = read_claims(_Pieces(data[1:], 1 + (data[0] if data else 0)), "list", told.append)
    try:
        found = narrow_by_claims(SCOPE, reading)
    except ScopeError as error:
        must(str(error).isprintable(), "an error that a terminal would obey", str(error))
        return
    must(all(line.isprintable() for line in told), "a warning that a terminal would obey", told)
    must(found.inside or not len(found.scope), "targets that no claim named")
    must(reading.format is None or str(reading.format), "a format without a name")
    step = 1 + len(found.scope) // LOOKED_AT
    for position in range(0, len(found.scope), step):
        must(SCOPE.permits(found.scope.pick(position), 0.0), "a target outside the scope")
