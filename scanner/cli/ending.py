"""How any command line ends: an exception becomes an exit code and at most two lines on stderr."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scanner.errors import ExitCode, MongosweepError

if TYPE_CHECKING:
    from collections.abc import Sequence

_STORAGE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)

# Families by name, because importing them here would cost every start-up. The errors of results/ carry their
# code themselves.
_FAMILIES = {
    "OutOfScope": ExitCode.REFUSED,
    "GrammarError": ExitCode.REFUSED,
    "ScopeError": ExitCode.REFUSED,
    "LabError": ExitCode.REFUSED,
}


def describe_end(error: BaseException, arguments: Sequence[str]) -> int:
    """Say on stderr why a command ended, and return its exit code. A broken pipe has nothing to say."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else ExitCode.BUG
    if isinstance(error, BrokenPipeError):
        return ExitCode.CLEAN
    if isinstance(error, click.ClickException):
        say(_usage(error))
        return ExitCode.REFUSED
    if isinstance(error, KeyboardInterrupt | click.Abort):
        say("interrupted")
        return ExitCode.INCOMPLETE
    code = error.exit_code if isinstance(error, MongosweepError) else _code_of_family(error)
    if code is not None:
        from targets.errors import one_line  # an import that a good end can do without

        say(f"error: {one_line(str(error))}")
        if run := getattr(error, "run_dir", ""):
            again = f"with the same command line and: --resume {Path(run).name}"
            say(f"what was found is kept; once that is mended, go on {again}")
        return code
    if isinstance(error, OSError) and error.errno in _STORAGE:
        if error.filename is None and _stdout_is_stuck():
            return ExitCode.STORAGE  # `end_output` meets the same error, and says it once
        say(f"error: {error.filename or 'output'}: {error.strerror}; make room, or write elsewhere")
        return ExitCode.STORAGE
    say(f"internal error: {_one_line(error)}; {_keep_traceback(error, arguments)}")
    return ExitCode.BUG


def code_of(error: BaseException) -> int:
    """The exit code with which a command ends that raised this."""
    if isinstance(error, click.ClickException):
        return ExitCode.REFUSED
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return ExitCode.INCOMPLETE
    code = error.exit_code if isinstance(error, MongosweepError) else _code_of_family(error)
    if code is not None:
        return code
    return ExitCode.STORAGE if isinstance(error, OSError) and error.errno in _STORAGE else ExitCode.BUG


def _code_of_family(error: BaseException) -> int | None:
    """The exit code of an error of another room: its own, or its family's."""
    import results  # a start-up does without them
    import scanner
    import targets

    ours = tuple(f"{package.__name__}." for package in (targets, results, scanner))
    for family in type(error).__mro__:
        if family.__module__.startswith(ours):
            code = getattr(error, "exit_code", _FAMILIES.get(family.__name__))
            if isinstance(code, int):
                return code
    return None


def end_output(code: int) -> int:
    """Flush stdout and return the exit code: a reader that went away is no error, a full disk is."""
    if sys.stdout is None:
        return code
    try:
        sys.stdout.flush()
    except OSError as error:
        from results.sinks.stdout import silence_stdout  # an import that a good end can do without

        silence_stdout()
        if isinstance(error, BrokenPipeError):
            return code
        say(f"error: standard output: {error.strerror}; what was written there is not whole")
        return code if code not in (ExitCode.CLEAN, ExitCode.OPEN) else ExitCode.STORAGE
    except ValueError:  # already closed
        pass
    return code


def _stdout_is_stuck() -> bool:
    """Whether what was written to stdout cannot leave its buffer."""
    try:
        sys.stdout.flush()
    except (BrokenPipeError, AttributeError, ValueError):  # its reader has gone, there is none, it is closed
        return False
    except OSError:
        return True
    return False


def say(text: str) -> None:
    """Text on stderr, folded between words on a terminal; when stderr is gone too, nothing can be said."""
    from scanner.cli.listing_table import plain_lines
    from scanner.cli.streams import terminal_width

    with contextlib.suppress(OSError, ValueError):
        for line in plain_lines(text.split("\n"), terminal_width(sys.stderr)):
            click.echo(line, err=True)


def _usage(error: click.ClickException) -> str:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):  # a group without a command: its help
        return error.format_message()
    from targets.errors import one_line  # as above

    lines = [f"error: {one_line(error.format_message())}"]  # what was typed stands in it
    context = getattr(error, "ctx", None)
    if context is not None:
        lines.append(f"`{context.command_path} --help` shows what can be written.")
    return "\n".join(lines)


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def _keep_traceback(error: BaseException, arguments: Sequence[str]) -> str:
    """Write the traceback to a file of its own and say where it is."""
    import platform
    import tempfile
    import traceback

    from scanner import __version__

    head = f"mongosweep {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
    try:
        descriptor, path = tempfile.mkstemp(prefix="mongosweep-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{head}{list(arguments)}\n" + "".join(traceback.format_exception(error)))
    except OSError as failure:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"it arose at {last.filename}:{last.lineno}; no traceback could be kept: {failure.strerror}"
    return f"a traceback is in {path}"
