"""CSV for people with a spreadsheet: a row an event, whichever kind it is. Programs should read JSON.

Columns bear the names of our own JSON's fields. RFC 4180: each cell in quotation marks, rows end in CRLF.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from results.formats.csv_cells import csv_cell, csv_row
from results.formats.facts import Room, facts_of, line
from results.formats.fields import fields_of
from results.formats.format import Format

if TYPE_CHECKING:
    from results.events.event import Event
    from results.formats.fields import Sender

_OWN: Final = ("kind", "at", "severity", "severity_number", "state", "message")
_FACTS: Final = {
    "ip": "ip",
    "port": "port",
    "hostnames": "hostnames",
    "site": "site",
    "owner": "owner",
    "contact": "contact",
    "organisation": "organisation",
    "labels": "labels",
    "verdict": "verdict",
    "reasons": "reasons",
    "techniques": "techniques",
    "product": "product",
    "version": "serverVersion",
    "topology": "topology",
    "tls": "tls",
    "databases": "databaseCount",
    "collections": "collectionCount",
    "documents": "documents",
    "bytes": "sizeBytes",
    "database_names": "databaseNames",
    "names": "names",
    "hints": "hints",
    "ransom_names": "ransomNames",
    "newest_write": "lastWrite",
    "newest_write_method": "lastWriteMethod",
    "first_seen_open": "firstSeen",
    "last_seen_open": "lastSeen",
    "closed_before": "closedBefore",
    "closed_how": "closedHow",
    "due_at": "dueAt",
    "reach": "reach",
    "open_from": "openFrom",
    "not_open_from": "notOpenFrom",
    "purpose": "purpose",
    "planned": "planned",
    "asked": "asked",
    "excluded": "excluded",
    "not_reached": "notReached",
    "missed_at_most": "missedAtMost",
    "open": "openServers",
    "exposures_open": "exposuresOpen",
    "verdicts": "verdicts",
    "changes": "changes",
    "exposure_id": "exposureId",
    "finding_id": "findingId",
    "run_id": "runId",
    "vantage": "vantage",
    "event_id": "id",
}
"""Column -> the fact that stands in it."""
COLUMNS: Final = (*_OWN, *_FACTS, "host", "tool_version", "score")  # new ones come last
_ROOM: Final = Room(characters=4000)  # a spreadsheet takes 32,767 in a cell


def document(event: Event, sender: Sender) -> bytes:
    """The event's row, UTF-8, as many cells as `COLUMNS`; "" is not known or does not apply."""
    fields = fields_of(event, sender)
    facts = facts_of(fields, _ROOM)
    own = (
        *(fields.kind, line(fields.at, 40), fields.severity.value, str(fields.severity_number)),
        *(line(fields.state, 40), line(fields.message, 1000)),
    )
    cells = (
        *own,
        *(facts.get(name, "") for name in _FACTS.values()),
        *(line(fields.host, 255), line(fields.version, 40), facts.get("score", "")),
    )
    return csv_row(map(csv_cell, cells)).encode()


FORMAT = Format(
    name="csv",
    about="a row an event, for a spreadsheet",
    media_type="text/csv; charset=utf-8; header=present",
    document=document,
    head=lambda _: csv_row(COLUMNS).encode() + b"\r\n",
    between=b"\r\n",
    tail=b"\r\n",
)
