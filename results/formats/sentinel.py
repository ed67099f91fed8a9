"""Rows of a custom table of Microsoft Sentinel: columns in PascalCase, with ASIM's names where it has one.

Facts: Microsoft, "Logs Ingestion API in Azure Monitor" (a row is an object; `TimeGenerated` is its time) and
"Advanced Security Information Model schemas".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from results.formats.fields import fields_of
from results.formats.format import Format
from results.formats.json_text import as_json, time_of
from results.formats.weakness import moment

if TYPE_CHECKING:
    from results.events.event import Event
    from results.formats.fields import Sender

COLUMNS: Final[dict[str, str]] = {
    "TimeGenerated": "datetime",
    "EventId": "string",
    "EventSchema": "string",
    "Kind": "string",
    "Severity": "string",
    "SeverityNumber": "long",
    "Score": "long",
    "State": "string",
    "RunId": "string",
    "ExposureId": "string",
    "FindingId": "string",
    "ObservationId": "string",
    "Organisation": "string",
    "Vantage": "string",
    "Reach": "string",
    "OpenFrom": "dynamic",
    "NotOpenFrom": "dynamic",
    "DvcHostname": "string",
    "ToolVersion": "string",
    "DstIpAddr": "string",
    "DstPortNumber": "long",
    "DstHostname": "string",
    "DstHostnames": "dynamic",
    "Site": "string",
    "OwnerName": "string",
    "OwnerContact": "string",
    "OwnerLabels": "dynamic",
    "Verdict": "string",
    "Product": "string",
    "ProductVersion": "string",
    "Topology": "string",
    "DatabaseCount": "long",
    "CollectionCount": "long",
    "DocumentCount": "long",
    "SizeBytes": "long",
    "Databases": "dynamic",
    "RansomNames": "dynamic",
    "NewestWrite": "datetime",
    "FirstSeenOpen": "datetime",
    "LastSeenOpen": "datetime",
    "ClosedBefore": "datetime",
    "ClosedHow": "string",
    "ChangedAfter": "datetime",
    "ChangedAt": "datetime",
    "Reasons": "dynamic",
    "Purpose": "string",
    "Scope": "string",
    "Shard": "string",
    "TargetsPlanned": "long",
    "ServersOpen": "long",
    "ExposuresOpen": "long",
    "Coverage": "dynamic",
    "Outcomes": "dynamic",
    "Changes": "dynamic",
}
"""Name and type of each column: what the table and the stream of the rule declare."""


def document(event: Event, sender: Sender) -> bytes:
    """One row, without the columns that are not known. Raises `UnfitError` for an event without a time."""
    fields = fields_of(event, sender)
    moment(fields)
    row: dict[str, Any] = {
        "TimeGenerated": fields.at,
        "EventId": fields.id,
        "EventSchema": type(event).__struct_config__.tag,
        "Kind": fields.kind,
        "Severity": fields.severity.value,
        "SeverityNumber": fields.severity_number,
        "Score": fields.score,
        "State": fields.state,
        "RunId": fields.run_id,
        "ExposureId": fields.exposure_id,
        "FindingId": fields.finding_id,
        "ObservationId": fields.observation_id,
        "Organisation": fields.organisation,
        "Vantage": fields.vantage,
        "Reach": fields.reach,
        "OpenFrom": fields.open_from,
        "NotOpenFrom": fields.not_open_from,
        "DvcHostname": fields.host,
        "ToolVersion": fields.version,
        "DstIpAddr": fields.ip,
        "DstPortNumber": fields.port,
        "DstHostname": fields.hostnames[0] if fields.hostnames else "",
        "DstHostnames": fields.hostnames,
        "Site": fields.site,
        "OwnerName": fields.owner,
        "OwnerContact": fields.contact,
        "OwnerLabels": fields.labels,
        "Verdict": fields.verdict,
        "Product": fields.product,
        "ProductVersion": fields.server_version,
        "Topology": fields.topology,
        "DatabaseCount": fields.database_count,
        "CollectionCount": fields.collection_count,
        "DocumentCount": fields.documents,
        "SizeBytes": fields.size,
        "Databases": fields.databases,
        "RansomNames": fields.ransom_names,
        "NewestWrite": time_of(fields.newest_write),
        "FirstSeenOpen": time_of(fields.first_seen),
        "LastSeenOpen": time_of(fields.last_seen),
        "ClosedBefore": time_of(fields.closed_before),
        "ClosedHow": fields.closed_how,
        "ChangedAfter": time_of(fields.after),
        "ChangedAt": time_of(fields.dated),
        "Reasons": fields.reasons,
    }
    if (run := fields.run) is not None:
        row |= {
            "Purpose": run.purpose or "sweep",
            "Scope": run.scope,
            "Shard": run.shard,
            "TargetsPlanned": run.planned,
            "ServersOpen": run.open,
            "ExposuresOpen": run.exposures_open,
            "Coverage": msgspec.to_builtins(run.coverage),
            "Outcomes": run.outcomes,
            "Changes": run.changes,
        }
    return as_json({name: value for name, value in row.items() if value not in ("", None, [], {})})


FORMAT: Final = Format(
    "sentinel", "rows of a table of Microsoft Sentinel, an object each", "application/x-ndjson", document
)
