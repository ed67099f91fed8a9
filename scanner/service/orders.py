"""What the page may ask of the service, over the socket between the two: JSON, one object a line.

It can start what the configuration names, stop what runs, and pause a schedule; it has no word for a scope, a
command or a file.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

MAX_LINE = 4096  # bytes


Doing = Literal["start", "stop", "pause", "resume", "verify"]


class Order(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order by a user. `name` is that of a schedule for `start`, `pause` and `resume`, the id of a job
    for `stop`, and "" for `verify` (ask every open exposure again now)."""

    number: int
    do: Doing
    name: str = ""
    by: str


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of it: `problem` is a sentence for the person, "" when it was done; `job_id` is the job
    that was started or stopped."""

    number: int
    problem: str = ""
    job_id: str = ""
