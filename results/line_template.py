"""Templates of lines that are alike: only what is a target's own is written anew, the rest is kept bytes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from results.lines import MAX_OBSERVATION, to_lines

if TYPE_CHECKING:
    from datetime import datetime

    from results.record import Observation

# In JSON text a quotation mark inside a string stands behind a backslash, so each of these is a real key.
_OWN: Final = re.compile(
    rb'"(event_id|finding_id|observed_at|ip|started_at|clock_skew_seconds|connect_ms|total_ms)"'
    rb':("[^"]*"|[^,}]*)'
)
_TEXTS: Final = (b"event_id", b"finding_id", b"observed_at", b"ip")
_TIMES: Final = (b"connect_ms", b"total_ms")
_SERVERS: Final = ((), (b"started_at",), (b"clock_skew_seconds",), (b"started_at", b"clock_skew_seconds"))
_encode = msgspec.json.Encoder().encode


class LineTemplate:
    """Renders the lines of observations that differ from one another in those values alone."""

    __slots__ = ("_parts", "_started_at", "_tells_skew")

    def __init__(self, parts: list[bytes], started_at: bytes, *, tells_skew: bool) -> None:
        self._parts = parts
        self._started_at = started_at
        self._tells_skew = tells_skew

    @classmethod
    def of(cls, observation: Observation) -> LineTemplate | None:
        """The template of an observation that is one line; None for another, and where one of the names
        stands elsewhere too, as in a label."""
        line, *more = to_lines(observation)
        found = list(_OWN.finditer(line))
        names = tuple(match[1] for match in found)
        of_server = names[len(_TEXTS) : -len(_TIMES)]
        if more or of_server not in _SERVERS or names != (*_TEXTS, *of_server, *_TIMES):
            return None
        edges = [0, *(edge for match in found for edge in match.span(2)), len(line)]
        parts = [line[begin:end] for begin, end in zip(edges[::2], edges[1::2], strict=True)]
        for place in range(len(_TEXTS)):
            parts[place] += b'"'
            parts[place + 1] = b'"' + parts[place + 1]
        started = found[len(_TEXTS)][2] if b"started_at" in of_server else b""
        if not started:  # a place for it that stays empty keeps `render` plain
            parts.insert(len(_TEXTS), b"")
        if b"clock_skew_seconds" not in of_server:
            parts.insert(len(_TEXTS) + 1, b"")
        return cls(parts, started, tells_skew=b"clock_skew_seconds" in of_server)

    def render(
        self,
        event_id: bytes,
        finding_id: bytes,
        observed_at: bytes,
        ip: bytes,
        started_at: datetime | None,
        clock_skew_seconds: float | None,
        connect_ms: float,
        total_ms: float,
    ) -> bytes | None:
        """The line for these values (text in ASCII); None when it would be too long, or lack a value that
        the template has a place for, or the other way round. `started_at` None: as in the template."""
        if (clock_skew_seconds is None) == self._tells_skew or (started_at and not self._started_at):
            return None
        a, b, c, d, e, f, g, h, i = self._parts
        started = self._started_at if started_at is None else _encode(started_at)
        skew = b"" if clock_skew_seconds is None else _encode(clock_skew_seconds)
        connect, total = _encode(connect_ms), _encode(total_ms)
        line = b"".join(
            (a, event_id, b, finding_id, c, observed_at, d, ip, e, started, f, skew, g, connect, h, total, i)
        )
        return line if len(line) <= MAX_OBSERVATION else None
