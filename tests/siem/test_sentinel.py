"""The table, the rule and the queries for Microsoft Sentinel, read by Microsoft's own parser of KQL."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime
from typing import Any, NamedTuple, get_args

import pytest

from results.formats.fields import Sender
from results.formats.registry import format_named
from results.formats.sentinel import COLUMNS
from results.ledger.tracked import ReachWord, State
from results.sinks.http import Endpoint
from results.sinks.sentinel import SentinelOptions, SentinelSink
from tests.support.full_events import CHANGE_KINDS, RUN_KINDS, full_events, observation
from tests.support.kinds import ROOT
from tests.support.receivers.installed import brought, installed
from tests.support.siem import SIEM

pytestmark = pytest.mark.xdist_group("kusto")  # one worker starts it
TABLE = "Mongosweep_CL"
CHECK = ROOT / "tests" / "servers" / "kusto" / "check.js"
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "datetime": str,
    "long": int,
    "dynamic": (dict, list),
}
WRONG = ("where Nobody == 1", "whre Kind == 1")
QUERIES = sorted(path.name for path in (SIEM / "sentinel").glob("*.kql"))


def rule() -> dict[str, Any]:
    """The data collection rule within the template that makes it."""
    (made,) = json.loads((SIEM / "sentinel" / "dcr.json").read_text())["resources"]
    told: dict[str, Any] = made["properties"]
    return told


def columns(told: list[dict[str, str]]) -> dict[str, str]:
    found = {each["name"]: each["type"].lower() for each in told}
    assert len(found) == len(told)
    return found


def table() -> dict[str, str]:
    told = json.loads((SIEM / "sentinel" / "table.json").read_text())["properties"]["schema"]
    assert told["name"] == TABLE
    return columns(told["columns"])


def stream() -> dict[str, str]:
    ((name, told),) = rule()["streamDeclarations"].items()
    assert name == f"Custom-{TABLE}"
    return columns(told["columns"])


class Told(NamedTuple):
    """What Microsoft's parser has against a query, and the columns of its result with their types."""

    problems: list[str]
    columns: dict[str, str]


@pytest.fixture(scope="module")
def told() -> dict[str, Told]:
    """Of each query, and of the transformation; asked at once, because the parser takes long to start."""
    home = brought("kusto", "npm")
    node = installed("node", "nodejs")
    questions = {name: ({TABLE: table()}, (SIEM / "sentinel" / name).read_text()) for name in QUERIES}
    questions["transformation"] = ({"source": stream()}, rule()["dataFlows"][0]["transformKql"])
    questions |= {text: ({TABLE: table()}, f"{TABLE} | {text}") for text in WRONG}
    asked = [
        {"tables": {name: _schema(held) for name, held in tables.items()}, "query": query}
        for tables, query in questions.values()
    ]
    done = subprocess.run(
        [node, CHECK, home], input=json.dumps(asked), capture_output=True, text=True, check=True
    )
    return {name: Told(**each) for name, each in zip(questions, json.loads(done.stdout), strict=True)}


def _schema(held: dict[str, str]) -> str:
    return "(" + ", ".join(f"['{column}']: {kind}" for column, kind in held.items()) + ")"


def test_the_stream_declares_each_column_that_our_sink_sends() -> None:
    """With its type. What a stream does not declare is dropped there without a word."""
    assert stream() == COLUMNS
    endpoint = Endpoint(url="https://dcr.example.com")
    options = SentinelOptions(
        endpoint=endpoint, tenant="t", client_id="c", client_secret="s", rule_id="dcr-0"
    )
    assert options.stream in rule()["streamDeclarations"]
    sink = SentinelSink("soc", options, format_named("sentinel"), Sender(version="1.0", host="probe-1"))
    sent = set()
    for event in (*full_events(), observation()):
        row = json.loads(sink.render(event, b"") or b"")
        sent |= row.keys()
        for name, value in row.items():
            assert isinstance(value, TYPES[stream()[name]]), name
            if stream()[name] == "datetime":
                assert datetime.fromisoformat(str(value)).tzinfo is not None
    assert sent == stream().keys()


def test_the_rule_makes_the_columns_of_the_table(told: dict[str, Told]) -> None:
    """Its transformation is valid over the stream, and makes each column with the type of the table."""
    (flow,) = rule()["dataFlows"]
    assert flow["outputStream"] == f"Custom-{TABLE}"
    assert flow["streams"] == list(rule()["streamDeclarations"])
    assert flow["destinations"] == [each["name"] for each in rule()["destinations"]["logAnalytics"]]
    assert told["transformation"] == Told([], table())
    assert table()["TimeGenerated"] == "datetime"


@pytest.mark.parametrize("name", QUERIES)
def test_a_query_is_valid_over_the_table(name: str, told: dict[str, Told]) -> None:
    """And asks for words that come."""
    text = (SIEM / "sentinel" / name).read_text()
    assert told[name].problems == []
    assert told[name].columns
    words = {*CHANGE_KINDS, *RUN_KINDS, *get_args(State), "complete", "sweep", "mongosweep.change/1"}
    words |= {*get_args(ReachWord)}
    code = "\n".join(line for line in text.splitlines() if not line.startswith("//"))
    assert set(code.split('"')[1::2]) <= words


def test_the_parser_of_these_tests_is_not_deaf(told: dict[str, Told]) -> None:
    """A column that does not exist, and a word that is none."""
    assert all(told[text].problems for text in WRONG)
