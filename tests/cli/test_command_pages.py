"""Manual pages and docs/commands say what the commands say, and examples can be written as they stand."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import click
import pytest

from scanner.cli.described import Described, Paragraph, described
from scanner.cli.examples import EXAMPLES, Example
from scanner.cli.group import root
from scanner.cli.page_man import man_page
from scanner.cli.page_markdown import markdown_page
from scanner.cli.pages import pages, write
from tests.cli.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGES = pages()


def test_the_pages_are_made_from_the_commands() -> None:
    """`make pages` writes them."""
    there = {
        f"{folder}/{path.name}": path.read_text(encoding="utf-8")
        for folder in ("man", "commands")
        for path in (ROOT / "docs" / folder).iterdir()
    }
    assert there == PAGES


def test_writing_removes_the_page_of_a_command_that_is_no_more(tmp_path: Path) -> None:
    (tmp_path / "man").mkdir()
    (tmp_path / "man" / "mongosweep-gone.1").write_text("old", encoding="utf-8")
    write(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.glob("*/*")} == set(PAGES)


def test_a_page_does_not_depend_on_who_makes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COLUMNS", "40"), ("MONGOSWEEP_OUTPUT", "elsewhere"), ("MONGOSWEEP_LOG", "debug")):
        monkeypatch.setenv(name, value)
    assert pages() == PAGES


HOSTILE = Described(
    words="odd",
    line="Do it.",
    usage="mongosweep odd [OPTIONS]",
    about=(Paragraph(".so /etc/passwd is no request, nor is \\n a line; a * and a <b> stay."),),
    options=((".x, --x A|B", "'quoted"),),
    commands=(),
    examples=(Example("a | b", "printf '%s\\n' a-b | cat"),),
    after=(),
)


def test_no_text_is_a_request_of_roff() -> None:
    page = man_page(HOSTILE)
    assert "\n\\&.so /etc/passwd is no request, nor is \\en a line" in page
    assert "\n\\&'quoted\n" in page
    assert "\nprintf '%s\\en' a\\-b | cat\n" in page
    assert not re.search(r"^\.(?!\\\"|TH |SH |PP$|TP$|B |BR |RS 4$|RE$|nf$|fi$)", page, re.MULTILINE)


def test_no_text_breaks_a_table_of_markdown() -> None:
    page = markdown_page(HOSTILE)
    assert "| `.x, --x A\\|B` | 'quoted |" in page
    assert "a \\* and a \\<b> stay" in page


@pytest.mark.skipif(not shutil.which("groff"), reason="groff formats manual pages")
def test_groff_has_nothing_to_say_of_a_manual_page() -> None:
    made = [str(path) for path in sorted((ROOT / "docs" / "man").iterdir())]
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", *made], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""


def test_manual_pages_are_ascii_and_say_how_a_command_ends() -> None:
    for name, page in PAGES.items():
        if name.startswith("man/"):
            assert page.isascii(), name
            assert ".SH EXIT STATUS\n" in page
            assert ".SH EXAMPLES\n" in page


def test_every_page_of_a_command_is_led_to() -> None:
    linked = set()
    for name, page in PAGES.items():
        if name.startswith("commands/"):
            linked |= {f"commands/{target}" for target in re.findall(r"\]\(([\w-]+\.md)\)", page)}
            for target in re.findall(r"\]\(\.\./([\w./-]+)\)", page):
                assert (ROOT / "docs" / target).exists(), (name, target)
    assert linked == {name for name in PAGES if name.startswith("commands/")} - {"commands/README.md"}


def test_every_command_has_examples_and_no_other() -> None:
    assert set(EXAMPLES) == {page.words for page in described()}


LINES = sorted({example.line for examples in EXAMPLES.values() for example in examples})


@pytest.mark.parametrize("line", LINES, ids=[line.split("\\")[0].strip() for line in LINES])
def test_an_example_can_be_written_as_it_stands(line: str) -> None:
    """It parses, and fits a terminal of 80 columns below its purpose."""
    assert all(len(each) <= 76 for each in line.splitlines())
    commands = [part for part in _simple_commands(line) if part[:1] == ["mongosweep"]]
    assert commands, "an example of another program"
    for command in commands:
        _parse(command[1:])


@pytest.mark.parametrize("words", EXAMPLES)
def test_a_command_is_in_its_own_examples(words: str) -> None:
    assert any(f"mongosweep {words}" in example.line for example in EXAMPLES[words])


def test_purposes_fit_too() -> None:
    assert all(len(example.purpose) <= 74 for examples in EXAMPLES.values() for example in examples)


def _simple_commands(line: str) -> list[list[str]]:
    """The words of each program of a pipeline, without redirections."""
    inner = re.fullmatch(r'eval "\$\((.*)\)"', line)
    text = (inner[1] if inner else line).replace("\\\n", " ").replace("\n", " | ")
    lexer = shlex.shlex(text, posix=True, punctuation_chars="|<>")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    passed = False
    for word in lexer:
        if word == "|":
            commands.append([])
        elif word in ("<", ">"):
            passed = True
        elif passed:
            passed = False
        else:
            commands[-1].append(word)
    return commands


def _parse(words: list[str]) -> None:
    command: click.Command = root
    context = root.make_context("mongosweep", [])
    while words and isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, words
        context = click.Context(found, info_name=words[0], parent=context)
        command, words = found, words[1:]
    if words or not isinstance(command, click.Group):
        command.make_context("mongosweep", words)
