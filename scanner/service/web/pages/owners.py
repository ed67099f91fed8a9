"""The page `owners`: what each has open, what is overdue, how fast they close, and what was sent to them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from results.report.figures import bar
from results.text import visible
from results.verdict import Severity
from scanner.service.web.context import READER
from scanner.service.web.derived import derived
from scanner.service.web.proof import proof_of
from scanner.service.web.render import render
from scanner.service.web.visitor import Role, needs

if TYPE_CHECKING:
    from results.report.markup import Markup
    from scanner.service.web.derived import OwnerRow

MOST_MESSAGES = 50
ADDRESS = "/owners/one"
"""Where one owner has a page: `?name=` and the name, whatever letters are in it."""


@needs(Role.VIEW)
async def owners(request: web.Request) -> web.StreamResponse:
    """All of them."""
    snapshot = await request.app[READER].current()
    made = derived(snapshot)
    most = max((row.standing.open for row in made.owners if row.standing), default=0)
    return render(
        request,
        "owners.html",
        snapshot=snapshot,
        proved=await proof_of(request, snapshot),
        rows=[(row, _bar(row, most), link(row.name)) for row in made.owners],
        overall=made.overall,
        overdue=sum(row.standing.overdue for row in made.owners if row.standing),
        nobodys=sum(row.standing.open for row in made.owners if row.standing and not row.is_named),
        severities=[each.value for each in Severity],
    )


@needs(Role.VIEW)
async def owner(request: web.Request) -> web.StreamResponse:
    """One owner, with everything that was sent about what is theirs."""
    name = request.query.get("name", "")
    snapshot = await request.app[READER].current()
    made = derived(snapshot)
    row = next((each for each in made.owners if each.name == name), None)
    if row is None:
        raise web.HTTPNotFound(text=f"No exposure belongs to an owner called {visible(name, 60)}.")
    standing = row.standing
    return render(
        request,
        "owner.html",
        row=row,
        snapshot=snapshot,
        picture=_bar(row, standing.open if standing else 0),
        parts=[(each.value, standing.by_severity.get(each, (0, 0))) for each in Severity] if standing else [],
        list_link=f"/exposures?{urlencode({'owner': name}, errors='replace')}",
        messages=made.sent_to(name, MOST_MESSAGES),
        most=MOST_MESSAGES,
        stages=STAGES,
        kinds=KINDS,
    )


STAGES = {
    "intended": "not sent yet",
    "handing-over": "being handed over",
    "done": "received",
    "failed": "failed",
    "unclear": "not known whether it arrived",
}
KINDS = {
    "warned": "told",
    "reminded": "reminded",
    "escalated": "told to others, further up",
    "closure-told": "told that it is closed",
}


def link(name: str) -> str:
    """The address of one owner's page."""
    return f"{ADDRESS}?{urlencode({'name': name}, errors='replace')}"


def _bar(row: OwnerRow, most: int) -> Markup | None:
    if row.standing is None:
        return None
    parts = [(each, float(row.standing.by_severity.get(each, (0, 0))[0])) for each in Severity]
    return bar(parts, float(most))


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/owners", owners), web.get(ADDRESS, owner)]
