"""A strict checker of SARIF logs: the JSON Schema of 2.1.0, and what the standard says beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs

_SCHEMA = json.loads((Path(__file__).parent / "schemas" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
_LOG = jsonschema_rs.Draft4Validator(_SCHEMA, validate_formats=True)
_ONE = jsonschema_rs.Draft4Validator(
    {"$ref": "#/definitions/result", "definitions": _SCHEMA["definitions"]}, validate_formats=True
)
# A relative reference whose first part has no colon (RFC 3986, 4.2): dashboards refuse others.
_RELATIVE = re.compile(r"[A-Za-z0-9._~-]+(/[A-Za-z0-9._~:@!$&'()*+,;=-]+)+")


def problems(log: dict[str, Any]) -> list[str]:
    """What is wrong with a log; empty when nothing is."""
    found = _against(_LOG, log)
    for run in log.get("runs", ()) if not found else ():
        rules = run["tool"]["driver"]["rules"]
        for result in run["results"]:
            found += _beside(result, rules)
    return found


def result_problems(result: dict[str, Any], rules: list[dict[str, Any]]) -> list[str]:
    """What is wrong with a result alone, given the rules of its log."""
    return _against(_ONE, result) or _beside(result, rules)


def _against(validator: jsonschema_rs.Draft4Validator, document: dict[str, Any]) -> list[str]:
    errors = validator.iter_errors(document)
    return [f"{'/'.join(map(str, each.instance_path))}: {each.message[:200]}" for each in errors]


def _beside(result: dict[str, Any], rules: list[dict[str, Any]]) -> list[str]:
    found = []
    number = result.get("ruleIndex", -1)
    if not 0 <= number < len(rules) or rules[number]["id"] != result["ruleId"]:
        found.append(f"ruleIndex {number} is not that of {result['ruleId']}")
    elif not rules[number].get("help", {}).get("text"):
        found.append(f"the rule {result['ruleId']} has no help")
    # 3.27.10: whatever is no `fail` has the level `none`, and a `fail` has another.
    if (result["kind"] == "fail") == (result["level"] == "none"):
        found.append(f"level {result['level']} with kind {result['kind']}")
    if not result.get("partialFingerprints"):
        found.append("no fingerprint")
    for location in result["locations"]:
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        if not _RELATIVE.fullmatch(uri):
            found.append(f"{uri!r} is no relative reference")
        if not location["logicalLocations"][0].get("fullyQualifiedName"):
            found.append("no fully qualified name")
    return found
