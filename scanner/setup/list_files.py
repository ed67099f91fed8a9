"""Opens the lists that arguments, options and settings name, for whoever reads them by `targets.sources`."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from results.text import visible
from scanner.errors import RefusedError
from scanner.setup.stdin_targets import standard_input
from targets.grammar import GrammarError, parse_endpoint

if TYPE_CHECKING:
    from typing import BinaryIO

PATIENCE = 10.0  # seconds that a FIFO is waited for until somebody writes into it
_REMEDY = "write the path of a list"


def list_argument(name: str) -> BinaryIO:
    """The list that an argument names, to be closed by the caller: a file, a pipe as of `<(nmap …)`, or `-`
    for standard input. Raises RefusedError."""
    return standard_input() if name == "-" else _opened(name, "", f"{_REMEDY}, or - to pipe one in")


def list_of_option(name: str, option: str) -> BinaryIO:
    """The list that `option` names: a file or a pipe. Raises RefusedError, which names the option."""
    return _opened(name, f"{option}: ", _REMEDY)


def list_of_setting(name: str, place: str) -> BinaryIO:
    """The list that a setting at `place` names: a file, as nobody would write into a pipe. Raises
    RefusedError, which names the place."""
    return _opened(name, f"{place}: ", _REMEDY, may_be_pipe=False)


def _opened(name: str, place: str, remedy: str, *, may_be_pipe: bool = True) -> BinaryIO:
    """Opened. A FIFO into which nobody writes is not waited for without end; one with a writer is."""
    shown = f"{place}{visible(name, 300)}"
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        if _is_target(name):
            remedy = f"pipe addresses in: echo {name} | … -"
        raise RefusedError(f"{place}there is no {visible(name, 300)}; {remedy}") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        remedy = "make it readable for this user" if isinstance(error, PermissionError) else remedy
        raise RefusedError(f"{shown} cannot be read: {reason}; {remedy}") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) and not (may_be_pipe and (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode))):
        os.close(descriptor)
        kind = "is a directory" if stat.S_ISDIR(mode) else "is no regular file"
        raise RefusedError(f"{shown} {kind}; {remedy}")
    if name.endswith(".toml"):
        os.close(descriptor)
        raise RefusedError(
            f"{shown} is TOML, which no list is; name an allow-list in [scope] files, or give it as --scope"
        )
    os.set_blocking(descriptor, True)
    stream = os.fdopen(descriptor, "rb")
    if stat.S_ISFIFO(mode):
        end = time.monotonic() + PATIENCE
        while not stream.peek(1):  # nobody has opened it, or all have gone without a word
            if time.monotonic() > end:
                stream.close()
                raise RefusedError(
                    f"{shown} is a FIFO into which nobody writes; start its writer, or name a file"
                )
            time.sleep(0.05)
    return stream


def _is_target(name: str) -> bool:
    """Whether somebody named an address in place of a list."""
    try:
        parse_endpoint(name)
    except GrammarError:
        return False
    return True
