"""Reading a run back that was made by `sweep` here or on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mongosweep.errors import RefusedError, raise_public
from mongosweep.log import log
from mongosweep.shared_types import complete_types
from mongosweep.summary import Summary, summary_on_disk
from results.files import NotARunError, ResultsError
from results.lock import is_held
from results.reading import read_run
from results.run import load_manifest
from results.summary import unique

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from results.record import Observation


class Run:
    """A run on disk. Iterating gives its observations, each target once, and may be done again.

    Lines are read as they are asked for and compared with the run's seals on the way: damage raises
    `StorageError`, at the latest behind the last observation. Of a run that goes on, what is there by now.
    """

    def __init__(self, path: Path, summary: Summary, *, resumed: bool) -> None:
        self.path = path
        self.summary = summary
        self._resumed = resumed

    def __iter__(self) -> Iterator[Observation]:
        try:
            lines = read_run(self.path, lambda tail: log.warning("%s", tail))
            yield from unique(lines) if self._resumed else lines
        except ResultsError as error:
            raise_public(error)

    def __repr__(self) -> str:
        return f"<run {self.summary.run_id}, {self.summary.state}>"


def read(run_dir: str | os.PathLike[str]) -> Run:
    """The run in a directory. Raises `RefusedError` where there is none, and `StorageError`."""
    try:
        path = Path(run_dir)
    except TypeError:
        raise RefusedError("run_dir", f"{run_dir!r} is no path", "name a run directory") from None
    complete_types()
    try:
        if not path.is_dir():
            raise NotARunError(path, "no such directory", "name a run directory")
        manifest, _ = load_manifest(path)
        summary = summary_on_disk(path, manifest, held=is_held(path))
    except NotARunError as error:
        raise RefusedError(
            error.place, error.reason, "name a run directory: a run's, not the one above"
        ) from error
    except ResultsError as error:
        raise_public(error)
    return Run(path, summary, resumed=len(manifest.starts) > 1)
