"""The help of commands, pages of the documentation by their topics, and verbs that people guess."""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import TYPE_CHECKING

import click
import pytest

from scanner import __version__
from scanner.cli import main
from scanner.cli.group import root
from scanner.cli.names import COMMANDS, GUESSES, SECTIONS
from tests.cli.programs import ROOT, mongosweep
from tests.support import terminal

if TYPE_CHECKING:
    from pathlib import Path

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("words", [["-V"], ["--version"], ["version"], ["-V", "sweep"]])
def test_the_version_by_each_of_its_names(words: list[str], capsys: Captured) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out == f"mongosweep {__version__}\n"


def test_every_command_stands_in_one_section_and_on_one_line(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert sum(map(len, SECTIONS.values())) == len(COMMANDS)
    for title, section in SECTIONS.items():
        below = shown.partition(f"\n{title}:\n")[2].partition("\n\n")[0].splitlines()
        assert [tuple(line.split(maxsplit=1)) for line in below] == list(section.items())


@pytest.mark.parametrize(
    "words",
    [["help", "scope", "import"], ["scope", "help", "import"], ["scope", "import", "-h"]],
    ids=" ".join,
)
def test_the_help_of_a_command_by_each_way(words: list[str], capsys: Captured) -> None:
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: mongosweep scope import [OPTIONS] SOURCE...\n")
    assert "\n  Examples:\n    # " in out
    assert out.count("Examples:") == 1
    assert err == ""


def test_a_group_shows_its_own_help(capsys: Captured) -> None:
    for group in ("scope", "users"):
        assert main([group, "help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: mongosweep {group} [OPTIONS] COMMAND")


def test_help_lists_commands_and_topics(capsys: Captured) -> None:
    assert main(["help"]) == 0
    shown = capsys.readouterr().out
    assert all(re.search(rf"^  {name} ", shown, re.MULTILINE) for name in COMMANDS)
    listed, _, place = shown.partition("TOPIC`:\n")[2].partition("\n\n")
    assert place.endswith(f" in:\n{ROOT / 'docs'}\n")
    topics = listed.replace(",", " ").split()
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"README"}
    pages |= {"siem", *(path.stem for path in (ROOT / "docs" / "siem").glob("*.md"))} - {"README"}
    assert {topic.removesuffix(".md") for topic in topics} == pages
    assert {"verdicts", "verify.md"} <= set(topics), "a page that a command has the name of"


def test_a_topic_is_the_page_itself(capsys: Captured) -> None:
    for topic in ("verdicts", "verify.md"):
        assert main(["help", topic]) == 0
        page = ROOT / "docs" / f"{topic.removesuffix('.md')}.md"
        assert capsys.readouterr().out == page.read_text(encoding="utf-8")
    for topic, name in (("siem", "README"), ("splunk", "splunk")):
        assert main(["help", topic]) == 0
        page = ROOT / "docs" / "siem" / f"{name}.md"
        assert capsys.readouterr().out == page.read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="how a terminal is given away is Linux's")
def test_on_a_terminal_a_topic_is_laid_out_in_a_pager(tmp_path: Path) -> None:
    program = shlex.join([sys.executable, "-P", "-m", "scanner", "help", "verdicts"])
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "PAGER": "cat"}
    env.pop("COLUMNS", None)
    seen = terminal.watch(program, cwd=tmp_path, env=env, columns=80)
    assert seen.status == 0
    page = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
    assert page.splitlines()[0].removeprefix("# ") in "\n".join(seen.lines[:5])
    assert not any(line.startswith(("|", "#")) for line in seen.lines)


@pytest.mark.parametrize("topic", ["../README", "..", "/etc/passwd", "commands/sweep", "verdict"])
def test_what_is_no_topic_is_refused(topic: str, capsys: Captured) -> None:
    assert main(["help", topic]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: there is no command and no topic '{topic}'; ")


def test_a_guess_that_reads_only_is_run_and_said(tmp_path: Path, capsys: Captured) -> None:
    assert main(["history", "-o", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert out == "no runs here\n"
    assert err == "note: `history` is written `mongosweep runs`\n"


def test_scan_is_sweep(tmp_path: Path) -> None:
    """It asks nobody here: the scope is empty."""
    (tmp_path / "mongosweep.toml").write_text("", encoding="utf-8")
    assert main(["init", str(tmp_path / "other.toml")]) == 0
    done = mongosweep("scan", "-c", "other.toml", cwd=tmp_path)
    assert done.returncode == 2
    note, refusal = done.stderr.splitlines()
    assert note == "note: `scan` is written `mongosweep sweep`"
    assert "nothing may be probed" in refusal
    quiet = mongosweep("scan", "-q", "-c", "other.toml", cwd=tmp_path)
    assert quiet.stderr == refusal + "\n"


@pytest.mark.parametrize("verb", GUESSES)
def test_a_guess_names_commands_that_exist(verb: str, capsys: Captured) -> None:
    guess = GUESSES[verb]
    assert bool(guess.runs) != bool(guess.said)
    assert verb not in COMMANDS
    for line in re.findall(r"`mongosweep ([^`]*)`", guess.said):
        words = [word for word in shlex.split(line) if word not in ("EXPOSURE", "NAME", "RUN", "SOURCE")]
        command, context = _resolved(words)
        flags = {name for option in command.get_params(context) for name in option.opts}
        assert {word for word in words if word.startswith("-")} <= flags
    if guess.runs:
        assert guess.runs[0] in {*COMMANDS, "--version"}
    else:
        assert main([verb]) == 2
        assert f"there is no command '{verb}'; {guess.said}" in capsys.readouterr().err


def test_what_a_guess_runs_sends_nothing() -> None:
    """But for `scan`, which asks for a sweep by another name."""
    reads = {"exposures", "runs", "diff", "plan", "help", "--version"}
    assert {guess.runs[0] for verb, guess in GUESSES.items() if guess.runs and verb != "scan"} <= reads


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["10.20.0.0/24"], "`mongosweep sweep TARGET` asks addresses"),
        (["mongodb://db.example.com"], "`mongosweep sweep TARGET` asks addresses"),
        (["mx_68920e6b4f44"], "`mongosweep show EXPOSURE` says"),
        (["help", "open_no_data"], "`mongosweep explain open_no_data` says"),
        (["help", "verdict"], "did you mean verdicts or severity? `mongosweep explain verdict` says"),
    ],
)
def test_what_is_written_in_the_place_of_a_command_is_recognised(
    words: list[str], meant: str, capsys: Captured
) -> None:
    assert main(words) == 2
    assert meant in capsys.readouterr().err


def test_a_mistyped_name_is_recognised_in_each_group(capsys: Captured) -> None:
    for words, meant in ((["swep"], "sweep"), (["scope", "chek"], "check"), (["users", "lst"], "list")):
        assert main(words) == 2
        assert f"did you mean {meant}?" in capsys.readouterr().err


def _resolved(words: list[str]) -> tuple[click.Command, click.Context]:
    command: click.Command = root
    context = root.make_context("mongosweep", [])
    for word in words:
        below = command.get_command(context, word) if isinstance(command, click.Group) else None
        if below is None:
            assert not isinstance(command, click.Group) or word.startswith("-"), f"no command {word}"
            break
        command, context = below, click.Context(below, info_name=word, parent=context)
    return command, context
