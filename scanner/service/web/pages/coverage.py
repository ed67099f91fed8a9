"""The page `coverage`: which targets no complete sweep asked, since when and why, as a map and as tables."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from scanner.service.web.context import CONTEXT, COVERAGE, READER, RUNS
from scanner.service.web.pictures import AGE_ORDER, AGE_WORDS, age_bar, coverage_map
from scanner.service.web.render import render
from scanner.service.web.visitor import Role, needs

if TYPE_CHECKING:
    from results.report.markup import Markup
    from scanner.service.view.coverage import Age, CoverageView, Part

MOST_GAPS = 50
MOST_OWNERS = 60
MOST_SWEEPS = 12

WHY_WORDS = {
    "": "covered",
    "never": "no sweep set out to ask it",
    "unfinished": "the last sweep ended before it had asked everything",
    "degraded": "the last sweep says itself that its silence proves nothing",
    "withdrawn": "taken out while the last sweep went on: by a reload, the end of an authorisation, or as "
    "network and broadcast addresses of our own links",
    "running": "the first sweep that asks it has not ended",
    "untold": "other parts of the divided sweep are missing",
}


class OwnerRow(NamedTuple):
    """What was covered of one owner's and site's targets."""

    owner: str
    site: str
    targets: int
    by_age: dict[Age, int]
    bar: Markup
    oldest: str


def by_owner(view: CoverageView) -> list[OwnerRow]:
    """Each owner and site: those with most that was not covered for long first."""
    groups: dict[tuple[str, str], list[Part]] = defaultdict(list)
    for part in view.parts:
        groups[part.owner, part.site].append(part)
    found = []
    for (owner, site), parts in groups.items():
        by_age: dict[Age, int] = dict.fromkeys(AGE_ORDER, 0)
        for part in parts:
            by_age[part.age] += part.targets
        oldest = min(part.covered.began if part.covered else "" for part in parts)
        found.append(
            OwnerRow(owner, site, sum(part.targets for part in parts), by_age, age_bar(by_age), oldest)
        )
    return sorted(found, key=lambda row: (row.oldest, -row.targets, row.owner, row.site))


@needs(Role.VIEW)
async def page(request: web.Request) -> web.StreamResponse:
    """The page."""
    context = request.app[CONTEXT]
    snapshot = await request.app[READER].current()
    known = {run.vantage for run in snapshot.runs}
    asked = request.query.get("vantage", "")
    view = await request.app[COVERAGE].current(
        snapshot.runs, context.scope, snapshot.at, vantage=asked if asked in known else ""
    )
    runs = await request.app[RUNS].current(snapshot.runs)
    sweeps = [run for run in runs if not run.purpose and view.vantage in ("", run.vantage)]
    return render(
        request,
        "coverage.html",
        view=view,
        gaps=view.gaps[:MOST_GAPS],
        owners=(owners := by_owner(view))[:MOST_OWNERS],
        more_owners=len(owners) - MOST_OWNERS,
        map=coverage_map(view, snapshot.open),
        ages=[(age, AGE_WORDS[age], view.by_age.get(age, 0)) for age in AGE_ORDER],
        why=WHY_WORDS,
        age_words=AGE_WORDS,
        doubtful=[run for run in sweeps if run.state != "complete" or run.missed_at_most != 0][:MOST_SWEEPS],
        left_out=context.scope.excluded if context.scope else (),
        has_runs=bool(sweeps),
    )


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/coverage", page)]
