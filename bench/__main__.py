"""`make bench`: alternating rounds of every contender, then RESULTS.md, results.svg and the table of goals.

python -m bench [--quick] [--rounds N] [--only CONTEST] [--no-write]
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from bench.contenders import CONTENDERS, CONTESTS, Contest
from bench.network import HERE, PYTHON, Cost, Place, measure, place
from bench.report import Row, Rows, judged, load, markdown, svg
from tests.support import netns


def missing() -> str:
    """Why the benchmark cannot run here, or an empty string."""
    why = netns.missing()
    if not why and shutil.which("cc") is None:
        why = "no C compiler `cc` for the responder (Debian package gcc)"
    if not why and (os.cpu_count() or 1) < 2:
        why = "one core: scanner and responder need one each"
    return why


def add(row: Row, cost: Cost, found: int) -> None:
    """Book one round."""
    contest = next(contest for contest in CONTESTS if contest.name == row.contender.contest)
    row.rates.append(contest.done(row.targets, cost.packets, found) / cost.seconds)
    row.walls.append(cost.wall)
    row.cpu.append(cost.cpu / row.targets * 1e6)
    row.rss.append(cost.peak_rss)
    row.found.append(found)


def run(where: Place, row: Row) -> None:
    """One round of one contender; its trouble is noted, and the others go on."""
    contender = row.contender
    if contender.needs and shutil.which(contender.needs) is None:
        row.trouble = f"{contender.needs} is not installed"
        return
    command = contender.command(where, row.targets)
    row.command = shlex.join(command).replace(PYTHON, "python").replace(str(where.directory), "TMP")
    try:
        cost = measure(where, command, 240.0)
        add(row, cost, contender.found(cost.output, where))
    except (RuntimeError, ValueError, LookupError) as error:
        row.trouble = str(error).strip().splitlines()[-1][:120]
        print(f"  {contender.name}: {error}", file=sys.stderr)
        return
    print(f"  {contender.name}: {row.rates[-1]:,.0f}/s, {row.cpu[-1]:.1f} CPU s a million", file=sys.stderr)


def contest_rounds(where: Place, contest: Contest, rows: Rows, rounds: int) -> None:
    """All rounds of one contest, the contenders in turn."""
    mine = [row for (name, _), row in rows.items() if name == contest.name]
    for turn in range(1 if contest.name == "eight" else rounds):
        print(f"{contest.title}, round {turn + 1}", file=sys.stderr)
        for row in mine:
            where.answers(contest.answers)
            run(where, row)


def main() -> int:
    """Measure, write, print the goals; 0 unless nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds: about two minutes in all")
    parser.add_argument("--rounds", type=int, default=0, help="alternating rounds (3; 1 with --quick)")
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
        for c in CONTENDERS
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
        shown = "–" if value is None else f"{value:.2f}"
        print(f"{goal.text:58} {goal.goal:>6g}{goal.unit:3} {shown:>9} {word.strip('*')}")
    return 0 if any(row.rates for row in rows.values()) else 3


if __name__ == "__main__":
    sys.exit(main())
