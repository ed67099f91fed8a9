"""`mongosweep help`: the help of a command, or a page of the documentation that was installed with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from click.shell_completion import CompletionItem


def pages() -> Mapping[str, Path]:
    """The documentation that came with the program: topic -> its page. The pages for the side of a SIEM are
    asked for by the SIEM's name, and `siem` is their index."""
    from scanner.program import DOCS

    found = [path for path in DOCS.glob("*.md") if path.stem != "README"] + [*DOCS.glob("siem/*.md")]
    topics = {"siem" if path.stem == "README" else path.stem: path for path in found}
    return dict(sorted(topics.items()))


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem

    above = ctx.find_root()
    words = ctx.params.get("words") or ()
    group, context = _walked(above, list(words))
    names = group.list_commands(context) if isinstance(group, click.Group) else []
    known = dict.fromkeys([*names, *(() if words else _topics(above))])
    return [CompletionItem(name) for name in known if name.startswith(incomplete)]


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...|TOPIC", shell_complete=_complete)
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Show the help of COMMAND, or TOPIC, a page of the documentation. Without either: what there is.

    Where a command has the name of a page, NAME.md is the page. On a terminal it is laid out and shown by the
    pager; elsewhere it is the Markdown that it is made of.
    """
    above = ctx.find_root()
    if not words:
        click.echo(above.command.get_help(above))
        click.echo("\n" + _topic_lines(above))
        return
    found, context = _walked(above, list(words))
    if found is not None:
        click.echo(found.get_help(context))
        return
    page = pages().get(words[0].removesuffix(".md")) if len(words) == 1 else None
    if page is None:
        raise click.UsageError(_unknown(above, words))
    _show(page.read_text(encoding="utf-8"))


def _walked(above: click.Context, words: list[str]) -> tuple[click.Command | None, click.Context]:
    """The command that the words name, with a context of its own; None where none is of this name."""
    command, context = above.command, above
    for word in words:
        below = command.get_command(context, word) if isinstance(command, click.Group) else None
        if below is None:
            return None, context
        command, context = below, click.Context(below, info_name=word, parent=context)
    return command, context


def _topics(above: click.Context) -> list[str]:
    """How each page is asked for: with its ending, where a command has its name."""
    group = above.command
    commands = group.list_commands(above) if isinstance(group, click.Group) else []
    return [name + ".md" if name in commands else name for name in pages()]


def _topic_lines(above: click.Context) -> str:
    from results.text import visible
    from scanner.program import DOCS

    topics = ", ".join(_topics(above))
    if not topics:
        return "No page of the documentation was installed."
    formatter = above.make_formatter()
    with formatter.section("Pages of the documentation, for `mongosweep help TOPIC`"):
        formatter.write_text(topics)
    formatter.write_paragraph()
    formatter.write_text("They lie, with the files that they speak of, in:")
    formatter.write(f"{visible(str(DOCS), 4096)}\n")
    return formatter.getvalue().rstrip()


def _unknown(above: click.Context, words: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    from results.text import visible
    from scanner.cli.explain_text import meanings

    group = above.command
    known = [*(group.list_commands(above) if isinstance(group, click.Group) else ()), *_topics(above)]
    close = get_close_matches(words[0], known, n=2)
    guess = f"did you mean {' or '.join(close)}?" if close else "`mongosweep help` lists both"
    if len(words) == 1 and meanings(words[0]):
        told = f"`mongosweep explain {words[0]}` says what this code means"
        guess = f"{guess} {told}" if close else told
    return f"there is no command and no topic {visible(' '.join(words), 80)!r}; {guess}"


def _show(text: str) -> None:
    """The page: laid out in a pager on a terminal, as it is elsewhere."""
    import os
    import sys

    from scanner.cli.streams import is_terminal

    if not is_terminal(sys.stdout) or os.environ.get("TERM", "") == "dumb":
        click.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(width=min(Console().width, 100))
    with console.capture() as capture:
        console.print(Markdown(text, hyperlinks=False))
    os.environ.setdefault("LESS", "FRX")  # of git's pager, too: a short page needs no key to leave it
    click.echo_via_pager(capture.get())
