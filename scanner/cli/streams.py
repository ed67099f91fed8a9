"""The three standard streams, made fit for use before anything is opened."""

from __future__ import annotations

import contextlib
import os
import stat
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


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether somebody sees what is written to this stream as it comes."""
    with contextlib.suppress(ValueError, OSError):
        return stream is not None and stream.isatty()
    return False


def may_reach_terminal(stream: IO[str] | None) -> bool:
    """Whether what is written to this stream may appear on a terminal. Nobody can tell what is at the other
    end of a pipe or a socket: `| jq` writes beside us, on the terminal that we draw on. A file does not."""
    with contextlib.suppress(ValueError, OSError, AttributeError):
        if stream is not None:
            mode = os.fstat(stream.fileno()).st_mode
            return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or is_terminal(stream)
    return False


def _nothing(mode: str) -> IO[str]:
    return open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123 - lives as long as the process
