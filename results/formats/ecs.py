"""Elastic Common Schema (ECS), for Elasticsearch, OpenSearch and Elastic Security. The map: docs/formats.md.

Fields and values are those of ECS 9.4.0, and 8.11 has all of them too (github.com/elastic/ecs). What ECS has
no field for lies under `mongosweep`, where no name that a server gave is ever a key.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from results.formats.fields import TITLES, fields_of
from results.formats.format import Format
from results.formats.json_text import as_json, milliseconds, time_of
from results.formats.run_facts import run_facts
from results.formats.severities import SCALES
from results.formats.weakness import (
    CWE,
    DESCRIPTION,
    REFERENCE,
    check_address,
    dataset,
    is_closed,
    is_weak,
    moment,
    speaks_mongodb,
)

if TYPE_CHECKING:
    from results.events.event import Event, RunEvent
    from results.formats.fields import Fields, Sender

ECS_VERSION: Final = "9.4.0"
_ECS: Final = {"version": ECS_VERSION}
_TAGS: Final = ["mongosweep"]

# `alert` is what somebody should look at, `state` a condition that is told again; a change of state is an
# `event` there, and never a `state` (schemas/event.yml).
_RUN_TYPES: Final = {
    "started": "start",
    "resumed": "start",
    "degraded": "change",
    "ended": "end",
    "test": "info",
}
_KINDS: Final = (
    dict.fromkeys(TITLES, "alert")
    | dict.fromkeys(("closed", "unreachable", *_RUN_TYPES), "event")
    | dict.fromkeys(("reminder", "exposure", "observation"), "state")
)
_EVENTS: Final = {
    kind: {
        "kind": word,
        "action": kind,
        "module": "mongosweep",
        "provider": "mongosweep",
        "dataset": dataset(kind),
    }
    for kind, word in _KINDS.items()
}
_VULNERABILITY: Final = {
    "id": CWE,
    "enumeration": "CWE",
    "category": ["Database"],
    "description": DESCRIPTION,
    "reference": REFERENCE,
    "scanner": {"vendor": "mongosweep"},
}
_RULES: Final = {
    kind: {"id": f"mongosweep-{kind}", "name": title, "ruleset": "mongosweep"}
    for kind, title in TITLES.items()
    if kind not in _RUN_TYPES
}
_OWN: Final = (
    *("state", "verdict", "run_id", "exposure_id", "finding_id", "observation_id", "site", "topology"),
    *("reasons", "names", "hints", "ransom_names", "reach", "open_from", "not_open_from"),
)
_OWN_TIMES: Final = ("after", "dated", "due_at")
_MAX_LONG: Final = 2**63 - 1
_LABEL: Final = re.compile(r"[^A-Za-z0-9_-]")


def document(event: Event, sender: Sender) -> bytes:
    """One document on one line. Raises `UnfitError` for an event without a time, or a server without an
    address."""
    fields = fields_of(event, sender)
    run = fields.run
    return as_json(_of_server(fields) if run is None else _of_run(fields, run))


def _common(fields: Fields) -> dict[str, Any]:
    """What stands in every document."""
    moment(fields)
    observer = {
        "vendor": "mongosweep",
        "product": "mongosweep",
        "type": "scanner",
        "version": fields.version,
        "hostname": fields.host,
    }
    if fields.vantage:
        observer["name"] = fields.vantage
    told: dict[str, Any] = {
        "@timestamp": fields.at,
        "ecs": _ECS,
        "message": fields.message,
        "tags": _TAGS,
        "observer": observer,
        "event": {**_EVENTS[fields.kind], "id": fields.id, "severity": SCALES[fields.severity].ecs},
    }
    if fields.score is not None:
        told["event"]["risk_score"] = told["event"]["risk_score_norm"] = float(fields.score)
    if reason := ", ".join(fields.reasons):
        told["event"]["reason"] = reason
    if fields.organisation:
        told["organization"] = {"name": fields.organisation}
    return told


# Servers.


def _of_server(fields: Fields) -> dict[str, Any]:
    check_address(fields)
    told = _common(fields)
    ip, speaks = fields.ip, speaks_mongodb(fields)
    event = told["event"]
    event["category"] = ["vulnerability", "database" if speaks else "network"]
    event["type"] = ["info"]
    if start := time_of(fields.first_seen):
        event["start"] = start
    if end := time_of(fields.last_seen):
        event["end"] = end
    told["host"] = {"ip": [ip]}
    told["server"] = {"ip": ip, "port": fields.port, "address": ip}
    told["network"] = {"transport": "tcp", "type": "ipv6" if ":" in ip else "ipv4"}
    told["related"] = {"ip": [ip]}
    if names := [name for name in fields.hostnames if name]:
        told["host"]["name"] = told["server"]["domain"] = names[0]
        told["related"]["hosts"] = names
    if speaks:
        told["network"]["protocol"] = "mongodb"
        told["service"] = service = {"type": "mongodb", "address": fields.place}
        if fields.product:
            service["name"] = fields.product
        if fields.server_version:
            service["version"] = fields.server_version
    if fields.labels:
        told["labels"] = _labels(fields.labels)
    told["rule"] = _RULES[fields.kind]
    told["vulnerability"] = _vulnerability(fields)
    if fields.techniques:
        told["threat"] = _threat(fields)
    told["mongosweep"] = _ours(fields)
    return told


def _labels(labels: dict[str, str]) -> dict[str, str]:
    """The labels of the allow-list. A dot in a key would make an object of it: it becomes `_`."""
    flat: dict[str, str] = {}
    for key, value in labels.items():
        name = plain = _LABEL.sub("_", key) or "_"
        number = 1
        while name in flat:
            number += 1
            name = f"{plain}_{number}"
        flat[name] = value
    return flat


def _vulnerability(fields: Fields) -> dict[str, Any]:
    """What is weak there, or was. Where nothing is, only who looked, and in which run."""
    if is_weak(fields):
        told = {**_VULNERABILITY, "severity": SCALES[fields.severity].word}
    elif is_closed(fields):
        told = {**_VULNERABILITY}
    else:
        told = {"scanner": _VULNERABILITY["scanner"]}
    if fields.run_id:
        told["report_id"] = fields.run_id
    return told


def _threat(fields: Fields) -> dict[str, Any]:
    techniques = fields.techniques
    tactics = {each.tactic_id: each.tactic for each in techniques}
    return {
        "framework": "MITRE ATT&CK",
        "tactic": {"id": list(tactics), "name": list(tactics.values())},
        "technique": {"id": [each.id for each in techniques], "name": [each.name for each in techniques]},
    }


def _ours(fields: Fields) -> dict[str, Any]:
    """What ECS has no field for."""
    told: dict[str, Any] = {"severity": fields.severity.value}
    for name in _OWN:
        if value := getattr(fields, name):
            told[name] = value
    for name in _OWN_TIMES:
        if (text := getattr(fields, name)) and time_of(text):
            told[name] = text
    if fields.owner or fields.contact:
        told["owner"] = _known(name=fields.owner or None, contact=fields.contact or None)
    if fields.database_count is not None or fields.databases:
        told["database"] = _known(count=fields.database_count, names=fields.databases or None)
    if fields.collection_count is not None:
        told["collection"] = {"count": fields.collection_count}
    told |= _known(tls=fields.tls, documents=fields.documents, size_bytes=fields.size)
    if newest := time_of(fields.newest_write):
        told["newest_write"] = _known(at=newest, method=fields.newest_write_method or None)
    if fields.closed_how:
        told["closed"] = _known(before=time_of(fields.closed_before) or None, how=fields.closed_how)
    return told


def _known(**told: Any) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


# Runs.


def _of_run(fields: Fields, run: RunEvent) -> dict[str, Any]:
    told = _common(fields)
    event = told["event"]
    event["category"] = ["process"]
    event["type"] = [_RUN_TYPES[run.kind]]
    if run.kind == "ended":
        # Whatever is not complete has not done what it was begun for.
        event["outcome"] = "success" if run.state == "complete" else "failure"
    began, ended = milliseconds(run.started_at), milliseconds(run.at)
    if began is not None:
        event["start"] = run.started_at
        if run.kind == "ended" and ended is not None:
            event["end"] = run.at
            event["duration"] = min(max(0, ended - began) * 1_000_000, _MAX_LONG)
    ours: dict[str, Any] = {"severity": fields.severity.value, "state": run.state, "run": run_facts(run)}
    if run.run_id:
        ours["run_id"] = run.run_id
    if run.reasons:
        ours["reasons"] = run.reasons
    told["mongosweep"] = ours
    return told


FORMAT: Final = Format(
    "ecs", f"Elastic Common Schema {ECS_VERSION}, one document a line", "application/x-ndjson", document
)
