"""The Shadowserver Foundation's daily reports: `scan_mongodb` by each header that it has had, and every other
report that names open ports; as CSV, and as the JSON that its reports API answers.

Columns and their dates: report_schema/reports.json of The Shadowserver Foundation with its history (August
2023 to March 2026); before that, reports of 2015 and 2016 kept by n6 and IntelMQ as test data. Times have no
zone and are UTC. Databases stand between " | ", later ",", and "none visible" is written for none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim, Said
from targets.grammar import GrammarError
from targets.sources.moments import utc
from targets.sources.records import host_names
from targets.sources.reporters import address_of, is_tcp, labels, mongodb, plain, port_of
from targets.sources.shapes import ColumnShape, RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from targets.sources.json_stream import Record
    from targets.sources.shapes import Row

_ENDPOINTS: Final = ("timestamp", "ip", "asn", "geo")  # of every report on something that listens
_TRAFFIC: Final = ("src_ip", "dst_ip", "http_referer_ip")  # of reports on what an address has sent
_BUILD: Final = ("gitversion", "sysinfo", "opensslversion", "allocator", "javascriptengine")
_TAIL: Final = (*_BUILD, "bits", "maxbsonobjectsize", "ok", "visible_databases")
_PLACE: Final = ("asn", "geo", "region", "city", "naics")
_HOST: Final = ("ip", "protocol", "port", "hostname", "tag")
HEADERS: Final = {
    ("timestamp", *_HOST, "version", *_PLACE, "sic", *_TAIL): "2014-12",
    ("timestamp", *_HOST, "version", *_PLACE, "sic", *_TAIL, "sector"): "2016-07",
    ("timestamp", *_HOST, "version", *_PLACE, *_TAIL, "sector"): "2023-11-18",
    ("timestamp", "severity", *_HOST, "version", *_PLACE, "hostname_source", *_TAIL, "sector"): "2023-11-25",
    ("timestamp", "severity", *_HOST, *_PLACE, "hostname_source", "sector", "version", *_TAIL): "2024-07",
}
"""Each header of scan_mongodb, and since when it is known. scan6_mongodb (December 2025) has the last one."""
_BETWEEN = re.compile(r"\s*[|,]\s*")
_NONE: Final = "none visible"


def _is_report(names: Sequence[str] | Mapping[str, Any]) -> bool:
    return "timestamp" in names and (
        all(name in names for name in _ENDPOINTS) or any(f"{name[:-2]}asn" in names for name in _TRAFFIC)
    )


def _is_mongodb(names: Sequence[str] | Mapping[str, Any]) -> bool:
    return "gitversion" in names and "visible_databases" in names and _is_report(names)


def _version(header: Sequence[str]) -> str:
    """Since when the header is known; "" for one that is not: its columns are read by their names."""
    return HEADERS.get(tuple(header), "")


def _claims(cells: Mapping[str, Any], place: str) -> Iterator[Claim]:
    """The endpoint of a row. Raises GrammarError for one that names none."""
    if "ip" not in cells:
        raise GrammarError(
            "tells what an address has sent (src_ip, dst_ip), not of an open port",
            "name one of Shadowserver's reports on scans, such as scan_mongodb",
        )
    span, port = address_of(cells["ip"]), port_of(cells.get("port"))
    if not is_tcp(cells.get("protocol")):
        return
    told = Said(
        kind="address",
        seen_at=utc(cells.get("timestamp")),
        finding=_finding(cells),
        labels=labels(asn=cells.get("asn"), severity=cells.get("severity"), tag=cells.get("tag")),
    )
    yield Claim(span, port, place, host_names([cells.get("hostname")]), told)


def _finding(cells: Mapping[str, Any]) -> str:
    if "gitversion" not in cells or "visible_databases" not in cells:
        tags = re.split(r"[;,\s]+", plain(cells.get("tag")).lower())
        return mongodb("", cells.get("version")) if "mongodb" in tags else ""
    listed = cells["visible_databases"]
    names = listed if isinstance(listed, list) else _BETWEEN.split(plain(listed, 4096))
    visible = [name for name in names if name and name != _NONE]
    return mongodb("open" if visible else "", cells.get("version"), visible)


def _row(row: Row, name: str) -> Iterator[Claim]:
    return _claims(row.cells, f"{name}:{row.line}")


def _record(record: Record, name: str) -> Iterator[Claim]:
    return _claims(record.value, f"{name}:{record.line}")


COLUMNS: Final = (
    ColumnShape("Shadowserver scan_mongodb", _is_mongodb, _row, _version),
    ColumnShape("Shadowserver report", _is_report, _row),
)
RECORDS: Final = (
    RecordShape(
        "Shadowserver scan_mongodb (API)",
        lambda record: isinstance(record.value, dict) and _is_mongodb(record.value),
        _record,
    ),
    RecordShape(
        "Shadowserver report (API)",
        lambda record: isinstance(record.value, dict) and _is_report(record.value),
        _record,
    ),
)
