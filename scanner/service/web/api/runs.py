"""The resource `runs`: which there are, the newest first, and what is kept of one."""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from msgspec import Meta, Struct

from results.manifest import Manifest
from scanner.service.view.runs import RunLine, find
from scanner.service.web.api.endpoint import NoQuery, reads, snapshot_of
from scanner.service.web.api.openapi import PATH_VALUES
from scanner.service.web.api.paging import After, Limit, behind
from scanner.service.web.context import RUNS
from scanner.service.web.problems import ProblemError

PATH_VALUES["run_id"] = {
    "description": "the id of a run",
    "schema": {
        "type": "string",
        "pattern": "^[0-9A-Za-z-]{1,64}$",
        "examples": ["20260308T040000Z-ae49b572"],
    },
}
RunState = Literal["running", "complete", "degraded", "interrupted", "failed", "aborted", "unreadable"]


class RunsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which runs, and how many."""

    state: Annotated[tuple[RunState, ...], Meta(description="any of these states")] = ()
    purpose: Annotated[
        Literal["sweep", "verify", "confirm"] | None,
        Meta(
            description="sweeps, exposures that were asked again, or rows of outside reports that were asked"
        ),
    ] = None
    limit: Limit = 100
    after: After = ""


class Runs(Struct, frozen=True, kw_only=True):
    """Some runs, the newest first. `next` stands for `after` in the request for older ones, "" where there
    are none."""

    at: str
    total: int
    next: str
    runs: list[RunLine]


class Run(Struct, frozen=True, kw_only=True):
    """One run, and what the ledger keeps of its manifest: all but the text of the scope and of the
    configuration. null where it does not have it yet."""

    at: str
    run: RunLine
    manifest: Manifest | None


@reads("Runs, the newest first", RunsQuery, Runs, cached=False, fails=(422,))
async def _list(request: web.Request, query: RunsQuery) -> Runs:
    snapshot = await snapshot_of(request)
    purpose = "" if query.purpose == "sweep" else query.purpose
    runs = [
        run
        for run in await request.app[RUNS].current(snapshot.runs)
        if (not query.state or run.state in query.state) and (purpose is None or run.purpose == purpose)
    ]
    some, following = behind(runs, lambda run: run.run_id, query.limit, query.after)
    return Runs(at=snapshot.at, total=len(runs), next=following, runs=some)


@reads("One run", NoQuery, Run, cached=False, fails=(404,))
async def _one(request: web.Request, _: NoQuery) -> Run:
    snapshot = await snapshot_of(request)
    run_id = request.match_info["run_id"]
    run = find(await request.app[RUNS].current(snapshot.runs), run_id)
    if run is None:
        raise ProblemError(404, f"no run has the id {run_id}; /api/v1/runs lists them")
    return Run(at=snapshot.at, run=run, manifest=await request.app[RUNS].manifest(run_id))


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/api/v1/runs", _list), web.get("/api/v1/runs/{run_id}", _one)]
