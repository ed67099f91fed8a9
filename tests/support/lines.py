"""The lines of an observation, for tests that write or compare journals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from results.lines import from_line, put_together, to_lines
from results.record import OBSERVATION, Line, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable


def line_of(seen: Line) -> bytes:
    """The one line of an observation that needs no more."""
    assert isinstance(seen, Observation)
    (line,) = to_lines(seen)
    return line


def observed(lines: Iterable[str | bytes]) -> list[dict[str, Any]]:
    """The observations among lines, as documents; those of databases are left out."""
    documents: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [document for document in documents if document["schema"] == OBSERVATION]


def read_back(lines: Iterable[bytes]) -> Observation:
    """The observation whose lines these are."""
    (observation,) = put_together(map(from_line, lines))
    return observation
