"""The page `now`: what runs and how far it is, what comes next, what is open, and what to do first."""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, get_args

from aiohttp import web

from results.text import visible
from results.verdict import Severity
from scanner.clock import timestamp
from scanner.service.orders import Doing
from scanner.service.web.broadcast import BROADCAST, TooManyPagesError, page_key
from scanner.service.web.context import CONTEXT, LIVE, READER, RUNS, SERVICE
from scanner.service.web.guard import is_still_in
from scanner.service.web.origin import is_from_our_page
from scanner.service.web.proof import proof_of
from scanner.service.web.render import render
from scanner.service.web.run_view import figures, found_words, picture
from scanner.service.web.visitor import Role, needs, visitor_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.ledger.tracked import TrackedExposure
    from scanner.service.jobs import Job, ServiceStatus
    from scanner.service.view.live import LiveRun
    from scanner.service.view.snapshot import Snapshot

_LAST_RUNS = 6
_DONE = {
    "start": "It was asked to start.",
    "stop": "It was asked to stop; what it found is kept, and it can be resumed.",
    "pause": "The schedule is paused.",
    "resume": "The schedule goes on.",
    "verify": "Every open exposure is being asked again.",
}
_JOBS = {
    "sweep": "A sweep",
    "verify": "Asking open exposures again",
    "notify": "Telling owners",
    "prune": "Removing old runs",
}


class Phase(StrEnum):
    """How far a job is, in words: its process is there before its run, and for a moment after it."""

    STARTING = "is starting"
    GOES_ON = "is under way"
    OVER = "has just ended"


_PHASES = {Phase.STARTING: "starts", Phase.GOES_ON: "runs", Phase.OVER: "has just run"}


class SeverityCount(NamedTuple):
    """How many open exposures have a severity."""

    severity: str
    open: int


@needs(Role.VIEW)
async def now(request: web.Request) -> web.StreamResponse:
    """The page."""
    return await _page(request)


async def _page(request: web.Request, problem: str = "") -> web.Response:
    context, service = request.app[CONTEXT], request.app[SERVICE]
    snapshot = await request.app[READER].current()
    run = await request.app[LIVE].current()
    status = await asyncio.to_thread(service.status)
    at = timestamp(context.clock.wall())
    over = await _over(request, run, status, snapshot)
    if run is not None and _is_over(run, _job_of(run, status), over):
        run = None  # it was looked at a moment before the ledger
    ended = [each for each in snapshot.runs if run is None or each.run_id != run.run_id]
    phases = _phases(run, status, over)
    return render(
        request,
        "now.html",
        status=200 if not problem else 409,
        now=at,
        snapshot=snapshot,
        run=run,
        figures=figures(run, at) if run is not None else {},
        found=[found_words(each) for each in reversed(run.found)] if run is not None else [],
        picture=picture(run) if run is not None else None,
        job=_job_of(run, status),
        jobs=_others(run, status),
        job_words=_JOBS,
        phases=phases,
        Phase=Phase,
        schedule_phases={job.schedule: _PHASES[phases[job.job_id]] for job in _running(status)},
        page_key=page_key(status, run),
        service=status,
        steps=_steps(request, status, bool(snapshot.runs) or run is not None),
        open=_by_severity(snapshot.open),
        overdue=sum(each.overdue for each in snapshot.open),
        proved=await proof_of(request, snapshot),
        last_runs=ended[: -_LAST_RUNS - 1 : -1],
        done=_DONE.get(request.query.get("done", ""), ""),
        problem=problem,
    )


def _job_of(run: LiveRun | None, status: ServiceStatus | None) -> Job | None:
    """The job whose run goes on; None where somebody started it by hand."""
    if run is None:
        return None
    return next((job for job in _running(status) if job.run_id == run.run_id or job.pid == run.pid), None)


def _others(run: LiveRun | None, status: ServiceStatus | None) -> list[Job]:
    """Jobs under way beside that."""
    mine = _job_of(run, status)
    return [job for job in _running(status) if job != mine]


def _running(status: ServiceStatus | None) -> tuple[Job, ...]:
    return status.running if status is not None else ()


async def _over(
    request: web.Request, run: LiveRun | None, status: ServiceStatus | None, snapshot: Snapshot
) -> dict[str, str]:
    """When runs ended, by their ids, where anything goes on that may be one of them."""
    if run is None and not _running(status):
        return {}
    runs = await request.app[RUNS].current(snapshot.runs)
    return {each.run_id: each.ended for each in runs if each.state != "running"}


def _is_over(run: LiveRun, job: Job | None, over: dict[str, str]) -> bool:
    """Whether it ended after it was last seen at work; before that, one that goes on again had ended too."""
    seen = job.started_at if job is not None else run.progress.at if run.progress is not None else ""
    return bool(seen) and over.get(run.run_id, "") >= seen


def _phases(run: LiveRun | None, status: ServiceStatus | None, over: dict[str, str]) -> dict[str, Phase]:
    """How far each running job is, by its id: what the page says of its run holds for it too."""
    found = dict.fromkeys((job.job_id for job in _running(status)), Phase.GOES_ON)
    for job in _others(run, status):
        if job.kind not in ("sweep", "verify"):
            continue
        if not job.run_id:
            found[job.job_id] = Phase.STARTING
        elif over.get(job.run_id, "") >= job.started_at:
            found[job.job_id] = Phase.OVER
    return found


def _by_severity(exposures: Sequence[TrackedExposure]) -> list[SeverityCount]:
    counts = Counter(each.severity for each in exposures)
    return [SeverityCount(each.value, counts[each]) for each in Severity]


def _steps(request: web.Request, status: ServiceStatus | None, has_run: bool) -> list[str]:
    """What is still to be done before this page lives by itself; empty when nothing is. The steps have names
    that the template knows."""
    context = request.app[CONTEXT]
    steps = []
    if context.config is None:
        steps.append("configure")
    elif context.scope is None or not len(context.scope):
        steps.append("scope")
    if not has_run:
        steps.append("sweep")
    if status is None:
        steps.append("serve")
    elif not status.schedules:
        steps.append("schedule")
    return steps


@needs(Role.OPERATE)
async def order(request: web.Request) -> web.StreamResponse:
    """Start, stop, pause or resume what the configuration names, or ask open exposures again."""
    form = await request.post()
    do, name = (value if isinstance(value := form.get(key, ""), str) else "" for key in ("do", "name"))
    if do not in get_args(Doing):
        raise web.HTTPBadRequest(text=f"{visible(do, 40) or 'nothing'} cannot be ordered here.")
    answer = await request.app[SERVICE].order(do, name, visitor_of(request).name)
    if answer.problem:
        return await _page(request, answer.problem)
    raise web.HTTPSeeOther(f"/?done={do}#done")


@needs(Role.VIEW)
async def events(request: web.Request) -> web.StreamResponse:
    """What goes on, as server-sent events (`text/event-stream` of the HTML standard), for this page alone."""
    if "Origin" in request.headers and not is_from_our_page(request):
        raise web.HTTPForbidden(text="a page of another site asked for this")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    try:
        await request.app[BROADCAST].send(
            request, response, lambda: request.transport is not None and is_still_in(request)
        )
    except TooManyPagesError:
        raise web.HTTPServiceUnavailable(
            text="as many pages are open as are kept up to date; load this one again to see what has changed",
            headers={"Retry-After": "60"},
        ) from None
    return response


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [web.get("/", now), web.post("/now/order", order), web.get("/events", events)]
