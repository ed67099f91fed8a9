"""How a command ends: the exit codes with their sentences, and the errors that carry one.

Other rooms have error families of their own; `scanner/cli` maps them to these codes.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of every command. A code never changes its meaning; 3 wins over 1."""

    CLEAN = 0
    OPEN = 1
    REFUSED = 2
    INCOMPLETE = 3
    STORAGE = 4
    BUSY = 5
    BUG = 70

    @property
    def sentence(self) -> str:
        """What the code says, for help texts and manuals."""
        return _SENTENCE[self]


_SENTENCE = {
    ExitCode.CLEAN: "complete, and nothing is open",
    ExitCode.OPEN: "complete, and something is open (--fail-on never turns this into 0)",
    ExitCode.REFUSED: "refused: bad usage, configuration or scope; nothing was sent",
    ExitCode.INCOMPLETE: "did not cover what it promised (degraded, interrupted); findings are kept",
    ExitCode.STORAGE: "storage failed",
    ExitCode.BUSY: "another run, service or forward has what this one needs",
    ExitCode.BUG: "a bug of ours",
}


class MongosweepError(Exception):
    """Anything that ends a command with a message for its user: one or two lines, place and remedy."""

    exit_code = ExitCode.BUG


class RefusedError(MongosweepError):
    """Bad usage, configuration or scope. Nothing was sent."""

    exit_code = ExitCode.REFUSED


def exit_code_table() -> str:
    """The exit codes, one a line, as help texts show them."""
    return "\n".join(f"{code.value:>3}  {code.sentence}" for code in ExitCode)
