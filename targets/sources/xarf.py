"""XARF, the extended abuse reporting format of version 3 and 4: one JSON object a report, often in an e-mail.

Fields: xarf/xarf-spec, schemas/v4/xarf-core.json, types/vulnerability-*.json, samples/v3. `source_port` is
the port of the service only in reports on vulnerabilities; in the others it is where an attack came from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim, Said
from targets.grammar import GrammarError
from targets.sources.fields import table
from targets.sources.moments import utc
from targets.sources.reporters import address_of, labels, mongodb, plain, port_of
from targets.sources.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from targets.sources.json_stream import Record


def _claims(record: Record, name: str) -> Iterator[Claim]:
    report = _as_today(record.value)
    if report.get("category") != "vulnerability":
        raise GrammarError(
            f"is a report on {plain(report.get('category')) or 'abuse'}, not on an open port",
            "name reports of the category vulnerability",
        )
    span = address_of(report.get("source_identifier"))
    service = plain(report.get("service"))
    told = Said(
        kind="address",
        seen_at=utc(report.get("timestamp")),
        finding=mongodb("open", report.get("service_version")) if service.lower() == "mongodb" else "",
        labels=labels(
            report=report.get("report_id"), reporter=table(report.get("reporter")).get("org"), service=service
        ),
    )
    port = report.get("service_port") or report.get("source_port")
    yield Claim(span, port_of(port), f"{name}:{record.line}", (), told)


def _as_today(value: dict[str, Any]) -> dict[str, Any]:
    """A report of version 3 in the words of version 4."""
    if "xarf_version" in value:
        return value
    report, who = table(value.get("Report")), table(value.get("ReporterInfo"))
    source = table(report.get("Source"))
    more = table(report.get("AdditionalInfo"))
    kind = plain(report.get("ReportClass")).lower()
    return {
        "category": "vulnerability"
        if "vulnerab" in f"{kind} {plain(report.get('ReportType')).lower()}"
        else kind,
        "reporter": {"org": who.get("ReporterOrg")},
        "service": more.get("Service"),
        "service_version": more.get("Version"),
        "source_identifier": source.get("IP") or report.get("SourceIp"),
        "source_port": source.get("Port") or report.get("SourcePort"),
        "timestamp": report.get("Date"),
    }


def _fits(record: Record) -> bool:
    value = record.value
    return isinstance(value, dict) and (
        "xarf_version" in value or ("ReporterInfo" in value and "Report" in value)
    )


def _version(record: Record) -> str:
    return plain(record.value.get("xarf_version") or record.value.get("Version"), 16)


RECORDS: Final = (RecordShape("XARF", _fits, _claims, _version),)
