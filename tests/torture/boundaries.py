"""The process ends at every call to the file layer: before it, after it, and halfway through a write.

Systematic where `kills.py` is random: call N of a whole sweep for every N, and of every resume.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from tests.torture.child import DIED, Order, sweep
from tests.torture.trial import KEPT, Tally, lanes, run_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.lab import Ground

RESUME_CALLS = 60  # calls of a resume, about, in which a second death is placed
ENDED = 1  # the fleet has open servers


def torture(ground: Ground, place: Path, calls: range, *, width: int = 2) -> Tally:
    """Death at each of these calls, before and after. The sweep is small, so that there are not too many."""
    tally = Tally("death at a file call")
    ground = replace(ground, prefix="127.93.0.0/28", rate=100.0)
    began = time.monotonic()

    def one(number: int) -> None:
        if len(tally.violations) < KEPT:
            _one(ground, place / f"call-{number}", number // 2, bool(number % 2), tally)

    lanes(width, [2 * at + after for at in calls for after in (0, 1)], one)
    tally.seconds = time.monotonic() - began
    return tally


def _one(ground: Ground, place: Path, at: int, after: bool, tally: Tally) -> None:
    random = Random(at * 2 + after)
    place.mkdir(parents=True)
    output = place / "runs"
    everything = random.random() < 0.5
    truth = ground.truth(at)
    label = f"call {at} {'after' if after else 'before'}"

    def go(die_at: int, after: bool) -> int:
        run = run_in(output)
        tally.add(resumes=run is not None)
        name = run.name if run is not None else None
        code = sweep(Order(ground, output, at, name, everything, die_at, after))
        if code == DIED:
            tally.add(deaths=1)
        elif code != ENDED:
            tally.blame(f"{label}: ended with {code}{reason(place)}")
        run = run_in(output)
        if run is not None:
            tally.examine(run, truth, f"death at {label}")
        return code

    if go(at, after) == DIED and random.random() < 0.5:
        go(random.randint(1, RESUME_CALLS), random.random() < 0.5)
    code = go(0, False)
    run = run_in(output)
    if code == ENDED and run is not None:
        tally.examine(run, truth, f"end of {label}", ended=True)
    if tally.sound:
        shutil.rmtree(place)


def reason(place: Path) -> str:
    """What the process said when it refused."""
    refused = place / "refused.txt"
    return f" ({refused.read_text()})" if refused.exists() else ""
