"""The manual page of a command, in the man macros of roff (groff_man(7))."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanner import __version__
from scanner.cli.described import PROGRAM
from scanner.errors import exit_code_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scanner.cli.described import Described, Paragraph

SECTION = "1"  # of the manual: programs
_FILES = (
    ("mongosweep.toml", "The configuration, where no -c names one: here, else as below."),
    ("~/.config/mongosweep/mongosweep.toml", "That of a person; $XDG_CONFIG_HOME stands for ~/.config."),
    ("/etc/mongosweep/mongosweep.toml", "That of the machine."),
    ("runs/RUN/", "The directory of a run, below the output directory of -o."),
)


def file_name(page: Described) -> str:
    """What the page's file is called, as man(1) looks for it."""
    return f"{page.name.replace(' ', '-')}.{SECTION}"


def man_page(page: Described) -> str:
    """The page. It is the same for everybody: no width, no time and no environment is in it."""
    title = page.name.replace(" ", "-")
    lines = [
        '.\\" Made from the command itself by `make pages`.',
        f'.TH {_quoted(title.upper())} {SECTION} "" {_quoted(f"{PROGRAM} {__version__}")} "User Commands"',
        ".SH NAME",
        f"{_text(title)} \\- {_text(page.line[:1].lower() + page.line[1:].rstrip('.'))}",
        ".SH SYNOPSIS",
        *_synopsis(page.usage),
        ".SH DESCRIPTION",
        *_paragraphs(page.about),
        ".SH OPTIONS",
        *_terms(page.options),
    ]
    if page.commands:
        below = ((f"{title}-{name}({SECTION})", said) for name, said in page.commands)
        lines += [".SH COMMANDS", *_terms(below)]
    if page.examples:
        lines.append(".SH EXAMPLES")
        for example in page.examples:
            lines += [
                ".PP",
                f"{_text(example.purpose[:1].upper() + example.purpose[1:])}:",
                *_as_it_is(example.line),
            ]
    if not page.words:
        lines += [".SH FILES", *_terms(_FILES)]
    own = page.words and page.after
    if page.after:
        lines += [".SH EXIT STATUS" if own else ".SH NOTES", *_paragraphs(page.after)]
    if not own:
        lines += [".SH EXIT STATUS", "The same for every command:", *_as_it_is(exit_code_table())]
    lines += [".SH SEE ALSO", *_see_also(page)]
    return "\n".join(lines) + "\n"


def _synopsis(usage: str) -> Iterator[str]:
    name, _, rest = usage.partition(" [")
    yield f".B {_text(name)}"
    if rest:
        yield _text(f"[{rest}")


def _see_also(page: Described) -> Iterator[str]:
    if page.words:
        above = page.name.rpartition(" ")[0].replace(" ", "-")
        yield f".BR {_text(above)} ({SECTION})"
        yield ".PP"
    yield _text(f"`{PROGRAM} help` lists the pages of the documentation, `{PROGRAM} help TOPIC` shows one.")


def _paragraphs(paragraphs: Iterable[Paragraph]) -> Iterator[str]:
    for each in paragraphs:
        if each.as_it_is:
            yield from _as_it_is(each.text)
        else:
            yield ".PP"
            yield _text(each.text)


def _terms(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, said in pairs:
        yield ".TP"
        yield f".B {_text(term)}"
        yield _text(said)


def _as_it_is(text: str) -> Iterator[str]:
    yield from (".PP", ".RS 4", ".nf")
    yield from (_text(line, blanks=True) for line in text.splitlines())
    yield from (".fi", ".RE")


def _text(text: str, *, blanks: bool = False) -> str:
    """Text as roff takes it: nothing in it is a request, and a hyphen stays what can be copied. `blanks` are
    kept as they are."""
    text = (text if blanks else " ".join(text.split())).replace("\N{HORIZONTAL ELLIPSIS}", "...")
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _quoted(text: str) -> str:
    return f'"{text}"'
