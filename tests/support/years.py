"""An output directory as years of weekly sweeps leave it, made up: runs, their ledger, and what people did.

`python -m tests.support.years DIRECTORY [--exposures N] [--actions N] [--runs N]` makes one to look at.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from results.covered import encode as encode_covered
from results.covered import parse_row
from results.durations import plus
from results.ids import event_id, finding_id
from results.ledger.action import GENESIS, ActionRecord, sealed
from results.ledger.actions import ACTIONS_FILE, HEAD_FILE
from results.ledger.intake import catch_up
from results.ledger.store import Ledger
from results.lines import to_lines
from results.manifest import COVERED_FILE, Authorisation, Manifest, Planned, ScopeInUse, Who
from results.manifest import encode as encode_manifest
from results.record import Collection, Database, Endpoint, Exposure, Observation, Owner, Reason, Server
from results.summary import Coverage
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from results.ledger.action import ActionKind
    from results.ledger.tracked import TrackedExposure

LAST = datetime(2026, 3, 1, 4, tzinfo=UTC)
SITES = ("paris", "lyon", "berlin", "madrid", "oslo")
OWNERS = tuple(
    f"{name} {kind}"
    for name in ("web", "shop", "data", "mail", "lab", "billing", "search", "press")
    for kind in ("on-call", "platform", "archive")
)
_FIRST = IPv4Address("10.0.0.0")
_NUMBERS = {severity: 5 - severity.rank for severity in Severity}
_SEVERITIES = (Severity.CRITICAL, Severity.HIGH, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
HOSTILE = ("<img src=x onerror=alert(1)>", "a\u202eb\x1b[31m", '";alert(1)//', "{{7*7}}")
"""Names of databases that a few of the servers have."""


@dataclass(frozen=True)
class Years:
    """How much of everything. `last` is when the newest run began; the others were a week apart before."""

    exposures: int = 300
    actions: int = 4000
    runs: int = 12
    addresses: int = 1_000_000
    last: datetime = LAST
    open_part: float = 0.4

    def began(self, week: int) -> str:
        """When the run of a week began."""
        return _text(self.last - timedelta(weeks=self.runs - 1 - week))


WHOLE = Years(exposures=10_000, actions=200_000, runs=156)


@dataclass(frozen=True)
class _Life:
    """A server that is open in the runs of the weeks from `first` up to `end`, and asks for a login then."""

    number: int
    ip: IPv4Address
    first: int
    end: int
    severity: Severity
    owner: Owner
    hostile: str


def build(output: Path, size: Years = Years()) -> None:
    """Write the runs, take them into the ledger, and write the actions."""
    output.mkdir(parents=True, exist_ok=True)
    lives = list(_lives(size))
    by_week: dict[int, list[_Life]] = {}
    for life in lives:
        for week in range(life.first, min(life.end + 1, size.runs)):
            by_week.setdefault(week, []).append(life)
    for week in range(size.runs):
        _write_run(output, size, week, by_week.get(week, []))
    catch_up(output)
    with Ledger.open(output) as ledger:
        exposures = ledger.exposures(beside_last_sweep=False)
    write_actions(output, _done(exposures, size))


def _lives(size: Years) -> Iterator[_Life]:
    chance = random.Random(7)
    step = size.addresses // size.exposures
    for number in range(size.exposures):
        weeks = min(size.runs, 1 + int(chance.expovariate(1 / 10)))
        if chance.random() < size.open_part:
            first, end = size.runs - weeks, size.runs
        else:
            first = chance.randrange(max(1, size.runs - weeks))
            end = first + weeks
        ip = _FIRST + number * step + chance.randrange(step)
        site = SITES[number * len(SITES) // size.exposures]
        owner = OWNERS[min(int(chance.expovariate(0.25)), len(OWNERS) - 1)]
        yield _Life(
            number=number,
            ip=ip,
            first=first,
            end=end,
            severity=chance.choice(_SEVERITIES),
            owner=Owner(
                owner=owner,
                contact=f"{owner.partition(' ')[0]}@example.com",
                site=site,
                allow=f"{IPv4Address(int(ip) & 0xFFFF0000)}/16",
            ),
            hostile=HOSTILE[number // 50 % len(HOSTILE)] if number % 50 == 0 else "",
        )


def _write_run(output: Path, size: Years, week: int, seen: list[_Life]) -> None:
    began = size.began(week)
    run_id = f"{began[:19].replace('-', '').replace(':', '')}Z-{week:08x}"
    path = output / run_id
    path.mkdir()
    last = _FIRST + size.addresses - 1
    covered, data = encode_covered([parse_row(f"{_FIRST}-{last}:27017")])
    (path / COVERED_FILE).write_bytes(data)
    degraded = week % 13 == 5
    missed = 1500 if degraded else 0
    manifest = Manifest(
        run_id=run_id,
        created_at=began,
        tool_version="1.0",
        who=Who(uid=1000, user="mongosweep", host="probe-1"),
        authorisations=[
            Authorisation(
                entry=f"10.{number}.0.0/16",
                owner=OWNERS[number],
                authorised_by="head of operations",
                expires="2027-01-01",
            )
            for number in range(16)
        ],
        scope=ScopeInUse(
            digest="d" * 64,
            entries=[f"allow 10.{number}.0.0/16 owner {OWNERS[number]}" for number in range(16)],
        ),
        seed=7,
        planned=Planned(targets=size.addresses, addresses=size.addresses, ports=[27017]),
        covered=covered,
        coverage=Coverage(planned=size.addresses, outcomes=size.addresses - missed, not_reached=missed),
        outcomes={
            "open": sum(week < life.end for life in seen),
            "auth_required": sum(week >= life.end for life in seen),
            "timeout": size.addresses - missed - len(seen),
        },
        state="degraded" if degraded else "complete",
        reasons=["a canary did not answer"] if degraded else [],
        ended_at=plus(began, 5400),
    )
    (path / "manifest.json").write_bytes(encode_manifest(manifest))
    with (path / "observations-0001.jsonl").open("wb") as file:
        for life in seen:
            file.write(b"".join(to_lines(_observation(life, week, run_id, plus(began, 600)))))


def _observation(life: _Life, week: int, run_id: str, at: str) -> Observation:
    packed = b"\0" * 10 + b"\xff\xff" + life.ip.packed
    is_open = week < life.end
    seen = Observation(
        event_id=event_id(run_id, packed, 27017),
        finding_id=finding_id(life.owner.site, packed, 27017),
        run_id=run_id,
        observed_at=at,
        target=Endpoint(
            ip=str(life.ip),
            port=27017,
            hostnames=[f"db-{life.number}.{life.owner.site}.example.com"] if life.number % 3 == 0 else [],
        ),
        owner=life.owner,
        verdict=Verdict.OPEN if is_open else Verdict.AUTH_REQUIRED,
        evidence=[Reason(code="databases-listed" if is_open else "auth-required")],
        severity=life.severity if is_open else Severity.INFO,
        severity_number=_NUMBERS[life.severity] if is_open else 1,
        server=Server(
            product="mongodb",
            version=("4.0.3", "4.4.29", "6.0.14", "7.0.5")[life.number % 4],
            version_source="buildInfo",
            topology="standalone",
        ),
    )
    return msgspec.structs.replace(seen, exposure=_holds(life, week)) if is_open else seen


def _holds(life: _Life, week: int) -> Exposure:
    documents = 100 * (1 + life.number % 97) + week
    names = [life.hostile or f"app{life.number % 11}", *(("sessions",) if life.number % 2 else ())]
    held = [
        Database(
            name=name,
            size_bytes=documents * 2048,
            documents=documents,
            collections=[
                Collection(
                    name=f"c{nth}",
                    uuid=f"{life.number:08x}-{number:04x}-4000-8000-{nth:012x}",
                    documents=documents,
                    size_bytes=documents * 1024,
                )
                for nth in range(2)
            ],
            collections_known=True,
        )
        for number, name in enumerate(names)
    ]
    return Exposure(
        access="full",
        database_count=len(held),
        documents=documents * len(held),
        total_size_bytes=documents * 2048 * len(held),
        databases=held,
    )


# --- what people did --------------------------------------------------------------------------------------


def _done(exposures: list[TrackedExposure], size: Years) -> list[ActionRecord]:
    """Messages in three stages that name a few exposures each, and what people did between."""
    chance, end = random.Random(11), plus(size.began(size.runs - 1), 12 * 3600)
    found: list[ActionRecord] = []
    number = 0
    while len(found) < size.actions:
        one = exposures[number % len(exposures)]
        at = min(plus(one.first_seen_open, chance.randrange(600, 40 * 86_400)), end)
        number += 1
        if number % 3 == 0:
            others = chance.sample(exposures, k=min(4, len(exposures)))
            found += _message(at, f"m-{number:08x}", [one, *others])
        elif number % 23 == 0:
            found.append(_did("accepted", at, one, plus(at, chance.randrange(7, 300) * 86_400)))
        else:
            found.append(_did("acknowledged" if number % 2 else "noted", at, one))
    found = found[: size.actions]
    return sorted(found, key=lambda record: record.at)


def _did(kind: ActionKind, at: str, one: TrackedExposure, until: str = "") -> ActionRecord:
    ids = [one.exposure_id]
    return ActionRecord(
        at=at, kind=kind, exposure_ids=ids, by="web on-call", until=until, detail="the firewall comes soon"
    )


def _message(at: str, name: str, about: list[TrackedExposure]) -> Iterator[ActionRecord]:
    ids = [one.exposure_id for one in about]
    to = [about[0].owner.contact]
    yield ActionRecord(
        at=at,
        kind="warned",
        exposure_ids=ids,
        by="notify",
        to=to,
        message_id=name,
        transport="smtp",
        stage="intended",
    )
    yield ActionRecord(at=plus(at, 1), kind="warned", message_id=name, stage="handing-over")
    yield ActionRecord(at=plus(at, 2), kind="warned", message_id=name, stage="done", detail="250 2.0.0 Ok")


def write_actions(output: Path, records: Iterable[ActionRecord]) -> None:
    """The file of them, without an fsync a line."""
    last, lines = GENESIS, []
    for record in records:
        written, line = sealed(record, last)
        last = written.hash
        lines.append(line)
    (output / ACTIONS_FILE).write_bytes(b"".join(lines))
    (output / HEAD_FILE).write_bytes(msgspec.json.encode({"lines": len(lines), "hash": last}) + b"\n")


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def main() -> None:
    """Make one."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.years", description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--exposures", type=int, default=WHOLE.exposures)
    parser.add_argument("--actions", type=int, default=WHOLE.actions)
    parser.add_argument("--runs", type=int, default=WHOLE.runs)
    options = parser.parse_args()
    yesterday = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    size = Years(exposures=options.exposures, actions=options.actions, runs=options.runs, last=yesterday)
    build(options.directory, size)


if __name__ == "__main__":
    main()
