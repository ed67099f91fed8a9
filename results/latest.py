"""`latest`, the link in an output directory to the run that began last of those that have ended."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from results.files import explain, read_whole
from results.manifest import MANIFEST_FILE, parse

if TYPE_CHECKING:
    from pathlib import Path

LATEST = "latest"


def is_link(entry: Path) -> bool:
    """Whether an entry of an output directory is this link, or one that a killed process did not get to put
    in its place: a second name of a run, and no run."""
    return entry.name.startswith(LATEST) and entry.is_symlink()


def point_at(run: Path) -> str:
    """Have the link beside the run directory `run`, whose run has ended, name it, in one step. One that names
    a run which began later stays. Returns why that cannot be, as a clause; "" where it was done."""
    link = run.with_name(LATEST)
    if os.path.lexists(link) and not link.is_symlink():
        return f"{link} is there, and is no link"
    try:
        if link.is_symlink() and "/" in (other := os.readlink(link)):  # noqa: PTH115  # as it is written
            return f"{link} is there, and names {other}, which is no run beside it"
        if _began(link) > _began(run):
            return ""
        temporary = link.with_name(f"{LATEST}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(run.name, target_is_directory=True)
        try:
            temporary.replace(link)
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        return f"{link} cannot be made: {explain(error)}"
    return ""


def forget_dangling(output: Path) -> None:
    """Remove the link where the run that it names is gone."""
    link = output / LATEST
    with contextlib.suppress(OSError):
        if link.is_symlink() and not (link / MANIFEST_FILE).exists():
            link.unlink()


def _began(run: Path) -> tuple[str, str]:
    """When a run began, and its name; the least of all where that cannot be read."""
    try:
        manifest = parse(read_whole(run / MANIFEST_FILE, MANIFEST_FILE))
    except (OSError, ValueError):
        return "", ""
    return manifest.created_at, manifest.run_id
