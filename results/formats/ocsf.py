"""Open Cybersecurity Schema Framework (OCSF) 1.8.0, for Amazon Security Lake and whoever reads its classes.

A change, a reminder, an exposure or an open server is a Vulnerability Finding (2002), a server that is not
open a Device Inventory Info (5001), and what happens to a run a Scan Activity (6007). The schema is that of
github.com/ocsf/ocsf-schema.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from results.formats.fields import fields_of
from results.formats.format import Format
from results.formats.json_text import as_json, milliseconds
from results.formats.run_facts import run_facts
from results.formats.severities import SCALES
from results.formats.weakness import (
    CWE,
    CWE_NAME,
    CWE_URL,
    DESCRIPTION,
    REFERENCE,
    REMEDY,
    TITLE,
    check_address,
    dataset,
    is_weak,
    moment,
    speaks_mongodb,
)

if TYPE_CHECKING:
    from results.events.event import Event, RunEvent
    from results.formats.fields import Fields, Sender

OCSF_VERSION: Final = "1.8.0"


class _Class(NamedTuple):
    uid: int
    name: str
    category: str
    activities: dict[int, str]


_FINDING: Final = _Class(
    2002, "Vulnerability Finding", "Findings", {1: "Create", 2: "Update", 3: "Close", 99: "Other"}
)
_INVENTORY: Final = _Class(5001, "Device Inventory Info", "Discovery", {2: "Collect"})
_SCAN: Final = _Class(
    6007,
    "Scan Activity",
    "Application Activity",
    {1: "Started", 2: "Completed", 3: "Cancelled", 6: "Error", 8: "Resumed", 99: "Other"},
)
_OTHER: Final = 99
# By kind of change; what is said of an exposure that goes on is an update of its finding.
_ACTIVITIES: Final = {"opened": 1, "closed": 3}
# By state of the exposure. `status_id` has no word for a risk that somebody accepted, nor for silence.
_STATUSES: Final = {
    "closed": (4, "Resolved"),
    "unreachable": (_OTHER, "Unreachable"),
    "accepted": (_OTHER, "Accepted"),
}
_NEW: Final = (1, "New")
# How a run ended. Only `complete` is Completed: who reads there that nothing was detected relies on it.
_ENDS: Final = {"complete": 2, "interrupted": 3, "failed": 6, "aborted": 6}
_EMAIL: Final = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]+@[A-Za-z0-9-]+\.[A-Za-z0-9-.]+")
_ANALYTIC: Final = {"uid": "mongosweep-open", "name": TITLE, "type_id": 1, "type": "Rule"}
_VULNERABILITY: Final = {
    "cwe": {"uid": CWE, "caption": CWE_NAME, "src_url": CWE_URL},
    "title": TITLE,
    "desc": DESCRIPTION,
    "vendor_name": "mongosweep",
    "references": [REFERENCE],
    "remediation": {"desc": REMEDY, "references": [REFERENCE]},
}
_OF_SERVER: Final = (
    *("port", "tls", "topology", "database_count", "databases", "collection_count", "documents"),
    *("hints", "ransom_names", "newest_write", "newest_write_method"),
)
_OF_CHANGE: Final = (
    *("state", "verdict", "site", "reasons", "names", "observation_id", "after", "dated", "due_at"),
    *("closed_before", "closed_how", "reach", "open_from", "not_open_from", "score"),
)


def document(event: Event, sender: Sender) -> bytes:
    """One document on one line. Raises `UnfitError` for an event without a time, or a server without an
    address."""
    fields = fields_of(event, sender)
    if fields.run is not None:
        return as_json(_scan(fields, fields.run))
    check_address(fields)
    return as_json(_finding(fields) if _is_finding(fields) else _inventory(fields))


def _is_finding(fields: Fields) -> bool:
    """Whether it is about an exposure, be it closed, or saw an open server."""
    return fields.kind != "observation" or is_weak(fields)


def _common(fields: Fields, of: _Class, activity: int, activity_name: str = "") -> dict[str, Any]:
    """What stands in every document."""
    caption = of.activities[activity]
    at = moment(fields)
    severity = SCALES[fields.severity]
    product = {"name": "mongosweep", "vendor_name": "mongosweep", "version": fields.version}
    metadata = {
        "version": OCSF_VERSION,
        "uid": fields.id,
        "event_code": fields.kind,
        "log_name": dataset(fields.kind),
        "log_provider": "mongosweep",
        "original_time": fields.at,
        "product": product,
    }
    if fields.run_id:
        metadata["correlation_uid"] = fields.run_id
    if reporter := _reporter(fields):
        metadata["reporter"] = reporter
    return {
        "class_uid": of.uid,
        "class_name": of.name,
        "category_uid": of.uid // 1000,
        "category_name": of.category,
        "activity_id": activity,
        "activity_name": activity_name or caption,
        "type_uid": of.uid * 100 + activity,
        "type_name": f"{of.name}: {caption}",
        "time": at,
        "timezone_offset": 0,
        "severity_id": severity.ocsf,
        "severity": severity.word,
        "message": fields.message,
        "metadata": metadata,
    }


def _reporter(fields: Fields) -> dict[str, Any]:
    """The machine that looked, its vantage, and whose it is."""
    told: dict[str, Any] = {}
    if fields.host:
        told["hostname"] = fields.host
    if fields.vantage:
        told["name"] = fields.vantage
    if told and fields.organisation:
        told["org"] = {"name": fields.organisation}
    return told


# Servers.


def _finding(fields: Fields) -> dict[str, Any]:
    activity, name = _activity(fields)
    told = _common(fields, _FINDING, activity, name)
    told["status_id"], told["status"] = _STATUSES.get(_state(fields), _NEW)
    if is_weak(fields) and fields.state != "unreachable":
        told["confidence_id"], told["confidence"] = 3, "High"
    seen = {"first_seen_time": fields.first_seen, "last_seen_time": fields.last_seen}
    times = {name: since for name, text in seen.items() if (since := milliseconds(text)) is not None}
    told["finding_info"] = info = {
        "uid": fields.exposure_id or fields.finding_id or fields.id,
        "title": f"{TITLE}: {fields.place}",
        "desc": fields.message,
        "types": ["Missing Authentication"],
        "analytic": _ANALYTIC,
        **times,
    }
    if fields.exposure_id and fields.finding_id:
        info["uid_alt"] = fields.finding_id
    if times:
        info["created_time"] = next(iter(times.values()))
    if fields.techniques:
        info["attacks"] = [
            {
                "technique": {"uid": each.id, "name": each.name},
                "tactic": {"uid": each.tactic_id, "name": each.tactic},
            }
            for each in fields.techniques
        ]
    if activity == 3:
        told["end_time"] = told["time"]
    told["vulnerabilities"] = [{**_VULNERABILITY, "severity": told["severity"], **times}]
    told["resources"] = [_resource(fields)]
    told["observables"] = _observables(fields, "resources[0]")
    if unmapped := _known(fields, _OF_CHANGE):
        told["unmapped"] = unmapped
    return told


def _activity(fields: Fields) -> tuple[int, str]:
    if fields.kind == "observation":
        return _OTHER, "Observe"
    if fields.kind == "exposure":
        return (3 if fields.state == "closed" else 1 if fields.state == "new" else 2), ""
    return _ACTIVITIES.get(fields.kind, 2), ""


def _state(fields: Fields) -> str:
    """The state of the exposure, by the change where that decides it."""
    return fields.kind if fields.kind in ("closed", "unreachable") else fields.state


def _known(fields: Fields, names: tuple[str, ...]) -> dict[str, Any]:
    told = ((name, getattr(fields, name)) for name in names)
    return {name: value for name, value in told if value is not None and value != "" and value != []}


def _held(fields: Fields) -> dict[str, Any]:
    data = _known(fields, _OF_SERVER)
    if fields.size is not None:
        data["size_bytes"] = fields.size
    return data


def _names(fields: Fields) -> list[str]:
    return [name for name in fields.hostnames if name]


def _tags(fields: Fields) -> list[dict[str, str]]:
    return [{"name": name or "_", "value": value} for name, value in fields.labels.items()]


def _resource(fields: Fields) -> dict[str, Any]:
    data = _held(fields)
    told: dict[str, Any] = {
        "uid": fields.place,
        "name": fields.place,
        "ip": fields.ip,
        "type": "MongoDB server",
        "role_id": 3,
        "role": "Affected",
        "data": data,
    }
    if names := _names(fields):
        told["name"] = told["hostname"] = names[0]
        data["hostnames"] = names
    if fields.server_version:
        told["version"] = fields.server_version
    if owner := _owner(fields, data):
        told["owner"] = owner
    if fields.labels:
        told["tags"] = _tags(fields)
    return told


def _owner(fields: Fields, data: dict[str, Any]) -> dict[str, Any]:
    """The owner as a user. A contact that is no e-mail address has no place there, and stands in `data`."""
    told = {"name": fields.owner} if fields.owner else {}
    if fields.contact and _EMAIL.fullmatch(fields.contact):
        return {"name": fields.contact, **told, "email_addr": fields.contact}
    if fields.contact:
        data["contact"] = fields.contact
    return told


def _observables(fields: Fields, of: str) -> list[dict[str, Any]]:
    told = [{"name": f"{of}.ip", "type_id": 2, "type": "IP Address", "value": fields.ip}]
    if names := _names(fields):
        told.append({"name": f"{of}.hostname", "type_id": 1, "type": "Hostname", "value": names[0]})
    return told


def _inventory(fields: Fields) -> dict[str, Any]:
    told = _common(fields, _INVENTORY, 2)
    data = _held(fields)
    kind = (1, "Server") if speaks_mongodb(fields) else (0, "Unknown")
    device: dict[str, Any] = {"uid": fields.place, "ip": fields.ip, "type_id": kind[0], "type": kind[1]}
    if names := _names(fields):
        device["name"] = device["hostname"] = names[0]
        data["hostnames"] = names
    if owner := _owner(fields, data):
        device["owner"] = owner
    if fields.organisation:
        device["org"] = {"name": fields.organisation}
    for name, text in (("product", fields.product), ("server_version", fields.server_version)):
        if text:
            data[name] = text
    if fields.labels:
        data["labels"] = _tags(fields)
    told["device"] = device
    told["observables"] = _observables(fields, "device")
    told["unmapped"] = {**data, **_known(fields, _OF_CHANGE), **_known(fields, ("finding_id",))}
    return told


# Runs.


def _scan(fields: Fields, run: RunEvent) -> dict[str, Any]:
    told = _common(fields, _SCAN, *_run_activity(run))
    purpose = run.purpose or "sweep"
    told["scan"] = {"name": purpose, "uid": run.run_id or purpose, "type_id": 0, "type": "Unknown"}
    if run.kind == "ended":
        succeeded = run.state == "complete"
        told["status_id"], told["status"] = (1, "Success") if succeeded else (2, "Failure")
        told["status_code"] = run.state
    if detail := ", ".join(run.reasons):
        told["status_detail"] = detail
    began = milliseconds(run.started_at)
    if began is not None:
        told["start_time"] = began
    if run.kind == "ended":
        told["end_time"] = told["time"]
        if began is not None:
            told["duration"] = max(0, told["time"] - began)
    if run.open is not None:
        told["num_detections"] = run.open
    if (coverage := run.coverage) is not None:
        told["total"] = told["num_network_items"] = coverage.outcomes
        told["num_skipped_items"] = coverage.excluded + coverage.not_reached
    if run.scope:
        told["policy"] = {"name": "allow-list", "uid": run.scope, "is_applied": True}
    told["unmapped"] = {"state": run.state, **_known(fields, ("reasons",)), **run_facts(run)}
    return told


def _run_activity(run: RunEvent) -> tuple[int, str]:
    if run.kind == "started":
        return 1, ""
    if run.kind == "resumed":
        return 8, ""
    if run.kind == "ended":
        activity = _ENDS.get(run.state, _OTHER)
        return activity, "Ended degraded" if activity == _OTHER else ""
    return _OTHER, "Degraded" if run.kind == "degraded" else "Test"


FORMAT: Final = Format(
    "ocsf",
    f"Open Cybersecurity Schema Framework {OCSF_VERSION}, one event a line",
    "application/x-ndjson",
    document,
)
