"""Every command as data, read from the commands themselves: for manual pages and docs/commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from scanner.cli.examples import EXAMPLES, TITLE, Example
from scanner.cli.group import root

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "mongosweep"
_HEADERS = ("Exit codes:", "Exit codes, as everywhere:")  # pages have headers of their own
_AS_IT_IS = "\b\n"  # click's mark of a paragraph whose lines stay as they are


class Paragraph(NamedTuple):
    """Text to be filled; or, `as_it_is`, lines that stay as they are."""

    text: str
    as_it_is: bool = False


class Described(NamedTuple):
    """One command. `words`: how it is written behind the program's name, "" for the program itself; `line`:
    what it does, in one; `options` and `commands`: what is written, and what that means; `after`: what its
    help says behind the options, exit codes of its own among it."""

    words: str
    line: str
    usage: str
    about: tuple[Paragraph, ...]
    options: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]
    examples: tuple[Example, ...]
    after: tuple[Paragraph, ...]

    @property
    def name(self) -> str:
        """Its name with that of the program."""
        return f"{PROGRAM} {self.words}".strip()


def described() -> Iterator[Described]:
    """The program, and every command in the order of `--help`, each before those in it."""
    yield from _walk(root, root.make_context(PROGRAM, []), "")


def _walk(command: click.Command, context: click.Context, line: str) -> Iterator[Described]:
    below: list[tuple[str, click.Command, str]] = []
    if isinstance(command, click.Group):
        lines = getattr(command, "table", {})
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                below.append((name, found, lines.get(name) or found.get_short_help_str(200)))
    words = context.command_path.partition(" ")[2]
    about = _paragraphs(command.help)
    yield Described(
        words=words,
        line=line or about[0].text,
        usage=" ".join((context.command_path, *command.collect_usage_pieces(context))),
        about=about,
        options=tuple(_options(command, context)),
        commands=tuple((name, said) for name, _, said in below),
        examples=EXAMPLES.get(words, ()),
        after=tuple(_after(command)),
    )
    for name, found, said in below:
        yield from _walk(found, click.Context(found, info_name=name, parent=context), said)


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for each in command.get_params(context):
        record = each.get_help_record(context) if isinstance(each, click.Option) else None
        if record is not None:  # a hidden one has none
            yield record


def _after(command: click.Command) -> Iterator[Paragraph]:
    for each in _paragraphs(command.epilog):
        if each.text not in _HEADERS and not each.text.startswith(TITLE):
            yield each


def _paragraphs(text: str | None) -> tuple[Paragraph, ...]:
    """The paragraphs of a help text, by click's rules."""
    parts = [part.strip("\n") for part in (text or "").split("\n\n") if part.strip()]
    return tuple(
        Paragraph(part.removeprefix(_AS_IT_IS).rstrip(), as_it_is=True)
        if part.startswith(_AS_IT_IS)
        else Paragraph(" ".join(part.split()))
        for part in parts
    )
