"""Run a program that ends when its parent does: `python -m scanner.lab.adopt PARENT_PID PROGRAM ARGUMENTS…`.

The wish is set in the child itself, just before the program takes its place, so that no code runs between
fork and exec in a parent that may have threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # Linux, prctl(2): this signal to me when my parent ends


def main(arguments: list[str]) -> None:
    """Replace this process by the program. Does not return."""
    parent, program = int(arguments[0]), arguments[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before we had asked
            raise SystemExit(1)
    os.execvp(program[0], program)  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    main(sys.argv[1:])
