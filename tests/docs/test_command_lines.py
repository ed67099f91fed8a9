"""Every command line of every page is one that the program takes, as is each option that a sentence names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
import pytest

from scanner.cli.group import root
from tests.support.doc_commands import Line, lines, ours, parse
from tests.support.doc_pages import TOLD, name_of, spans

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = lines()
NO_COMMAND = "mongosweep security scan"  # what a server's log says
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
OF_OTHERS = {
    "every": "python -m tests.torture",
    "fields": "shodan parse",
    "greppable": "RustScan",
    "network": "docker run",
    "no-header-row": "zmap",
    "readscan": "masscan",
    "rest": "mongod up to 3.4",
    "separator": "shodan parse",
}
"""Long options of other programs that sentences name, and whose they are."""
OF_NOBODY = {"file", "no-color", "path", "silent", "verbose"}
"""Options that a page on manners may name because no command has them."""


def commands(group: click.Group = root, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command with its whole name, groups among them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield before + name, command
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")


KNOWN = dict(commands())
OPTIONS = {
    name: {
        "--help",
        *(text for each in command.params for text in [*each.opts, *each.secondary_opts] if text[:2] == "--"),
    }
    for name, command in KNOWN.items()
}
ALL_OPTIONS = {"--version", *(option for options in OPTIONS.values() for option in options)}


def command_of(words: list[str]) -> str:
    """The longest name of a command with which the words begin; "" for none."""
    names = [" ".join(words[:count]) for count in (3, 2, 1)]
    return next((name for name in names if name in KNOWN), "")


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line.page}: {line.text[:70]}")
def test_it_is_taken(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the very parser; nothing of it is run."""
    monkeypatch.chdir(tmp_path)
    for stage in ours(line.text):
        try:
            parse(stage.words[1:])
        except click.UsageError as error:
            pytest.fail(error.format_message(), pytrace=False)


def test_the_pages_show_every_command() -> None:
    """Each at least once, to type or in a sentence."""
    shown = {command_of(stage.words[1:]) for line in LINES for stage in ours(line.text)}
    for page in TOLD:
        shown |= {command_of(span.split()[1:]) for span in spans(page) if span.startswith("mongosweep ")}
    groups = {name for name, command in KNOWN.items() if isinstance(command, click.Group)}
    assert set(KNOWN) - shown - groups == set()


@pytest.mark.parametrize("page", TOLD, ids=name_of)
def test_what_a_sentence_names_is_there(page: Path) -> None:
    """A command behind the program's name, and each option of it; an option alone is one of some command."""
    wrong = []
    for span in spans(page):
        words = span.split()
        named = words[0] == "mongosweep" and span != NO_COMMAND and len(words) > 1 and words[1][:1].islower()
        words = words[1:] if words[0] == "mongosweep" else words
        name = command_of(words)
        if named and not name:
            wrong.append(f"{span}: there is no such command")
        ours_alone = named or (name and "|" not in words)
        for option in OPTION.findall(span) if ours_alone or span.startswith("--") else ():
            there = OPTIONS[name] if name else ALL_OPTIONS
            if option not in there and option[2:] not in {*OF_OTHERS, *OF_NOBODY}:
                wrong.append(f"{span}: there is no {option}")
    assert not wrong


def test_options_of_others_are_named_somewhere() -> None:
    """A row that nobody needs any more is taken out."""
    named = {option[2:] for page in TOLD for span in spans(page) for option in OPTION.findall(span)}
    assert set(OF_OTHERS) - named == set()
    assert not {f"--{name}" for name in OF_NOBODY} & ALL_OPTIONS
