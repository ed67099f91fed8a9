"""Cuts a site's part of a scope into shards: pure arithmetic over indices, so nothing grows with the scope.

A shard is a range of target indices that begins and ends where a prefix does. So no two workers ever ask one
prefix at a time, and the cap that each worker keeps is the cap of the prefix.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Protocol

from results.covered import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from targets.segments import ScopeSegment

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,30}")
_BITS = {4: 32, 6: 128}


class Segmented(Protocol):
    """A scope, or the part of one that a site asks."""

    def segments(self, version: int) -> Sequence[ScopeSegment]:
        """The pieces of one family, in the order of their addresses."""
        ...


class Division:
    """The shards of a scope, by number: `size` targets each, more or less; `lengths` are those of prefixes
    that are not cut, of IPv4 and of IPv6. Memory is that of the scope's segments."""

    def __init__(self, scope: Segmented, size: int, lengths: tuple[int, int]) -> None:
        if size < 1:
            raise ValueError("a shard needs at least one target")
        self.scope = scope
        self._size = size
        self._lengths = {4: lengths[0], 6: lengths[1]}
        self._segments = [(version, each) for version in (4, 6) for each in scope.segments(version)]
        sizes = ((each.last - each.first + 1) * len(each.ports) for _, each in self._segments)
        *self._offsets, self.targets = accumulate(sizes, initial=0)
        self._places = [(version, each.last) for version, each in self._segments]

    def digest(self) -> str:
        """SHA-256 in hex over the targets, whatever entries they came from and however they are cut."""
        state = hashlib.sha256()
        for row in self.rows(0, self.targets):
            state.update(f"{row}\n".encode())
        return state.hexdigest()

    def __len__(self) -> int:
        """How many shards; some may be empty, where one prefix has more targets than a shard."""
        return -(-self.targets // self._size)

    def bounds(self, number: int) -> tuple[int, int]:
        """The first index of a shard, and the one behind its last."""
        return self._snapped(number * self._size), self._snapped((number + 1) * self._size)

    def number_of(self, version: int, address: int, port: int) -> int:
        """The shard of a target; -1 for what is none of this scope."""
        at = bisect_left(self._places, (version, address))
        if at == len(self._places) or self._segments[at][0] != version:
            return -1
        segment = self._segments[at][1]
        if address < segment.first or port not in segment.ports:
            return -1
        index = self._index_of(version, address)
        number = index // self._size
        while index >= self.bounds(number)[1]:  # a shard ends where the prefix begins that it would cut
            number += 1
        return number

    def halves(self, first: int, last: int) -> list[tuple[int, int]]:
        """The same range as two, cut between two addresses; as one where it has only one address."""
        at = bisect_right(self._offsets, (first + last) // 2) - 1
        ports = len(self._segments[at][1].ports)
        offset = self._offsets[at]
        middle = offset + ((first + last) // 2 - offset) // ports * ports
        return [(first, middle), (middle, last)] if first < middle < last else [(first, last)]

    def rows(self, first: int, last: int) -> Iterator[Row]:
        """The targets of a range of indices that `bounds` or `halves` gave."""
        at = bisect_right(self._offsets, first) - 1
        while first < last:
            version, segment = self._segments[at]
            offset, ports = self._offsets[at], len(segment.ports)
            begin = segment.first + (first - offset) // ports
            end = min(segment.last, segment.first + (last - offset) // ports - 1)
            yield Row(version, begin, end, segment.ports)
            at += 1
            first = self._offsets[at] if at < len(self._offsets) else last

    def _snapped(self, index: int) -> int:
        """The first index in the prefix of the target at `index`; the end stays the end."""
        if index <= 0 or index >= self.targets:
            return min(max(index, 0), self.targets)
        at = bisect_right(self._offsets, index) - 1
        version, segment = self._segments[at]
        address = segment.first + (index - self._offsets[at]) // len(segment.ports)
        shift = _BITS[version] - self._lengths[version]
        return self._index_of(version, address >> shift << shift)

    def _index_of(self, version: int, address: int) -> int:
        """The first index at or behind an address."""
        at = bisect_left(self._places, (version, address))
        segment = self._segments[at][1]
        return self._offsets[at] + max(0, address - segment.first) * len(segment.ports)


def shard_name(site: str, first: int, last: int) -> str:
    """A name for a shard, the same for each attempt: letters, digits, dots, dashes and underscores."""
    plain = site if _PLAIN.fullmatch(site) else "s" + hashlib.sha256(site.encode()).hexdigest()[:12]
    return f"{plain}_{first}-{last}"
