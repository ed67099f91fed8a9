"""SARIF: one log that dashboards of code scanning take, with one result for each server that is open."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from results.formats.sarif import FORMAT
from results.verdict import Severity, Verdict
from tests.results.examples import observation
from tests.support import check_sarif
from tests.support.every_event import KINDS, every_event, state_after
from tests.support.exposures import closed, exposure
from tests.support.told import SENDER, change, run_event, seen_open

if TYPE_CHECKING:
    from results.events.event import Event


def log_of(*events: Event) -> dict[str, Any]:
    """A whole file of these events."""
    results = [line for each in events if (line := FORMAT.document(each, SENDER)) is not None]
    made: dict[str, Any] = json.loads(FORMAT.head(SENDER) + FORMAT.between.join(results) + FORMAT.tail)
    return made


def result_of(event: Event) -> dict[str, Any]:
    """Its result alone."""
    (result,) = log_of(event)["runs"][0]["results"]
    made: dict[str, Any] = result
    return made


def test_a_log_of_every_event_and_of_none() -> None:
    assert check_sarif.problems(log_of(*every_event())) == []
    empty = log_of()
    assert check_sarif.problems(empty) == []
    assert empty["runs"][0]["results"] == []


def test_a_server_is_at_its_address_and_port() -> None:
    (place,) = result_of(change())["locations"]
    assert place["logicalLocations"][0] == {
        "name": "db7.example.net",
        "fullyQualifiedName": "10.1.2.3:27017",
        "kind": "resource",
    }
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "mongodb/10.1.2.3/27017"


def test_what_is_not_open_is_left_out_so_that_a_dashboard_closes_it() -> None:
    assert FORMAT.document(closed(), SENDER) is None
    assert FORMAT.document(change(kind="closed", state="closed"), SENDER) is None
    assert FORMAT.document(run_event(), SENDER) is None
    told = {each for each in Verdict if FORMAT.document(observation(verdict=each), SENDER) is not None}
    assert told == {Verdict.OPEN, Verdict.OPEN_NO_DATA}


def test_out_of_reach_stays_in_the_log_and_is_not_said_to_fail() -> None:
    for event in (change(kind="unreachable", state="unreachable"), exposure(state="unreachable")):
        assert (result_of(event)["kind"], result_of(event)["level"]) == ("open", "none")


def test_a_server_has_one_fingerprint_and_one_rule_whatever_happens_to_it() -> None:
    """Else a dashboard closes one alert and opens another at each change."""
    results = [result_of(change(kind=kind, state=state_after(kind))) for kind in KINDS if kind != "closed"]
    assert len({json.dumps(each["partialFingerprints"]) for each in results}) == 1
    assert {each["ruleId"] for each in results} == {"mongodb-open", "mongodb-wiped", "mongodb-ransomed"}
    seen = seen_open()
    same = exposure(finding_id=seen.finding_id)
    name = "primaryLocationLineHash"
    assert result_of(seen)["partialFingerprints"][name] == result_of(same)["partialFingerprints"][name]


def test_every_rule_says_what_to_do() -> None:
    rules = log_of()["runs"][0]["tool"]["driver"]["rules"]
    assert len(rules) == 3
    for rule in rules:
        assert "Close the port" in rule["help"]["text"]
        assert "external/cwe/cwe-306" in rule["properties"]["tags"]


def test_level_and_rank_follow_the_severity() -> None:
    told = {
        each: result_of(change(severity=each, severity_number=each.number))
        for each in sorted(Severity, key=lambda severity: severity.rank)
    }
    assert [made["level"] for made in told.values()] == ["error", "error", "warning", "note", "note"]
    assert [made["rank"] for made in told.values()] == [99, 73, 47, 21, 1]
