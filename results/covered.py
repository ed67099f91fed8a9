"""What a run set out to ask, exactly: `covered.json` of its directory, and what may be concluded from it.

A target that a run did not cover is one of which its silence says nothing. So a reader asks here before it
takes the absence of a line for anything.
"""

from __future__ import annotations

import hashlib
import heapq
from bisect import bisect_right
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from itertools import islice
from socket import AF_INET, AF_INET6, inet_pton
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from msgspec import Struct

from results.files import MOST_BYTES, CorruptError, explain, read_whole
from results.manifest import COVERED_FILE, MANIFEST_FILE, CoveredFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from results.manifest import Manifest

COVERED_SCHEMA = "mongosweep.covered/1"
EXAMPLES = 5  # ranges that a comparison names
MOST_WITHDRAWN = 256  # ranges of `Manifest.withdrawn`


class Row(NamedTuple):
    """Addresses `first` to `last` (inclusive, as integers) of family 4 or 6, and their ports, ascending."""

    version: int
    first: int
    last: int
    ports: tuple[int, ...]

    @property
    def targets(self) -> int:
        """How many pairs of an address and a port."""
        return (self.last - self.first + 1) * len(self.ports)

    def __str__(self) -> str:
        """`192.0.2.0-192.0.2.255:27017,27018`; an IPv6 range stands in brackets."""
        first, last = _text(self.version, self.first), _text(self.version, self.last)
        between = first if first == last else f"{first}-{last}"
        return f"{between if self.version == 4 else f'[{between}]'}:{','.join(map(str, self.ports))}"


def _text(version: int, address: int) -> str:
    if version == 4:
        return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
    return str(IPv6Address(address))


def _address(family: int, text: str) -> int:
    """As `ipaddress` does it, in a fifth of the time: there may be millions."""
    try:
        return int.from_bytes(inet_pton(family, text), "big")
    except OSError as error:
        raise ValueError(f"{text!r} is no address") from error


@lru_cache(256)
def _ports(text: str) -> tuple[int, ...]:
    ports = tuple(map(int, text.split(",")))
    if not 0 < ports[0] <= ports[-1] < 1 << 16 or list(ports) != sorted(set(ports)):
        raise ValueError(f"{text!r} are no ports")
    return ports


def parse_row(text: str) -> Row:
    """What `str` of a row reads back as. Raises ValueError."""
    between, _, ports = text.rpartition(":")
    version, family = 4, AF_INET
    if between.startswith("[") and between.endswith("]"):
        version, family, between = 6, AF_INET6, between[1:-1]
    begin, dash, end = between.partition("-")
    first = _address(family, begin)
    last = _address(family, end) if dash else first
    if last < first:
        raise ValueError(f"{text!r} runs backwards")
    return Row(version, first, last, _ports(ports))


def joined(rows: Iterable[Row]) -> Iterator[Row]:
    """Ascending rows that do not overlap, neighbours with the same ports made one: the canonical form."""
    before: Row | None = None
    for row in rows:
        if before is None:
            before = row
        elif before.last + 1 == row.first and before.ports == row.ports and before.version == row.version:
            before = before._replace(last=row.last)
        else:
            yield before
            before = row
    if before is not None:
        yield before


class Part(NamedTuple):
    """How many targets, and the largest ranges of them."""

    targets: int
    examples: tuple[str, ...]


class Comparison(NamedTuple):
    """What each of two coverages has that the other lacks, and how many targets both have."""

    only_self: Part
    only_other: Part
    both: int


class Covered:
    """A set of targets. Immutable."""

    __slots__ = ("_firsts", "_rows", "targets")

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        """Rows in ascending order, IPv4 first, that do not overlap; ValueError for others."""
        self._rows: dict[int, list[Row]] = {4: [], 6: []}
        end = (4, -1)
        for row in joined(rows):
            if (row.version, row.first) <= end:
                raise ValueError(f"{row} is out of order")
            end = row.version, row.last
            self._rows[row.version].append(row)
        self._firsts = {version: [row.first for row in rows] for version, rows in self._rows.items()}
        self.targets = sum(row.targets for row in self.rows())

    def rows(self) -> Iterator[Row]:
        """Its ranges, ascending, IPv4 first: the same for the same targets, wherever they come from."""
        yield from self._rows[4]
        yield from self._rows[6]

    @property
    def range_count(self) -> int:
        """How many ranges that are."""
        return len(self._rows[4]) + len(self._rows[6])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Covered) and self._rows == other._rows

    def __hash__(self) -> int:
        return hash(self.targets)

    def contains(self, ip: str, port: int) -> bool:
        """Whether a target is among them, in O(log ranges). Raises ValueError for what is no address."""
        address = ip_address(ip)
        rows = self._rows[address.version]
        at = bisect_right(self._firsts[address.version], int(address)) - 1
        return at >= 0 and int(address) <= rows[at].last and port in rows[at].ports

    def minus(self, other: Covered) -> Iterator[Row]:
        """The ranges of the targets that `other` lacks, in canonical form."""
        for version in (4, 6):
            yield from joined(_difference(self._rows[version], other._rows[version]))

    def compare(self, other: Covered) -> Comparison:
        """What each has that the other lacks."""
        mine, theirs = _part(self.minus(other)), _part(other.minus(self))
        return Comparison(mine, theirs, self.targets - mine.targets)


def _difference(left: Sequence[Row], right: Sequence[Row]) -> Iterator[Row]:
    at = 0
    for version, first, last, ports in left:
        while at < len(right) and right[at].last < first:
            at += 1
        hole = at
        while hole < len(right) and right[hole].first <= last:
            begin, end = max(first, right[hole].first), min(last, right[hole].last)
            if first < begin:
                yield Row(version, first, begin - 1, ports)
            if left_over := tuple(port for port in ports if port not in right[hole].ports):
                yield Row(version, begin, end, left_over)
            first = end + 1
            hole += 1
        if first <= last:
            yield Row(version, first, last, ports)


def _part(rows: Iterable[Row]) -> Part:
    targets, largest = 0, list[tuple[int, int, Row]]()
    for number, row in enumerate(rows):
        targets += row.targets
        item = (row.targets, -number, row)
        if len(largest) < EXAMPLES:
            heapq.heappush(largest, item)
        else:
            heapq.heappushpop(largest, item)
    return Part(targets, tuple(str(row) for _, _, row in sorted(largest, reverse=True)))


def encode(rows: Iterable[Row]) -> tuple[CoveredFile | None, bytes]:
    """`covered.json`, a range a line, and what the manifest says of it. None, and b"", where the file would
    be larger than a run's may be: then nobody can tell what was covered."""
    data = bytearray(b'{"schema":"%s","ranges":[' % COVERED_SCHEMA.encode())
    count = targets = 0
    for row in joined(rows):
        data += b'%s\n"%s"' % (b"," if count else b"", str(row).encode())
        count += 1
        targets += row.targets
        if len(data) > MOST_BYTES[COVERED_FILE] - 8:
            return None, b""
    data += b"\n]}\n"
    return CoveredFile(sha256=hashlib.sha256(data).hexdigest(), targets=targets, ranges=count), bytes(data)


class _File(Struct, frozen=True):
    schema: str
    ranges: list[str]


def parse_covered(data: bytes) -> Covered:
    """What the bytes of a `covered.json` say. Raises ValueError."""
    found = msgspec.json.decode(data, type=_File)
    if found.schema != COVERED_SCHEMA:
        raise ValueError(f"written as {found.schema}, this version reads {COVERED_SCHEMA}")
    return Covered(map(parse_row, found.ranges))


def load_covered(path: Path, manifest: Manifest) -> Covered | None:
    """What the run in the directory `path` set out to ask; None where nobody can tell, as of a run of an
    older version. Raises `CorruptError` when the file is not the one that the run began with."""
    data = read_covered(path, manifest)
    if data is None:
        return None
    try:
        return parse_covered(data)
    except ValueError as error:
        raise CorruptError(path / COVERED_FILE, str(error)) from error


def read_covered(path: Path, manifest: Manifest) -> bytes | None:
    """The bytes of a run's `covered.json`, as it began with them. None and errors: see `load_covered`."""
    if manifest.covered is None:
        return None
    file = path / COVERED_FILE
    try:
        data = read_whole(file, COVERED_FILE)
    except OSError as error:
        raise CorruptError(file, explain(error)) from error
    if hashlib.sha256(data).hexdigest() != manifest.covered.sha256:
        raise CorruptError(file, "it is not the one that the run began with")
    return data


class RunCoverage:
    """What a run asked, as far as anybody can tell afterwards."""

    def __init__(self, covered: Covered, manifest: Manifest) -> None:
        self.covered = covered
        self.withdrawn = Covered(map(parse_row, manifest.withdrawn))
        reached = manifest.coverage is not None and manifest.coverage.not_reached == 0
        # Every target was asked but those withdrawn: it is no part of a sweep, ended, and reached all of it.
        self.certain = manifest.shard == "1/1" and bool(manifest.ended_at) and reached

    def asked(self, ip: str, port: int) -> bool | None:
        """True: it was asked, and False: it was not, for certain; None: it may have been."""
        if not self.covered.contains(ip, port):
            return False
        return True if self.certain and not self.withdrawn.contains(ip, port) else None


def load_coverage(path: Path, manifest: Manifest) -> RunCoverage | None:
    """What the run in the directory `path` asked. None and errors: see `load_covered`."""
    covered = load_covered(path, manifest)
    try:
        return None if covered is None else RunCoverage(covered, manifest)
    except ValueError as error:
        raise CorruptError(path / MANIFEST_FILE, str(error)) from error


def _apart(rows: Iterable[Row]) -> Iterator[Row]:
    """Ascending rows, those that overlap made one that holds them."""
    before: Row | None = None
    for row in rows:
        if before is not None and row.version == before.version and row.first <= before.last:
            ports = tuple(sorted({*before.ports, *row.ports}))
            before = Row(row.version, before.first, max(before.last, row.last), ports)
            continue
        if before is not None:
            yield before
        before = row
    if before is not None:
        yield before


def withdrawn_text(rows: Iterable[Row]) -> list[str]:
    """Ranges that hold at least these rows (ascending, IPv4 first; they may overlap), `MOST_WITHDRAWN` at
    most: too much is withdrawn rather than too little, for that only says less."""
    kept = list(joined(_apart(rows)))
    size = -(-len(kept) // (MOST_WITHDRAWN - 2)) or 1
    texts = []
    for version in (4, 6):
        of_family = iter([row for row in kept if row.version == version])
        while group := list(islice(of_family, size)):
            ports = sorted({port for row in group for port in row.ports})
            texts.append(str(Row(version, group[0].first, group[-1].last, tuple(ports))))
    return texts
