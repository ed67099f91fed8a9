"""What a sweep would do, worked out without sending anything: how many, whose, what not, and how long.

Every figure is arithmetic over the scope's intervals, so a /8 costs no more than a single address.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scanner.engine.order import Order, shared_seed
from scanner.setup.optout import opted_out_addresses
from scanner.sweep.duration import Stretch, course, estimate
from targets.learning import count_within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scanner.setup.settings import Settings, SweepOptions
    from scanner.sweep.duration import Course
    from targets.candidates import Considered
    from targets.entries import Deny
    from targets.learned import Learned
    from targets.scope import Scope
    from targets.signatures import Signature

AHEAD = 7 * 86400.0  # blackout windows are shown for this many seconds, or for the sweep's length if longer
MOST_WINDOWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerShare:
    """What one owner has in the scope, after deny."""

    owner: str
    contact: str
    site: str
    addresses: int
    targets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """What one deny entry takes away from what was allowed."""

    cidr: str
    reason: str
    addresses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackoutAhead:
    """One coming window; seconds since 1970-01-01 UTC."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedPort:
    """How many targets are asked on a port because a list of open ports named them."""

    port: int
    targets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A sweep before it begins. Durations are seconds."""

    addresses: int
    ports: tuple[int, ...]
    targets: int  # of this shard
    scope_targets: int  # of all shards
    shard: tuple[int, int]
    scope_sha256: str
    signatures: tuple[Signature, ...]  # of the allow-lists, where the configuration asks for them
    owners: tuple[OwnerShare, ...]
    excluded: tuple[Exclusion, ...]
    excluded_addresses: int
    link_edges: tuple[Exclusion, ...]  # in the scope and among the targets, but never asked
    opted_out_addresses: int  # of these, taken out by their owners
    overlapping_addresses: int  # named by more than one allow entry; asked once
    engine: str
    depth: str
    rate: float
    seconds: float  # when nobody answers: connects as fast as every cap allows
    limited_by: str
    begins: float  # now; seconds since 1970-01-01 UTC, as are those of `stretches`
    ends: float | None  # with blackout windows waited for; None where they leave it no time to end
    waiting: float  # of the time until then, in which nothing is asked
    stretches: tuple[Stretch, ...]  # what happens from `begins` to `ends`
    held_by: str  # the stop file, while it exists: then it begins when that is gone
    considered: tuple[Considered, ...]  # where the addresses come from that are asked of wide IPv6 prefixes
    blackouts: tuple[BlackoutAhead, ...]
    warnings: tuple[str, ...]
    learned: tuple[LearnedPort, ...] | None = None  # of `scope_targets`; None: no list of open ports


def make_plan(
    settings: Settings,
    scope: Scope,
    options: SweepOptions,
    now: float,
    seed: int | None = None,
    edges: Sequence[Deny] = (),
    learned: Learned | None = None,
    considered: Sequence[Considered] = (),
) -> Plan:
    """Work out a plan. `now` is wall time in seconds; the settings already hold what the options override.
    `seed` is that of a run that has begun; without it, the one that a sweep with these options would take.
    `edges` are those of this machine's own links, `learned` where else lists of open ports said to look,
    `considered` where candidates of IPv6 came from.
    """
    excluded = tuple(
        Exclusion(cidr=item.deny.text, reason=item.deny.reason, addresses=item.addresses)
        for item in scope.excluded
    )
    index, shards = options.shard
    total = len(scope)
    if seed is None:
        seed = shared_seed(scope.digest) if options.seed is None else options.seed
    targets = Order(total, seed, index - 1, shards).count() if total else 0
    seconds, limited_by = estimate(settings.sweep, scope, targets, shards)
    goes = course(scope, settings.blackout, now, targets, seconds)
    blackouts = tuple(_blackouts(settings, scope, now, max(AHEAD, seconds)))
    return Plan(
        addresses=scope.address_count,
        ports=scope.ports,
        targets=targets,
        scope_targets=total,
        shard=options.shard,
        scope_sha256=scope.digest,
        signatures=options.signatures,
        owners=tuple(_owners(scope)),
        excluded=excluded,
        excluded_addresses=sum(item.addresses for item in excluded),
        link_edges=tuple(Exclusion(cidr=deny.text, reason=deny.reason, addresses=1) for deny in edges),
        opted_out_addresses=opted_out_addresses(scope),
        overlapping_addresses=sum(entry.span.size for entry in scope.entries) - scope.allowed.size,
        engine=options.engine,
        depth=options.depth,
        rate=settings.sweep.rate,
        seconds=seconds,
        limited_by=limited_by,
        begins=now,
        ends=None if math.isinf(goes.end) else goes.end,
        waiting=goes.waiting,
        stretches=goes.stretches,
        held_by=_stop_file(settings),
        considered=tuple(considered),
        blackouts=blackouts,
        warnings=tuple(_warnings(settings, scope, goes, blackouts)),
        learned=None if learned is None else learned_ports(learned, scope),
    )


def learned_ports(learned: Learned, scope: Scope) -> tuple[LearnedPort, ...]:
    """The targets of a scope that were learned, by port, most of them first."""
    found = count_within(learned, scope)
    ports = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple(LearnedPort(port=port, targets=count) for port, count in ports)


def _owners(scope: Scope) -> list[OwnerShare]:
    addresses: dict[tuple[str, str, str], int] = defaultdict(int)
    targets: dict[tuple[str, str, str], int] = defaultdict(int)
    for version in (4, 6):
        for segment in scope.segments(version):
            key = (segment.entry.owner, segment.entry.contact, segment.entry.site)
            size = segment.last - segment.first + 1
            addresses[key] += size
            targets[key] += size * len(segment.ports)
    shares = [
        OwnerShare(owner=key[0], contact=key[1], site=key[2], addresses=addresses[key], targets=targets[key])
        for key in addresses
    ]
    return sorted(shares, key=lambda share: (-share.targets, share.owner, share.site))


def _blackouts(settings: Settings, scope: Scope, now: float, ahead: float) -> Iterator[BlackoutAhead]:
    if not settings.blackout:
        return
    from scanner.setup.blackout import Calendar, describe
    from targets.ranges import Ranges

    ours = scope.ranges()
    shown = 0
    for window in Calendar(settings.blackout).between(now, now + min(ahead, 10 * AHEAD)):
        if shown < MOST_WINDOWS and window.end > now and Ranges.of([window.span]) & ours:
            shown += 1
            yield BlackoutAhead(start=window.start, end=window.end, text=describe(window))


def _stop_file(settings: Settings) -> str:
    name = settings.pause.stop_file
    return name if name and os.path.lexists(name) else ""


def _warnings(
    settings: Settings, scope: Scope, goes: Course, blackouts: Sequence[BlackoutAhead]
) -> Iterator[str]:
    if stop_file := _stop_file(settings):
        yield f"the stop file {stop_file} exists: a sweep waits until it is gone"
    touched = [window for window in blackouts if window.start < goes.end]
    if touched and (goes.waiting >= 1 or math.isinf(goes.end)):
        yield f"it takes longer than that: the sweep waits for the end of {touched[0].text}" + (
            f" and {len(touched) - 1} more windows" if len(touched) > 1 else ""
        )
    if not settings.organisation.contact:
        yield 'no contact is set, so no log can say who asked; write contact = "…" in [organisation]'
    if scope.expires < goes.end:
        yield (
            "a part of the scope expires before the sweep would end; what has expired is not asked any more"
        )
    timeout = settings.sweep.connect_timeout
    if timeout < 1.2:
        yield (
            f"connect_timeout = {timeout:g} ends before a lost SYN is sent again (1 s), so every lost packet "
            "is a missed server; write connect_timeout = 3.5"
        )
    if math.isclose(timeout % 1.0, 0.0, abs_tol=0.05) and 1.2 <= timeout < 8:
        yield (
            f"connect_timeout = {timeout:g} ends just when a SYN is sent again, so that one cannot be "
            f"answered; write connect_timeout = {timeout + 0.5:g}"
        )
