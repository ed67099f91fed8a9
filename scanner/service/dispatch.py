"""What is started when: schedules, verification, letters to owners, removal of old runs, and what users ask
for."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from results.durations import instant
from results.files import ResultsError
from results.going_on import going_on, process_of
from results.ledger.database import LEDGER_FILE
from results.run import load_manifest
from results.text import visible
from scanner.clock import timestamp
from scanner.errors import ExitCode
from scanner.service.jobs import ScheduleStatus
from scanner.service.orders import Answer
from scanner.service.planner import Planner, Running, ScheduleState, give_up, next_turn, words_of
from scanner.sweep.beside import ranges_of_run

if TYPE_CHECKING:
    from pathlib import Path

    from scanner.clock import Clock
    from scanner.service.jobs import Job, JobKind
    from scanner.service.orders import Order
    from scanner.service.store import Store
    from scanner.service.working import Workshop
    from scanner.setup.config_file import ConfigFile
    from targets.ranges import Ranges

BUSY_PAUSE: Final = 30.0  # seconds until a sweep tries again that met another run, begun just before it
_NEWEST: Final = 2000  # runs among which one that goes on is looked for; who begins one looks at all
_PRUNE_EVERY: Final = "1d"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """What the configuration wants, as it was read last."""

    config: ConfigFile
    planner: Planner


class Dispatcher:
    """Starts jobs in a `Workshop`."""

    def __init__(self, plans: Plans, store: Store, workshop: Workshop, clock: Clock, output: Path) -> None:
        self.plans = plans
        self._store = store
        self._workshop = workshop
        self._clock = clock
        self._output = output
        self._states = _states(store)
        self._last: dict[str, str] = {}
        self._waits: dict[str, str] = {}
        self._next: dict[str, float] = {}
        self._look_at = 0.0
        self._looked_at: list[str] = []
        self._held_until = 0.0  # monotonic: a sweep met another run that began just before it
        kinds: tuple[JobKind, ...] = ("verify", "notify", "prune")
        self._begun: dict[JobKind, float] = {kind: _begun(store.last(kind)) for kind in kinds}
        for name in self._states:
            job = store.last("sweep", name)
            self._last[name] = job.job_id if job is not None else ""

    def wake(self) -> None:
        """Have the next `look` decide anew."""
        self._look_at = 0.0

    def verify_anew(self) -> None:
        """End a verification, which asks by the scope that it read at its beginning, and begin another."""
        if self._workshop.find("verify") is not None:
            self._workshop.break_off("verify")
            self._begun["verify"] = 0.0

    def look(self) -> None:
        """Start what is due now."""
        self._resume()
        self._sweep()
        now, settings = self._clock.wall(), self.plans.config.settings
        service = settings.service
        if not (self._output / LEDGER_FILE).exists():
            return
        self._repeat("verify", ("verify", "--quiet"), service.verify_every, now)
        if settings.recipient:
            self._repeat("notify", ("notify",), service.notify_every, now)
        if service.keep_runs:
            self._repeat("prune", ("ledger", "prune", "--keep", service.keep_runs), _PRUNE_EVERY, now)

    def job_ended(self, job: Job) -> None:
        """Take up again what a job was to do and could not begin."""
        self.wake()
        state = self._states.get(job.schedule)
        if job.kind != "sweep" or job.stopped_by or state is None or not job.due_at:
            return
        busy = job.exit_code == ExitCode.BUSY and not job.resumes
        if busy:
            self._held_until = self._clock.monotonic() + BUSY_PAUSE
        not_begun = job.end == "lost" and not job.run_id
        if busy or not_begun or (job.resumes and job.end == "refused"):
            self._set(job.schedule, msgspec.structs.replace(state, wanted=instant(job.due_at).timestamp()))

    def schedules(self) -> tuple[ScheduleStatus, ...]:
        """Where each schedule of the configuration stands."""
        found = []
        for schedule in self.plans.config.settings.schedule:
            state, at = self._states.get(schedule.name), self._next.get(schedule.name)
            found.append(
                ScheduleStatus(
                    name=schedule.name,
                    cron=schedule.cron,
                    zone=schedule.zone,
                    sites=schedule.sites,
                    owners=schedule.owners,
                    next_at=timestamp(at) if at is not None else "",
                    waits_for=self._waits.get(schedule.name, ""),
                    paused_by=state.paused_by if state is not None else "",
                    last_job=self._last.get(schedule.name, ""),
                )
            )
        return tuple(found)

    # --- what a user asks for -------------------------------------------------------------------------

    async def obey(self, order: Order) -> Answer:
        """Do what an order says, as far as it can be done now."""
        problem = job_id = ""
        if order.do == "stop":
            job_id, problem = order.name, await self._stop(order)
        elif order.do == "verify":
            job_id, problem = self._verify_for(order.by)
        elif order.name not in {schedule.name for schedule in self.plans.config.settings.schedule}:
            there = ", ".join(each.name for each in self.plans.config.settings.schedule) or "none"
            problem = f"there is no schedule {visible(order.name, 80)!r}; write one of these: {there}"
        elif order.do == "start":
            job_id, problem = self._sweep_for(order.name, order.by)
        else:
            self._pause(order.name, order.by if order.do == "pause" else "")
        return Answer(number=order.number, problem=problem, job_id="" if problem else job_id)

    async def _stop(self, order: Order) -> str:
        job = next((each for each in self._workshop.running if each.job_id == order.name), None)
        if job is not None and job.schedule in self._states:
            self._set(job.schedule, give_up(self._states[job.schedule]))
        return await self._workshop.stop(order.name, order.by)

    def _verify_for(self, by: str) -> tuple[str, str]:
        if (job := self._workshop.find("verify")) is not None:
            return job.job_id, ""
        if not (self._output / LEDGER_FILE).exists():
            return "", "nothing was swept yet, so that no exposure is known"
        return self._start("verify", self._command("verify", "--quiet"), asked_by=by).job_id, ""

    def _sweep_for(self, name: str, by: str) -> tuple[str, str]:
        if (job := self._workshop.find("sweep", name)) is not None:
            return job.job_id, ""
        now = self._clock.wall()
        if problem := self.plans.planner.obstacle(name, now, (*self._ours(), *self._others())):
            return "", f"{name} cannot start now: {problem}"
        return self._start_sweep(name, now, by=by).job_id, ""

    def _pause(self, name: str, by: str) -> None:
        state = self._states[name]
        if bool(state.paused_by) != bool(by):
            if by:
                state = give_up(state)
            self._set(name, msgspec.structs.replace(state, paused_by=by))
            _LOG.info("%s %s: %s", name, "is paused" if by else "goes on", visible(by, 80))
            self.wake()

    # --- by the clock ---------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Go on with sweeps that were interrupted, before anything new."""
        while (resume := self._workshop.next_resume()) is not None:
            old = resume.job
            self._start(
                "sweep",
                (*_without_resume(old.command), "--resume", resume.run_id),
                schedule=old.schedule,
                due_at=old.due_at,
                asked_by=old.asked_by,
                resumes=resume.run_id,
            )

    def _sweep(self) -> None:
        now, ours = self._clock.wall(), self._ours()
        if now < self._look_at and [each.what for each in ours] == self._looked_at:
            return
        decision = self.plans.planner.decide(now, self._states, (*ours, *self._others()))
        self._looked_at = [each.what for each in ours]
        for name, state in decision.states.items():
            if state != self._states.get(name):
                self._set(name, state)
        self._store.flush()
        self._waits, self._next, self._look_at = decision.waits, decision.next_starts, decision.look_at
        for missed in decision.missed:
            due = timestamp(missed.due)
            _LOG.warning("%s: the start of %s is left out: %s", missed.name, due, missed.reason)
        for start in decision.starts:
            self._start_sweep(start.name, start.due)

    def _repeat(self, kind: JobKind, words: tuple[str, ...], every: str, now: float) -> None:
        if not every or self._workshop.find(kind) is not None:
            return
        if next_turn(every, self._begun[kind], now) <= now:
            self._start(kind, self._command(*words))

    def _ours(self) -> tuple[Running, ...]:
        """The sweeps that this service runs, or is about to go on with."""
        jobs, resumes = self._workshop.running, self._workshop.resumes
        found = [
            Running(f"the sweep of {job.schedule}", self._part(job.schedule))
            for job in jobs
            if job.kind == "sweep"
        ]
        found += [
            Running(f"the interrupted sweep of {name}, which goes on first", self._part(name))
            for name in (each.job.schedule for each in resumes)
        ]
        if self._clock.monotonic() < self._held_until:
            found.append(Running("another run"))
        return tuple(found)

    def _part(self, schedule: str) -> Ranges | None:
        """The addresses of a schedule; None for one that the configuration has no more."""
        try:
            return self.plans.planner.ranges_of(schedule)
        except KeyError:
            return None

    def _others(self) -> tuple[Running, ...]:
        """The sweeps that people started in this output directory."""
        found = []
        jobs = self._workshop.running
        runs, processes = {job.run_id for job in jobs}, {job.pid for job in jobs}
        for path in going_on(self._output, newest=_NEWEST):
            if path.name in runs or process_of(path) in processes:
                continue
            ranges = None
            with contextlib.suppress(ResultsError):
                manifest, _ = load_manifest(path)
                if manifest.purpose:
                    continue
                ranges = ranges_of_run(path, manifest)
            found.append(Running(f"the run {path.name}, which was started by hand", ranges))
        return tuple(found)

    # --- starting -------------------------------------------------------------------------------------

    def _start_sweep(self, name: str, due: float, *, by: str = "") -> Job:
        settings = self.plans.config.settings
        (schedule,) = (each for each in settings.schedule if each.name == name)
        command = self._command("sweep", "--quiet", *words_of(schedule, settings.fleet))
        return self._start("sweep", command, schedule=name, due_at=timestamp(due), asked_by=by)

    def _command(self, *words: str) -> tuple[str, ...]:
        """A command line: these words with the files, which every command gets."""
        files = ("-c", self.plans.config.path, "-o", str(self._output))
        place = 2 if words[0] == "ledger" else 1
        return ("mongosweep", *words[:place], *files, *words[place:])

    def _start(
        self,
        kind: JobKind,
        command: tuple[str, ...],
        *,
        schedule: str = "",
        due_at: str = "",
        asked_by: str = "",
        resumes: str = "",
    ) -> Job:
        self._begun[kind] = self._clock.wall()
        job = self._workshop.start(
            kind, command, schedule=schedule, due_at=due_at, asked_by=asked_by, resumes=resumes
        )
        if schedule:
            self._last[schedule] = job.job_id
        return job

    def _set(self, name: str, state: ScheduleState) -> None:
        self._states[name] = state
        self._store.keep_schedule(name, msgspec.json.encode(state))


def _states(store: Store) -> dict[str, ScheduleState]:
    """What is remembered of each schedule; one that does not read is unknown, and begins anew."""
    found = {}
    for name, body in store.schedules().items():
        try:
            found[name] = msgspec.json.decode(body, type=ScheduleState)
        except msgspec.MsgspecError as error:
            _LOG.warning("what was remembered of the schedule %s does not read: %s", name, error)
    return found


def _begun(job: Job | None) -> float:
    return instant(job.started_at).timestamp() if job is not None else 0.0


def _without_resume(command: tuple[str, ...]) -> tuple[str, ...]:
    place = command.index("--resume") if "--resume" in command else len(command)
    return (*command[:place], *command[place + 2 :])
