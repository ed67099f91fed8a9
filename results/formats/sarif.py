"""SARIF 2.1.0 (OASIS), for code-scanning dashboards: one log with one result for each server that is open.

SARIF was made for places in source code. A server is a logical location by its address and port, and because
dashboards show nothing without a file, a relative path that is made of both. A dashboard takes what is in no
later log for mended, so a server that is closed or was not open is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from results.formats.fields import TECHNIQUES, TITLES, fields_of
from results.formats.format import Format
from results.formats.json_text import as_json, time_of
from results.formats.severities import SCALES
from results.formats.weakness import CWE, DESCRIPTION, REFERENCE, REMEDY, TITLE, check_address, is_weak
from results.verdict import Severity

if TYPE_CHECKING:
    from results.events.event import Event
    from results.formats.fields import Fields, Sender

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
# What a result is against the log before: `reminder` and the like say nothing new.
_BASELINES: Final = {
    "opened": "new",
    "reopened": "new",
    "reminder": "unchanged",
    "exposure": "",
    "observation": "",
}
_EXTORTION: Final = (
    "Somebody has written here. Keep the server as it is, look for its logs and backups, and pay nobody."
)


def _rule(name: str, title: str, about: str, *tags: str) -> dict[str, Any]:
    return {
        "id": name,
        "name": "".join(word.capitalize() for word in name.split("-")),
        "shortDescription": {"text": title},
        "fullDescription": {"text": about},
        "help": {
            "text": f"{about} {REMEDY} {REFERENCE}",
            "markdown": f"{about}\n\n{REMEDY}\n\n[MongoDB's security checklist]({REFERENCE})",
        },
        "helpUri": REFERENCE,
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", f"external/cwe/{CWE.lower()}", *tags]},
    }


# One rule for the weakness, whatever happened to it: with a rule for each kind of change, the same server
# would be another alert at each.
_RULES: Final = [
    _rule("mongodb-open", TITLE, DESCRIPTION),
    *(
        _rule(
            f"mongodb-{kind}",
            TITLES[kind],
            f"{DESCRIPTION} {_EXTORTION}",
            *(f"external/attack/{each.id.lower()}" for each in techniques),
        )
        for kind, techniques in TECHNIQUES.items()
    ),
]
_INDEX: Final = {rule["id"]: number for number, rule in enumerate(_RULES)}


def head(sender: Sender) -> bytes:
    """All that goes before the first result: the tool and its rules."""
    driver = {"name": "mongosweep", "version": sender.version, "rules": _RULES}
    run = as_json({"tool": {"driver": driver}, "columnKind": "utf16CodeUnits"})
    return b'{"$schema":"%b","version":"2.1.0","runs":[%b,"results":[\n' % (SCHEMA.encode(), run[:-1])


def document(event: Event, sender: Sender) -> bytes | None:
    """One result on one line; None of a run, and of a server that is closed or was not open.

    Raises `UnfitError` for a server without an address.
    """
    fields = fields_of(event, sender)
    if fields.run is not None or not is_weak(fields):
        return None
    check_address(fields)
    return as_json(_result(fields))


def _result(fields: Fields) -> dict[str, Any]:
    rule = f"mongodb-{fields.kind}"
    rule = rule if rule in _INDEX else _RULES[0]["id"]
    told: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": _INDEX[rule],
        "message": {"text": fields.message},
        "locations": [_location(fields)],
        "partialFingerprints": _fingerprints(fields),
        "rank": float(SCALES[fields.severity].ecs if fields.score is None else fields.score),
        "properties": _properties(fields),
    }
    if "unreachable" in (fields.kind, fields.state):
        # Not proved to be closed, and not seen open: there is not enough to say whether it still is. A kind
        # that is not `fail` has no level (3.27.10).
        told["kind"], told["level"] = "open", "none"
    else:
        told["kind"], told["level"] = "fail", _LEVELS[fields.severity]
    if baseline := _BASELINES.get(fields.kind, "updated"):
        told["baselineState"] = baseline
    return told


def _location(fields: Fields) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": f"mongodb/{fields.ip}/{fields.port}"},
            "region": {"startLine": 1},
        },
        "logicalLocations": [
            {
                "name": next(filter(None, fields.hostnames), fields.place),
                "fullyQualifiedName": fields.place,
                "kind": "resource",
            }
        ],
    }


def _fingerprints(fields: Fields) -> dict[str, str]:
    """What makes the same server the same result in the next log. Dashboards that know one name alone take
    `primaryLocationLineHash`."""
    told = {"mongosweepExposure/v1": fields.exposure_id, "mongosweepFinding/v1": fields.finding_id}
    told["primaryLocationLineHash"] = fields.finding_id or fields.exposure_id
    return {name: value for name, value in told.items() if value}


def _properties(fields: Fields) -> dict[str, Any]:
    """What SARIF has no property for."""
    told: dict[str, Any] = {
        name: getattr(fields, name)
        for name in (
            *("id", "kind", "at", "severity", "state", "organisation", "owner", "contact", "site", "vantage"),
            *("run_id", "hostnames", "labels", "reasons", "product", "server_version", "topology"),
            *("database_count", "databases", "documents", "names", "hints", "ransom_names"),
            *("reach", "open_from", "not_open_from", "score"),
        )
    }
    told["size_bytes"] = fields.size
    told |= {"first_seen": time_of(fields.first_seen), "last_seen": time_of(fields.last_seen)}
    return {name: value for name, value in told.items() if value not in (None, "", [], {})}


FORMAT: Final = Format(
    "sarif",
    "SARIF 2.1.0, one log with a result for each open server",
    "application/sarif+json",
    document,
    head,
    b",\n",
    b"\n]}]}\n",
)
