"""The page of a command in docs/commands, and the list of all of them, as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from scanner.cli.described import PROGRAM
from scanner.cli.names import SECTIONS
from scanner.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scanner.cli.described import Described, Paragraph
    from scanner.cli.examples import Example

INDEX = "README.md"
_HEAD = "This page is made from the command itself by `make pages`."


def file_name(page: Described) -> str:
    """What the page's file is called."""
    return f"{page.words.replace(' ', '-')}.md" if page.words else INDEX


def markdown_page(page: Described) -> str:
    """The page of one command; of the program itself, the list of all commands."""
    lines = [f"# {page.name}" if page.words else "# The commands", "", _HEAD, ""]
    lines += _paragraphs(page.about)
    lines += [f"`{page.usage}`", ""]
    if page.examples:
        lines += ["## Examples", "", *_examples(page.examples), ""]
    if not page.words:
        for title, section in SECTIONS.items():
            lines += [f"## {title}", "", *_table("command", _linked("", section.items())), ""]
    elif page.commands:
        lines += ["## Commands", "", *_table("command", _linked(page.words, page.commands)), ""]
    options = ((f"`{_cell(written)}`", said) for written, said in page.options)
    lines += ["## Options", "", *_table("option", options), ""]
    if page.after and page.words:
        lines += ["## Exit codes", "", *_paragraphs(page.after)]
    if not page.words:
        rows = ((str(code.value), code.sentence) for code in ExitCode)
        lines += ["## Exit codes", "", "The same for every command.", "", *_table("code", rows, "means")]
    return "\n".join(lines).rstrip() + "\n"


def _linked(above: str, commands: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, said in commands:
        words = f"{above} {name}".strip()
        yield f"[`{PROGRAM} {words}`]({words.replace(' ', '-')}.md)", said


def _table(first: str, rows: Iterable[tuple[str, str]], second: str = "does") -> list[str]:
    made = (f"| {name} | {_cell(_text(said))} |" for name, said in rows)
    return [f"| {first} | {second} |", "|---|---|", *made]


def _examples(examples: Iterable[Example]) -> list[str]:
    lines = ["```"]
    for example in examples:
        lines += [f"# {example.purpose}", example.line]
    return [*lines, "```"]


def _paragraphs(paragraphs: Iterable[Paragraph]) -> Iterator[str]:
    for each in paragraphs:
        if each.as_it_is:
            yield from ("```", each.text, "```", "")
        else:
            yield from (_text(each.text), "")


def _text(text: str) -> str:
    """A help text as Markdown: what is no code means itself, and the name of a page leads there."""
    parts = re.split(r"(`[^`]*`)", text)
    for at in range(0, len(parts), 2):
        escaped = re.sub(r"([*<])", r"\\\1", parts[at])
        parts[at] = re.sub(r"docs/([\w/-]+\.md)", r"[docs/\1](../\1)", escaped)
    return "".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
