"""`make bench`: alternating rounds of every contender, then RESULTS.md, results.svg and the table of goals.

python -m bench [--quick] [--rounds N] [--only CONTEST] [--native] [--no-write]
"""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from bench import lines
from bench.contenders import COMPILED, CONTENDERS, CONTESTS, Contender, Contest, compiled
from bench.goals import Row, Rows, judged
from bench.network import HERE, PYTHON, Cost, Place, measure, place
from bench.report import load, markdown, svg
from tests.support import netns
from tests.support.deploy_programs import load as load_program


def missing() -> str:
    """Why the benchmark cannot run here, or an empty string."""
    why = netns.missing()
    if not why and shutil.which("cc") is None:
        why = "no C compiler `cc` for the responder (Debian package gcc)"
    if not why and (os.cpu_count() or 1) < 2:
        why = "one core: scanner and responder need one each"
    return why


@functools.cache
def lacking(needs: str) -> str:
    """Why a contender cannot run here, or an empty string. `needs`: a program, an option of our sweep, or the
    folder of the compiled copy."""
    if needs == str(COMPILED):
        old = load_program("package/compile.py").stale(HERE.parent, COMPILED)
        return "build/compiled is missing or of another source; run `make native`" if old else ""
    if not needs.startswith("--"):
        return "" if not needs or shutil.which(needs) else f"{needs} is not installed"
    asked = [PYTHON, "-m", "scanner", "sweep", "--help"]
    known = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=HERE.parent).stdout
    return "" if f"{needs} " in known else f"mongosweep has no {needs}"


def add(row: Row, contest: Contest, cost: Cost, found: int) -> None:
    """Book one round. Where CPU a server counts, that of a run with one target is taken off."""
    row.rates.append(contest.done(row.targets, cost.packets, found) / cost.seconds)
    row.walls.append(cost.wall)
    done = min(row.targets, found) - 1 if contest.per_server else row.targets
    row.cpu.append((cost.cpu - row.start) / max(1, done) * 1e6)
    row.responder.append(cost.responder / row.targets * 1e6)
    row.rss.append(cost.peak_rss)
    row.found.append(found)


def run(where: Place, contest: Contest, row: Row) -> None:
    """One round of one contender; its trouble is noted, and the others go on."""
    contender = row.contender
    row.trouble = lacking(contender.needs)
    if row.trouble:
        print(f"  {contender.name}: not measured: {row.trouble}", file=sys.stderr)
        return
    try:
        if contest.per_server and not row.start:
            alone = measure(where, contender.command(where, 1), 60.0, all_cores=contest.all_cores)
            row.start = alone.cpu
        shutil.rmtree(where.directory / "runs", ignore_errors=True)
        command = contender.command(where, row.targets)
        row.command = shlex.join(command).replace(PYTHON, "python").replace(str(where.directory), "TMP")
        row.command = row.command.replace(f"{HERE.parent}/", "")
        cost = measure(where, command, 240.0, all_cores=contest.all_cores)
        add(row, contest, cost, contender.found(cost.output, where))
        if contender.journal:
            row.lines = lines.read(where.directory / "runs", names=contest.names)
    except (RuntimeError, ValueError, LookupError) as error:
        row.trouble = str(error).strip().splitlines()[-1][:120]
        print(f"  {contender.name}: {error}", file=sys.stderr)
        return
    print(f"  {contender.name}: {said(row)}", file=sys.stderr)


def said(row: Row) -> str:
    """The last round in a line."""
    words = [
        f"{row.cpu[-1]:,.1f} us CPU a target (the responder's: {row.responder[-1]:,.0f})",
        f"{row.rates[-1]:,.0f}/s",
        f"{row.walls[-1]:.1f} s",
        f"{row.rss[-1] / 1e6:.0f} MB",
        f"{row.found[-1]:,} of {row.targets:,} found",
    ]
    if row.lines is not None:
        words.append(f"{row.lines.size_of_server:,.0f} bytes a server in {row.lines.of_server:.1f} lines")
        words.append(f"longest line {row.lines.largest:,}, longest first one {row.lines.largest_first:,}")
        if row.lines.collections >= 0:
            words.append(f"collections in the journal: {row.lines.collections}")
    return ", ".join(words)


def contest_rounds(where: Place, contest: Contest, rows: Rows, rounds: int) -> None:
    """All rounds of one contest, the contenders in turn."""
    mine = [row for (name, _), row in rows.items() if name == contest.name]
    for turn in range(contest.rounds or rounds):
        print(f"{contest.name}: {contest.title}, round {turn + 1}", file=sys.stderr)
        for row in mine:
            where.answers(contest.answers)
            run(where, contest, row)


def entered(*, native: bool) -> list[Contender]:
    """All contenders; with `native`, beside each sweep of ours the same one compiled."""
    return [
        each for one in CONTENDERS for each in ((one, compiled(one)) if native and one.journal else (one,))
    ]


def main() -> int:
    """Measure, write, print the goals; 0 unless nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds: about two minutes in all")
    parser.add_argument("--rounds", type=int, default=0, help="alternating rounds (3; 1 with --quick)")
    parser.add_argument("--native", action="store_true", help="ours also compiled, by `make native`")
    parser.add_argument("--only", action="append", choices=[contest.name for contest in CONTESTS])
    parser.add_argument(
        "--no-write", action="store_true", help="leave RESULTS.md and results.svg as they are"
    )
    options = parser.parse_args()
    if why := missing():
        print(f"The benchmark cannot run here: {why}.", file=sys.stderr)
        return 2
    rounds = options.rounds or (1 if options.quick else 3)
    chosen = [contest for contest in CONTESTS if not options.only or contest.name in options.only]
    rows: Rows = {
        (c.contest, c.name): Row(c, c.targets(options.quick))
        for c in entered(native=options.native)
        if c.contest in {contest.name for contest in chosen}
    }
    before = os.getloadavg()
    with place() as where:
        for contest in chosen:
            contest_rounds(where, contest, rows, rounds)
    if not options.no_write:
        Path(HERE, "RESULTS.md").write_text(markdown(rows, rounds, options.quick, load(before)))
        Path(HERE, "results.svg").write_text(svg(rows))
    for goal, value, word in judged(rows):
        if value is not None or not options.only:
            shown = "–" if value is None else f"{value:.2f}"
            print(f"{goal.text:64} {goal.goal:>6g}{goal.unit:3} {shown:>9} {word.strip('*')}")
    return 0 if any(row.rates for row in rows.values()) else 3


if __name__ == "__main__":
    sys.exit(main())
