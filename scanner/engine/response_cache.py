"""Observations remembered by the answer that led to them, for servers that answer just alike.

Only conversations that were over with the first answer to the opening questions are remembered; what differs
from one server to the next (address, owner, times) is put in anew. See `scanner/mongo/fingerprint.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from results.verdict import Verdict
from scanner.mongo.fingerprint import fingerprint, shaped

if TYPE_CHECKING:
    from results.line_template import LineTemplate
    from results.record import Observation, Server
    from scanner.mongo.fingerprint import Fingerprint, Shape

REMEMBERED = 4096  # answers; an estate has few kinds of them, a liar could show many
REMEMBERED_BYTES = 32 * 1024 * 1024  # of memory that they take
GROWTH = 16  # bytes of memory that a byte of an answer becomes in an observation
TEMPLATES_KEPT = 256  # of one kind of answer: entries of the allow-list that have such a server
TEMPLATE_BYTES = 4 * 1024 * 1024  # of memory that the templates of one kind of answer take
_WORTH = frozenset({Verdict.OPEN, Verdict.OPEN_NO_DATA, Verdict.AUTH_REQUIRED})


class CachedResponse:
    """An observation that others are like, and the templates of its lines by allow-list entry and port."""

    __slots__ = (
        "most_templates",
        "observation",
        "server",
        "tells_start",
        "templates",
        "verdict",
        "weight",
    )

    def __init__(self, observation: Observation, server: Server, size: int) -> None:
        """`size` is how many bytes the answer has."""
        self.weight = GROWTH * size
        self.most_templates = min(TEMPLATES_KEPT, TEMPLATE_BYTES // max(1, 4 * size) + 1)
        self.observation = observation
        self.server = server
        self.verdict = observation.verdict
        self.tells_start = server.started_at is not None
        self.templates: dict[tuple[int, int], LineTemplate | None] = {}


class ResponseCache:
    """First answers seen so far, each with the observation that came of it."""

    __slots__ = ("_known", "_shapes", "_weight")

    def __init__(self) -> None:
        self._weight = 0
        # Ordered: finding the oldest of a plain dictionary goes past all that were taken out before.
        self._known: OrderedDict[tuple[bool, Any], CachedResponse] = OrderedDict()
        self._shapes: dict[int, Shape] = {}  # by the answer's length: the newest that was remembered

    def find(self, loopback: bool, data: bytes) -> tuple[Fingerprint | None, CachedResponse | None]:
        """What a first answer may be like, and what came of the same answer from the same side of loopback;
        None where it is like nothing, or was not seen before. A quick look: `find_in_full` sees more."""
        shape = self._shapes.get(len(data))
        if shape is not None and (found := shaped(data, shape)) is not None:
            cached = self._known.get((loopback, found.key))
            if cached is not None:
                return found, cached
        return None, None

    def find_in_full(self, loopback: bool, data: bytes) -> tuple[Fingerprint | None, CachedResponse | None]:
        """The same, whatever its length and shape."""
        found = fingerprint(data)
        return found, None if found is None else self._known.get((loopback, found.key))

    def remember(self, loopback: bool, found: Fingerprint, observation: Observation) -> None:
        """Keep an observation. The oldest ones make room."""
        if observation.verdict not in _WORTH or observation.server is None or observation.truncated:
            return
        size = found.shape.around.size
        made = CachedResponse(observation, observation.server, size)
        self._forget((loopback, found.key))
        while self._known and (
            len(self._known) >= REMEMBERED or self._weight + made.weight > REMEMBERED_BYTES
        ):
            self._forget(next(iter(self._known)))
        self._known[loopback, found.key] = made
        self._weight += made.weight
        self._shapes[size] = found.shape

    def _forget(self, key: tuple[bool, Any]) -> None:
        old = self._known.pop(key, None)
        if old is not None:
            self._weight -= old.weight


def skew_of(found: Fingerprint, wall: float) -> float | None:
    """By how many seconds a server's clock is ahead of ours."""
    return None if found.local_time is None else found.local_time / 1000 - wall


def start_of(cached: Server, found: Fingerprint) -> datetime | None:
    """When this server was started, where the cached answer told."""
    if cached.started_at is None or found.process_started is None:
        return cached.started_at
    return datetime.fromtimestamp(found.process_started, UTC)


def server_of(cached: Server, found: Fingerprint, wall: float) -> Server:
    """The cached server with this one's clock and start."""
    return msgspec.structs.replace(
        cached, clock_skew_seconds=skew_of(found, wall), started_at=start_of(cached, found)
    )
