"""What a report costs: CPU, bytes and memory of the page of 10,000 exposures.

python -m bench.pages [--exposures N] [--runs N]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from results.ledger.intake import catch_up
from tests.results.examples import database, open_server
from tests.support.ledgers import RunOnDisk

ROOT = Path(__file__).resolve().parents[1]
NOW = "2026-06-01T00:00:00.000Z"
OWN = """
import sys, time
from tests.support.invented import content
from results.report.overview_page import overview
made = content(int(sys.argv[1]))
before = time.process_time()
page = overview(made)
print(time.process_time() - before, len(page.encode()))
"""


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    text: str
    goal: float
    measured: float
    unit: str

    def __str__(self) -> str:
        word = "reached" if self.measured <= self.goal else "falls short"
        return f"{self.text:64} {self.goal:>6g}{self.unit:3} {self.measured:>9.2f} {word}"


def runs(output: Path, exposures: int, count: int) -> None:
    """Complete runs, a week apart, that find the same servers open."""
    for week in range(count):
        day = f"2026-{1 + week * 7 // 28:02}-{1 + week * 7 % 28:02}T04:00:00.000Z"
        name = f"run-{week:03}"
        run = RunOnDisk(output, name, day, covers=("10.0.0.0-10.0.255.255:27017",)).begin()
        held = [database("shop"), database("users")]
        run.see(
            *(
                open_server(f"10.0.{number >> 8}.{number & 255}", *held, run_id=name, observed_at=day)
                for number in range(exposures)
            )
        ).end()


def child(*arguments: str) -> tuple[float, float, str]:
    """CPU seconds and peak MB of a Python of its own, and what it wrote."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments[:3]} ended with {process.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, used.ru_maxrss / 1e3, said


def figures(exposures: int, count: int) -> list[Figure]:
    """Everything that is measured."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "runs"
        output.mkdir()
        runs(output, exposures, count)
        catch_up(output)
        page = Path(folder) / "report.html"
        line = ("-m", "scanner", "report", "-o", str(output), "--now", NOW, "--out", str(page))
        whole, peak, _ = child(*line)
        size = page.stat().st_size / 1e6
    *_, said = child("-c", OWN, str(exposures))
    own, own_size = said.split()
    named = f"{exposures:,} exposures"
    return [
        Figure(f"report of {named} from a ledger of {count} runs: CPU", 5, whole, " s"),
        Figure(f"report of {named} from a ledger of {count} runs: size", 5, size, " MB"),
        Figure(f"report of {named} from a ledger of {count} runs: peak RSS", 500, peak, " MB"),
        Figure(f"page of {named} of three years: CPU", 5, float(own), " s"),
        Figure(f"page of {named} of three years: size", 5, int(own_size) / 1e6, " MB"),
    ]


def main() -> int:
    """Measure and print; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.pages", description=__doc__)
    parser.add_argument("--exposures", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=8)
    options = parser.parse_args()
    found = figures(options.exposures, options.runs)
    print("\n".join(map(str, found)))
    return int(any(figure.measured > figure.goal for figure in found))


if __name__ == "__main__":
    sys.exit(main())
