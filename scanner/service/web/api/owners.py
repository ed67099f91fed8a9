"""The resource `owners`: what each has open, how soon they close it, and when they were told last."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from aiohttp import web
from msgspec import Struct

from results.report.statistics import owner_name, time_to_close
from results.verdict import Severity
from scanner.service.web.api.endpoint import NoQuery, reads, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from results.ledger.tracked import TrackedExposure


class OwnerLine(Struct, frozen=True, kw_only=True):
    """One owner, "" where the allow-list names none. `open` counts what is not proved closed, `unreachable`,
    `accepted`, `overdue` and `bytes` of these. Seconds to close: from the first look that saw an exposure
    open to the proof; null where fewer than five were closed. `last_warned_at`: "" never."""

    owner: str
    contact: str
    open: int
    unreachable: int
    accepted: int
    overdue: int
    by_severity: dict[Severity, int]
    bytes: int
    closed: int
    median_seconds_to_close: int | None
    mean_seconds_to_close: int | None
    last_warned_at: str


class Owners(Struct, frozen=True, kw_only=True):
    """Every owner who has or had an exposure, the one with most overdue first, then with most open."""

    at: str
    owners: list[OwnerLine]


def owner_lines(exposures: Iterable[TrackedExposure]) -> list[OwnerLine]:
    """What is said of each owner."""
    groups: dict[str, list[TrackedExposure]] = defaultdict(list)
    for each in exposures:
        groups[each.owner.owner].append(each)
    lines = [_line(owner, mine) for owner, mine in groups.items()]
    return sorted(lines, key=lambda line: (-line.overdue, -line.open, line.owner))


def _line(owner: str, mine: list[TrackedExposure]) -> OwnerLine:
    standing = [each for each in mine if each.is_open]
    name = owner_name(mine[0])
    closing = next((each for each in time_to_close(mine) if each.owner == name), None)
    severities = Counter(each.severity for each in standing)
    return OwnerLine(
        owner=owner,
        contact=next((each.owner.contact for each in (*standing, *mine) if each.owner.contact), ""),
        open=len(standing),
        unreachable=sum(each.state == "unreachable" for each in standing),
        accepted=sum(each.state == "accepted" for each in standing),
        overdue=sum(each.overdue for each in standing),
        by_severity={severity: severities[severity] for severity in Severity},
        bytes=sum(each.bytes or 0 for each in standing),
        closed=len(mine) - len(standing),
        median_seconds_to_close=closing.median if closing else None,
        mean_seconds_to_close=closing.mean if closing else None,
        last_warned_at=max((each.last_warned_at for each in mine), default=""),
    )


@reads("What each owner has open", NoQuery, Owners)
async def _list(request: web.Request, _: NoQuery) -> Owners:
    snapshot = await snapshot_of(request)
    return Owners(at=snapshot.at, owners=owner_lines(snapshot.exposures))


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/api/v1/owners", _list)]
