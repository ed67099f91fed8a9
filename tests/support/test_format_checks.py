"""The checkers of formats reject what is wrong: each fault alone, in a document that is right without it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from results.formats import ecs, ocsf, sarif, zgrab2
from tests.support import check_ecs, check_ocsf, check_sarif, check_zgrab2
from tests.support.told import SENDER, change, run_event, seen_open

if TYPE_CHECKING:
    from collections.abc import Callable

    from results.formats.format import Format

GONE = object()


def document(format_: Format, event: Any) -> dict[str, Any]:
    line = format_.document(event, SENDER)
    assert line is not None
    if format_.name == "sarif":
        line = format_.head(SENDER) + line + format_.tail
    made: dict[str, Any] = json.loads(line)
    return made


def put(into: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy in which one place holds something else, or is gone."""
    changed = copy.deepcopy(into)
    at: Any = changed
    *way, last = (int(part) if part.isdigit() else part for part in path.split("/"))
    for part in way:
        at = at[part] if isinstance(part, int) else at.setdefault(part, {})
    if value is GONE:
        del at[last]
    else:
        at[last] = value
    return changed


def reject(
    problems: Callable[[dict[str, Any]], list[str]], good: dict[str, Any], path: str, value: Any
) -> None:
    assert problems(good) == []
    assert problems(put(good, path, value)) != []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("@timestamp", GONE),
        ("event/kind", GONE),
        ("ecs/version", GONE),
        ("@timestamp", "2026-11-24 09:15:02"),
        ("@timestamp", "2026-02-30T09:15:02.123Z"),
        ("host/ip", "10.1.2.3"),  # an array there
        ("event/category", "vulnerability"),
        ("server/ip", ["10.1.2.3"]),  # none here
        ("server/ip", "db7.example.net"),
        ("server/ip", "fe80::1%eth0"),
        ("server/port", "27017"),
        ("event/kind", "finding"),
        ("event/category", ["vulnerability", "mongodb"]),
        ("event/type", ["start"]),  # does not go with `vulnerability`
        ("event/severity", 73.5),
        ("event/severity", 2**63),
        ("vulnerability/status", "open"),  # of 9.5, and a beta
        ("event/verdict", "open"),
        ("owner", "team X"),
        ("labels/env", {"prod": "1"}),
        ("labels/a.b", "c"),
        ("labels/n", 5),
        ("host/name", ""),
        ("host/os", {}),
        ("mongosweep/crm.users", 5),
        ("mongosweep/database", {"READ__ME": 1}),
        ("mongosweep/names", [{"name": "crm"}]),
        ("mongosweep/site", ""),
        ("threat/technique/id", "T1485"),
        ("network/direction", "sideways"),
    ],
)
def test_ecs(path: str, value: Any) -> None:
    reject(check_ecs.problems, document(ecs.FORMAT, change()), path, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("class_uid", 2001),
        ("severity_id", GONE),
        ("metadata/product", GONE),
        ("finding_info/uid", GONE),
        ("vulnerabilities", GONE),
        ("vulnerabilities", []),
        ("vulnerabilities/0/cve", {"uid": "CVE-2026-1"}),  # just one of three
        ("vulnerabilities/0/advisory", {"uid": "1"}),
        ("vulnerabilities/0/cwe", GONE),
        ("resource", {"uid": "x"}),  # deprecated since 1.3
        ("verdict", "open"),
        ("cloud", {"provider": "x"}),  # of a profile
        ("resources/0/zone", "eu"),  # too
        ("severity_id", 7),
        ("severity_id", 4),  # with the word of another
        ("severity", "Grave"),
        ("status_id", 99),  # with no word of our own: it is that of 1
        ("activity_id", 2),  # does not make the type_uid
        ("type_uid", 200202),
        ("type_name", "Vulnerability Finding: Update"),
        ("category_uid", 5),
        ("category_name", "Discovery"),
        ("time", "2026-11-24T09:15:02.123Z"),
        ("time", 1795511702.5),
        ("resources", {}),
        ("resources/0/ip", "10.1.2"),
        ("resources/0/owner/email_addr", "web on-call"),
        ("resources/0/owner", {"email_addr": "a@example.com"}),  # nobody's
        ("observables/0/type_id", 3000),
        ("observables/0/type", "Hostname"),
        ("finding_info/attacks", [{"version": "1"}]),
        ("finding_info/types", "Missing Authentication"),
        ("message", ""),
    ],
)
def test_ocsf(path: str, value: Any) -> None:
    good = document(ocsf.FORMAT, change())
    assert check_ocsf.problems(good) == []
    bad = put(good, path, value)
    if (path, value) == ("status_id", 99):
        del bad["status"]
    assert check_ocsf.problems(bad) != []


@pytest.mark.parametrize(
    ("path", "value"),
    [("scan", GONE), ("scan/type_id", GONE), ("activity_id", 11), ("num_detections", "0"), ("duration", 1.5)],
)
def test_ocsf_of_a_run(path: str, value: Any) -> None:
    reject(check_ocsf.problems, document(ocsf.FORMAT, run_event()), path, value)


RESULT = "runs/0/results/0/"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("version", "2.0.0"),
        ("runs/0/tool", GONE),
        (f"{RESULT}message", GONE),
        (f"{RESULT}level", "critical"),
        (f"{RESULT}level", "none"),
        (f"{RESULT}kind", "pass"),
        (f"{RESULT}rank", 101),
        (f"{RESULT}ruleIndex", 1),
        (f"{RESULT}ruleIndex", 99),
        (f"{RESULT}partialFingerprints", GONE),
        (f"{RESULT}partialFingerprints", {"a/v1": 5}),
        (f"{RESULT}baselineState", "closed"),
        (f"{RESULT}verdict", "open"),
        (f"{RESULT}locations/0/physicalLocation/artifactLocation/uri", "mongodb://10.1.2.3:27017"),
        (f"{RESULT}locations/0/logicalLocations/0/fullyQualifiedName", GONE),
        ("runs/0/tool/driver/rules/0/help", GONE),
        ("runs/0/tool/driver/rules/0/helpUri", 5),
    ],
)
def test_sarif(path: str, value: Any) -> None:
    reject(check_sarif.problems, document(sarif.FORMAT, change()), path, value)


ANSWER = "data/mongodb/"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ip", "db7.example.net"),
        ("verdict", "open"),
        (f"{ANSWER}status", "open"),
        (f"{ANSWER}status", GONE),
        (f"{ANSWER}port", 70_000),
        (f"{ANSWER}error", "with a success"),
        (f"{ANSWER}timestamp", "yesterday"),
        (f"{ANSWER}result/documents", []),
        (f"{ANSWER}result/build_info/bits", "64"),
        (f"{ANSWER}result/build_info/max_bson_object_size", 2**31),
        (f"{ANSWER}result/database_info/databases", {"crm": 1}),
        (f"{ANSWER}result/database_info/databases/0/collections", 3),
    ],
)
def test_zgrab2(path: str, value: Any) -> None:
    reject(check_zgrab2.problems, document(zgrab2.FORMAT, seen_open()), path, value)
