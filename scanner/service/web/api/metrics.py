"""`/metrics`: the service, its schedules and jobs, the last runs, exposures and sinks, for Prometheus."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from aiohttp import web
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from results.files import ResultsError
from results.ledger.store import Ledger
from results.metrics import exposition, exposure_families, run_families, seconds
from results.sinks.metrics import sink_families
from results.sinks.status import status
from scanner import __version__
from scanner.service.web.api.endpoint import Description, described
from scanner.service.web.context import CONTEXT, READER, SERVICE
from scanner.service.web.loop_lag import LOOP_LAG
from scanner.service.web.proof import proof_of
from scanner.service.web.visitor import Role, needs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from prometheus_client.core import Metric

    from results.ledger.store import LedgerRun
    from results.manifest import Manifest
    from scanner.service.jobs import Job, ServiceStatus
    from scanner.service.web.context import Context, Service

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_A_TIME: Final = 100  # jobs read in one go
_MOST_JOBS: Final = 10_000  # jobs of the past that are counted at the first scrape
_MOST_MANIFESTS: Final = 64  # kept, because a run that has ended does not change
_Key = tuple[str, str]  # schedule and kind


class JobTally:
    """Counts ended jobs, each once, so that a scrape reads only what is new.

    Counters begin with the jobs that are still known when the page starts; Prometheus takes a smaller number
    for a counter that was set back.
    """

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, str, str]] = Counter()
        self.last_success: dict[_Key, float] = {}
        self.run_of: dict[_Key, Job] = {}
        self.runs: set[str] = set()
        self._seen: dict[str, str] = {}  # job id -> when it started, from `_since` on
        self._since = ""

    def read(self, service: Service, running: tuple[Job, ...]) -> None:
        """Take in what ended since the last call. `running`: those that may end later, though they started
        earlier than others that ended."""
        before, newest = "", self._since
        for _ in range(_MOST_JOBS // _A_TIME):
            jobs = service.jobs(limit=_A_TIME, before=before)
            for job in jobs:
                newest = max(newest, job.started_at)
                if job.job_id not in self._seen:
                    self._seen[job.job_id] = job.started_at
                    self._count(job)
            if len(jobs) < _A_TIME or jobs[-1].started_at < self._since:
                break
            before = jobs[-1].started_at
        self._since = min([newest, *(job.started_at for job in running)])
        self._seen = {job_id: at for job_id, at in self._seen.items() if at >= self._since}

    def _count(self, job: Job) -> None:
        if job.started_at < self._since:
            return
        self.ended[job.schedule, job.kind, job.end] += 1
        key = job.schedule, job.kind
        at = seconds(job.ended_at)
        if job.end == "complete" and at is not None:
            self.last_success[key] = max(at, self.last_success.get(key, 0.0))
        if job.run_id:
            self.runs.add(job.run_id)
            known = self.run_of.get(key)
            if known is None or known.started_at <= job.started_at:
                self.run_of[key] = job


class Manifests:
    """What the ledger keeps of the manifests of the last runs."""

    def __init__(self, output: Path) -> None:
        self._output = output
        self._known: dict[str, Manifest] = {}

    def of(self, run_ids: Mapping[_Key, str]) -> dict[_Key, Manifest]:
        """The manifest of each run that has ended and was taken in. Raises `ResultsError`."""
        missing = set(run_ids.values()) - self._known.keys()
        if missing:
            with Ledger.open(self._output) as ledger:
                for run_id in missing:
                    found = ledger.manifest(run_id)
                    if found is not None and found.ended_at:
                        self._known[run_id] = found
        while len(self._known) > max(_MOST_MANIFESTS, len(run_ids)):
            del self._known[next(iter(self._known))]
        return {key: self._known[run_id] for key, run_id in run_ids.items() if run_id in self._known}


def last_runs(tally: JobTally, runs: Sequence[LedgerRun]) -> dict[_Key, str]:
    """The id of the last run of each schedule and kind; those that no known job made are of schedule ""."""
    found: dict[_Key, str] = {}
    for run in reversed(runs):
        key = "", run.purpose or "sweep"
        if run.ended_at and run.run_id not in tally.runs:
            found.setdefault(key, run.run_id)
    return found | {key: job.run_id for key, job in tally.run_of.items()}


def service_families(found: ServiceStatus | None, tally: JobTally, page_lag: float) -> Iterator[Metric]:
    """How the service stands, and what its jobs came to."""
    info = _gauge("build_info", "The version of mongosweep.", "version")
    info.add_metric([__version__], 1)
    lag = _gauge("loop_lag_seconds", "By how much an event loop was late, at worst lately.", "process")
    lag.add_metric(["page"], page_lag)
    yield info
    if found is not None:
        lag.add_metric(["service"], found.loop_lag_seconds)
        yield from _status_families(found)
    yield lag
    jobs = CounterMetricFamily(
        "mongosweep_jobs", "Jobs that have ended.", labels=["schedule", "kind", "result"]
    )
    for (schedule, kind, end), count in sorted(tally.ended.items()):
        jobs.add_metric([schedule, kind, end], count)
    success = _gauge(
        "job_last_success_timestamp_seconds", "When a job ended last that was complete.", "schedule", "kind"
    )
    for (schedule, kind), at in sorted(tally.last_success.items()):
        success.add_metric([schedule, kind], at)
    yield from (jobs, success)


def _status_families(found: ServiceStatus) -> Iterator[Metric]:
    for name, about, value in (
        ("service_start_timestamp_seconds", "When the service started.", seconds(found.started_at)),
        (
            "service_beat_timestamp_seconds",
            "When the service said last that it is there.",
            seconds(found.beat_at),
        ),
        ("service_warnings", "Warnings of the service that stand now.", len(found.warnings)),
        ("service_forwarding", "1 while events are forwarded to sinks.", float(found.forwarding)),
    ):
        if value is not None:
            family = _gauge(name, about)
            family.add_metric([], value)
            yield family
    running = _gauge("jobs_running", "Jobs that are running.", "schedule", "kind")
    counted = Counter((job.schedule, job.kind) for job in found.running)
    for schedule in found.schedules:
        counted.setdefault((schedule.name, "sweep"), 0)
    for (name, kind), count in sorted(counted.items()):
        running.add_metric([name, kind], count)
    following = _gauge("schedule_next_start_timestamp_seconds", "When a schedule starts next.", "schedule")
    paused = _gauge("schedule_paused", "1 for a schedule that somebody paused.", "schedule")
    waiting = _gauge("schedule_waiting", "1 for a schedule that is due and has to wait.", "schedule")
    for schedule in found.schedules:
        if (at := seconds(schedule.next_at)) is not None:
            following.add_metric([schedule.name], at)
        paused.add_metric([schedule.name], float(bool(schedule.paused_by)))
        waiting.add_metric([schedule.name], float(bool(schedule.waits_for)))
    yield from (running, following, paused, waiting)


def _sinks(context: Context) -> Iterator[Metric]:
    if context.config is not None and context.config.settings.sink:
        names = [sink.called for sink in context.config.settings.sink]
        yield from sink_families(status(context.output, names), context.clock.wall())


def _unread(runs: int) -> Metric:
    family = _gauge("ledger_missing_runs", "Runs whose findings are in no exposure yet, running sweeps too.")
    family.add_metric([], runs)
    return family


def _gauge(name: str, about: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"mongosweep_{name}", about, labels=labels)


class Metrics:
    """Answers scrapes, one at a time, so that many scrapers cost no more than one."""

    def __init__(self) -> None:
        self._tally = JobTally()
        self._manifests: Manifests | None = None
        self._lock = asyncio.Lock()

    async def answer(self, request: web.Request) -> web.Response:
        """The text of a scrape; 503 where the output directory cannot be read."""
        context, app = request.app[CONTEXT], request.app
        async with self._lock:
            try:
                snapshot = await app[READER].current()
                unread = (await proof_of(request, snapshot)).unread_count
                found = app[SERVICE].status()
                self._tally.read(app[SERVICE], found.running if found else ())
                if self._manifests is None:
                    self._manifests = Manifests(context.output)
                wanted = last_runs(self._tally, snapshot.runs)
                manifests = await asyncio.to_thread(self._manifests.of, wanted) if wanted else {}
                text = await asyncio.to_thread(
                    lambda: exposition(
                        [
                            *service_families(found, self._tally, app[LOOP_LAG].take()),
                            *run_families(
                                [
                                    (schedule, manifest, self._tally.last_success.get((schedule, kind)))
                                    for (schedule, kind), manifest in sorted(manifests.items())
                                ]
                            ),
                            *exposure_families(snapshot.exposures),
                            _unread(unread),
                            *_sinks(context),
                        ]
                    )
                )
            except ResultsError as error:
                return web.Response(status=503, text=f"{error}\n")
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})


def routes() -> list[web.RouteDef]:
    """Its routes."""
    metrics = Metrics()

    @needs(Role.METRICS)
    async def answer(request: web.Request) -> web.StreamResponse:
        return await metrics.answer(request)

    about = Description(
        summary="Counts for Prometheus, in its text format",
        returns=str,
        media="text/plain",
        alike=(503,),
    )
    return [web.get("/metrics", described(answer, about))]
