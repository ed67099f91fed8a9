"""The CSV of Shadowserver's reports on open MongoDB: `scan_mongodb`, and `scan6_mongodb` of equal columns.

Columns, their order and the form of the time (UTC without a zone) are those of report_schema/reports.json of
The Shadowserver Foundation; IntelMQ and others take it in. Only what was seen open has a row. Where a network
is and whose line of business it is (asn, geo, region, city, naics, sector) is not known here and stays empty;
what buildInfo told (gitversion to maxbsonobjectsize) only observations have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from results.formats.csv_cells import csv_cell, csv_row
from results.formats.facts import Room, is_time, line, listed
from results.formats.fields import fields_of
from results.formats.format import Format, UnfitError
from results.formats.severities import SCALES
from results.record import Observation

if TYPE_CHECKING:
    from results.events.event import Event
    from results.formats.fields import Fields, Sender

COLUMNS: Final = (
    *("timestamp", "severity", "ip", "protocol", "port", "hostname", "tag", "asn", "geo", "region", "city"),
    *("naics", "hostname_source", "sector", "version", "gitversion", "sysinfo", "opensslversion"),
    *("allocator", "javascriptengine", "bits", "maxbsonobjectsize", "ok", "visible_databases"),
)
_NOT_OPEN: Final = frozenset({"closed", "unreachable"})
_ROOM: Final = Room(items=1000, characters=8000)


def document(event: Event, sender: Sender) -> bytes | None:
    """The row of a server that was seen open, UTF-8; None for a run, and for what was not.

    Raises `UnfitError` where no time is known: a row needs one.
    """
    fields = fields_of(event, sender)
    if not _seen_open(fields):
        return None
    at = fields.last_seen or fields.at
    if not is_time(at):
        raise UnfitError("when it was seen is not known, and a row of Shadowserver's needs a timestamp")
    told = {
        "timestamp": f"{at[:10]} {at[11:19]}",
        "severity": SCALES[fields.severity].shadowserver,
        "ip": line(fields.ip),
        "protocol": "tcp",
        "port": str(fields.port),
        "hostname": line(fields.hostnames[0]) if fields.hostnames else "",
        "tag": "mongodb",
        "version": line(fields.server_version),
        **_of_build(event),
        "ok": "1",  # of the command listDatabases, without which nothing is called open
        "visible_databases": listed(fields.databases, _ROOM),
    }
    return csv_row(csv_cell(told.get(column, "")) for column in COLUMNS).encode()


def _seen_open(fields: Fields) -> bool:
    if fields.kind == "observation":
        return fields.state == "open"
    return fields.about_server and fields.kind not in _NOT_OPEN and fields.state not in _NOT_OPEN


def _of_build(event: Event) -> dict[str, str]:
    if not isinstance(event, Observation) or event.server is None or event.server.build is None:
        return {}
    build = event.server.build
    return {
        "gitversion": line(build.git_version),
        "opensslversion": line(build.openssl),
        "allocator": line(build.allocator),
        "javascriptengine": line(build.javascript_engine),
        "bits": "" if build.bits is None else str(build.bits),
        "maxbsonobjectsize": "" if build.max_bson_object_size is None else str(build.max_bson_object_size),
    }


FORMAT = Format(
    name="shadowserver",
    about="the CSV of Shadowserver's report on open MongoDB",
    media_type="text/csv; charset=utf-8; header=present",
    document=document,
    head=lambda _: csv_row(COLUMNS).encode() + b"\n",
)
