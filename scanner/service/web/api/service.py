"""The resource `service`: where the service stands, what runs and how far it is, jobs that have ended, and
orders to it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from msgspec import Meta, Struct

from results.progress import Progress
from scanner.clock import timestamp
from scanner.service.jobs import Job, ServiceStatus
from scanner.service.orders import Doing
from scanner.service.view.live import Found
from scanner.service.web.api.endpoint import NoQuery, does, reads
from scanner.service.web.api.paging import Limit
from scanner.service.web.context import CONTEXT, LIVE, SERVICE
from scanner.service.web.problems import ProblemError
from scanner.service.web.visitor import Role, visitor_of

if TYPE_CHECKING:
    from scanner.service.view.live import LiveRun


class RunningNow(Struct, frozen=True, kw_only=True):
    """The run that goes on, whoever started it. `progress` is null until it has said something; `found` are
    the newest open servers, the newest last. `trouble`: what of it cannot be read."""

    run_id: str
    purpose: str
    began: str
    vantage: str
    planned: int
    progress: Progress | None
    found: tuple[Found, ...]
    trouble: str


class Service(Struct, frozen=True, kw_only=True):
    """Where everything stands at one moment. `service` is null where it does not run, `run` where no run
    goes on."""

    at: str
    service: ServiceStatus | None
    run: RunningNow | None


class JobsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs, and how many."""

    limit: Limit = 100
    before: Annotated[
        str,
        Meta(
            pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)?$",
            description="`started_at` of the last job of the page before; older ones are given",
            examples=["2026-03-08T04:00:00.000Z"],
        ),
    ] = ""


class Jobs(Struct, frozen=True, kw_only=True):
    """Jobs that have ended, the newest first."""

    jobs: list[Job]


class OrderBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for. `name` is that of a schedule for `start`, `pause` and `resume`, the id of a job for
    `stop`, and "" for `verify`. Nothing here can name an address."""

    do: Annotated[Doing, Meta(description="start, stop, pause, resume or verify")]
    name: Annotated[str, Meta(max_length=200, description="of the schedule, or the job")] = ""


class Ordered(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """It was done. `job_id`: the job that was started or stopped; it is left out where none was."""

    job_id: str = ""


@reads("Where the service stands, and the run that goes on", NoQuery, Service, cached=False)
async def _service(request: web.Request, _: NoQuery) -> Service:
    run = await request.app[LIVE].current()
    return Service(
        at=timestamp(request.app[CONTEXT].clock.wall()),
        service=await asyncio.to_thread(request.app[SERVICE].status),
        run=None if run is None else _running(run),
    )


def _running(run: LiveRun) -> RunningNow:
    return RunningNow(
        run_id=run.run_id,
        purpose=run.purpose,
        began=run.created_at,
        vantage=run.vantage,
        planned=run.planned,
        progress=run.progress,
        found=run.found,
        trouble=run.trouble,
    )


@reads("Jobs that have ended, the newest first", JobsQuery, Jobs, cached=False)
async def _jobs(request: web.Request, query: JobsQuery) -> Jobs:
    service = request.app[SERVICE]
    return Jobs(jobs=await asyncio.to_thread(service.jobs, limit=query.limit, before=query.before))


@does("Order a start, a stop or a pause", Role.OPERATE, OrderBody, Ordered, status=202, fails=(409,))
async def _order(request: web.Request, body: OrderBody) -> Ordered:
    answer = await request.app[SERVICE].order(body.do, body.name, visitor_of(request).name)
    if answer.problem:
        raise ProblemError(409, answer.problem)
    return Ordered(job_id=answer.job_id)


def routes() -> list[web.RouteDef]:
    """Its routes."""
    return [
        web.get("/api/v1/service", _service),
        web.get("/api/v1/service/jobs", _jobs),
        web.post("/api/v1/service/orders", _order),
    ]
