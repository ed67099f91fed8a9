"""The lines of an observation, for tests that write or compare journals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.lines import from_line, put_together, to_lines
from results.record import Line, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable


def line_of(seen: Line) -> bytes:
    """The one line of an observation that needs no more."""
    assert isinstance(seen, Observation)
    (line,) = to_lines(seen)
    return line


def read_back(lines: Iterable[bytes]) -> Observation:
    """The observation whose lines these are."""
    (observation,) = put_together(map(from_line, lines))
    return observation
