"""Reads lists of open ports: which of them tell where else to look, and what becomes of the others."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from targets.errors import ScopeError
from targets.learned import PORT, PORT_BITS, Learned
from targets.ports import USUAL
from targets.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from targets.claims import Claim
    from targets.scope import Scope

MOST_OF_ADDRESS: Final = 64
"""Open ports of one address that are believed. A box that says of every port that it is open is a middlebox
or a trap; of it only the usual ports of MongoDB are asked."""
MOST: Final = 1 << 21  # learned pairs of a family; a list that names more inside the scope is refused
EXAMPLES: Final = 10


class Listed(NamedTuple):
    """What came of the claims of lists: each is counted once."""

    claims: int
    without_port: int  # hosts without an open port, and runs of addresses: neither says where to look
    asked: int  # targets of the scope already
    ruled: int  # at an entry that has ports of its own, and not this one
    outside: int
    examples: tuple[tuple[Claim, str], ...]  # at most EXAMPLES outside, with the reason
    newest: str  # the newest time that a claim gave, RFC 3339; "" where none did


class Learner:
    """Takes the claims of lists in, one after the other, and keeps what a scope lets be asked."""

    def __init__(self, scope: Scope, only: Collection[int] | None = None) -> None:
        """`only`: the ports that are left of what the scope asks by itself; None: all of them."""
        self._scope = scope
        self._only = only
        self._found: dict[int, array[int] | set[int]] = {4: array("Q"), 6: set()}
        self._limit = {4: MOST, 6: MOST}
        self._crowded: dict[int, set[int]] = {4: set(), 6: set()}

    def take(self, claims: Iterable[Claim], name: str) -> Listed:
        """Read one list to its end. Raises ScopeError where it names more than can be kept, and what the
        reading of `claims` raises."""
        take, scope, only = self._taker(name), self._scope, self._only
        total = without = asked = ruled = outside = 0
        examples: list[tuple[Claim, str]] = []
        newest = ""
        for claim in claims:
            total += 1
            (version, first, last), port = claim.span, claim.port
            newest = max(newest, claim.said.seen_at)
            if port is None or first != last:
                without += 1
                continue
            segment = scope.segment_at(version, first)
            if segment is None:
                outside += 1
                if len(examples) < EXAMPLES:
                    examples.append((claim, scope.explain(version, first)))
            elif segment.entry.ports is not None and port not in segment.entry.ports:
                ruled += 1
            elif port in segment.ports and (only is None or port in only):
                asked += 1
            else:
                take(version, first << PORT_BITS | port)
        return Listed(total, without, asked, ruled, outside, tuple(examples), newest)

    def learned(self) -> Learned:
        """What all lists together say."""
        for version in (4, 6):
            self._tidy(version)
        crowded = [(version, address) for version in (4, 6) for address in sorted(self._crowded[version])]
        return Learned({version: self._sorted(version) for version in (4, 6)}, crowded)

    def _taker(self, name: str) -> Callable[[int, int], None]:
        four, six = self._found[4], self._found[6]
        assert isinstance(four, array)
        assert isinstance(six, set)

        def take(version: int, pair: int) -> None:
            four.append(pair) if version == 4 else six.add(pair)
            if len(self._found[version]) >= self._limit[version]:
                self._make_room(version, name)

        return take

    def _make_room(self, version: int, name: str) -> None:
        """Duplicates and the ports of crowded addresses go first; after them it is too much."""
        self._tidy(version)
        if len(self._found[version]) > MOST:
            raise ScopeError(
                name,
                None,
                f"it names more than {MOST:,} open ports in the scope",
                "give a list of the ports on which MongoDB may be, or sweep in parts",
            )
        self._limit[version] = max(MOST, 2 * len(self._found[version]))

    def _tidy(self, version: int) -> None:
        """Keep each pair once, and of an address with too many the usual ports alone."""
        found, crowded = self._found[version], self._crowded[version]
        kept: list[int] = []
        for address, group in groupby(sorted(set(found)), key=lambda pair: pair >> PORT_BITS):
            pairs = list(group)
            if len(pairs) > MOST_OF_ADDRESS or address in crowded:
                crowded.add(address)
                pairs = [pair for pair in pairs if pair & PORT in USUAL]
            kept += pairs
        found.clear() if isinstance(found, set) else found.__delitem__(slice(None))
        found.update(kept) if isinstance(found, set) else found.extend(kept)

    def _sorted(self, version: int) -> Sequence[int]:
        found = self._found[version]
        return sorted(found) if isinstance(found, set) else found


def count_within(learned: Learned, scope: Scope) -> Counter[int]:
    """How many of the learned pairs are targets of `scope`, by port."""
    found: Counter[int] = Counter()
    for place in learned:
        if scope.permits(tuple.__new__(Target, place), -math.inf):
            found[place[2]] += 1
    return found
