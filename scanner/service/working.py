"""The jobs that run: started, watched, stopped, and taken over from a service that was killed.

A sweep that nobody stopped, and that did not end in order, goes on where it was (`sweep --resume`): one whose
service was killed at once, one that died by itself after a while, a few times.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from results.durations import instant
from results.files import ResultsError
from results.going_on import process_of
from results.manifest import MANIFEST_FILE
from results.runs import run_info
from results.text import visible
from scanner.clock import timestamp
from scanner.errors import ExitCode
from scanner.program import PROGRAM
from scanner.service.children import Child, environment
from scanner.service.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from results.runs import RunState
    from scanner.clock import Clock
    from scanner.service.jobs import JobEnd, JobKind
    from scanner.service.store import Store

STOP: Final = (0.4, 0.5)
"""Seconds after SIGTERM until a second one, which waits for no server, and from there until SIGKILL, which a
run survives: less than one together."""
FAREWELL: Final = (8.0, 4.0)  # the same when the service itself is told to end, and nobody waits at a button
MOST_RESUMES: Final = 3  # of a sweep that died by itself
RESUME_AFTER: Final = 30.0  # seconds; doubled each time
_GOES_ON: Final = (None, "aborted", "interrupted", "failed")  # states of runs; None: it had made none yet
_CLOCKS_DIFFER: Final = 5.0  # seconds by which the name of a run may be older than its job
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Work:
    """`must_read`: it is still to be told that its scope may be another one than it read."""

    job: Job
    child: Child
    must_read: bool = False


@dataclass(slots=True)
class Resume:
    """A run to go on with, from `not_before` (monotonic seconds) on, as the job that it was."""

    run_id: str
    job: Job
    not_before: float


@dataclass(slots=True)
class Workshop:
    """All jobs of one output directory. `ended` is told of each that ended."""

    output: Path
    store: Store
    clock: Clock
    ended: Callable[[Job], None]
    resumes: list[Resume] = field(default_factory=list)
    _works: dict[str, _Work] = field(default_factory=dict)
    _deaths: dict[str, int] = field(default_factory=dict)
    _leaving: bool = False
    _watching: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def running(self) -> tuple[Job, ...]:
        """Jobs that run, the oldest first."""
        return tuple(work.job for work in self._works.values())

    def find(self, kind: JobKind, schedule: str = "") -> Job | None:
        """A running job of this kind, and of this schedule."""
        return next((job for job in self.running if (job.kind, job.schedule) == (kind, schedule)), None)

    def start(
        self,
        kind: JobKind,
        command: tuple[str, ...],
        *,
        schedule: str = "",
        due_at: str = "",
        asked_by: str = "",
        resumes: str = "",
    ) -> Job:
        """Start a job. It is written down before there is a process, so that none is ever forgotten; one that
        could not be started has ended when this returns."""
        job = Job(
            job_id=f"job-{secrets.token_hex(6)}",
            kind=kind,
            schedule=schedule,
            command=command,
            due_at=due_at,
            started_at=timestamp(self.clock.wall()),
            asked_by=asked_by,
            run_id=resumes,
            resumes=resumes,
        )
        self._keep(job)
        try:
            child = Child.start((*PROGRAM, *command[1:]), environment(secrets=True))
        except OSError as error:
            return self._close(job, "failed", said=(f"it could not be started: {error.strerror}",))
        job = msgspec.structs.replace(job, pid=child.pid)
        self._keep(job)
        _LOG.info("started %s", _called(job))
        self._works[job.job_id] = _Work(job, child)
        self._watch(job.job_id, child)
        return job

    def take_over(self) -> None:
        """At the start of the service: what an earlier one left running goes on, or is resumed."""
        for job in self.store.running():
            child = Child.adopt(job.pid, (*PROGRAM, *job.command[1:]))
            if child is not None:
                _LOG.info("still running: %s", _called(job))
                self._works[job.job_id] = _Work(job, child, must_read=job.kind == "sweep")
                self._watch(job.job_id, child)
            else:
                found = self._with_run(job)
                self._finish(found, None, ())

    def look(self) -> None:
        """Learn which run each job has made, and have those read their scope again that could not before."""
        for work in self._works.values():
            if not work.job.run_id and work.job.kind in ("sweep", "verify"):
                found = self._with_run(work.job)
                if found.run_id:
                    work.job = found
                    self._keep(found)
            self._tell(work)

    async def stop(self, job_id: str, by: str) -> str:
        """Stop a job for a person, within a second. Returns why that cannot be, "" when it was done."""
        work = self._works.get(job_id)
        if work is None:
            running = ", ".join(self._works)
            return f"no such job runs; {f'these do: {running}' if running else 'none does'}"
        work.job = msgspec.structs.replace(work.job, stopped_by=by)
        self._keep(work.job)
        _LOG.info("%s stops %s", visible(by, 80), _called(work.job))
        await work.child.end(*STOP)
        return ""

    def hang_up(self) -> None:
        """Have running sweeps read their scope again; one that has only begun is told once it has a run,
        because it may have read its scope already and takes no signal yet."""
        for work in self._works.values():
            if work.job.kind == "sweep":
                work.must_read = True
                self._tell(work)

    def _tell(self, work: _Work) -> None:
        if work.must_read and work.job.run_id:
            work.must_read = False
            work.child.signal(signal.SIGHUP)

    def break_off(self, kind: JobKind) -> None:
        """End the jobs of a kind in order, without waiting for it."""
        for work in self._works.values():
            if work.job.kind == kind:
                work.child.signal(signal.SIGTERM)

    async def leave(self) -> None:
        """Stop everything because the service ends. A sweep stays as if the service had been killed, so that
        the next one goes on with it."""
        self._leaving = True
        await asyncio.gather(*(work.child.end(*FAREWELL) for work in self._works.values()))
        await asyncio.gather(*self._watching)

    def next_resume(self) -> Resume | None:
        """Take a run that is to go on now; None where there is none."""
        now = self.clock.monotonic()
        for resume in self.resumes:
            if resume.not_before <= now:
                self.resumes.remove(resume)
                return resume
        return None

    # --- the end of one -------------------------------------------------------------------------------

    def _watch(self, job_id: str, child: Child) -> None:
        async def wait() -> None:
            await child.ended.wait()
            work = self._works.pop(job_id)
            self._finish(self._with_run(work.job), child.exit_code, child.said())

        task = asyncio.get_running_loop().create_task(wait())
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    def _finish(self, job: Job, code: int | None, said: tuple[str, ...]) -> None:
        state = self._state(job)
        if self._leaving and job.kind == "sweep" and not job.stopped_by and state in _GOES_ON:
            self._keep(job)  # it has not ended
            return
        told = self._leaving or bool(job.stopped_by)
        end = _end_unseen(job, state) if code is None else _end(code, state, told_to=told)
        if job.kind == "sweep" and not job.stopped_by:
            self._think_of_resuming(job, code, state)
        self._close(job, end, code=code, said=said)

    def _think_of_resuming(self, job: Job, code: int | None, state: RunState | None) -> None:
        """A sweep that did not end in order goes on; one that died by itself not for ever."""
        if not job.run_id or state not in _GOES_ON:
            return
        if code is None:
            self.resumes.append(Resume(job.run_id, job, self.clock.monotonic()))
        elif code == ExitCode.BUSY:
            self.resumes.append(Resume(job.run_id, job, self.clock.monotonic() + RESUME_AFTER))
        elif code < 0 or code in (ExitCode.STORAGE, ExitCode.BUG):
            deaths = self._deaths[job.run_id] = self._deaths.get(job.run_id, 0) + 1
            if deaths <= MOST_RESUMES:
                wait = RESUME_AFTER * 2 ** (deaths - 1)
                self.resumes.append(Resume(job.run_id, job, self.clock.monotonic() + wait))
                _LOG.warning("%s died; it goes on in %.0f s", _called(job), wait)

    def _close(self, job: Job, end: JobEnd, *, code: int | None = None, said: tuple[str, ...] = ()) -> Job:
        job = msgspec.structs.replace(
            job, ended_at=timestamp(self.clock.wall()), exit_code=code, end=end, said=said
        )
        self._keep(job)
        _LOG.log(
            logging.INFO if end in ("complete", "stopped") else logging.WARNING,
            "%s: %s%s",
            _called(job),
            end,
            f": {said[-1]}" if said and end in ("refused", "failed") else "",
        )
        self.ended(job)
        return job

    def _keep(self, job: Job) -> None:
        self.store.keep_job(job)
        self.store.flush()

    # --- its run --------------------------------------------------------------------------------------

    def _with_run(self, job: Job) -> Job:
        """The job with the run that its process made, if it made one: the lock of a run names its process."""
        if job.run_id or job.pid <= 0:
            return job
        began = instant(job.started_at).timestamp() - _CLOCKS_DIFFER
        oldest = "".join(character for character in timestamp(began)[:19] if character.isalnum())
        with contextlib.suppress(OSError):
            for path in self.output.iterdir():
                if path.name >= oldest and process_of(path) == job.pid and (path / MANIFEST_FILE).is_file():
                    return msgspec.structs.replace(job, run_id=path.name)
        return job

    def _state(self, job: Job) -> RunState | None:
        if not job.run_id:
            return None
        try:
            return run_info(self.output / job.run_id).state
        except (ResultsError, OSError):
            return None


def _end(code: int, state: RunState | None, *, told_to: bool) -> JobEnd:
    if told_to and (code < 0 or code == ExitCode.INCOMPLETE):
        return "stopped"
    if code in (ExitCode.CLEAN, ExitCode.OPEN):
        return "complete"
    if code == ExitCode.INCOMPLETE:
        return "stopped" if state == "interrupted" else "incomplete"
    return "refused" if code == ExitCode.REFUSED else "failed"


def _end_unseen(job: Job, state: RunState | None) -> JobEnd:
    """Of a job whose exit code nobody saw, by the state of its run."""
    if state == "complete":
        return "complete"
    if job.stopped_by:
        return "stopped"
    return "incomplete" if state == "degraded" else "lost"


def _called(job: Job) -> str:
    """A job in a line of the log."""
    what = {"sweep": f"sweep of {job.schedule}", "verify": "verification", "notify": "notify"}.get(
        job.kind, "removal of old runs"
    )
    run = f", run {job.run_id}" if job.run_id else ""
    return f"{what} ({job.job_id}{run})"
