"""The group of all commands: a table of names, and the import of the one that is run."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from scanner import __version__
from scanner.cli.ending import describe_end, end_output
from scanner.cli.streams import prepare_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

# name -> its one line in --help. The command is the attribute `command` of scanner.cli.<name>.
COMMANDS = {
    "init": "Write a commented mongosweep.toml whose scope is empty.",
    "scope": "Import the scope from what you have, check it, and prove that it is yours.",
    "plan": "Say what a sweep would do and how long it would take; send nothing.",
    "sweep": "Sweep the scope and write what is found.",
    "confirm": "Ask what an outside report names, and say of each row what is true now.",
    "verify": "Ask what was found open again, until it is proved closed.",
    "serve": "Sweep by schedule as a service, with a page, an API and metrics.",
    "schedule": "List when the next sweeps start, in the zone of each schedule and in UTC.",
    "fleet": "Make the certificates of a fleet, run its scheduler and workers, and say how it stands.",
    "lab": "Run simulated servers on loopback, to try everything safely.",
    "users": "Say who may sign in to the page, and what they may do there.",
    "tokens": "Make, list and revoke the tokens of programs that read the API and the metrics.",
    "doctor": "Say what this machine allows; print fences around the process; try the sinks.",
    "exposures": "List what is open, since when and whose it is, over all runs.",
    "leads": "List the names and addresses that findings lead to, and whose they would be.",
    "show": "Show a run's table again, or everything that is known of one exposure.",
    "diff": "Say what changed between two runs or two dates, and what cannot be compared.",
    "notify": "Tell each owner what is open, how it is known and how to close it; remind, escalate.",
    "forward": "Send run events and changes to the SIEM: each sink gets what it has not got yet.",
    "sinks": "Say of each sink what waits, what was delivered and what failed; metrics.",
    "acknowledge": "Write down that somebody is at it.",
    "accept": "Write down who answers for an exposure staying open, and until when.",
    "note": "Write something down beside an exposure.",
    "actions": "List what people did and who was told, and check the chain of that file.",
    "convert": "Turn events, observations or exposures on stdin into a format of a SIEM.",
    "runs": "List the runs of an output directory with their state.",
    "report": "Write what is open, how it got there and who was told, as one page or for programs.",
    "ledger": "Make the ledger of all runs again; remove old runs that it holds.",
    "audit": "Check that a run's files are what the run wrote.",
    "explain": "Say what a code, a verdict or an advisory in a record means.",
    "schema": "Print the JSON Schema of a line.",
    "data": "Say how old the built-in data on advisories and end of life is.",
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for.

    `table`: the names, in the order in which a newcomer needs them, with their lines; `prefix`: what stands
    before a name in that of its module.
    """

    def __init__(self, *args: Any, table: dict[str, str], prefix: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._table = table
        self._prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in self._table:
            return None
        command = importlib.import_module(self._prefix + cmd_name).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with a guess at what a mistyped name was meant to be."""
        if args and args[0] not in self._table and not args[0].startswith("-"):
            from difflib import get_close_matches

            close = get_close_matches(args[0], self._table, n=1)
            guess = f"did you mean {close[0]}?" if close else f"write one of {', '.join(self._table)}"
            raise click.UsageError(f"there is no command {args[0]!r}; {guess}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table: nothing is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._table.items()))

    def main(  # the same signature as click's, so that its test runner drives the real way out
        self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **__: Any
    ) -> Any:
        """Run and exit, as click's own `main` does."""
        sys.exit(run(sys.argv[1:] if args is None else args))


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    prefix="scanner.cli.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`mongosweep COMMAND --help` says more. stdout carries data only; everything else goes to stderr.",
    no_args_is_help=False,
    invoke_without_command=True,
)
@click.version_option(__version__, prog_name="mongosweep", message="%(prog)s %(version)s")
@click.pass_context
def root(context: click.Context) -> None:
    """Find every MongoDB in your own address ranges that answers without a password.

    It reads metadata only: names, sizes, counts, timestamps; never a document.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: Sequence[str]) -> int:
    """Run one command line. Every way out is an exit code with at most two lines on stderr."""
    prepare_streams()
    try:
        if "_MONGOSWEEP_COMPLETE" in os.environ:
            from click.shell_completion import shell_complete

            return shell_complete(
                root, {}, "mongosweep", "_MONGOSWEEP_COMPLETE", os.environ["_MONGOSWEEP_COMPLETE"]
            )
        with root.make_context("mongosweep", list(arguments)) as context:
            code = root.invoke(context)
        code = int(code) if isinstance(code, int) else 0
    except BaseException as error:  # noqa: BLE001 - the last handler: each kind of end has its code and words
        code = describe_end(error, arguments)
    return end_output(code)
