"""`python -m tests.torture`: every kind of death, a table, and exit code 1 when anything was lost."""

from __future__ import annotations

import argparse
import logging
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import netns
from tests.torture import boundaries, kills, power, shutdown, stage, story
from tests.torture.fleet import torture as torture_fleet
from tests.torture.lab import fleet
from tests.torture.mutants import MUTANTS, applied
from tests.torture.trial import KEPT, Tally, in_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.torture.lab import Ground

CALLS = 125  # a few more than the calls of the file layer in a whole small sweep
ENOUGH_FOR_A_MUTANT = 3000


def main() -> int:
    """Parse, torture, tell."""
    options = _options()
    logging.getLogger("mongosweep").setLevel(logging.ERROR)
    place = Path(tempfile.mkdtemp(prefix="torture-", dir=options.place or in_memory()))
    tallies: list[Tally] = []
    began = time.monotonic()
    with fleet() as ground:
        steps: list[Callable[[], Tally]] = [
            lambda: kills.torture(ground, place / "kills", options.kills, width=options.width),
            lambda: kills.torture(
                ground, place / "workers", options.kills // 3, width=options.width, workers=options.workers
            ),
            lambda: boundaries.torture(
                ground, place / "calls", range(1, CALLS + 1, options.every), width=options.width
            ),
            lambda: power.torture(ground, place / "power", options.power, width=options.width),
            lambda: _on_ext4(ground, place / "ext4", options.power),
            lambda: stage.torture(place / "stage", options.stage),
            lambda: _fleet(place / "fleet", options.fleet),
            lambda: story.torture(place / "model", options.model),
        ]
        for step in steps:
            tallies.append(step())
            _say("\n".join([_line(tallies[-1]), *tallies[-1].violations[:KEPT]]))
    survivors = _mutants(place / "mutants")
    _say(_table(tallies, survivors, time.monotonic() - began))
    sound = all(tally.sound for tally in tallies) and not survivors
    if sound:
        shutil.rmtree(place)
    else:
        _say(f"what was found wrong is kept in {place}")
    return 0 if sound else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.torture", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="deaths by SIGKILL at random instants")
    parser.add_argument("--workers", type=int, default=2, help="workers of a third as many more deaths")
    parser.add_argument("--every", type=int, default=1, help="take every N-th call of the file layer only")
    parser.add_argument(
        "--power", type=int, default=60, help="losses of power, on the model and on ext4 each"
    )
    parser.add_argument("--stage", type=int, default=60, help="deaths by SIGKILL with the SYN engine")
    parser.add_argument("--fleet", type=int, default=12, help="deaths and frosts in a fleet")
    parser.add_argument("--model", type=int, default=2000, help="deaths of the simulated sweep")
    parser.add_argument("--width", type=int, default=2, help="sweeps at a time")
    parser.add_argument("--place", help="where to write; default: in memory")
    return parser.parse_args()


def _on_ext4(ground: Ground, place: Path, losses: int) -> Tally:
    if why := shutdown.missing():
        tally = Tally("loss of power, ext4")
        tally.add(note=f"not done: {why}")
        return tally
    # A loop device on a file in memory works like one on a disk; the image is what counts.
    return shutdown.torture(ground, place, losses)


def _fleet(place: Path, deaths: int) -> Tally:
    if why := netns.missing():
        tally = Tally("fleet")
        tally.add(note=f"not done: {why}")
        return tally
    return torture_fleet(place, deaths)


def _mutants(place: Path) -> list[str]:
    survivors = []
    for mutant in MUTANTS:
        with applied(mutant.name):
            tally = story.torture(place / mutant.name.replace(" ", "-"), ENOUGH_FOR_A_MUTANT)
        if tally.sound:
            survivors.append(mutant.name)
        fate = "SURVIVED" if tally.sound else "caught"
        _say(f"mutant: {mutant.name}: {fate} after {tally.deaths} deaths")
    return survivors


_COLUMNS = ("deaths", "resumes", "lost", "torn", "duplicates")


def _line(tally: Tally) -> str:
    cells = [f"{getattr(tally, name):>10}" for name in _COLUMNS]
    notes = "; ".join(f"{text}: {count}" for text, count in sorted(tally.notes.items()))
    end = f"{tally.seconds:>9.0f}  {len(tally.violations):>10}  {notes}"
    return f"{tally.name:<22}" + "".join(cells) + end.rstrip()


def _table(tallies: list[Tally], survivors: list[str], seconds: float) -> str:
    head = f"\n{'death':<22}" + "".join(f"{name:>10}" for name in _COLUMNS) + f"{'seconds':>9}  violations\n"
    whole = Tally("all")
    for tally in tallies:
        whole.violations += tally.violations
        for name in (*_COLUMNS, "seconds"):
            setattr(whole, name, getattr(whole, name) + getattr(tally, name))
    lines = [_line(tally) for tally in (*tallies, whole)]
    lines += [f"mutants: {len(MUTANTS) - len(survivors)} of {len(MUTANTS)} caught; {seconds:.0f} s in all"]
    lines += whole.violations[:KEPT]
    return head + "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
