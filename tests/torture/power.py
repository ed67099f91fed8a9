"""A real sweep over real sockets, on a disk that loses power: at a random call, and in each resume again.

A kill between two losses matters: what the killed process wrote is seen by the next one and not durable yet.
"""

from __future__ import annotations

import shutil
import time
from random import Random
from typing import TYPE_CHECKING

from tests.torture.boundaries import ENDED, reason
from tests.torture.child import DIED, Order, sweep
from tests.torture.trial import Tally, lanes, run_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.torture.lab import Ground

CALLS = 260  # about what a whole sweep makes
LIVES = 5


def torture(
    ground: Ground, place: Path, losses: int, *, first: int = 0, width: int = 2, mutant: str = ""
) -> Tally:
    """At least so many losses of power."""
    tally = Tally("loss of power, model")
    began = time.monotonic()

    def one(number: int) -> None:
        if tally.deaths < losses and tally.sound:
            _one(ground, place / f"power-{number}", number, tally, mutant)

    lanes(width, list(range(first, first + losses + 20)), one)
    tally.seconds = time.monotonic() - began
    return tally


def _one(ground: Ground, place: Path, number: int, tally: Tally, mutant: str) -> None:
    random = Random(number)
    truth = ground.truth(number)
    everything = random.random() < 0.5
    place.mkdir(parents=True)
    output = place / "0"
    output.mkdir()
    code = 0
    for life in range(LIVES + 1):
        last = life == LIVES
        killed = not last and random.random() < 0.3
        after = place / str(life + 1)
        at = 0 if last else random.randint(1, CALLS)
        run = run_in(output)
        tally.add(resumes=run is not None)
        code = sweep(
            Order(
                ground,
                output,
                number,
                run.name if run is not None else None,
                everything,
                at,
                random.random() < 0.5,
                medium=True,
                survivors=None if killed else after,
                chance=random.randrange(1 << 30),
                mutant=mutant,
            )
        )
        if code not in (DIED, ENDED):
            tally.blame(f"run {number}: life {life} ended with {code}{reason(place)}")
            return
        if code == DIED and killed:
            tally.add(note="kills in between")
        else:
            tally.add(deaths=1)
        output = output if killed else after
        run = run_in(output)
        if run is not None:
            tally.examine(run, truth, f"life {life} of run {number}", ended=code == ENDED and not killed)
        elif code == ENDED:
            tally.blame(f"run {number}: it ended, and then it was gone")
        if code == ENDED and not killed:
            break
    shutil.rmtree(place)
