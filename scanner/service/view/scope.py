"""The scope as people read it: which addresses may be asked, whose they are, until when, what is missing."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from results.durations import instant
from scanner.clock import timestamp
from targets.grammar import GrammarError, Span, parse_address
from targets.scope import OutOfScope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from results.ledger.tracked import TrackedExposure
    from scanner.service.view.coverage import CoverageView
    from scanner.setup.service_settings import ScheduleSettings
    from targets.entries import Deny, Entry
    from targets.scope import Scope

SOON_DAYS: Final = 30
"""An authorisation that ends within so many days is told."""
_DAY: Final = 86_400.0

Standing = Literal["in force", "ends soon", "ended", "nothing left"]
"""How an allow entry stands. `nothing left`: deny entries, or more specific ones, take all of it."""

GapCode = Literal[
    "open-outside",
    "ended",
    "ends-soon",
    "never-covered",
    "not-scheduled",
    "no-owner",
    "no-contact",
    "nothing-left",
    "no-end",
]


class Allowed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An allow entry. `addresses` and `targets` (pairs of address and port) are those that it governs: after
    deny, and without those of a more specific entry. `expires`: RFC 3339, "" never. `place` is file:line.

    `schedules` are the names of those that sweep it; `open` counts exposures in it that are not proved
    closed.
    """

    entry: str
    standing: Standing
    owner: str = ""
    contact: str = ""
    site: str = ""
    labels: dict[str, str] = {}
    authorised_by: str = ""
    expires: str = ""
    addresses: int = 0
    targets: int = 0
    ports: list[int] = []
    place: str = ""
    schedules: list[str] = []
    open: int = 0


class Denied(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A deny entry, and how many allowed addresses it takes away. `opt_out`: their owner asked for it."""

    entry: str
    addresses: int = 0
    reason: str = ""
    expires: str = ""
    opt_out: bool = False
    place: str = ""


class Gap(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is missing: `what` names the entries, or the exposures, that it is missing of."""

    code: GapCode
    what: list[str] = []


class ScopeView(Struct, frozen=True, kw_only=True):
    """All of it at the moment `at`."""

    at: str
    addresses: int
    targets: int
    ports: list[int]
    allowed: list[Allowed]
    denied: list[Denied]
    gaps: list[Gap]


def scope_view(
    scope: Scope,
    exposures: Iterable[TrackedExposure],
    schedules: Sequence[ScheduleSettings],
    coverage: CoverageView | None,
    at: str,
) -> ScopeView:
    """The scope at a moment (RFC 3339). `exposures`: those not proved closed."""
    now = instant(at).timestamp()
    sizes, ports = _governed(scope)
    open_in, outside = _where(scope, exposures)
    allowed = [
        Allowed(
            entry=entry.text,
            standing=_standing(entry, sizes[id(entry)][0], now),
            owner=entry.owner,
            contact=entry.contact,
            site=entry.site,
            labels=dict(entry.labels),
            authorised_by=entry.authorised_by,
            expires=_time(entry.expires),
            addresses=sizes[id(entry)][0],
            targets=sizes[id(entry)][1],
            ports=sorted(ports[id(entry)]),
            place=_place(entry),
            schedules=[each.name for each in schedules if _sweeps(each, entry)],
            open=open_in[id(entry)],
        )
        for entry in scope.entries
    ]
    return ScopeView(
        at=at,
        addresses=scope.address_count,
        targets=len(scope),
        ports=list(scope.ports),
        allowed=allowed,
        denied=[
            Denied(
                entry=each.deny.text,
                addresses=each.addresses,
                reason=each.deny.reason,
                expires=_time(each.deny.expires),
                opt_out=each.deny.opt_out,
                place=_place(each.deny),
            )
            for each in scope.excluded
        ],
        gaps=_gaps(allowed, outside, _never_covered(scope, coverage), scheduled=bool(schedules)),
    )


def _governed(scope: Scope) -> tuple[dict[int, tuple[int, int]], dict[int, set[int]]]:
    """By an entry's identity: how many addresses and targets it governs, and on which ports."""
    sizes: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
    ports: dict[int, set[int]] = defaultdict(set)
    for version in (4, 6):
        for segment in scope.segments(version):
            addresses, targets = sizes[id(segment.entry)]
            size = segment.last - segment.first + 1
            sizes[id(segment.entry)] = addresses + size, targets + size * len(segment.ports)
            ports[id(segment.entry)].update(segment.ports)
    return sizes, ports


def _where(scope: Scope, exposures: Iterable[TrackedExposure]) -> tuple[Counter[int], list[str]]:
    """How many exposures each entry holds, and the ids of those that nobody may ask any more."""
    counts: Counter[int] = Counter()
    outside = []
    for each in exposures:
        try:
            version, address, _ = parse_address(each.place.ip)
            entry = scope.owner_of(address, version)
        except (OutOfScope, GrammarError):
            outside.append(each.exposure_id)
            continue
        counts[id(entry)] += 1
        if scope.explain(version, address, each.place.port):
            outside.append(each.exposure_id)
    return counts, outside


def _standing(entry: Entry, addresses: int, now: float) -> Standing:
    if entry.expires <= now:
        return "ended"
    if not addresses:
        return "nothing left"
    return "ends soon" if entry.expires - now <= SOON_DAYS * _DAY else "in force"


def _sweeps(schedule: ScheduleSettings, entry: Entry) -> bool:
    in_site = not schedule.sites or entry.site in schedule.sites
    return in_site and (not schedule.owners or entry.owner in schedule.owners)


def _never_covered(scope: Scope, coverage: CoverageView | None) -> frozenset[int]:
    """The numbers of allow entries of which no complete sweep ever asked some target."""
    numbers = {id(entry): number for number, entry in enumerate(scope.entries)}
    return frozenset(
        numbers[id(segment.entry)]
        for extent in (coverage.extents if coverage else ())
        if extent.age == "never"
        for segment in scope.segments_over(Span(extent.version, extent.first, extent.last))
    )


def _gaps(
    allowed: Sequence[Allowed], outside: list[str], never: frozenset[int], *, scheduled: bool
) -> list[Gap]:
    """What is missing, the gravest first."""
    live = [each for each in allowed if each.standing in ("in force", "ends soon")]
    found: list[tuple[GapCode, list[str]]] = [
        ("open-outside", outside),
        ("ended", [each.entry for each in allowed if each.standing == "ended"]),
        ("ends-soon", [each.entry for each in allowed if each.standing == "ends soon"]),
        (
            "never-covered",
            [each.entry for number, each in enumerate(allowed) if number in never and each in live],
        ),
        ("not-scheduled", [each.entry for each in live if scheduled and not each.schedules]),
        ("no-owner", [each.entry for each in live if not each.owner]),
        ("no-contact", [each.entry for each in live if each.owner and not each.contact]),
        ("nothing-left", [each.entry for each in allowed if each.standing == "nothing left"]),
        ("no-end", [each.entry for each in live if not each.expires]),
    ]
    return [Gap(code=code, what=what) for code, what in found if what]


def _time(seconds: float) -> str:
    return "" if math.isinf(seconds) else timestamp(seconds)


def _place(written: Entry | Deny) -> str:
    return f"{written.source}:{written.line}" if written.source and written.line else written.source
