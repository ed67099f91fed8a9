"""What every listing has in common: five forms, a file that is whole or not there, tables of any width."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from results.files import StorageError
from results.runs import list_runs
from results.text import cells_of
from scanner.cli import main, outfile
from scanner.cli.listing import Column, Listed, Listing
from scanner.cli.listing_table import plain_lines
from scanner.cli.run_text import runs_listing
from tests.support.ledgers import RunOnDisk
from tests.support.listings import written

if TYPE_CHECKING:
    from results.manifest import State

ROWS: list[dict[str, Any]] = [
    {"name": "alpha", "size": 1234567, "note": "", "told": "a sentence of some words that is long " * 3},
    {"name": "=1+1", "size": None, "note": "x\x1b[2J\u202e|y", "told": "short"},
    {"name": "データ" * 6, "size": 0, "note": "z" * 60, "told": "-"},
]
LISTING = Listing(
    rows=ROWS,
    columns=[
        Column("name", widest=20),
        Column("size", right=True),
        Column("note", widest=10),
        Column("told", folds=True),
    ],
    title="Things",
    below=lambda row: ["a line below, in words"] if row["size"] == 0 else [],
    foot=["three of them"],
)


def test_programs_get_every_value_as_it_is() -> None:
    assert json.loads(written(LISTING, "json")) == ROWS
    assert [json.loads(line) for line in written(LISTING, "jsonl").splitlines()] == ROWS
    assert written(LISTING, "json").isascii()
    head, first, second, third = csv.reader(io.StringIO(written(LISTING, "csv")))
    assert head == ["name", "size", "note", "told"]
    assert first[:3] == ["alpha", "1234567", ""]
    assert second[:3] == ["'=1+1", "", "x\\x1b[2J\\u202e|y"]
    assert third[1] == "0"


def test_a_ticket_gets_a_table_that_shows_hostile_text_and_does_nothing() -> None:
    text = written(LISTING, "md")
    assert text.startswith(
        "## Things\n\n| name | size | note | told | more |\n| --- | ---: | --- | --- | --- |\n"
    )
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert "\x1b" not in text
    assert text.endswith("\n\nthree of them  \n")


def test_piped_each_row_is_one_line_with_everything() -> None:
    head, first, second, third, below, foot = written(LISTING).splitlines()
    assert head.split() == ["NAME", "SIZE", "NOTE", "TOLD"]
    assert first.endswith(ROWS[0]["told"].rstrip())
    assert "x\\x1b[2J\\u202e|y" in second
    assert "z" * 60 in third
    assert (below, foot) == ("  a line below, in words", "three of them")


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120, 400])
def test_a_table_fits_its_terminal_and_leaves_nothing_out(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.cli.streams.terminal_width", lambda _: columns)
    text = written(LISTING)
    for line in text.splitlines():
        assert cells_of(line) <= columns or len(line.split()) <= 2, "only a word that is longer goes beyond"
    for word in ("alpha", "1,234,567", "x\\x1b[2J\\u202e|y", "z" * 60, "データ" * 6):
        assert word in text
    assert " ".join(text.split()).count("sentence of some words") == 3, "folded between words"


def test_columns_within_a_sentence_stay_where_it_is_folded() -> None:
    lines = ["    26  size: how much lies there", "     4  exploited: a version"]
    assert list(plain_lines(lines, 24)) == [
        "    26  size: how much",
        "      lies there",
        "     4  exploited: a",
        "       version",
    ]


def test_a_file_is_replaced_as_a_whole_or_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "list.csv"
    path.write_text("old")

    def half(place: Path) -> None:
        with outfile.opened(str(place)) as file:
            file.write("half of it")
            file.flush()
            assert place.read_text() == "old"
            raise KeyError

    with pytest.raises(KeyError):
        half(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["list.csv"]
    with outfile.opened(str(path)) as file:
        file.write("new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)
    full = Path("/dev/full")
    if full.exists():
        listed = Listed("csv", str(full))
        with pytest.raises(StorageError, match="no space left"):
            listed.write(LISTING)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with outfile.opened(str(tmp_path / "pipe")) as file:
        file.write("into a pipe")
    assert os.read(reader, 100) == b"into a pipe"
    os.close(reader)


@pytest.mark.parametrize(
    ("name", "options", "form"),
    [
        ("codes.md", [], "md"),
        ("codes.CSV", [], "csv"),
        ("codes.txt", [], "table"),
        ("codes", [], "table"),
        ("codes.md", ["--json"], "json"),
        ("codes.md", ["--format", "jsonl"], "jsonl"),
    ],
)
def test_the_ending_of_a_file_says_its_form(
    tmp_path: Path, name: str, options: list[str], form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "open", "--out", str(tmp_path / name), *options]) == 0
    assert main(["explain", "open", "--format", form, "--out", "-"]) == 0
    assert (tmp_path / name).read_bytes().decode() == capsys.readouterr().out


@pytest.mark.parametrize(
    ("out", "said"),
    [
        (".", "is a directory; name a file in it"),
        ("none/list.csv", "there is no directory none; make it"),
        ("", "is no file; name one, or - for standard output"),
    ],
)
def test_a_place_that_takes_no_file_is_refused_before_the_work(
    out: str, said: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lab", "--list", "--out", out]) == 2
    caught = capsys.readouterr()
    assert (caught.out, said in caught.err) == ("", True)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_takes_nothing_is_refused_before_the_work(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "closed").mkdir(mode=0o500)
    assert main(["lab", "--list", "--out", "closed/list.csv"]) == 2
    assert "this user may not write to closed" in capsys.readouterr().err


def test_a_name_with_controls_reaches_no_terminal(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--list", "--out", "x\x1b[31m\n.csv"]) == 0
    assert main(["lab", "--list", "--out", "no\x1b[31m\n/x.csv"]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert said.count("\n") == 3, "a line each, and the one that names the help"


def test_what_lists_nothing_takes_no_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--out", "list"]) == 2
    assert "--out goes with --list" in capsys.readouterr().err


def test_two_forms_at_once_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "--list", "--json", "--format", "csv"]) == 2
    assert "--json and --format csv are two forms; write one of them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("state", "shown"), [("complete", "0"), ("degraded", "0"), ("failed", "-"), ("running", "-")]
)
def test_what_nobody_counted_is_not_called_zero(state: State, shown: str, here: Path) -> None:
    """A run that failed wrote lines, and its manifest counts none of them."""
    RunOnDisk(here / "runs", "20260301T040000Z-aaaa", "2026-03-01T04:00:00.000Z").begin().end(state)
    runs = list_runs(here / "runs")
    row = written(runs_listing(runs, "runs")).splitlines()[1].split()
    assert row[-2] == shown
    assert json.loads(written(runs_listing(runs, "runs"), "json"))[0]["open"] == (0 if shown == "0" else None)
