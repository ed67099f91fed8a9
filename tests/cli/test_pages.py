"""The pages on usage and settings say what the program does."""

from __future__ import annotations

import re

import click
import pytest

from scanner.cli.group import root
from scanner.cli.names import COMMANDS
from scanner.errors import ExitCode
from scanner.setup.firewall import KINDS
from scanner.setup.manual import settings_page
from tests.cli.programs import ROOT

USAGE = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")


def options(name: str) -> list[click.Option]:
    """The options of a command."""
    command = root.get_command(click.Context(root), name)
    assert command is not None
    return [parameter for parameter in command.params if isinstance(parameter, click.Option)]


def test_the_page_of_settings_is_made_from_the_types() -> None:
    """`python -m scanner.setup.manual docs/settings.md` writes it."""
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_page()


def test_every_command_and_no_other_is_on_the_page() -> None:
    assert set(re.findall(r"^\| `mongosweep (\w+)", USAGE, re.MULTILINE)) == set(COMMANDS)


def test_every_option_of_sweep_and_no_other_is_on_the_page() -> None:
    (table,) = re.findall(r"\| option \| means \|\n\|---\|---\|\n((?:\|.*\n)+)", USAGE)
    listed = set(
        re.findall(r"(?<![\w-])--?[a-z][a-z-]*", "".join(re.findall(r"^\| (.*?)` \|", table, re.MULTILINE)))
    )
    assert listed == {name for option in options("sweep") for name in option.opts}


def test_every_variable_is_on_the_page() -> None:
    known = {str(option.envvar) for name in COMMANDS for option in options(name) if option.envvar}
    assert set(re.findall(r"MONGOSWEEP_(?!COMPLETE)[A-Z_]+", USAGE.replace("_MONGOSWEEP", ""))) == known


def test_the_exit_codes_are_on_the_page() -> None:
    for code in ExitCode:
        assert f"| {code.value} | {code.sentence} |" in USAGE


@pytest.mark.parametrize("kind", KINDS)
def test_every_fence_is_on_the_page(kind: str) -> None:
    assert f"| `{kind}` |" in USAGE
