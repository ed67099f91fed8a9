"""OCSF: which class and activity an event has, and that a finding's end meets its beginning."""

from __future__ import annotations

import json
from typing import Any

import pytest

from results.formats.ocsf import document
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
    assert (made["class_uid"], made["type_uid"], made["activity_name"]) == (2002, 200201, "Create")
    assert made["time"] == 1_795_511_702_123
    assert made["metadata"]["original_time"] == AT
    assert made["metadata"]["uid"] == "mc_0123456789abcdef01234567"
    assert (made["severity_id"], made["severity"]) == (5, "Critical")
    assert (made["status_id"], made["status"]) == (1, "New")
    assert made["vulnerabilities"][0]["cwe"]["uid"] == "CWE-306"
    (resource,) = made["resources"]
    assert resource["uid"] == "10.1.2.3:27017"
    assert resource["hostname"] == "db7.example.net"
    assert resource["owner"] == {"name": "team X", "email_addr": "team-x@example.com"}
    assert resource["data"]["databases"] == ["crm", "billing"]
    assert resource["tags"] == [{"name": "cost", "value": "4711"}]
    assert [each["value"] for each in made["observables"]] == ["10.1.2.3", "db7.example.net"]


def test_the_end_of_a_finding_meets_its_beginning() -> None:
    """One id from the first event to the last, and each activity is what it is called."""
    ids, activities = set(), {}
    for kind in KINDS:
        made = told(change(kind=kind, state=state_after(kind)))
        ids.add(made["finding_info"]["uid"])
        activities[kind] = made["activity_id"]
    assert ids == {"mx_e6c1e0b5d9f2"}
    assert {kind for kind, activity in activities.items() if activity == 1} == {"opened"}
    assert {kind for kind, activity in activities.items() if activity == 3} == {"closed"}
    assert set(activities.values()) == {1, 2, 3}


def test_resolved_is_what_was_proved_and_nothing_else() -> None:
    assert told(change(kind="closed", state="closed"))["status"] == "Resolved"
    assert "end_time" in told(change(kind="closed", state="closed"))
    assert told(closed())["status_id"] == 4
    assert told(change(kind="unreachable", state="unreachable"))["status"] == "Unreachable"
    assert told(exposure(state="unreachable"))["status_id"] == 99
    assert told(exposure(state="accepted"))["status"] == "Accepted"
    for state in ("new", "open", "changed", "reopened"):
        assert told(exposure(state=state))["status_id"] == 1


def test_technique_of_an_attack_only_where_there_was_one() -> None:
    attacked = {kind for kind in KINDS if "attacks" in told(change(kind=kind))["finding_info"]}
    assert attacked == {"wiped", "ransomed"}
    (destruction,) = told(change(kind="wiped"))["finding_info"]["attacks"]
    assert destruction["technique"] == {"uid": "T1485", "name": "Data Destruction"}


def test_a_contact_that_is_no_address_is_told_all_the_same() -> None:
    (resource,) = told(change(owner=Owner(owner="web platform", contact="web on-call")))["resources"]
    assert resource["owner"] == {"name": "web platform"}
    assert resource["data"]["contact"] == "web on-call"
    (resource,) = told(change(owner=Owner(contact="a@example.com")))["resources"]
    assert resource["owner"] == {"name": "a@example.com", "email_addr": "a@example.com"}


@pytest.mark.parametrize("verdict", list(Verdict))
def test_an_observation_is_a_finding_only_where_it_saw_one(verdict: Verdict) -> None:
    made = told(observation(verdict=verdict))
    assert made["class_uid"] == (2002 if verdict.is_open else 5001)
    if not verdict.is_open:
        assert made["unmapped"]["verdict"] == verdict.value
        assert made["device"]["ip"] == "127.0.0.1"


def test_an_observation_and_a_change_of_one_server_can_be_joined() -> None:
    """An observation knows no exposure; both know the finding."""
    seen, opened = seen_open(), change()
    assert told(seen)["finding_info"]["uid"] == seen.finding_id
    assert told(opened)["finding_info"]["uid_alt"] == opened.finding_id


def test_swept_and_nothing_open() -> None:
    made = told(run_event())
    assert (made["class_uid"], made["activity_name"], made["status"]) == (6007, "Completed", "Success")
    assert made["num_detections"] == 0
    assert made["total"] == made["num_network_items"] == 250
    assert made["num_skipped_items"] == 6
    assert made["duration"] == made["end_time"] - made["start_time"] == 902_123
    assert made["scan"]["uid"] == made["metadata"]["correlation_uid"] == "20261124T090000Z-a1b2"
    assert made["metadata"]["reporter"]["hostname"] == "scan-ams-1"


def test_not_known_is_not_nothing() -> None:
    """A run that died counted nothing: a 0 there would be the all-clear."""
    made = told(run_event(state="aborted", open=None, coverage=None))
    assert not {"num_detections", "total", "num_skipped_items"} & set(made)
    assert "open" not in made["unmapped"]


def test_only_a_complete_run_is_completed() -> None:
    """`Completed` with no detection is what a SOC takes for all clear."""
    said = {end: told(run_event(kind="ended", state=end)) for end in RUN_ENDS}
    assert {end for end, made in said.items() if made["activity_name"] == "Completed"} == {"complete"}
    assert {end for end, made in said.items() if made["status"] == "Success"} == {"complete"}
    assert said["interrupted"]["activity_name"] == "Cancelled"
    assert said["failed"]["activity_name"] == said["aborted"]["activity_name"] == "Error"
    assert said["degraded"]["activity_name"] == "Ended degraded"


def test_a_run_that_goes_on_has_no_status() -> None:
    names = {kind: told(run_event(kind=kind, state="running")) for kind in ("started", "resumed", "degraded")}
    assert [made["activity_name"] for made in names.values()] == ["Started", "Resumed", "Degraded"]
    assert not [made for made in names.values() if "status_id" in made or "end_time" in made]
