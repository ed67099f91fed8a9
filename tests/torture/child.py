"""A whole sweep in a forked process, over a file system of the caller's choice; and how it dies."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import threading
import time
import traceback
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, NoReturn

from results.files import REAL, AlreadyCompleteError, FileSystem, ResultsError
from scanner.setup.settings import SweepOptions
from scanner.sweep.sweep import run
from tests.support.faulty_files import DyingFileSystem, PowerLossFileSystem
from tests.torture.launch import shorten
from tests.torture.mutants import apply

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext
    from pathlib import Path

    from results.record import Observation
    from scanner.sweep.plan import Plan
    from scanner.sweep.progress import ProgressSnapshot, RunSummary
    from tests.torture.lab import Ground

DIED = 77
"""Exit code of a process that ended at the call it was told to end at."""

_REFUSED = 78
_BROKEN = 79
_children = threading.Lock()  # multiprocessing looks at all children at each start, and a code is told once
_MODEL = "model.pickle"


@dataclass(frozen=True)
class Order:
    """What one process is to do and where it is to die. `at` counts calls of the file layer from 1; 0: never.

    `survivors`: the process dies by loss of power, and what the medium kept is written there. `medium`: the
    output directory is such a medium, so that what a killed process wrote there is not durable yet.
    """

    ground: Ground
    output: Path
    seed: int
    resume: str | None = None
    everything: bool = False
    at: int = 0
    after: bool = False
    medium: bool = False
    survivors: Path | None = None
    chance: int = 0
    mutant: str = ""


class Mute:
    """A screen for nobody."""

    def started(self, plan: Plan) -> None:
        """See `Screen`."""

    def progress(self, snapshot: ProgressSnapshot) -> None:
        """See `Screen`."""

    wants_found = True

    def found(self, observation: Observation) -> None:
        """See `Screen`."""

    def notice(self, text: str) -> None:
        """See `Screen`."""

    def finished(self, summary: RunSummary) -> None:
        """See `Screen`."""


def context() -> ForkServerContext:
    """Processes that begin as a copy of one in which everything is imported already."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["tests.torture.child"])
    return found


def sweep(order: Order, patience: float = 300.0) -> int:
    """Run it; the exit code of a sweep, `DIED`, or minus a signal. A process that hangs is killed: -9."""
    process = context().Process(target=_main, args=(order,))
    with _children:
        process.start()
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with _children:
            code = process.exitcode
        if code is not None:
            return code
        time.sleep(0.01)
    with _children:
        process.kill()
        process.join()
    return -9


def _main(order: Order) -> None:
    shorten()
    logging.getLogger("mongosweep").setLevel(logging.ERROR)
    if order.mutant:
        apply(order.mutant)
    fs: FileSystem = REAL
    model: PowerLossFileSystem | None = None
    if order.medium:
        fs = model = _model(order)
    if order.at:
        fs = DyingFileSystem(order.at, fs, after=order.after, die=_Death(order, model))
    options = SweepOptions(
        output=order.output, seed=None if order.resume else order.seed, resume=order.resume,
        everything=order.everything, quiet=True,
    )  # fmt: skip
    try:
        code = run(order.ground.settings, order.ground.scope, options, Mute(), fs=fs).exit_code
    except AlreadyCompleteError:
        code = 1
    except ResultsError as error:
        (order.output.parent / "refused.txt").write_text(str(error))
        code = _REFUSED
    except Exception:  # noqa: BLE001 - told to the parent, which calls it a violation
        (order.output.parent / "refused.txt").write_text(traceback.format_exc())
        code = _BROKEN
    if model is not None and order.survivors is not None:
        model.lose_power(order.survivors, Random(order.chance))  # and then, later, the power went
    os._exit(code)


def _model(order: Order) -> PowerLossFileSystem:
    model = PowerLossFileSystem(order.output)
    kept = order.output.parent / _MODEL
    if kept.exists():
        model.tree = pickle.loads(kept.read_bytes())
        kept.unlink()
    else:
        model.adopt()
    return model


class _Death:
    """The end of a process, by kill or by loss of power; the first thread that meets it carries it out."""

    def __init__(self, order: Order, model: PowerLossFileSystem | None) -> None:
        self._order = order
        self._model = model
        self._once = threading.Lock()

    def __call__(self) -> NoReturn:
        if not self._once.acquire(blocking=False):
            time.sleep(60)  # the other thread ends the process
        if self._model is None:
            os._exit(DIED)
        with self._model.lock:
            if self._order.survivors is not None:
                self._model.lose_power(self._order.survivors, Random(self._order.chance))
            else:
                (self._order.output.parent / _MODEL).write_bytes(pickle.dumps(self._model.tree))
            os._exit(DIED)
