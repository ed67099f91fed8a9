"""The command lines of the documentation: found in blocks, cut into stages, parsed by the real commands."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

import click

from scanner.cli.group import root
from tests.support.doc_pages import TOLD, blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

SHELL = ("", "sh", "console")
PROGRAM = "mongosweep"
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*$")
_BY_ANOTHER = re.compile(r"(?:runuser -u \w+|kubectl exec .*?) -- ")
_IN_CONTAINER = re.compile(r"docker run .*? mongosweep:1 ")
RECIPES_ELSEWHERE = {"docs/record.md", "docs/events.md"}
_OPERATORS = ("&&", "||", ";", "|")


class Line(NamedTuple):
    """One line of a shell, comments taken away: its page, and the text."""

    page: str
    text: str


class Stage(NamedTuple):
    """One command of a line: its words, where its input and output are files, and whether a pipe feeds it."""

    words: list[str]
    reads: str = ""
    writes: str = ""
    fed: bool = False


def lines() -> list[Line]:
    """Every line that runs the program, or a recipe for `jq` that no test of its own runs, of all pages,
    in the order in which somebody would type them."""
    found = []
    for page in TOLD:
        for block in blocks(page):
            if block.language in SHELL:
                found += [
                    Line(block.page, text) for text in _logical(block.text) if _is_wanted(block.page, text)
                ]
    return found


def _logical(text: str) -> Iterator[str]:
    """The lines of a block: those that a backslash, a bar or an open quote goes on with are one; what a here
    document holds is none."""
    held, until = "", ""
    for raw in text.splitlines():
        if until:
            until = "" if raw == until else until
            continue
        line = raw[2:] if raw.startswith("$ ") and not held else raw
        held = f"{held}\n{line}" if held else line
        if held.endswith("\\"):
            held = held[:-1]
            continue
        plain = without_comment(held)
        if _is_open(plain) or plain.rstrip().endswith("|"):
            continue
        if here := re.search(r"<<'(\w+)'", plain):
            until = here[1]
        yield " ".join(plain.split("\n")).strip()
        held = ""
    assert not held, f"a line of the shell does not end: {held}"


def _is_open(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return True
    return False


def without_comment(text: str) -> str:
    """A line without what stands behind a `#` that begins a word."""
    quote = ""
    for at, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and (at == 0 or text[at - 1] in " \t\n"):
            return text[:at]
    return text


def _is_wanted(page: str, text: str) -> bool:
    """A synopsis names it and is nothing to type."""
    if "[OPTIONS]" in text:
        return False
    return any(map(is_ours, stages(text))) or (text.startswith("jq ") and page not in RECIPES_ELSEWHERE)


def is_ours(stage: Stage) -> bool:
    """Whether a command is the program, and not one that merely names a file of it."""
    return bool(stage.words) and stage.words[0].rpartition("/")[2] == PROGRAM


def stages(text: str) -> list[Stage]:
    """The commands of a line, also those in `$(…)`, without assignments and what only says who runs them."""
    text = _IN_CONTAINER.sub(f"{PROGRAM} ", _BY_ANOTHER.sub("", text))
    text = re.sub(r"\$\(([^()]*)\)", r"word; \1;", text)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    lexer.commenters = ""
    found: list[Stage] = []
    words: list[str] = []
    reads = writes = ""
    fed = False
    tokens = [*lexer, ";"]
    position = 0
    while position < len(tokens):
        token = tokens[position]
        position += 1
        if token in ("<", ">", ">>") and position < len(tokens):
            reads, writes = (tokens[position], writes) if token == "<" else (reads, tokens[position])
            position += 1
        elif token in _OPERATORS or token == "&":
            while words and _ASSIGNMENT.match(words[0]):
                words.pop(0)
            if words:
                found.append(Stage(words, reads, writes, fed))
            words, reads, writes, fed = [], "", "", token == "|"
        else:
            words.append(token)
    return found


def ours(text: str) -> list[Stage]:
    """The commands of a line that are the program."""
    return [stage for stage in stages(text) if is_ours(stage)]


def parse(words: list[str]) -> click.Context:
    """Parse the words behind the program's name as it does; nothing is run.

    Raises click's usage errors, with what they say to a user.
    """
    context = root.make_context(PROGRAM, list(words))
    command: click.Command = root
    while isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
        name, below, arguments = command.resolve_command(context, rest)
        assert below is not None
        context = below.make_context(name, arguments, parent=context)
        command = below
    return context
