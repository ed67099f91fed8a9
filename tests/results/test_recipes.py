"""The recipes of docs/record.md, run by jq over a journal as they stand there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from results.lines import to_lines
from results.record import Collection, Database, Hint, Reason
from tests.results.examples import database, exposure, observation, open_server

PAGE = Path(__file__).parents[2] / "docs" / "record.md"
RECIPES = re.findall(r"```\n((?:mongosweep sweep \| )?jq .*?)\n```", PAGE.read_text(), re.DOTALL)

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed (Debian package jq)")

PEOPLE = Database(name="crm", size_bytes=9, collections=[Collection(name="Users", documents=3)])
CROWD = database("crowd", documents=5_000, collections=2_000)
SEEN = [
    observation("127.0.0.1"),
    open_server("127.0.0.2", exposure=exposure(PEOPLE, CROWD)),
    open_server("127.0.0.3", Database(name="bare", size_bytes=1)),
]


def recipe(number: int, run: Path) -> str:
    """What a recipe prints for the run in a directory."""
    text = RECIPES[number].replace("mongosweep sweep | jq", "cat runs/RUN_ID/observations-*.jsonl | jq")
    done = subprocess.run(
        ["bash", "-c", text.replace("runs/RUN_ID", str(run))], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two segments in which one server was asked twice."""
    lines = [line for seen in SEEN for line in to_lines(seen)]
    (tmp_path / "observations-0001.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "observations-0002.jsonl").write_bytes(b"".join(to_lines(SEEN[1])))
    return tmp_path


def test_every_recipe_of_the_page_is_here() -> None:
    assert len(RECIPES) == 4


def test_open_servers_one_a_line(run: Path) -> None:
    rows = [line.split("\t") for line in recipe(0, run).splitlines()]
    assert [row[:2] for row in rows] == [[f"127.0.0.{n}", "high"] for n in (2, 3, 2)]


def test_collections_by_name(run: Path) -> None:
    assert set(recipe(1, run).splitlines()) == {"127.0.0.2 crm.Users 3"}


def test_whole_servers(run: Path) -> None:
    decoder, text, found = json.JSONDecoder(), recipe(2, run).strip(), []
    while text:
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:].lstrip()
    by_ip = {document["target"]["ip"]: document for document in found}
    assert len(found) == len(by_ip) == 3
    crm, crowd = by_ip["127.0.0.2"]["exposure"]["databases"]
    assert crm["collections"] == [{"name": "Users", "documents": 3}]
    assert len({collection["name"] for collection in crowd["collections"]}) == 2_000
    assert by_ip["127.0.0.3"]["exposure"]["databases"] == [{"name": "bare", "size_bytes": 1}]


def test_missing_lines(run: Path) -> None:
    assert recipe(3, run) == ""
    (run / "observations-0002.jsonl").unlink()
    first = run / "observations-0001.jsonl"
    kept = first.read_bytes().splitlines(keepends=True)
    first.write_bytes(b"".join(kept[:3] + kept[4:]))
    assert recipe(3, run) == "127.0.0.2\n"


def test_what_was_asked_again_after_a_crash_is_the_answer_that_counts(tmp_path: Path) -> None:
    """The crash took the last lines of the first answer, and the server has fewer databases by then."""
    first = to_lines(open_server("127.0.0.7", *[database(f"db{number}") for number in range(6)]))
    again = open_server("127.0.0.7", PEOPLE, observed_at="2026-03-01T08:31:00.250Z")
    journal = tmp_path / "observations-0001.jsonl"
    journal.write_bytes(b"".join([*first[:-2], *to_lines(again)]))
    assert recipe(3, tmp_path) == ""
    (found,) = [json.loads(recipe(2, tmp_path))["exposure"]["databases"]]
    assert [row["name"] for row in found] == ["crm"]
    journal.write_bytes(b"".join([*to_lines(again), *first[:-2]]))
    assert recipe(3, tmp_path) == "127.0.0.7\n"


def test_whole_servers_have_the_lists_that_go_on_in_further_lines(tmp_path: Path) -> None:
    held = Database(
        name="files",
        shards={f"{number}" + "\U0001f512" * 60: number for number in range(64)},
        gridfs=[f"{number}" + "\U0001f512" * 60 for number in range(64)],
        notes=[Reason(code="command-failed", detail="dbStats")],
        collections=[Collection(name=f"email{number}") for number in range(20)],
    )
    hints = [
        Hint(name=f"files.email{number}", word="email", category="person", language="en")
        for number in range(20)
    ]
    seen = open_server("127.0.0.8", exposure=exposure(held, hints=hints))
    (tmp_path / "observations-0001.jsonl").write_bytes(b"".join(to_lines(seen)))
    whole = json.loads(recipe(2, tmp_path))["exposure"]
    assert whole["databases"] == [json.loads(msgspec.json.encode(held))]
    assert whole["hints"] == [json.loads(msgspec.json.encode(hint)) for hint in hints]
