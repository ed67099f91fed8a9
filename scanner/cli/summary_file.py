"""`--summary`: how a command that makes runs ended, for programs, in a file or on standard output."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from scanner.cli.outfile import OutFile, opened
from scanner.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.run_summary import CommandSummary
    from scanner.cli.listing import Listed

STDOUT = "-"

summary_option = click.option(
    "--summary",
    "summary_to",
    type=OutFile(),
    metavar="FILE",
    help="Write how it ended to this file, as JSON, also with -q; - is standard output, in place of all else"
    " there.",
)


class Summarised:
    """Where a summary goes, and whether it went there. `to`: None for nowhere."""

    def __init__(self, command: Literal["sweep", "verify", "confirm"], to: str | None) -> None:
        self._command = command
        self._to = to

    @property
    def wanted(self) -> bool:
        """Whether somebody wants one."""
        return self._to is not None

    @property
    def takes_stdout(self) -> bool:
        """Whether standard output gets the summary, and nothing else."""
        return self._to == STDOUT

    def leaves_room_for(self, listed: Listed) -> bool:
        """Whether what the command lists is written, too. Raises a usage error where both were asked for on
        standard output."""
        if not (self.takes_stdout and listed.takes_stdout):
            return True
        if listed.form != "table":
            raise click.UsageError("--summary - takes standard output; name a file for it, or with --out")
        return False

    def blank(self) -> CommandSummary:
        """One in which nothing stands yet."""
        from results.run_summary import CommandSummary
        from scanner import __version__

        return CommandSummary(
            command=self._command, tool_version=__version__, state="nothing to ask", exit_code=0
        )

    def write(self, summary: CommandSummary) -> int:
        """Write it, and return the exit code: that of the summary, or 3 in place of 0 and 1 where it could
        not be written, which is said."""
        from results.files import StorageError
        from results.run_summary import text_of
        from scanner.cli.ending import say
        from scanner.cli.textfile import code_with

        if self._to is None:
            return summary.exit_code
        try:
            with opened(self._to, option="--summary", told=False) as stream:
                stream.write(text_of(summary))
        except StorageError as error:
            say(f"error: --summary {self._to} was not written: {error.reason}")
            return code_with(summary.exit_code, written=False)
        return summary.exit_code

    @contextlib.contextmanager
    def failures(self) -> Iterator[None]:
        """Meanwhile, an error that ends the command is told in the summary, too: a program that reads the
        file never takes that of an earlier command for this one's."""
        try:
            yield
        except (Exception, KeyboardInterrupt) as error:
            if self._to is not None and not isinstance(error, BrokenPipeError):
                self.write(self._of(error))
            raise

    def _of(self, error: BaseException) -> CommandSummary:
        from msgspec.structs import replace

        from results.run_summary import of_run
        from scanner.cli.ending import code_of

        code = code_of(error)
        nothing_sent = code in (ExitCode.REFUSED, ExitCode.BUSY)
        words = error.format_message() if isinstance(error, click.ClickException) else str(error)
        if code == ExitCode.BUG or not words:
            words = f"{type(error).__name__}: {words}".removesuffix(": ")
        failed = replace(
            self.blank(),
            state="refused" if nothing_sent else "interrupted" if code == ExitCode.INCOMPLETE else "failed",
            exit_code=code,
            error=" ".join(words.split())[:2000],
        )
        run = getattr(error, "run_dir", "")
        return of_run(failed, Path(run)) if run else failed
