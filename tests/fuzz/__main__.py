"""Fuzzes every target for a share of the time: `python -m tests.fuzz --seconds 60 [--targets frames plan]`.

Inputs that reach new code are kept in the folder of --corpus from run to run, or thrown away without it. What
breaks a promise is written to tests/fuzz/regressions, where the tests replay it from then on.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.corpus import unpack
from tests.fuzz.registry import TARGETS
from tests.fuzz.seeds import write
from tests.fuzz.summary import totals

HERE = Path(__file__).resolve().parent
REGRESSIONS = HERE / "regressions"
LIMITS = ("-max_len=4096", "-timeout=60", "-rss_limit_mb=1024", "-report_slow_units=60")
START_SECONDS = 600  # of the wall, for imports and seeds, beside everything that goes before this one
_FIGURES = re.compile(r"cov: (\d+) ft: (\d+) corp: (\d+)/")
_RUNS = re.compile(r"^#(\d+)\s", re.MULTILINE)


class Outcome(NamedTuple):
    """What one target did: its exit code, and what libFuzzer said of coverage, first and last."""

    target: str
    code: int
    executions: int
    cpu_seconds: float
    began: int
    ended: int
    crashes: list[str]
    log: str


def fuzz(target: str, seconds: int, corpus: Path, scratch: Path, regressions: Path = REGRESSIONS) -> Outcome:
    """Run one target in a process of its own for `seconds`, with what `corpus` holds and the seeds."""
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = scratch / target
    write(target, seeds)
    statistics = scratch / f"{target}.jsonl"
    unpack(target, seeds)
    before = set(regressions.iterdir())
    command = [sys.executable, "-m", "tests.fuzz.one", target, str(statistics)]
    command += [f"-max_total_time={seconds}", f"-artifact_prefix={regressions}/{target}-", *LIMITS]
    done = subprocess.run(
        [*command, str(corpus), str(seeds)],
        cwd=HERE.parents[1],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=seconds + START_SECONDS,
    )
    figures = [int(found[1]) for found in _FIGURES.finditer(done.stdout)] or [0]
    runs = [int(found[1]) for found in _RUNS.finditer(done.stdout)] or [0]
    total = totals([statistics]).get(target) if statistics.is_file() else None
    return Outcome(
        target,
        done.returncode,
        max(runs[-1], total.executions if total else 0),
        total.cpu_seconds if total else 0.0,
        figures[0],
        figures[-1],
        sorted(path.name for path in set(regressions.iterdir()) - before),
        done.stdout,
    )


def row(outcome: Outcome, seconds: int) -> str:
    """One line of the table."""
    new = outcome.ended - outcome.began
    return (
        f"{outcome.target:<11} {outcome.executions:>12,} {seconds:>8} {outcome.ended:>9} {new:>+6}"
        f" {len(outcome.crashes):>8}"
    )


def explain(outcome: Outcome) -> str:
    """The end of what the fuzzer said, from the exception on, without the bytes of the input."""
    begins = outcome.log.rfind("=== Uncaught Python exception")
    told = outcome.log[begins:] if begins >= 0 else outcome.log[-2000:]
    return "\n".join(line[:300] for line in told.splitlines()[:30])


def main(arguments: list[str]) -> int:
    """Returns 0, or 1 when a target broke a promise or did not run."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="Fuzz the readers of hostile bytes.")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together (default 60)")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--corpus", type=Path, help="keep what reaches new code here")
    options = parser.parse_args(arguments)
    share = max(2, options.seconds // len(options.targets))
    print(f"{'target':<11} {'executions':>12} {'seconds':>8} {'coverage':>9} {'new':>6} {'crashes':>8}")  # noqa: T201 - the program's output
    broken = False
    with tempfile.TemporaryDirectory(prefix="mongosweep-fuzz-") as scratch:
        kept = options.corpus or Path(scratch) / "corpus"
        for target in options.targets:
            outcome = fuzz(target, share, kept / target, Path(scratch))
            print(row(outcome, share), flush=True)  # noqa: T201 - the program's output
            if outcome.code != 0:
                broken = True
                print(explain(outcome))  # noqa: T201 - the program's output
                print("replay: .venv/bin/python -m pytest tests/fuzz/test_regressions.py")  # noqa: T201 - the program's output
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
