"""The three standard streams, made fit for use before anything is opened."""

from __future__ import annotations

import os
import sys
from typing import IO


def prepare_streams() -> None:
    """Open what was closed, and let no character end a command.

    A descriptor 0, 1 or 2 that the caller closed would be given to the next file or socket, and whoever
    writes to stdout then writes into that. /dev/null takes its place.
    """
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # the lowest free descriptor: this one
    if sys.stdin is None:
        sys.stdin = _nothing("r")
    if sys.stdout is None:
        sys.stdout = _nothing("w")
    if sys.stderr is None:
        sys.stderr = _nothing("w")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test's stand-in may have none
            stream.reconfigure(errors="backslashreplace")


def _nothing(mode: str) -> IO[str]:
    return open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123 - lives as long as the process
