"""Elastic Common Schema: what stands where, and what is an alert, a state or an event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from results.formats.ecs import document
from results.record import Owner
from results.verdict import Verdict
from tests.results.examples import observation
from tests.support.every_event import KINDS, RUN_ENDS, state_after
from tests.support.exposures import closed, exposure
from tests.support.told import AT, SENDER, change, run_event, seen_open


def told(event: Any) -> dict[str, Any]:
    """The document."""
    line = document(event, SENDER)
    made: dict[str, Any] = json.loads(line)
    return made


def test_a_server_that_opened() -> None:
    made = told(change())
    assert made["@timestamp"] == AT
    assert made["event"] == {
        "id": "mc_0123456789abcdef01234567",
        "kind": "alert",
        "action": "opened",
        "category": ["vulnerability", "database"],
        "type": ["info"],
        "module": "mongosweep",
        "provider": "mongosweep",
        "dataset": "mongosweep.change",
        "severity": 99,
        "reason": "seen-open",
        "start": AT,
        "end": AT,
    }
    assert made["host"] == {"ip": ["10.1.2.3"], "name": "db7.example.net"}
    assert made["server"]["port"] == 27017
    assert made["service"]["version"] == "7.0.14"
    assert made["rule"]["name"] == "MongoDB answers without a password"
    assert made["vulnerability"]["id"] == "CWE-306"
    assert made["vulnerability"]["severity"] == "Critical"
    assert made["organization"] == {"name": "Example Corp"}
    assert made["observer"]["name"] == "internet"
    assert made["labels"] == {"cost": "4711"}
    ours = made["mongosweep"]
    assert ours["owner"] == {"name": "team X", "contact": "team-x@example.com"}
    assert ours["database"] == {"count": 3, "names": ["crm", "billing"]}
    assert ours["size_bytes"] == 60_000_425_984


def test_what_calls_somebody_what_is_told_again_and_what_changed_for_the_better() -> None:
    """ECS: a change of state is an `event`, a condition told again a `state`."""
    kinds = {kind: told(change(kind=kind, state=state_after(kind)))["event"]["kind"] for kind in KINDS}
    assert {kind for kind, of in kinds.items() if of == "alert"} == {
        *("opened", "reopened", "changed", "wiped", "ransomed", "restored", "moved", "reach_changed")
    }
    assert {kind for kind, of in kinds.items() if of == "event"} == {"closed", "unreachable"}
    assert {kind for kind, of in kinds.items() if of == "state"} == {"reminder"}


def test_a_closed_server_has_no_grave_vulnerability() -> None:
    """Who counts documents by `vulnerability.severity` must not count what is closed."""
    for event in (change(kind="closed", state="closed", closed_how="asks-for-a-login"), closed()):
        made = told(event)
        assert "severity" not in made["vulnerability"]
        assert made["mongosweep"]["state"] == "closed"
        assert made["mongosweep"]["closed"]["how"] == "asks-for-a-login"


def test_out_of_reach_is_not_closed() -> None:
    made = told(change(kind="unreachable", state="unreachable"))
    assert made["mongosweep"]["state"] == "unreachable"
    assert made["vulnerability"]["severity"]


def test_technique_of_an_attack_only_where_there_was_one() -> None:
    with_threat = {kind for kind in KINDS if "threat" in told(change(kind=kind))}
    assert with_threat == {"wiped", "ransomed"}
    threat = told(change(kind="ransomed"))["threat"]
    assert threat["framework"] == "MITRE ATT&CK"
    assert threat["technique"]["id"] == ["T1485", "T1657"]
    assert threat["tactic"] == {"id": ["TA0040"], "name": ["Impact"]}


def test_swept_and_nothing_open() -> None:
    made = told(run_event())
    assert made["event"]["kind"] == "event"
    assert made["event"]["outcome"] == "success"
    assert made["event"]["type"] == ["end"]
    assert made["event"]["duration"] == (15 * 60 + 2) * 10**9 + 123 * 10**6
    assert made["mongosweep"]["state"] == "complete"
    assert made["mongosweep"]["run"]["open"] == 0
    assert "host" not in made  # of the machine that looked nothing was found
    assert "open" not in told(run_event(state="aborted", open=None))["mongosweep"]["run"]  # no count is no 0


def test_only_a_complete_run_succeeded() -> None:
    outcomes = {end: told(run_event(kind="ended", state=end))["event"]["outcome"] for end in RUN_ENDS}
    assert {end for end, outcome in outcomes.items() if outcome == "success"} == {"complete"}
    for kind in ("started", "resumed", "degraded", "test"):
        assert "outcome" not in told(run_event(kind=kind, state="running"))["event"]


def test_counts_of_a_run_have_our_own_words_for_keys_and_no_others() -> None:
    outcomes = {"open": 2, "refused": 3, "x.y": 4, "__proto__": 5}
    run = told(run_event(outcomes=outcomes, changes={"closed": 1, "crm": 2}))["mongosweep"]["run"]
    assert run["outcomes"] == {"open": 2, "refused": 3, "other": 9}
    assert run["changes"] == {"closed": 1, "other": 2}


@pytest.mark.parametrize("verdict", list(Verdict))
def test_an_observation_claims_a_vulnerability_only_where_it_saw_one(verdict: Verdict) -> None:
    made = told(observation(verdict=verdict))
    assert made["event"]["kind"] == "state"
    assert ("id" in made["vulnerability"]) == verdict.is_open
    assert made["vulnerability"]["scanner"] == {"vendor": "mongosweep"}


def test_what_does_not_speak_mongodb_is_no_service_of_it() -> None:
    made = told(observation(verdict=Verdict.NOT_MONGODB, server=None))
    assert "service" not in made
    assert "protocol" not in made["network"]
    assert made["event"]["category"] == ["vulnerability", "network"]
    assert told(seen_open())["service"]["type"] == "mongodb"


def test_labels_stay_flat_and_none_is_lost() -> None:
    labels = {"a.b": "1", "a_b": "2", "a b": "3", "": "4", "plain-1": "5"}
    made = told(change(owner=Owner(owner="team X", labels=labels)))
    assert made["labels"] == {"a_b": "1", "a_b_2": "2", "a_b_3": "3", "_": "4", "plain-1": "5"}


def test_an_exposure_as_it_stands() -> None:
    made = told(exposure(due_at="2026-04-01T00:00:00.000Z"))
    assert made["event"]["kind"] == "state"
    assert made["event"]["dataset"] == "mongosweep.exposure"
    assert made["mongosweep"]["due_at"] == "2026-04-01T00:00:00.000Z"


def test_a_time_that_is_none_is_left_out() -> None:
    """A server's clock may say the year 1, which is no date that an index takes."""
    made = told(change(newest_write="1-01-01T00:00:00.000Z", after="soon"))
    assert "newest_write" not in made["mongosweep"]
    assert "after" not in made["mongosweep"]
