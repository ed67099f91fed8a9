"""Which targets did not accept a connection, and how: one byte a target, so that all can be asked again.

Tokens are the source's. A /8 takes 16 MiB; nothing is kept of tokens that nobody marked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.verdict import Verdict

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator, Sequence

    from scanner.contact import Token

ACCEPTED, SILENT, REFUSED, UNREACHABLE = 0, 1, 2, 3  # marks; 0 also means that it has no outcome
CLOSED = (REFUSED, UNREACHABLE)
KINDS = {"silent": (SILENT,), "refused": CLOSED}  # those that are asked again for the same reason
VERDICT_OF = {
    SILENT: Verdict.FILTERED,
    REFUSED: Verdict.REFUSED,
    UNREACHABLE: Verdict.UNREACHABLE,
}

_BITS = 16
_CHUNK = 1 << _BITS  # marks that are made room for at once
_INSIDE = _CHUNK - 1
_BLOCK = 256  # marks looked at together
MOST_CHUNKS = 4096  # 256 MiB; beyond it marks are dropped, and `whole` says so
_TRIES = 64  # draws for each token of a sample before all are counted instead


class Unanswered:
    """A mark for each token; no mark is `ACCEPTED`."""

    def __init__(self) -> None:
        self._chunks: dict[int, bytearray] = {}
        self.counts = [0, 0, 0, 0]  # tokens by mark; the first number means nothing
        self.whole = True  # False: some were not marked for want of room, or are known from before a resume

    def __getitem__(self, token: Token) -> int:
        chunk = self._chunks.get(token >> _BITS)
        return chunk[token & _INSIDE] if chunk is not None else ACCEPTED

    def mark(self, token: Token, state: int) -> None:
        """Set one mark."""
        chunk = self._chunks.get(token >> _BITS)
        if chunk is None:
            if state == ACCEPTED:
                return
            chunk = self._chunk(token >> _BITS)
            if chunk is None:
                return
        before = chunk[token & _INSIDE]
        if before != state:
            self.counts[before] -= 1
            self.counts[state] += 1
            chunk[token & _INSIDE] = state

    def mark_new(self, tokens: Iterable[Token], state: int) -> None:
        """Set the marks of tokens that have none."""
        chunks, marked = self._chunks, 0
        for token in tokens:
            chunk = chunks.get(token >> _BITS) or self._chunk(token >> _BITS)
            if chunk is not None:
                chunk[token & _INSIDE] = state
                marked += 1
        self.counts[state] += marked

    def _chunk(self, number: int) -> bytearray | None:
        """The chunk of that number, made when it is not there; None when there is no room."""
        chunk = self._chunks.get(number)
        if chunk is None:
            if len(self._chunks) >= MOST_CHUNKS:
                self.whole = False
                return None
            chunk = self._chunks[number] = bytearray(_CHUNK)
        return chunk

    def put(self, begin: Token, marks: bytes | bytearray) -> None:
        """Set the marks of tokens from `begin` on that have none; 0 leaves one as it is. `begin` is a
        multiple of 65,536, and these are 65,536 marks at most."""
        chunk = self._chunk(begin >> _BITS)
        if chunk is None:
            return
        size = len(marks)
        both = int.from_bytes(chunk[:size], "big") | int.from_bytes(marks, "big")
        chunk[:size] = both.to_bytes(size, "big")
        for state in (SILENT, REFUSED, UNREACHABLE):
            self.counts[state] += marks.count(state)

    def count(self, states: Sequence[int]) -> int:
        """How many tokens have one of these marks."""
        return sum(self.counts[state] for state in states)

    def each(self, states: Sequence[int], chance: random.Random) -> Iterator[Token]:
        """Every token with one of these marks when its block is come to, by blocks in a random order, each in
        a random order: what drops the last of a burst drops others each time. Marks may be changed
        meanwhile."""
        blocks = [(number, at) for number in self._chunks for at in range(0, _CHUNK, _BLOCK)]
        chance.shuffle(blocks)
        for number, at in blocks:
            chunk, base = self._chunks[number], number << _BITS
            found = []
            for state in states:
                place = chunk.find(state, at, at + _BLOCK)
                while place >= 0:
                    found.append(base + place)
                    place = chunk.find(state, place + 1, at + _BLOCK)
            chance.shuffle(found)
            yield from found

    def sample(self, states: Sequence[int], most: int, chance: random.Random) -> list[Token]:
        """At most `most` tokens with one of these marks, at random, in a random order."""
        held = self.count(states)
        if held <= most:
            found = list(self._scan(states))
            chance.shuffle(found)
            return found
        numbers, wanted = list(self._chunks), frozenset(states)
        drawn: dict[Token, None] = {}
        for _ in range(most * _TRIES):
            token = numbers[chance.randrange(len(numbers))] << _BITS | chance.randrange(_CHUNK)
            if self[token] in wanted:
                drawn[token] = None
                if len(drawn) == most:
                    return list(drawn)
        return chance.sample(list(self._scan(states)), most)

    def _scan(self, states: Sequence[int]) -> Iterator[Token]:
        for number, chunk in self._chunks.items():
            for state in states:
                place = chunk.find(state)
                while place >= 0:
                    yield number << _BITS | place
                    place = chunk.find(state, place + 1)
