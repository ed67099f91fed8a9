"""A small document that becomes Markdown or plain text, and in which no name can do anything in either.

Templates are ours and hold no markup; what is filled in came from servers and lists. In Markdown a name
stands in a code span, where nothing is interpreted; in plain text as `results.text.visible` shows it.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 78  # columns of plain text; RFC 5322 recommends no more
NAME_LIMIT = 120
_SIGN = re.compile(r" ([:;!?])(?=\s|$)")
_GLUE = "\0"  # no text that is shown holds it
_PLACE = re.compile(r"\{(\w+)\}")
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~&:@=^$/])")


class Name(NamedTuple):
    """Hostile text, or a thing to be copied as it stands: an address, a database, an id."""

    text: str


class Ours(NamedTuple):
    """Text that is our own: a date, a length of time, a word of `texts/`. It is not escaped for Markdown."""

    text: str


class Names(NamedTuple):
    """Several names side by side, and what is said behind them, such as how many more there are."""

    texts: tuple[str, ...]
    more: str = ""


Value = Name | Names | Ours | str | int
"""What goes into a place of a template. Plain `str` is taken for foreign, too: it is escaped."""


class Text(NamedTuple):
    """A template with `{places}`, and what goes there."""

    template: str
    values: dict[str, Value]


class Heading(NamedTuple):
    """A line of its own; `level` 1 is the message's, 2 a part's."""

    level: int
    text: Text


class Paragraph(NamedTuple):
    """Running text."""

    text: Text


class Bullets(NamedTuple):
    """A list."""

    items: list[Text]


class Code(NamedTuple):
    """Lines to be typed or put into a file. They hold nothing that a server said."""

    lines: list[str]


Block = Heading | Paragraph | Bullets | Code


def markdown(blocks: list[Block]) -> str:
    """The document in CommonMark."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def plain(blocks: list[Block]) -> str:
    """The document as text of at most 78 columns, but for lines that must be copied whole."""
    return "\n\n".join(_plain(block) for block in blocks) + "\n"


def one_line(text: Text, limit: int = 200) -> str:
    """A text for a header: no controls, no line break, of bounded length."""
    shown = _filled(text, _shown)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def code_span(text: str) -> str:
    """A Markdown code span of any text: its fence is longer than every run of backticks within."""
    shown = visible(text, NAME_LIMIT) or " "
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return "#" * block.level + " " + _filled(block.text, _in_markdown)
    if isinstance(block, Paragraph):
        return _filled(block.text, _in_markdown)
    if isinstance(block, Bullets):
        return "\n".join("- " + _filled(item, _in_markdown) for item in block.items)
    return "```\n" + "\n".join(map(_code_line, block.lines)) + "\n```"


def _plain(block: Block) -> str:
    if isinstance(block, Heading):
        title = _filled(block.text, _shown)
        return title + "\n" + ("=" if block.level == 1 else "-") * min(len(title), WIDTH)
    if isinstance(block, Paragraph):
        return _wrapped(_filled(block.text, _shown))
    if isinstance(block, Bullets):
        return "\n".join(_wrapped(_filled(item, _shown), "- ", "  ") for item in block.items)
    return "\n".join("    " + _code_line(line) for line in block.lines)


def _code_line(line: str) -> str:
    """A line of code cannot end its block: it holds no control, and a fence in it is none."""
    return visible(line).replace("\\\\", "\\").replace("```", "` ` `")


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    """Wrapped so that no line begins with a sign that French has a blank before."""
    return textwrap.fill(
        _SIGN.sub(f"{_GLUE}\\1", text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ).replace(_GLUE, " ")


def _filled(text: Text, show: Callable[[Value], str]) -> str:
    return _PLACE.sub(lambda match: show(text.values[match[1]]), text.template)


def _shown(value: Value) -> str:
    if isinstance(value, Names):
        return ", ".join(visible(text, NAME_LIMIT) for text in value.texts) + value.more
    if isinstance(value, Name):
        return visible(value.text, NAME_LIMIT)
    return value.text if isinstance(value, Ours) else visible(str(value), 1000)


def _in_markdown(value: Value) -> str:
    if isinstance(value, Names):
        return ", ".join(map(code_span, value.texts)) + value.more
    if isinstance(value, Name):
        return code_span(value.text)
    if isinstance(value, Ours | int):
        return _shown(value)
    return _SPECIAL.sub(r"\\\1", visible(value, 1000))
