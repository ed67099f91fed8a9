"""What a later start needs to go on where this one is: where the walk was a while ago, and the marks."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from scanner.network.syn.messages import LIVE, PIECE, REFUSED, WAITING, Kind, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scanner.network.syn.cookie import U64
    from scanner.network.syn.marks import Marks
    from scanner.network.syn.pipe import Pipe

PIECE_BYTES = 1 << 15  # of a bitmap in one message: copied and written in far less than a batch of SYNs takes
_ROOM = 1 << 17  # bytes waiting for the parent up to which another piece is queued
_STATES = 8  # states noted in the time that an answer has
_SHARE = 5  # a snapshot may be under way for one part in so many of the time


class WalkState(NamedTuple):
    """Where the walk stood: everything before it was asked, except `waiting`. Counts as in Progress."""

    attempt: int
    position: int
    waiting: tuple[U64, ...]
    targets: int
    sent_by_round: tuple[int, ...]


class WalkHistory:
    """Where the walk stood in the last seconds. An answer has `wait` seconds, so only what lies so long ago
    is settled: a stage that went on from where the last one stood would never hear the answers to its last
    SYNs."""

    def __init__(self, wait: float, start: WalkState) -> None:
        self._wait = wait
        self._states: deque[tuple[float, WalkState]] = deque()
        self._settled = start
        self._next = 0.0

    def note(self, now: float, state: Callable[[], WalkState]) -> None:
        """Remember where the walk stands now; called often."""
        if now >= self._next:
            self._next = now + self._wait / _STATES
            self._states.append((now, state()))

    def settled(self, now: float) -> WalkState:
        """The last state that is `wait` seconds old."""
        while self._states and self._states[0][0] <= now - self._wait:
            self._settled = self._states.popleft()[1]
        return self._settled


class SnapshotSender:
    """Sends the parent a snapshot every `every` seconds (None: never), a piece at a time between batches."""

    def __init__(self, pipe: Pipe, every: float | None, now: float) -> None:
        self._pipe = pipe
        self._every = every
        self._due_at = now + (every or 0.0)
        self._pieces: deque[bytes] = deque()
        self._began = now

    def due(self, now: float) -> bool:
        """Whether a new one should begin."""
        return self._every is not None and not self._pieces and now >= self._due_at and not self._pipe.full

    def begin(self, now: float, state: WalkState, dropped: int, live: Marks, refused: Marks) -> None:
        """Copy the marks; the message that says so is queued behind everything that was found before."""
        self._pieces = deque(_pieces(state.waiting, live, refused))
        progress = Progress(
            attempt=state.attempt,
            position=state.position,
            targets=state.targets,
            sent_by_round=list(state.sent_by_round),
            dropped=dropped,
            pieces=len(self._pieces),
        )
        self._began = now
        self._pipe.put(Kind.SNAPSHOT, msgspec.json.encode(progress))
        self._plan(now)

    def turn(self, now: float) -> None:
        """Queue another piece, when the parent reads them."""
        if self._pieces and self._pipe.queued < _ROOM:
            self._pipe.put(Kind.MARKS, self._pieces.popleft())
            self._plan(now)

    def finish(self, now: float, state: WalkState, dropped: int, live: Marks, refused: Marks) -> None:
        """The last one, at once and whole."""
        if self._every is None:
            return
        self._flush()
        self.begin(now, state, dropped, live, refused)
        self._flush()

    def _flush(self) -> None:
        while self._pieces:
            self._pipe.put(Kind.MARKS, self._pieces.popleft())

    def _plan(self, now: float) -> None:
        self._due_at = now + max(self._every or 0.0, _SHARE * (now - self._began))


def _pieces(waiting: tuple[U64, ...], live: Marks, refused: Marks) -> Iterator[bytes]:
    indices = np.concatenate(waiting).astype("<u8").tobytes() if waiting else b""
    places = range(0, len(indices), PIECE_BYTES)
    parts = [(WAITING, begin, indices[begin : begin + PIECE_BYTES]) for begin in places]
    for which, marks in ((LIVE, live), (REFUSED, refused)):
        parts += [(which, begin, data) for begin, data in marks.pieces(PIECE_BYTES)]
    return (PIECE.pack(which, begin, len(data)) + data for which, begin, data in parts)


def restore(pieces: bytes, live: Marks, refused: Marks) -> U64:
    """Set the marks that an earlier start sent; return the indices that waited. Raises ValueError."""
    waiting: list[bytes] = []
    at = 0
    while at < len(pieces):
        if len(pieces) - at < PIECE.size:
            raise ValueError("the marks end in the middle of a piece")
        which, begin, length = PIECE.unpack_from(pieces, at)
        at += PIECE.size
        data = pieces[at : at + length]
        at += length
        if len(data) < length:
            raise ValueError("the marks end in the middle of a piece")
        if which == WAITING:
            waiting.append(data)
        else:
            {LIVE: live, REFUSED: refused}[which].put(begin, data)
    return np.frombuffer(b"".join(waiting), dtype="<u8").astype(np.uint64)
