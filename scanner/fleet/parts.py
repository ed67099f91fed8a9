"""Who asks what: a scope as the parts of its sites, each divided into shards; and what no fleet can do."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from ipaddress import ip_address
from typing import TYPE_CHECKING

from results.text import plural
from scanner.errors import RefusedError
from scanner.fleet.division import Division
from scanner.fleet.tally import Tally, Work
from scanner.setup.inventory import names_in
from targets.planning import part_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scanner.fleet.division import Segmented
    from scanner.setup.settings import Settings, SweepOptions
    from targets.scope import Scope
    from targets.segments import ScopeSegment

LEAST, MOST = 1_024, 1 << 22  # targets of a shard


def shard_size(settings: Settings) -> int:
    """How many targets a shard has, more or less: what takes `[fleet] shard_seconds` at the rate set."""
    return min(MOST, max(LEAST, int(settings.sweep.rate * settings.fleet.shard_seconds)))


def require_possible(scope: Scope, options: SweepOptions, *, learned: bool) -> None:
    """Refuse what a single machine can do and a fleet cannot; `learned`: ports were, from a list. Raises
    RefusedError."""
    if options.engine == "syn":
        raise RefusedError("--engine syn: the workers of a fleet make full connects; leave it out")
    if options.shard != (1, 1):
        raise RefusedError("--shard: a fleet divides the scope itself; leave it out")
    if learned:
        raise RefusedError(
            "--ports-from: workers know the ports of their own allow-lists alone; write the ports there"
        )
    if names_in(scope):
        raise RefusedError(
            "entries of the scope are of an [[inventory]], whose answers may differ from site to site; sweep"
            " them without a fleet, on their own site"
        )


def divide(scope: Scope, settings: Settings, from_site: str, size: int, seed: int) -> dict[str, Tally]:
    """The tally of each site, by its name. `from_site`: its workers ask everything.

    Raises RefusedError where an entry has no site, and nothing says who asks what it allows.
    """
    lengths = settings.sweep.per_prefix_length, settings.sweep.per_prefix_length_v6
    parts: Mapping[str, Segmented] = (
        {from_site: scope} if from_site else _by_site(scope, settings.fleet.default_site)
    )
    return {site: Tally(site, Division(part, size, lengths), seed) for site, part in parts.items()}


def identity(tallies: Mapping[str, Tally]) -> str:
    """A digest of who asks what, in which shards: a run that is taken up again must have the same. 16 hex
    digits."""
    state = hashlib.sha256()
    for site, tally in sorted(tallies.items()):
        state.update(f"{tally.division.digest()} {site}\n".encode())
    return state.hexdigest()[:16]


class _Part:
    """The segments of a scope that one site asks."""

    def __init__(self) -> None:
        self._segments: dict[int, list[ScopeSegment]] = {4: [], 6: []}

    def segments(self, version: int) -> list[ScopeSegment]:
        return self._segments[version]

    def add(self, version: int, segment: ScopeSegment) -> None:
        """Append one; those with the same ports that touch it become one with it."""
        found = self._segments[version]
        if found and found[-1].last + 1 == segment.first and found[-1].ports == segment.ports:
            found[-1] = found[-1]._replace(last=segment.last)
        else:
            found.append(segment)


def _by_site(scope: Scope, default: str) -> dict[str, _Part]:
    names = {segment.entry.site for version in (4, 6) for segment in scope.segments(version)}
    if "" in names and not default:
        count = part_of(scope, ("",), ()).address_count
        raise RefusedError(
            f"{plural(count, 'address', 'addresses')} of allow entries without a site: nobody knows whose"
            ' workers ask that; write site = "…" there, default_site in [fleet], or --from SITE'
        )
    parts: dict[str, _Part] = {site: _Part() for site in sorted({name or default for name in names})}
    for version in (4, 6):
        for segment in scope.segments(version):
            parts[segment.entry.site or default].add(version, segment)
    return parts


class OpenShards:
    """The shards of a run that was taken up again which have no end yet: to know their lines by."""

    def __init__(self, tallies: Iterable[Tally]) -> None:
        self._tallies = list(tallies)
        found = []
        for tally in self._tallies:
            for work in tally.point().open:
                rows = tally.division.rows(work.first, work.last)
                found += [(row.version, row.first, row.last, row.ports, tally.name(work)) for row in rows]
        self._rows = sorted(found)
        self._firsts = [row[:2] for row in self._rows]

    def name_of(self, ip: str, port: int, *, later: bool) -> str:
        """The open shard of a target; "" for none. With `later`, one that was begun after the checkpoint is
        open too. Raises ValueError for what is no address."""
        address = ip_address(ip)
        at = bisect_right(self._firsts, (address.version, int(address))) - 1
        if at >= 0:
            version, _, last, ports, name = self._rows[at]
            if version == address.version and int(address) <= last and port in ports:
                return name
        for tally in self._tallies if later else ():
            number = tally.division.number_of(address.version, int(address), port)
            if number >= 0:
                return tally.name(Work(*tally.division.bounds(number)))
        return ""
