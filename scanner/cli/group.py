"""The group of all commands: the one that is run, with its examples, and what a mistyped name meant."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from scanner import __version__
from scanner.cli.ending import describe_end, end_output, say
from scanner.cli.examples import EXAMPLES, TITLE, as_help
from scanner.cli.names import COMMANDS, GUESSES, SECTIONS
from scanner.cli.streams import prepare_streams
from scanner.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "_MONGOSWEEP_COMPLETE"  # set by the script of a shell: completions are wanted, and no command
HELP = "help"  # a command of the root, and a word that every group understands


class Group(click.Group):
    """A group whose commands have the examples of `examples`, that understands `help`, and that says what a
    mistyped name was meant to be."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command, its examples at the end of its help."""
        return _dressed(super().get_command(ctx, cmd_name), _path(ctx, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with `help` and a guess at what a mistyped name was meant to be."""
        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            if args[0] != HELP:
                raise click.UsageError(self.unknown(ctx, args[0], known), ctx)
            if not args[1:]:
                click.echo(ctx.get_help())
                ctx.exit()
            args = [args[1], "--help"]
        return super().resolve_command(ctx, args)

    def unknown(self, ctx: click.Context, name: str, known: Sequence[str]) -> str:
        """What to say of a name that no command has."""
        from difflib import get_close_matches

        close = get_close_matches(name, known, n=1)
        guess = f"did you mean {close[0]}?" if close else f"write one of {', '.join(known)}"
        return f"there is no command {name[:80]!r}; {guess}"


class LazyGroup(Group):
    """A group that imports a command's module only when that command is asked for.

    `table`: the names, in the order in which a newcomer needs them, with their lines; `prefix`: what stands
    before a name in that of its module.
    """

    def __init__(self, *args: Any, table: dict[str, str], prefix: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.table = table
        self._prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in self.table:
            return None
        command = importlib.import_module(self._prefix + cmd_name).command
        assert isinstance(command, click.Command)
        return _dressed(command, _path(ctx, cmd_name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table: nothing is imported for it."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.table.items()))


class Root(LazyGroup):
    """The group of all commands: in sections, and with the verbs that people guess."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The sections, their names below each other in one column."""
        wide = max(map(len, COMMANDS))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(wide), line) for name, line in section.items()])

    def unknown(self, ctx: click.Context, name: str, known: Sequence[str]) -> str:
        """By what a verb means before how it is spelled."""
        guess = GUESSES.get(name)
        if guess is not None and guess.said:
            return f"there is no command {name[:80]!r}; {guess.said}"
        if name.startswith("mx_"):
            return f"there is no command {name[:80]!r}; `mongosweep show EXPOSURE` says what is known of one"
        if name[:1].isdigit() or set(name) & set("/:[]"):
            return f"there is no command {name[:80]!r}; `mongosweep sweep TARGET` asks addresses"
        return super().unknown(ctx, name, known)

    def main(  # the same signature as click's, so that its test runner drives the real way out
        self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **__: Any
    ) -> Any:
        """Run and exit, as click's own `main` does."""
        sys.exit(run(sys.argv[1:] if args is None else args))


def _path(ctx: click.Context, name: str) -> str:
    """How a command is written behind `mongosweep`."""
    return f"{ctx.command_path} {name}".partition(" ")[2]


def _dressed(command: click.Command | None, path: str) -> click.Command | None:
    """The command with its examples before what its epilog says already; and with values, for a shell."""
    if command is not None and VARIABLE in os.environ:
        from scanner.cli.completing import attach

        attach(command)

    if command is not None and path in EXAMPLES and TITLE not in (command.epilog or ""):
        command.epilog = as_help(EXAMPLES[path]) + (f"\n\n{command.epilog}" if command.epilog else "")
    return command


_EPILOG = as_help(EXAMPLES[""]) + (
    "\n\n`mongosweep help COMMAND` says more, with examples; `mongosweep help` also lists the pages of the"
    " documentation. stdout carries data only; everything else goes to stderr."
)


@click.group(
    cls=Root,
    table=COMMANDS,
    prefix=f"{__package__}.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
    no_args_is_help=False,
    invoke_without_command=True,
)
@click.version_option(__version__, "-V", "--version", prog_name="mongosweep", message="%(prog)s %(version)s")
@click.pass_context
def root(context: click.Context) -> None:
    """Find every MongoDB in your own address ranges that answers without a password.

    It reads metadata only: names, sizes, counts, timestamps; never a document.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def meant(arguments: Sequence[str]) -> list[str]:
    """The command line that a guessed verb stands for, said on stderr; any other as it is."""
    guess = GUESSES.get(arguments[0]) if arguments else None
    if guess is None or not guess.runs:
        return list(arguments)
    words, rest = list(guess.runs), list(arguments[1:])
    if not {"-q", "--quiet"} & set(rest):
        say(f"note: `{arguments[0]}` is written `mongosweep {' '.join(words)}`")
    return words + rest


def run(arguments: Sequence[str]) -> int:
    """Run one command line. Every way out is an exit code with at most two lines on stderr."""
    prepare_streams()
    try:
        if wanted := os.environ.get(VARIABLE):
            from click.shell_completion import shell_complete

            with suppress(
                KeyError, ValueError
            ):  # what the script of a shell says besides, and it is another's
                return shell_complete(root, {}, "mongosweep", VARIABLE, wanted)
            return ExitCode.REFUSED
        with root.make_context("mongosweep", meant(arguments)) as context:
            code = root.invoke(context)
        code = int(code) if isinstance(code, int) else 0
    except BaseException as error:  # noqa: BLE001 - the last handler: each kind of end has its code and words
        code = describe_end(error, arguments)
    return end_output(code)
