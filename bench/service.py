"""Every page and resource over years of sweeps: `python -m bench.service [--quick] [--no-write]` makes them
up and writes SERVICE.md.

10,000 exposures, 200,000 actions, three years of weekly runs over 1,000,000 addresses. What is compared is
the CPU time of the page's process for one answer: elapsed time on a machine that has nothing else to do.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.ledger import ROOT, Goal
from bench.report import load, machine
from scanner.service.admission.roles import Role
from tests.support.page_process import running_page
from tests.support.years import WHOLE, Years, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.page_process import PageProcess

PAGES = (
    "/",
    "/exposures",
    "/exposures?q=web&sort=size&view=all",
    "/exposures/{id}",
    "/owners",
    "/coverage",
    "/scope",
    "/runs",
    "/sinks",
    "/settings",
)
RESOURCES = (
    "/api/v1/exposures",
    "/api/v1/exposures?q=web&sort=bytes",
    "/api/v1/exposures/{id}",
    "/api/v1/owners",
    "/api/v1/runs",
    "/api/v1/coverage",
    "/api/v1/actions",
    "/api/v1/actions?by=nobody",
    "/api/v1/service",
    "/metrics",
)
TIMES = 5
SECONDS, FIRST_PAINT, MEMORY = 0.3, 100_000, 400e6


class Answered(NamedTuple):
    """One address: CPU seconds of the page's process for an answer, and the answer's bytes."""

    path: str
    cpu: float
    size: int


def cpu_of(pid: int) -> float:
    """Seconds of CPU that the threads of a process have taken."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((each / "schedstat").read_text().split()[0]) for each in tasks) / 1e9


def answered(page: PageProcess, path: str) -> Answered:
    """The mean over a few requests; the first, which may find what is kept from then on, is not counted."""
    size = len(_got(page, path))
    before = cpu_of(page.process.pid)
    for _ in range(TIMES):
        _got(page, path)
    return Answered(path, (cpu_of(page.process.pid) - before) / TIMES, size)


def _got(page: PageProcess, path: str) -> bytes:
    answer = page.get(path)
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {answer.text[:200]}")
    return answer.body


def resident(pid: int) -> int:
    """Bytes in memory, at most so far."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def measured(output: Path) -> Iterator[Goal]:
    """Every address, the first answer, and what a note costs those behind it."""
    with running_page(output) as page:
        pid = page.process.pid
        first = page.get("/api/v1/exposures?limit=1").json["exposures"][0]["exposure_id"]
        yield Goal("everything read, once, CPU", 10, cpu_of(pid), " s", -1)
        page.get("/exposures")
        for path in PAGES:
            each = answered(page, path.replace("{id}", first))
            yield Goal(f"`{path}`, CPU", SECONDS * 1000, each.cpu * 1000, " ms", -1)
            yield Goal(f"`{path}`, bytes", FIRST_PAINT / 1000, each.size / 1000, " kB", -1)
        for path in RESOURCES:
            each = answered(page, path.replace("{id}", first))
            yield Goal(f"`{path}`, CPU", SECONDS * 1000, each.cpu * 1000, " ms", -1)
        before = cpu_of(pid)
        for number in range(TIMES):
            note = page.post(
                f"/api/v1/exposures/{first}/note", data={"text": f"note {number}"}, role=Role.OPERATE
            )
            assert note.status == 201, note.text
            _got(page, "/exposures")
        spent = (cpu_of(pid) - before) / TIMES
        yield Goal("a note, and the list behind it, CPU", SECONDS * 1000, spent * 1000, " ms", -1)
        time.sleep(61)
        before = cpu_of(pid)
        _got(page, "/exposures")
        yield Goal(
            "the first list of a minute, CPU", SECONDS * 1000, (cpu_of(pid) - before) * 1000, " ms", -1
        )
        yield Goal("peak RSS", MEMORY / 1e6, resident(pid) / 1e6, " MB", -1)


def markdown(goals: list[Goal], busy: str) -> str:
    """The whole page."""
    lines = [
        "# What was measured of the page and the API",
        "",
        f"`python -m bench.service` on {machine()}: {WHOLE.exposures:,} exposures, {WHOLE.actions:,}",
        f"actions, {WHOLE.runs} weekly runs over {WHOLE.addresses:,} addresses. CPU is that of the page's",
        f"process, all threads, for one answer: a mean of {TIMES}. Styles and scripts are not in the bytes.",
        "",
        busy,
        "",
        "| | goal | measured | |",
        "|---|--:|--:|---|",
    ]
    for goal in goals:
        measure = f"{goal.measured:,.1f}{goal.unit}"
        lines.append(f"| {goal.text} | at most {goal.goal:,g}{goal.unit} | {measure} | {goal.word} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, write, print; 0 when all goals were reached."""
    parser = argparse.ArgumentParser(prog="python -m bench.service", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    parser.add_argument("--no-write", action="store_true", help="leave SERVICE.md as it is")
    parser.add_argument(
        "--output", type=Path, help="an output directory that is there; notes are added to it"
    )
    options = parser.parse_args()
    before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        output = options.output or Path(folder) / "runs"
        if options.output is None:
            small = Years(exposures=1000, actions=20_000, runs=16)
            build(output, small if options.quick else WHOLE)
        goals = []
        for goal in measured(output):
            print(
                f"{goal.text:60} {goal.goal:>8g}{goal.unit:3} {goal.measured:>12,.2f} {goal.word.strip('*')}"
            )
            goals.append(goal)
    if not options.no_write and not options.quick:
        (ROOT / "bench" / "SERVICE.md").write_text(markdown(goals, load(before)))
    return 0 if all(goal.word == "reached" for goal in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
