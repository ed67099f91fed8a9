"""The words and numbers of the pages on concepts and on the protocol are those of the code."""

from __future__ import annotations

import re
import struct
from typing import get_args

from results.runs import RunState
from results.verdict import Severity, Verdict
from scanner.mongo.commands import client_metadata
from scanner.mongo.requests import Command
from scanner.mongo.wire import MAX_REQUEST_BYTES, write_msg, write_query
from scanner.setup.settings import Settings
from tests.support.doc_pages import ROOT, sections

CONCEPTS = sections((ROOT / "docs" / "concepts.md").read_text(encoding="utf-8"))
PROTOCOL_PAGE = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
PROTOCOL = sections(PROTOCOL_PAGE)
EMPTY = b"\5\0\0\0\0"  # a document without elements


def first_cells(text: str) -> set[str]:
    """What stands as code in the first column of a part's tables."""
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row)}


def test_every_verdict_is_explained() -> None:
    assert first_cells(CONCEPTS["Verdicts"]) == {verdict.value for verdict in Verdict}


def test_every_state_of_a_run_is_explained() -> None:
    assert first_cells(CONCEPTS["Run"]) == set(get_args(RunState))


def test_every_severity_is_named() -> None:
    named = set(re.findall(r"`(\w+)`", CONCEPTS["Verdicts"]))
    assert {severity.value for severity in Severity} <= named


def test_the_closed_list_is_the_codes() -> None:
    """Each question that can be encoded, by the name of its command; and no other."""
    said = first_cells(PROTOCOL["The closed list"])
    for command in Command:
        words = [word for word in re.findall(r"[$\w.]+", command.value) if word.strip("_")]
        assert said & set(words), f"{command} is not on the page"
    known = {word for command in Command for word in re.findall(r"[$\w.]+", command.value)}
    assert said - known == set()


def test_the_numbers_of_the_wire() -> None:
    assert f"No request is longer than {MAX_REQUEST_BYTES:,} bytes" in PROTOCOL_PAGE
    query = write_query(1, "admin.$cmd", EMPTY)
    for name, message in (("OP_QUERY", query), ("OP_MSG", write_msg(1, EMPTY))):
        assert f"{name} ({struct.unpack_from('<i', message, 12)[0]})" in PROTOCOL_PAGE


def test_the_pace_is_the_default() -> None:
    sweep = Settings().sweep
    assert f"`rate`, {sweep.rate:,.0f}" in PROTOCOL["Pace"]
    assert (
        f"`per_prefix_rate`, {sweep.per_prefix_rate:,.0f} into a /{sweep.per_prefix_length}"
        in PROTOCOL["Pace"]
    )


def test_the_log_line_is_what_a_server_is_told() -> None:
    told = client_metadata("Example", "soc@example.com", "0.1.0")
    for text in (told["application"]["name"], told["driver"]["name"], told["os"]["type"]):
        assert f'"{text}"' in PROTOCOL["What a log shows"]
