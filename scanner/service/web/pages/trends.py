"""The page `trends`: exposures over time, bytes that lie open by owner, and how long closing took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from results.ledger.overlay import Deadlines
from results.report import figures
from results.verdict import Severity
from scanner.service.web.context import CONTEXT, READER
from scanner.service.web.derived import derived
from scanner.service.web.pictures import closing_figure
from scanner.service.web.proof import proof_of
from scanner.service.web.render import render
from scanner.service.web.visitor import Role, needs

if TYPE_CHECKING:
    from results.report.markup import Markup
    from results.report.statistics import OwnerOpen

MOST_OWNERS = 30


@needs(Role.VIEW)
async def page(request: web.Request) -> web.StreamResponse:
    """The page."""
    config = request.app[CONTEXT].config
    snapshot = await request.app[READER].current()
    deadlines = config.settings.deadlines.in_force() if config else Deadlines()
    made = derived(snapshot)
    history, owners = made.over_time, made.open_by_owner
    severities, by_owner = made.closing(deadlines)
    return render(
        request,
        "trends.html",
        snapshot=snapshot,
        proved=await proof_of(request, snapshot),
        any=bool(snapshot.exposures),
        history=history,
        over_time=figures.over_time(history),
        owners=owners[:MOST_OWNERS],
        more_owners=max(0, len(owners) - MOST_OWNERS),
        bars=_bars(owners[:MOST_OWNERS]),
        sized=any(each.bytes for each in owners),
        unsized=sum(each.unsized for each in owners),
        present=[each for each in Severity if any(each in owner.by_severity for owner in owners)],
        closing=closing_figure(severities),
        severities=severities,
        closers=by_owner[:MOST_OWNERS],
        more_closers=max(0, len(by_owner) - MOST_OWNERS),
    )


def _bars(owners: list[OwnerOpen]) -> list[Markup]:
    """A bar for each, of bytes where any are known, else of exposures."""
    sized = any(each.bytes for each in owners)
    most = float(max((each.bytes if sized else each.open for each in owners), default=1))
    return [
        figures.bar(
            [
                (severity, float(each.by_severity[severity][1 if sized else 0]))
                for severity in Severity
                if severity in each.by_severity
            ],
            most,
        )
        for each in owners
    ]


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/trends", page)]
