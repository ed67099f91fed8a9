"""Where our own time goes in one contest: a short round under cProfile, and its 30 dearest functions.

    python -m bench.profile CONTEST [SERVERS]

SERVERS is a power of two. cProfile makes calls dear: it says where to look, not what they cost.
"""

from __future__ import annotations

import pstats
import sys

from bench.contenders import CONTENDERS, CONTESTS
from bench.network import PYTHON, measure, place


def main() -> None:
    """Run it, print the table."""
    name, *count = sys.argv[1:]
    contest = next(contest for contest in CONTESTS if contest.name == name)
    ours = next(c for c in CONTENDERS if c.contest == name and c.name.startswith("mongosweep"))
    with place() as where:
        where.answers(contest.answers)
        result = str(where.directory / "profile")
        command = ours.command(where, int(count[0]) if count else ours.targets(quick=True))
        measure(where, [PYTHON, "-m", "cProfile", "-o", result, *command[1:]], 240.0)
        pstats.Stats(result).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
