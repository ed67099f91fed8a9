"""`--metrics-textfile`: what a command found, for node_exporter's textfile collector."""

from __future__ import annotations

import os
from pathlib import Path

from results.files import ResultsError
from scanner.cli.ending import say
from scanner.errors import ExitCode, RefusedError

_EXAMPLE = "/var/lib/prometheus/node-exporter/mongosweep-paris.prom"


def require_place(path: str | None) -> None:
    """Raises `RefusedError` where the file could not be written at the end, or would not be read there."""
    if path is None:
        return
    folder = Path(path).parent
    if not path.endswith(".prom") or Path(path).stem == "":
        reason = "the collector reads only files that end in .prom"
    elif not folder.is_dir():
        reason = f"{folder} is no directory"
    elif Path(path).is_dir():
        reason = "that is a directory"
    elif not os.access(folder, os.W_OK | os.X_OK):
        reason = f"this user may not write in {folder}"
    else:
        return
    raise RefusedError(
        f"--metrics-textfile {path} cannot be written: {reason}; name a file in a directory that is there,"
        f" such as {_EXAMPLE}"
    )


def write_run_metrics(path: str | None, run_dir: Path) -> bool:
    """The metrics of a run that ended; False, said on stderr, where the file could not be written."""
    if path is None:
        return True
    from results.metrics import write_run
    from results.run import load_manifest

    try:
        write_run(path, load_manifest(run_dir)[0])
    except (OSError, ResultsError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        say(f"error: --metrics-textfile {path} was not written: {reason}; the run itself is kept")
        return False
    return True


def code_with(code: int, *, written: bool) -> int:
    """The exit code of a command whose metrics were written or not: what was promised is not all done."""
    return code if written or code not in (ExitCode.CLEAN, ExitCode.OPEN) else ExitCode.INCOMPLETE
