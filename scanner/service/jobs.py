"""Jobs as types: what the service started, is running and will start; `service.sqlite` keeps them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

JobKind = Literal["sweep", "verify", "notify", "prune"]

JobEnd = Literal["", "complete", "incomplete", "stopped", "refused", "failed", "lost"]
"""How a job ended. "": it has not. `complete`: exit code 0 or 1. `incomplete`: 3, for another reason than
that it was stopped. `stopped`: a person, or the time over. `refused`: 2, nothing was sent. `lost`: the
service was not there to see."""


class Job(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One command that the service runs. Times are RFC 3339 text in UTC with milliseconds, "" not yet.

    `command` is what a person would type, word by word. `due_at`: when the schedule wanted it. `run_id`: its
    run, once that is known, `resumes` the run that it goes on with. `asked_by`: the user who wanted it now,
    "" for the clock; `stopped_by`: who stopped it. `said`: its last lines on stderr, hostile text.
    """

    job_id: str
    kind: JobKind
    schedule: str = ""
    command: tuple[str, ...] = ()
    due_at: str = ""
    started_at: str
    ended_at: str = ""
    pid: int = 0
    exit_code: int | None = None
    end: JobEnd = ""
    run_id: str = ""
    resumes: str = ""
    asked_by: str = ""
    stopped_by: str = ""
    said: tuple[str, ...] = ()


class ScheduleStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where one schedule stands. `next_at` has its jitter in it; `waits_for` says in words why it does not
    start although it is due; `paused_by` is the user who paused it."""

    name: str
    cron: str
    zone: str = "UTC"
    sites: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    next_at: str = ""
    waits_for: str = ""
    paused_by: str = ""
    last_job: str = ""


class ServiceStatus(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where the service stands. `beat_at`: when it said so last; `warnings` are sentences for a person, such
    as a clock that jumped, a configuration that cannot be read any more, or a certificate that expires."""

    started_at: str
    beat_at: str
    version: str
    pid: int = 0
    schedules: tuple[ScheduleStatus, ...] = ()
    running: tuple[Job, ...] = ()
    forwarding: bool = False
    warnings: tuple[str, ...] = ()
    loop_lag_seconds: float = 0.0
