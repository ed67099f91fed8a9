"""Speed of the ledger: `python -m bench.ledger [--quick] [--no-write]` takes in made-up runs and writes
LEDGER.md.

The mix of a large run: 80 in 100 ask for a login, 19 are unknown, one is open with four databases of three
collections; a quarter have a host name. The long history: weekly runs that all see the same open servers,
each with two databases, and other counts each time. What is compared is CPU time of the process that does it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bench.report import load, machine
from results.covered import encode as encode_covered
from results.covered import parse_row
from results.ids import event_id, finding_id
from results.lines import to_lines
from results.manifest import COVERED_FILE, Manifest, Planned, ScopeInUse, Who
from results.manifest import encode as encode_manifest
from results.record import Collection, Database, Endpoint, Exposure, Observation, Owner, Reason, Server
from results.summary import Coverage
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).parent.parent
MIXED = (
    "import sys; from pathlib import Path; from bench.ledger import mixed, write_run\n"
    "output, week, count = Path(sys.argv[1]), *map(int, sys.argv[2:])\n"
    "write_run(output, week, mixed(count, week))"
)
TAKE_IN = (
    "import sys; from pathlib import Path; from results.ledger.intake import catch_up\n"
    "catch_up(Path(sys.argv[1]))"
)
EXPOSURES = (
    "import os, sys; from scanner.cli import main\n"
    "os.dup2(os.open(os.devnull, os.O_WRONLY), 1)\n"
    "sys.exit(main(['exposures', '--format', 'jsonl', '--fail-on', 'never', '-o', sys.argv[1]]))"
)

DIFF = (
    "import sys; from pathlib import Path; from results.diff.pick import load_run\n"
    "from results.diff.runs import diff_runs\n"
    "print(diff_runs(*(load_run(Path(path)) for path in sys.argv[1:])).counts)"
)


@dataclass(frozen=True)
class Cost:
    """What a child process took."""

    cpu: float
    wall: float
    rss: int


@dataclass(frozen=True)
class Goal:
    """One line of the table. `better` is +1 when more is better, -1 when less is."""

    text: str
    goal: float
    measured: float
    unit: str
    better: int = 1

    @property
    def word(self) -> str:
        """Reached, or not."""
        return "reached" if (self.measured - self.goal) * self.better >= 0 else "**falls short**"


def cost_of(program: str, *arguments: str) -> Cost:
    """Run Python code in a process of its own."""
    began = datetime.now(UTC)
    child = os.posix_spawn(
        sys.executable, [sys.executable, "-c", program, *arguments], {**os.environ, "PYTHONPATH": str(ROOT)}
    )
    _, status, usage = os.wait4(child, 0)
    if status:
        raise RuntimeError(f"the process ended with {os.waitstatus_to_exitcode(status)}")
    wall = (datetime.now(UTC) - began).total_seconds()
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024)


# --- runs -------------------------------------------------------------------------------------------------


def time_of(week: int) -> str:
    """The beginning of a weekly run."""
    began = datetime(2023, 1, 2, 4, tzinfo=UTC) + timedelta(weeks=week)
    return began.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write_run(output: Path, week: int, observations: Iterable[Observation]) -> None:
    """One complete run over 10/8."""
    path = output / f"run-{week:04}"
    path.mkdir(parents=True)
    covered, data = encode_covered([parse_row("10.0.0.0-10.255.255.255:27017")])
    (path / COVERED_FILE).write_bytes(data)
    manifest = Manifest(
        run_id=path.name,
        created_at=time_of(week),
        tool_version="1.0",
        who=Who(uid=1000, user="bench", host="bench"),
        scope=ScopeInUse(digest="d" * 64, entries=["allow 10.0.0.0/8"]),
        seed=7,
        planned=Planned(targets=1 << 24, addresses=1 << 24, ports=[27017]),
        covered=covered,
        coverage=Coverage(planned=1 << 24, outcomes=1 << 24),
        state="complete",
        ended_at=time_of(week).replace("T04", "T05"),
    )
    (path / "manifest.json").write_bytes(encode_manifest(manifest))
    with (path / "observations-0001.jsonl").open("wb") as file:
        for seen in observations:
            file.write(b"".join(to_lines(seen, read_before=True)))


def seen_at(place: int, week: int, verdict: Verdict) -> Observation:
    """What a server shows that is not open."""
    packed = b"\0" * 10 + b"\xff\xff" + (10 << 24 | place).to_bytes(4, "big")
    ip = f"10.{place >> 16 & 255}.{place >> 8 & 255}.{place & 255}"
    run_id = f"run-{week:04}"
    return Observation(
        event_id=event_id(run_id, packed, 27017),
        finding_id=finding_id("paris", packed, 27017),
        run_id=run_id,
        observed_at=time_of(week).replace("T04:00", "T04:10"),
        target=Endpoint(ip=ip, port=27017, hostnames=[f"h{place}.example.com"] if place % 4 == 0 else []),
        owner=Owner(owner=f"team {place >> 16}", contact="web@example.com", site="paris", allow="10.0.0.0/8"),
        verdict=verdict,
        evidence=[Reason(code="auth-required", detail="listDatabases: code 13")],
        severity=Severity.INFO,
        severity_number=1,
        server=Server(product="mongodb", version="7.0.5", version_source="buildInfo"),
    )


def open_at(place: int, week: int, databases: int, collections: int) -> Observation:
    """An open server that grows from week to week."""
    held = [
        Database(
            name=f"db{number}",
            size_bytes=1 << 20,
            documents=100 + week,
            collections=[
                Collection(
                    name=f"c{nth}",
                    uuid=f"{place:08x}-{number:04x}-4000-8000-{nth:012x}",
                    documents=100 + week,
                    size_bytes=4096 * (week + 1),
                )
                for nth in range(collections)
            ],
            collections_known=True,
        )
        for number in range(databases)
    ]
    exposure = Exposure(
        access="full",
        database_count=databases,
        documents=(100 + week) * databases,
        total_size_bytes=databases << 20,
        databases=held,
    )
    return msgspec.structs.replace(
        seen_at(place, week, Verdict.OPEN),
        severity=Severity.HIGH,
        severity_number=4,
        evidence=[Reason(code="databases-listed")],
        exposure=exposure,
    )


def mixed(count: int, week: int = 0) -> Iterable[Observation]:
    """The mix of a large run, in no order of addresses."""
    chance = random.Random(7)
    for place in chance.sample(range(1 << 24), count):
        part = chance.random()
        if part < 0.01:
            yield open_at(place, week, 4, 3)
        else:
            yield seen_at(place, week, Verdict.AUTH_REQUIRED if part < 0.81 else Verdict.UNKNOWN)


def write_mixed(output: Path, week: int, count: int) -> None:
    """A large run, in a process of its own: a child's peak memory begins with that of its parent."""
    cost_of(MIXED, str(output), str(week), str(count))


# --- what is measured -------------------------------------------------------------------------------------


def taking_in(folder: Path, count: int) -> list[Goal]:
    """One large run, and one of a tenth beside it for the memory."""
    costs = []
    for size in (count // 10, count):
        output = folder / f"mixed-{size}"
        write_mixed(output, 0, size)
        costs.append(cost_of(TAKE_IN, str(output)))
        shutil.rmtree(output)
    small, large = costs
    return [
        Goal(f"{count:,} observations taken in, a second of CPU", 10_000, count / large.cpu, "/s"),
        Goal(
            f"peak RSS of {count:,} over that of {count // 10:,}",
            20,
            (large.rss / small.rss - 1) * 100,
            " %",
            -1,
        ),
        Goal(f"peak RSS of {count:,}", 150, large.rss / 1e6, " MB", -1),
    ]


def history(folder: Path, runs: int, exposures: int) -> list[Goal]:
    """A ledger of years, built at once; then one more run, then a look."""
    output = folder / "history"
    for week in range(runs - 1):
        write_run(output, week, (open_at(place * 4096, week, 2, 2) for place in range(exposures)))
    cost_of(TAKE_IN, str(output))
    write_run(output, runs - 1, (open_at(place * 4096, runs - 1, 2, 2) for place in range(exposures)))
    more = cost_of(TAKE_IN, str(output))
    look = min((cost_of(EXPOSURES, str(output)) for _ in range(5)), key=lambda cost: cost.cpu)
    size = (output / "ledger.sqlite").stat().st_size
    shutil.rmtree(output)
    what = f"{runs} runs of {exposures:,} exposures"
    return [
        Goal(f"{what}: the last run taken in, CPU", 60, more.cpu, " s", -1),
        Goal(f"{what}: `exposures`, start-up included, CPU", 0.5, look.cpu, " s", -1),
        Goal(f"{what}: the ledger's file", 1000, size / 1e6, " MB", -1),
    ]


def comparing(folder: Path, count: int) -> list[Goal]:
    """Two large runs of which every open server grew in between."""
    output = folder / "two"
    for week in (0, 1):
        write_mixed(output, week, count)
    cost = cost_of(DIFF, *(str(output / f"run-{week:04}") for week in (0, 1)))
    shutil.rmtree(output)
    return [
        Goal(f"two runs of {count:,} compared, CPU", 10, cost.cpu, " s", -1),
        Goal(f"two runs of {count:,} compared, peak RSS", 250, cost.rss / 1e6, " MB", -1),
    ]


def markdown(goals: list[Goal], busy: str) -> str:
    """The whole page."""
    lines = [
        "# What was measured of the ledger",
        "",
        f"`python -m bench.ledger` on {machine()}. Rates and times are of CPU, user and system,",
        "of the process that does it. The mix: 80 in 100 ask for a login, 19 are unknown, one is open with",
        "four databases of three collections. The history: weekly runs that all see the same open servers,",
        "with other counts each time.",
        "",
        busy,
        "",
        "| | goal | measured | |",
        "|---|---|---|---|",
    ]
    for goal in goals:
        sign = "at least" if goal.better > 0 else "at most"
        value = f"{goal.measured:,.0f}" if goal.measured >= 100 else f"{goal.measured:.2f}"
        lines.append(f"| {goal.text} | {sign} {goal.goal:,g}{goal.unit} | {value}{goal.unit} | {goal.word} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, write, print; 0 when all goals were reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--no-write", action="store_true", help="leave LEDGER.md as it is")
    options = parser.parse_args()
    part = 10 if options.quick else 1
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        goals = taking_in(Path(folder), 1_000_000 // part)
        goals += comparing(Path(folder), 1_000_000 // part)
        goals += history(Path(folder), 156 // part, 2000 // (2 if options.quick else 1))
    if not options.no_write:
        (ROOT / "bench" / "LEDGER.md").write_text(markdown(goals, load(before)))
    for goal in goals:
        print(f"{goal.text:72} {goal.goal:>8g}{goal.unit:3} {goal.measured:>12,.2f} {goal.word.strip('*')}")
    return 0 if all(goal.word == "reached" for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
