"""The page `runs`: every run there was, and one of them whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from results.verdict import MEANING, Verdict
from scanner.service.view.runs import before, find
from scanner.service.web.context import READER, RUNS
from scanner.service.web.pages.paging import page_of
from scanner.service.web.render import render
from scanner.service.web.visitor import Role, needs

if TYPE_CHECKING:
    from scanner.service.view.runs import RunLine

SIZE = 50
MOST_ENTRIES = 200
KINDS = {
    "": "all runs",
    "sweeps": "sweeps",
    "verifications": "verifications",
    "confirmations": "confirmations",
    "doubtful": "not complete",
}


@needs(Role.VIEW)
async def page(request: web.Request) -> web.StreamResponse:
    """The list."""
    snapshot = await request.app[READER].current()
    runs = await request.app[RUNS].current(snapshot.runs)
    asked = request.query.get("kind", "")
    kind = asked if asked in KINDS else ""
    shown = page_of([run for run in runs if _is(run, kind)], request, SIZE)
    comparable = [run for run in shown.rows if run.can_compare]
    return render(
        request,
        "runs.html",
        at=snapshot.at,
        rows=shown,
        kinds=KINDS,
        kind=kind,
        count=len(runs),
        newest=comparable[0].run_id if comparable else "",
        older=older.run_id if comparable and (older := before(runs, comparable[0])) else "",
        can_compare=sum(run.can_compare for run in runs) > 1,
    )


def _is(run: RunLine, kind: str) -> bool:
    if kind == "sweeps":
        return not run.purpose
    if kind in ("verifications", "confirmations"):
        return run.purpose == ("verify" if kind == "verifications" else "confirm")
    return kind != "doubtful" or run.state != "complete"


@needs(Role.VIEW)
async def one(request: web.Request) -> web.StreamResponse:
    """One run, by an id that the ledger or the directory knows."""
    snapshot = await request.app[READER].current()
    runs = await request.app[RUNS].current(snapshot.runs)
    run = find(runs, request.match_info["run_id"])
    if run is None:
        raise web.HTTPNotFound(text="No run has this id; the page of runs lists them all.")
    manifest = await request.app[RUNS].manifest(run.run_id)
    outcomes = manifest.outcomes if manifest else {}
    known = {verdict.value: MEANING[verdict].sentence for verdict in Verdict}
    return render(
        request,
        "run.html",
        at=snapshot.at,
        run=run,
        manifest=manifest,
        outcomes=sorted(
            outcomes.items(), key=lambda each: list(known).index(each[0]) if each[0] in known else 99
        ),
        meaning=known,
        older=before(runs, run) if run.can_compare else None,
        most_entries=MOST_ENTRIES,
        can_resume=not run.purpose
        and run.here
        and run.state in ("degraded", "interrupted", "failed", "aborted"),
    )


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/runs", page), web.get("/runs/{run_id}", one)]
