"""A folder of runs over the recorded life of one real server, and what its log of events says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.events.event import ChangeEvent, RunEvent, parse
from results.events.log import read_lines
from results.ids import event_id, finding_id
from results.record import Endpoint, Observation, Owner, Reason
from results.verdict import Severity, Verdict
from tests.support.ledgers import RunOnDisk
from tests.support.looked import LOOKS, looked

if TYPE_CHECKING:
    from pathlib import Path

IP = "192.0.2.7"
ADDRESS = bytes(10) + b"\xff\xff" + bytes((192, 0, 2, 7))
OWNER = Owner(owner="web on-call", contact="web@example.com", labels={"team": "web"})
LIFE: tuple[str, ...] = (*LOOKS, "closed", "9_compacted", "silent")
"""What each run saw, a day after the other: a recorded look, a server that asks for a login, or nothing."""


def started(day: int) -> str:
    """When the run of a day starts."""
    return f"2026-12-{day:02}T04:00:00.000Z"


def run_id(day: int) -> str:
    """Its name."""
    return f"run-{day:02}"


def seen(look: str, day: int) -> Observation:
    """The observation that a run of a day has of the server."""
    found = looked(look) if look in LOOKS else None
    return Observation(
        event_id=event_id(run_id(day), ADDRESS, 27017),
        finding_id=finding_id("", ADDRESS, 27017),
        run_id=run_id(day),
        observed_at=f"2026-12-{day:02}T04:30:00.000Z",
        verdict=Verdict.OPEN if found else Verdict.AUTH_REQUIRED,
        severity=Severity.HIGH if found else Severity.INFO,
        severity_number=4 if found else 1,
        target=Endpoint(ip=IP, port=27017, hostnames=["db.example.com"]),
        owner=OWNER,
        evidence=[Reason(code="databases-listed" if found else "auth-required")],
        server=found.server if found else None,
        exposure=found.exposure if found else None,
    )


def live(output: Path, days: range | None = None) -> None:
    """Make the runs of these days, by default of the whole life."""
    for day in days or range(1, len(LIFE) + 1):
        look = LIFE[day - 1]
        is_open = look in LOOKS
        outcomes = {"refused": 255, "open" if is_open else "auth_required": 1}
        run = RunOnDisk(output, run_id(day), started(day), organisation="Example", outcomes=outcomes)
        run.begin()
        if look != "silent":
            run.see(seen(look, day))
        run.end()


def told(output: Path) -> list[RunEvent | ChangeEvent]:
    """The events of a log, in its order."""
    found = []
    for line in read_lines(output, 0, 1 << 26)[0]:
        event = parse(line)
        assert isinstance(event, RunEvent | ChangeEvent)
        found.append(event)
    return found
