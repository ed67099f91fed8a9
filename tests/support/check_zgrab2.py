"""A strict checker of ZGrab2's JSON for its module `mongodb`: names and types of its Go structs.

From github.com/zmap/zgrab2 (Apache-2.0), July 2026: Grab in `processing.go`, ScanResponse in `module.go`, the
statuses of `status.go`, Result in `modules/mongodb/scanner.go`. A field that Go always writes may be missing.
"""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address
from typing import Any

STATUSES = {
    *("success", "connection-refused", "connection-timeout", "connection-closed", "handshake-error"),
    *("post-tls-application-error", "io-timeout", "protocol-error", "application-error", "invalid-inputs"),
    *("blocklisted-target", "unknown-error"),
}
_IS_MASTER = {
    "is_master": "bool",
    "max_wire_version": "int32",
    "min_wire_version": "int32",
    "max_bson_object_size": "int32",
    "max_write_batch_size": "int32",
    "logical_session_timeout_minutes": "int32",
    "max_message_size_bytes": "int32",
    "read_only": "bool",
}
_BUILD_INFO = {
    **dict.fromkeys(("version", "git_version", "sys_info", "loader_flags", "compiler_flags"), "string"),
    **dict.fromkeys(("allocator", "javascript_engine"), "string"),
    "debug": "bool",
    "bits": "int32",
    "max_bson_object_size": "int32",
    "storage_engines": ["string"],
}
_DATABASE_INFO = {
    "databases": [{"name": "string", "size_on_disk": "int64", "empty": "bool"}],
    "total_size": "int64",
}
_RESULT = {"is_master": _IS_MASTER, "build_info": _BUILD_INFO, "database_info": _DATABASE_INFO}
_ANSWER = {
    "status": "string",
    "protocol": "string",
    "port": "uint16",
    "result": _RESULT,
    "timestamp": "string",
    "error": "string",
}
_GRAB = {
    "ip": "string",
    "port": "uint16",
    "domain": "string",
    "data": {"mongodb": _ANSWER},
    "error": "string",
}
_BITS = {"int32": 31, "int64": 63, "uint16": 16}


def problems(document: dict[str, Any]) -> list[str]:
    """What is wrong with a line; empty when nothing is."""
    found = _shape(document, _GRAB, "")
    if found:
        return found
    answer = document.get("data", {}).get("mongodb", {})
    found += [f"{name} is missing" for name in ("status", "protocol", "port") if name not in answer]
    if answer.get("status") not in STATUSES:
        found.append(f"status {answer.get('status')!r} is none")
    if answer.get("protocol") != "mongodb":
        found.append("protocol is not mongodb")
    if ("error" in answer) == (answer.get("status") == "success"):
        found.append("an error, and a success")
    try:
        ip_address(document["ip"])
        if datetime.fromisoformat(answer["timestamp"]).tzinfo is None:
            found.append("a time without a zone")
    except (KeyError, ValueError) as error:
        found.append(f"no address or no time: {error!r}")
    return found


def _shape(value: Any, form: Any, at: str) -> list[str]:
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return [f"{at} is no object"]
        found = [f"{at}.{name} is unknown" for name in value if name not in form]
        for name in value.keys() & form.keys():
            found += _shape(value[name], form[name], f"{at}.{name}")
        return found
    if isinstance(form, list):
        if not isinstance(value, list):
            return [f"{at} is no list"]
        return [trouble for each in value for trouble in _shape(each, form[0], f"{at}[]")]
    if form == "string":
        return [] if isinstance(value, str) else [f"{at} is no text"]
    if form == "bool":
        return [] if isinstance(value, bool) else [f"{at} is no boolean"]
    good = type(value) is int and 0 <= value < 2 ** _BITS[form]
    return [] if good else [f"{at}: {value!r} is no {form}"]
