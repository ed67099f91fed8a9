"""docs/cli-manners.md holds for every command, and says what every command does."""

from __future__ import annotations

import os
import re
import shlex
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click
import pytest

from scanner.cli import main
from scanner.cli.group import root
from scanner.errors import ExitCode
from tests.cli.programs import ROOT
from tests.results.examples import database
from tests.support import terminal
from tests.support.two_runs import TwoRuns, new, old

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Captured = pytest.CaptureFixture[str]
MANNERS = (ROOT / "docs" / "cli-manners.md").read_text(encoding="utf-8")
USAGE = (ROOT / "docs" / "usage.md").read_text(encoding="utf-8")


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command: how it is written behind `mongosweep`, itself, and a context."""
    below: list[tuple[str, click.Command, click.Context]] = [("", root, root.make_context("mongosweep", []))]
    while below:
        words, command, context = below.pop()
        yield words, command, context
        for name in command.list_commands(context) if isinstance(command, click.Group) else ():
            assert isinstance(command, click.Group)
            found = command.get_command(context, name)
            assert found is not None
            inner = click.Context(found, info_name=name, parent=context)
            below.append((f"{words} {name}".strip(), found, inner))


COMMANDS = {words: (command, context) for words, command, context in commands()}
OPTIONS = [
    (words, each, context)
    for words, (command, context) in COMMANDS.items()
    for each in command.params
    if isinstance(each, click.Option) and not each.hidden
]


def rows(head: str, page: str = MANNERS) -> list[list[str]]:
    """The cells of the table of a page below this head."""
    (table,) = re.findall(re.escape(head) + r"\n\|---\|---\|\n((?:\|.*\n)+)", page)
    return [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table.splitlines()]


def written(option: click.Option, context: click.Context) -> str:
    """What a help shows of an option, without its meaning."""
    record = option.get_help_record(context)
    assert record is not None
    return record[0]


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_a_help_fits_80_columns_on_stdout_alone(
    words: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for flag in ("-h", "--help"):
        assert main([*words.split(), flag]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        assert "\x1b" not in out
        assert [line for line in out.splitlines() if len(line) > 80] == []
        assert out.count("\n  Examples:\n") == 1


@pytest.mark.parametrize("words", sorted(COMMANDS))
def test_bad_usage_is_two_lines_on_stderr_and_code_2(words: str, capsys: Captured) -> None:
    assert main([*words.split(), "--no-such-option"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first.startswith("error: ")
    assert second == f"`mongosweep {words}".rstrip() + " --help` shows what can be written."


def test_every_option_says_what_it_means_in_sentences() -> None:
    for words, option, _ in OPTIONS:
        assert (option.help or "").endswith("."), (words, option.opts)


def test_what_stands_for_a_value_says_of_which_kind_it_is() -> None:
    known = {word for cell, _ in rows("| written | stands for |") for word in re.findall(r"`(.*?)`", cell)}
    assert known >= {"FILE", "DIR", "N"}
    for words, option, context in OPTIONS:
        if option.is_flag:
            continue
        value = written(option, context).rpartition(" ")[2]
        if not isinstance(option.type, click.Choice):
            parts = re.split(r"[|:=,\[\]]+", re.sub(r"tls://HOST:PORT", "URL", value))
            assert known >= {part for part in parts if part not in ("", "UID", "WORKER", "PORT", "LEVEL")}, (
                words,
                value,
            )


def test_one_word_for_one_thing() -> None:
    """An option of the page has its name, its letter and its value wherever it is."""
    agreed = {}
    for cell, _ in rows("| option | means |"):
        *letters, longest = re.findall(r"`(.*?)`", cell)
        name, _, value = longest.partition(" ")
        agreed[name] = (letters, value)
    seen = set()
    for words, option, context in OPTIONS:
        name = next(each for each in option.opts if each.startswith("--"))
        letters = [each for each in option.opts if not each.startswith("--")]
        if name in agreed:
            seen.add(name)
            value = written(option, context).removeprefix(", ".join([*letters, name])).strip()
            if not isinstance(option.type, click.Choice):
                value = "" if option.is_flag else value.split(",")[0]
                assert (letters, re.sub(r"^--diff$", "", value)) == agreed[name], (words, option.opts)
        elif letters:
            assert (words, letters) in ((scope := "scope import", ["-o"]), ("", ["-V"])), (words, letters)
            assert scope in MANNERS
    assert seen >= {"--config", "--output", "--json", "--quiet", "--out"}


@pytest.mark.parametrize("name", ["verbose", "silent", "file", "path", "force", "no-color"])
def test_nothing_has_a_second_word(name: str) -> None:
    assert f"`{name}`" in MANNERS
    assert not [words for words, option, _ in OPTIONS if f"--{name}" in option.opts]


def test_the_exit_codes_are_those_of_the_program() -> None:
    assert rows("| code | means |", USAGE) == [[str(code.value), code.sentence] for code in ExitCode]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration, two runs with names that are long, and one exposure of each kind."""
    folder = tmp_path_factory.mktemp("manners")
    (folder / "mongosweep.toml").write_text(
        '[organisation]\nname = "Example"\ncontact = "soc@example.com"\n'
        '[[allow]]\ncidr = "127.93.0.0/28"\nkind = "lab"\nowner = "the team of the web platform"\n'
        '[[schedule]]\nname = "nightly"\ncron = "0 2 * * *"\nzone = "Europe/Paris"\n'
        '[[sink]]\nkind = "file"\nname = "shipper"\npath = "/var/log/mongosweep/findings.jsonl"\n',
        encoding="utf-8",
    )
    names = [database(f"customers_of_the_{n}th_branch", 1000, 10_000) for n in range(4)]
    TwoRuns(folder / "runs").write([old("192.0.2.1", *names), old("192.0.2.2")], [new("192.0.2.1", *names)])
    return folder


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> Callable[..., str]:
    """Run one command line there, with these variables, and give what stood on stdout."""
    monkeypatch.chdir(home)
    monkeypatch.setenv("HOME", str(home))

    def done(line: str, **variables: str) -> str:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS"):
                patch.delenv(name, raising=False)
            for name, value in variables.items():
                patch.setenv(name, value)
            code: Any = main(line.split())
        assert code in (0, 1, 3), line
        return capsys.readouterr().out

    return done


# What people read, of every kind.
SHOWN = (
    "show last",
    "show 192.0.2.1:27017",
    "exposures --fail-on never",
    "diff",
    "plan",
    "explain databases-listed unreachable CVE-2025-14847",
    "doctor",
    "runs",
    "lab --list",
    "explain",
    "data",
    "sinks",
    "schedule",
    "actions",
    "scope check",
    "users list",
    "tokens list",
    "leads --no-dns",
)


EACH = """
import sys
from scanner.cli import main
for line in sys.argv[1:]:
    print(f"=== {line}", flush=True)
    main(line.split())
"""


@pytest.fixture(scope="module")
def on_terminals(home: Path) -> dict[int, dict[str, list[str]]]:
    """What each of `SHOWN` writes on a terminal: its width -> the command -> its lines, before they are
    wrapped."""
    hidden = ("MONGOSWEEP_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    env |= {"PYTHONPATH": str(ROOT), "HOME": str(home), "TERM": "xterm"}
    program = shlex.join([sys.executable, "-P", "-c", EACH, *SHOWN])
    found = {}
    for columns in (80, 1000):
        seen = terminal.watch(program, cwd=home, env=env, columns=columns)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.raw.replace("\r", ""))
        parts = re.split(r"^=== (.*)\n", text, flags=re.MULTILINE)[1:]
        found[columns] = {line: said.splitlines() for line, said in zip(parts[::2], parts[1::2], strict=True)}
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="how a terminal is given away is Linux's")
@pytest.mark.parametrize("line", SHOWN)
def test_no_word_is_broken_at_80_columns(line: str, on_terminals: dict[int, dict[str, list[str]]]) -> None:
    """Neither by the terminal, which breaks a line that is too long anywhere, nor by us."""
    lines = on_terminals[80][line]
    assert lines
    assert [each for each in lines if len(each) > 80] == []
    whole = set(" ".join(on_terminals[1000][line]).split())
    ends = [(above.split(), below.split()) for above, below in pairwise(lines)]
    assert [a[-1] + b[0] for a, b in ends if a and b and a[-1] not in whole and a[-1] + b[0] in whole] == []


def test_colour_is_for_terminals_and_can_be_asked_for(run: Callable[..., str]) -> None:
    for line in ("show last", "exposures --fail-on never", "show 192.0.2.1:27017"):
        plain = run(line, TERM="xterm-256color")
        assert "\x1b" not in plain
        coloured = run(line, TERM="xterm-256color", FORCE_COLOR="1")
        assert re.search(r"\x1b\[[0-9;]*m", coloured), line
        both = run(line, TERM="xterm-256color", FORCE_COLOR="1", NO_COLOR="1")
        assert not re.search(r"\x1b\[(?:[0-9]+;)*(?:3[0-9]|4[0-9]|9[0-9])[0-9;]*m", both), line
        assert "\x1b" not in run(line, TERM="dumb", FORCE_COLOR="1"), line
