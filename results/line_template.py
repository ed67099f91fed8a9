"""Templates of lines that are alike: only what is a target's own is written anew, the rest is kept bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from results.record import MAX_LINE, to_json

if TYPE_CHECKING:
    from datetime import datetime

    from results.record import Observation

# In JSON text a quotation mark inside a string stands behind a backslash, so each of these is a real key.
_OWN: Final = re.compile(
    rb'"(event_id|observed_at|ip|started_at|clock_skew_seconds|connect_ms|total_ms)":("[^"]*"|[^,}]*)'
)
_ORDER: Final = (
    b"event_id",
    b"observed_at",
    b"ip",
    b"started_at",
    b"clock_skew_seconds",
    b"connect_ms",
    b"total_ms",
)
_encode = msgspec.json.Encoder().encode


class LineTemplate:
    """Renders the lines of observations that differ from one another in those seven values alone."""

    __slots__ = ("_parts", "_started_at")

    def __init__(self, parts: list[bytes], started_at: bytes) -> None:
        self._parts = parts
        self._started_at = started_at

    @classmethod
    def of(cls, observation: Observation) -> LineTemplate | None:
        """The template of an observation; None where one of the names stands elsewhere too, as in a label."""
        line = to_json(observation)
        found = list(_OWN.finditer(line))
        if tuple(match[1] for match in found) != _ORDER:
            return None
        edges = [0, *(edge for match in found for edge in match.span(2)), len(line)]
        parts = [line[begin:end] for begin, end in zip(edges[::2], edges[1::2], strict=True)]
        for place in range(3):  # the first three values are text
            parts[place] += b'"'
            parts[place + 1] = b'"' + parts[place + 1]
        return cls(parts, found[3][2])

    def render(
        self,
        event_id: bytes,
        observed_at: bytes,
        ip: bytes,
        started_at: datetime | None,
        clock_skew_seconds: float | None,
        connect_ms: float,
        total_ms: float,
    ) -> bytes | None:
        """The line for these values (text in ASCII); None when it would be too long. `started_at` None: as
        in the template."""
        a, b, c, d, e, f, g, h = self._parts
        started = self._started_at if started_at is None else _encode(started_at)
        skew, connect, total = _encode(clock_skew_seconds), _encode(connect_ms), _encode(total_ms)
        line = b"".join((a, event_id, b, observed_at, c, ip, d, started, e, skew, f, connect, g, total, h))
        return line if len(line) <= MAX_LINE else None
