"""The ledger for commands that show it: brought up to date first, with the clock and people laid over."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.cli.ending import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.ledger.overlay import Deadlines
    from results.ledger.store import Ledger
    from results.ledger.tracked import TrackedExposure
    from results.ledger.view import View

_OF_THE_DISK = ("lost+found",)  # a new file system is not empty


@contextmanager
def opened(output: str, config: str | None, now: str = "") -> Iterator[View]:
    """The ledger of an output directory after every run in it was taken in, open for reading
    with the clock at `now` (by default at this moment).

    Where the directory cannot be written, it is read as it is, and that is said. Raises as `catch_up` does.
    """
    from results.ledger.intake import catch_up
    from results.ledger.view import read
    from scanner.clock import SystemClock, timestamp

    folder = Path(output)
    refuse_without_runs(folder)
    if os.access(folder, os.W_OK) or not folder.is_dir():
        report = catch_up(folder)
        if report.set_aside:
            say(f"warning: the ledger was damaged; it is kept as {report.set_aside} and was made again")
        for note in report.notes:
            say(f"note: {note}")
        for passed in report.passed_over:
            say(f"warning: {passed.directory} was not taken in: {passed.reason}")
    else:
        say(f"note: {output} cannot be written here, so runs since the last taking-in are not shown")
    view = read(folder, now or timestamp(SystemClock.wall()), _deadlines(config))
    try:
        if view.actions.broken is not None and view.actions.broken.unproven:
            say(
                f"warning: {view.actions.path}: {view.actions.broken}; what stands behind that does not count"
            )
        yield view
    finally:
        view.ledger.close()


def refuse_without_runs(folder: Path) -> None:
    """A directory of something else, named by mistake, is left as it is: no ledger is made in it. Raises
    `NotARunError`."""
    from results.files import NotARunError
    from results.ledger.actions import ACTIONS_FILE
    from results.ledger.database import LEDGER_FILE
    from results.manifest import MANIFEST_FILE
    from scanner.service.admission.file import ACCESS_FILE
    from scanner.service.store import LOCK_FILE, STORE_FILE

    # The first user and the service may come before the first run.
    ours = (LEDGER_FILE, ACTIONS_FILE, ACCESS_FILE, STORE_FILE, LOCK_FILE)
    if any(os.path.lexists(folder / name) for name in ours):
        return
    try:
        entries = [entry for entry in folder.iterdir() if entry.name not in _OF_THE_DISK]
    except OSError:
        return  # who reads it says why
    if entries and not any(os.path.lexists(entry / MANIFEST_FILE) for entry in entries):
        raise NotARunError(
            folder, "holds other things and no run", "name the directory given to sweep with --output"
        )


def no_doubt(ledger: Ledger) -> int:
    """The exit code where nothing open is shown: 0 only where the newest run that ended is complete."""
    from scanner.errors import ExitCode

    ended = [run for run in ledger.runs() if run.ended_at or run.state != "running"]
    if not ended:
        say("no run has ended yet: nothing says that nothing is open")
        return ExitCode.INCOMPLETE
    last = max(ended, key=lambda run: (run.created_at, run.run_id))
    if last.state != "complete":
        say(f"the newest run, {last.run_id}, is {last.state}: it does not say that nothing else is open")
        return ExitCode.INCOMPLETE
    return ExitCode.CLEAN


def exposure_named(what: str, view: View, output: str, *, or_run: bool = False) -> TrackedExposure:
    """The one exposure that is meant: by its id, the beginning of one, or its place. Raises `RefusedError`,
    with the nearest; among them are runs where a run could be meant, too."""
    from results.ledger.choose import named, nearest
    from results.runs import list_runs
    from results.text import visible
    from scanner.errors import RefusedError

    found = named(what, view.exposures)
    if len(found) == 1:
        return found[0]
    shown = visible(what, 80)
    if found:
        ids = ", ".join(each.exposure_id for each in found[:10])
        raise RefusedError(f"{shown} may be any of {len(found)} exposures; write one of {ids}")
    runs = [Path(run.path).name for run in list_runs(Path(output))] if or_run else []
    close = [visible(each, 80) for each in nearest(what, view.exposures, runs)]
    listed = "`mongosweep exposures` and `mongosweep runs` list" if or_run else "`mongosweep exposures` lists"
    guess = f"did you mean {' or '.join(close)}?" if close else f"{listed} them"
    raise RefusedError(
        f"there is no {'run and no exposure' if or_run else 'exposure'} {shown} in {output}; {guess}"
    )


def _deadlines(config: str | None) -> Deadlines:
    """Those of the configuration, and the default ones where there is none."""
    from scanner.setup.config_file import find_config, read_config
    from scanner.setup.settings import Settings

    path = find_config(config, os.environ)
    settings = Settings() if path is None else read_config(path).settings
    return settings.deadlines.in_force()
