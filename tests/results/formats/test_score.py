"""The score of a finding in every format that has a number for it, and in none where there is no score."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from results.formats.fields import Sender, fields_of
from results.formats.registry import format_named
from tests.results.examples import open_server

if TYPE_CHECKING:
    from results.record import Observation

SENDER = Sender(version="1.0", host="probe-1", organisation="Example")
OPEN = open_server("192.0.2.1", score=84)


def said(name: str, seen: Observation) -> Any:
    """The document, read as what it is."""
    document = format_named(name).document(seen, SENDER)
    assert document is not None
    if name in ("cef", "leef", "rfc5424"):
        return document.decode()
    if name == "csv":
        head = format_named(name).head
        assert head is not None
        (row,) = csv.DictReader(io.StringIO(head(SENDER).decode() + document.decode(), newline=""))
        return row
    return json.loads(document)


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("native", ("score",), 84),
        ("ecs", ("event", "risk_score"), 84.0),
        ("ecs", ("event", "risk_score_norm"), 84.0),
        ("ocsf", ("unmapped", "score"), 84),
        ("sarif", ("rank",), 84.0),
        ("sarif", ("properties", "score"), 84),
        ("sentinel", ("Score",), 84),
        ("csv", ("score",), "84"),
    ],
)
def test_the_score_stands_where_a_format_has_a_number(
    name: str, path: tuple[str, ...], value: object
) -> None:
    found = said(name, OPEN)
    for step in path:
        found = found[step]
    assert found == value
    without = said(name, replace(OPEN, score=None))
    if path == ("rank",):
        assert without["rank"] == 73.0, "by its severity"
        return
    for step in path[:-1]:
        without = without.get(step, {})
    assert not without.get(path[-1])


@pytest.mark.parametrize(
    ("name", "text"), [("cef", "mongosweepScore=84"), ("leef", "score=84"), ("rfc5424", 'score="84"')]
)
def test_a_line_of_text_tells_it_by_name(name: str, text: str) -> None:
    assert text in said(name, OPEN)
    assert "core=" not in said(name, replace(OPEN, score=None))


def test_a_score_of_nought_is_one() -> None:
    assert fields_of(replace(OPEN, score=0), SENDER).score == 0
    assert said("ecs", replace(OPEN, score=0))["event"]["risk_score"] == 0.0
