"""The page `exposures`: all of them, filtered, searched, sorted, by pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from results.report.exposure_table import pressing, stretches
from results.report.figures import Mark, strip
from results.verdict import Severity
from scanner.service.web.context import READER
from scanner.service.web.derived import derived
from scanner.service.web.proof import proof_of
from scanner.service.web.render import render
from scanner.service.web.selection import REACHES, SORTS, VIEWS, BadSelectionError, read_selection, select
from scanner.service.web.visitor import Role, needs

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure
    from results.report.exposure_table import Axis
    from results.report.markup import Markup

_HEADS = (
    ("severity", ""),
    ("where", "where"),
    ("owner", "owner"),
    ("state", "state"),
    ("holds", ""),
    ("size", "size"),
    ("open for", "open"),
    ("to be closed", "due"),
)
"""Names of columns, and the word by which each sorts."""


@needs(Role.VIEW)
async def exposures(request: web.Request) -> web.StreamResponse:
    """The list."""
    try:
        selection = read_selection(request.query)
    except BadSelectionError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    snapshot = await request.app[READER].current()
    made = derived(snapshot)
    found = select(snapshot, selection)
    return render(
        request,
        "exposures.html",
        snapshot=snapshot,
        selection=selection,
        found=found,
        heads=_HEADS,
        sorts=SORTS,
        views=VIEWS,
        severities=[each.value for each in Severity],
        owners=made.owner_names,
        sites=made.sites,
        reaches=REACHES if made.is_reach_known or selection.reach else {},
        proved=await proof_of(request, snapshot),
        rows=[(each, _hits(each), _life(each, snapshot.at, made.axis)) for each in found.rows],
    )


def _hits(exposure: TrackedExposure) -> str:
    """What makes it pressing beside its deadline, which has a column of its own."""
    return pressing(exposure).removeprefix("overdue").removeprefix(", ")


def _life(exposure: TrackedExposure, now: str, axis: Axis) -> Markup:
    marks = [Mark(axis.place(exposure.last_hit), "wiped")] if exposure.last_hit else []
    if exposure.closed_before:
        marks.append(Mark(axis.place(exposure.closed_before), "closed"))
    return strip(stretches(exposure, now, axis), marks)


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/exposures", exposures)]
