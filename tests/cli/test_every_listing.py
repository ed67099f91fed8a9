"""Every command that lists something, in every form: what programs read parses, a ticket's table stands, and
`--out` has the same text."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from results.ledger.actions import Actions
from results.record import Server
from results.text import cells_of
from scanner.cli import main
from scanner.cli.group import root
from scanner.cli.listing import FORMS
from tests.results.examples import database
from tests.support.two_runs import NEW_RUN, TwoRuns, new, old, shut

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIGURATION = """\
[organisation]
name = "Example"
contact = "soc@example.com"

[[allow]]
cidr = "10.20.0.0/24"
site = "paris"
owner = "web | shop"

[[deny]]
cidr = "10.20.0.128/25"
reason = "=medical|devices"

[[schedule]]
name = "night"
cron = "30 2 * * *"
zone = "Europe/Paris"

[[sink]]
kind = "file"
path = "{folder}/events.out"
"""
LISTERS = [
    ("runs", 0),
    ("exposures", 1),
    ("leads --no-dns", 0),
    ("schedule", 0),
    ("users list", 0),
    ("tokens list", 0),
    ("sinks", 0),
    ("actions", 0),
    ("lab --list --hostile", 0),
    ("diff", 0),
    ("audit last", 4),
    ("scope check", 1),
    ("scope prove", 0),
    ("plan", 0),
    ("verify -q", 3),
    ("confirm -q report.csv", 0),
    ("doctor", 0),
    ("doctor --sinks", 0),
    ("explain", 0),
    ("explain open newest_object_id CVE-2025-14847", 0),
    ("show last", 0),
    ("show 192.0.2.1", 0),
    ("data", 0),
]
SENDING = ("verify -q", "doctor --sinks")
OTHERWISE = {
    "fleet status": "asked of a scheduler: tests/fleet",
    "ledger prune": "says what it did",
    "ledger rebuild": "says what it did",
    "scope import": "says what it did",
    "sweep": "streams lines while it goes on",
}


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with two runs, people, a sink, a schedule and a report from outside."""
    folder = tmp_path_factory.mktemp("estate")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HOME", str(folder))
        patch.delenv("MONGOSWEEP_OUTPUT", raising=False)
        patch.delenv("MONGOSWEEP_CONFIG", raising=False)
        Path("mongosweep.toml").write_text(CONFIGURATION.replace("{folder}", str(folder)), encoding="utf-8")
        Path("report.csv").write_text("ip,port\n203.0.113.9,27017\n", encoding="utf-8")
        hostile = database("sh\x1b[2Jop|=1", documents=1000, size=10_000)
        member = Server(product="mongodb", version="7.0.5", set_name="rs0", hosts=["10.20.0.7:27017"])
        TwoRuns(folder / "runs").write(
            [old("192.0.2.1", hostile), old("192.0.2.2"), old("192.0.2.3")],
            [new("192.0.2.1", hostile, server=member), shut(new("192.0.2.2")), new("192.0.2.4")],
        )
        assert main(["users", "add", "web-oncall", "--no-password"]) == 0
        assert main(["tokens", "add", "prometheus", "--role", "metrics"]) == 0
        Actions.open(folder / "runs", write=True).append(
            "noted", ["mx_0"], at="2026-03-09T00:00:00.000Z", by="Ada", detail="called|them"
        )
        yield folder


@pytest.fixture
def there(estate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same as the working directory."""
    monkeypatch.chdir(estate)
    monkeypatch.setenv("HOME", str(estate))
    monkeypatch.delenv("MONGOSWEEP_OUTPUT", raising=False)
    monkeypatch.delenv("MONGOSWEEP_CONFIG", raising=False)
    return estate


def rows_of_markdown(text: str) -> list[list[str]]:
    """The tables of a Markdown text, a list of cells a line."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


def check(form: str, text: str) -> None:
    """What a reader of this form asks of a text."""
    assert text.endswith("\n")
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", text), "no control character"
    if form == "json":
        assert isinstance(json.loads(text), list | dict)
    elif form == "jsonl":
        assert all(isinstance(json.loads(line), dict) for line in text.splitlines())
    elif form == "csv":
        head, *rows = list(csv.reader(io.StringIO(text), strict=True))
        assert len(set(head)) == len(head)
        assert rows
        assert {len(row) for row in rows} == {len(head)}
        assert not any(cell[:1] in "=+@" for row in rows for cell in row if cell)
    elif form == "md":
        tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
        assert tables or "- " in text
        for table in tables:
            head, rule, *rows = rows_of_markdown(table)
            assert all(re.fullmatch(r" -+:? ", cell) for cell in rule)
            assert {len(row) for row in [rule, *rows]} == {len(head)}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("words", "code"), LISTERS)
def test_each_listing_in_each_form(
    words: str, code: int, form: str, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "--format", form]) == code
    text = capsys.readouterr().out
    check(form, text)
    if words in SENDING:
        return
    assert main([*words.split(), "--format", form, "--out", "listed"]) == code
    caught = capsys.readouterr()
    assert caught.out == ""
    assert "wrote listed\n" in caught.err
    assert moving(Path("listed").read_bytes().decode()) == moving(text)


def moving(text: str) -> str:
    """Without what goes on between two calls: ages, room on the disk, ports in use, moments."""
    return re.sub(r"\d[\d.,:]*", "0", text)


@pytest.mark.parametrize(("words", "code"), LISTERS)
def test_the_short_word_for_programs(
    words: str, code: int, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "--json"]) == code
    text = capsys.readouterr().out
    check("jsonl" if words.split()[0] in ("leads", "verify", "confirm") else "json", text)


@pytest.mark.parametrize("words", [words for words, _ in LISTERS if words != "verify -q"])
def test_a_directory_takes_no_listing(words: str, there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words.split(), "--out", "runs"]) == 2
    caught = capsys.readouterr()
    assert (caught.out, "runs is a directory; name a file in it" in caught.err) == ("", True)


def every(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Each command by its words, groups gone through."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from every(below, (*path, name))
    else:
        yield " ".join(path), command


def test_who_lists_has_the_same_options_and_stands_in_the_table() -> None:
    """A new command that says `--json` has the other forms as well."""
    for name, command in every(root):
        options: dict[str, Any] = {option: each for each in command.params for option in each.opts}
        if "--json" not in options or name in OTHERWISE:
            continue
        assert {"--format", "--out"} <= set(options), name
        assert any(words.startswith(name) for words, _ in LISTERS), name
    assert set(OTHERWISE) <= {name for name, _ in every(root)}


def test_a_run_for_a_manager(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The run's state, what was found, why, the counts and whom to call, in one text."""
    assert main(["show", NEW_RUN, "--format", "md"]) == 0
    text = capsys.readouterr().out
    for words in (
        f"run {NEW_RUN}",
        "complete",
        "192\\.0\\.2\\.4:27017",
        "open without a password",
        "Whom to call",
    ):
        assert words.replace("\\.", ".") in text.replace("\\", ""), words
    assert main(["show", NEW_RUN, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["run"]["state"], document["run"]["run_id"]) == ("complete", NEW_RUN)
    assert {each["target"]["ip"] for each in document["observations"]} == {
        *("192.0.2.1", "192.0.2.2", "192.0.2.4")
    }


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize(
    "words", [words for words, _ in LISTERS if not words.startswith(("verify", "doctor --"))]
)
def test_on_a_terminal_no_word_is_broken(
    words: str, columns: int, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No line is wider than the terminal unless it is one word, and each word is one of the whole text."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "1000")
    main(words.split())
    whole = words_of(capsys.readouterr().out)
    monkeypatch.setenv("COLUMNS", str(columns))
    main(words.split())
    text = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    for line in text.splitlines():
        assert cells_of(line) <= columns or len(line.split()) == 1
    assert {word for word in words_of(text) if not word.endswith("…")} <= whole


def words_of(text: str) -> set[str]:
    """What stands between blanks and marks, whatever its case."""
    return {word.strip(",;:()") for word in re.sub(r"\x1b\[[\d;]*m", "", moving(text)).casefold().split()}
