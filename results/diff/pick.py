"""Which two runs are compared: those that were named, or the newest and the last one that is like it."""

from __future__ import annotations

from pathlib import Path

from results.covered import load_coverage
from results.diff.difference import RunSide
from results.diff.runs import Run
from results.diff.scopes import is_like, overlap, side_of
from results.files import NotARunError
from results.run import load_manifest
from results.runs import list_runs, run_info


class NothingToCompareError(NotARunError):
    """There are not two runs that can be compared."""


def load_run(path: Path) -> Run:
    """A run directory, or a file of observations alone, of which nothing else is known.

    Raises `NotARunError` and `CorruptError`.
    """
    if not path.is_dir():
        return Run(RunSide(run_id=path.name, path=str(path), state="unknown"), None)
    manifest, _ = load_manifest(path)
    return Run(side_of(str(path), run_info(path).state, manifest), load_coverage(path, manifest))


def ended(output: Path) -> list[Path]:
    """Directories of the sweeps that have ended and can be read, the newest first. Runs of `verify` ask a few
    places again, and are none."""
    runs = [
        run for run in list_runs(output) if run.state not in ("running", "unreadable") and not run.purpose
    ]
    return [Path(run.path) for run in reversed(runs)]


def newest(output: Path) -> Run:
    """The newest run that has ended."""
    paths = ended(output)
    if not paths:
        raise NothingToCompareError(output, "holds no run that has ended", "`mongosweep sweep` makes one")
    return load_run(paths[0])


def last_comparable(new: Run, output: Path) -> Run:
    """The last run before `new` of the same organisation and vantage with targets in common."""
    for path in ended(output):
        if path == Path(new.side.path):
            continue
        manifest, _ = load_manifest(path)
        side = side_of(str(path), run_info(path).state, manifest)
        if is_like(side, new.side):
            coverage = load_coverage(path, manifest)
            if overlap(coverage, new.coverage):
                return Run(side, coverage)
    raise NothingToCompareError(
        output,
        f"no run before {new.side.run_id} is of the same organisation and vantage and has targets in common",
        "name two runs: mongosweep diff OLD NEW",
    )
