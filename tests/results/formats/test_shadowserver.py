"""Shadowserver's CSV: its columns by the foundation's schema, and who has a row."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from results.formats.format import UnfitError
from results.formats.shadowserver import COLUMNS, FORMAT
from results.ledger.tracked import Place
from results.verdict import Verdict
from tests.support.exposures import closed, exposure
from tests.support.told import SENDER, change, run_event, seen_open

if TYPE_CHECKING:
    from results.events.event import Event

# report_schema/reports.json of The Shadowserver Foundation: `fields` of scan_mongodb and of scan6_mongodb.
SCHEMA = [
    *("timestamp", "severity", "ip", "protocol", "port", "hostname", "tag", "asn", "geo", "region", "city"),
    *("naics", "hostname_source", "sector", "version", "gitversion", "sysinfo", "opensslversion"),
    *("allocator", "javascriptengine", "bits", "maxbsonobjectsize", "ok", "visible_databases"),
]


def row(event: Event) -> dict[str, str]:
    """One event's row by column."""
    text = FORMAT.head(SENDER) + (FORMAT.document(event, SENDER) or b"") + b"\n"
    (read,) = csv.DictReader(io.StringIO(text.decode(), newline=""))
    return read


def test_columns_are_the_schemas_in_its_order() -> None:
    assert list(COLUMNS) == SCHEMA


def test_the_row_of_an_observation() -> None:
    assert FORMAT.document(seen_open(), SENDER) == (
        b'"2026-03-01 08:30:00","high","10.1.2.3","tcp","27017","db7.example.net","mongodb","","","","","",""'
        b',"","7.0.14","f2e3","","OpenSSL 3.0.2","tcmalloc","mozjs","64","16777216","1","crm"'
    )


def test_the_row_of_a_change() -> None:
    told = row(change())
    assert (told["timestamp"], told["severity"]) == ("2026-11-24 09:15:02", "critical")
    assert (told["ip"], told["visible_databases"], told["ok"]) == ("10.1.2.3", "crm,billing", "1")


def test_ipv6_stands_as_it_is() -> None:
    assert row(change(place=Place(ip="2001:db8::17", port=27018)))["ip"] == "2001:db8::17"


@pytest.mark.parametrize(
    "event",
    [
        run_event(),
        change(kind="closed", state="closed"),
        change(kind="unreachable", state="unreachable"),
        seen_open(verdict=Verdict.AUTH_REQUIRED, exposure=None),
        closed("10.1.2.3"),
        exposure(state="unreachable"),
    ],
    ids=["run", "closed", "unreachable", "login", "closed exposure", "unreachable exposure"],
)
def test_what_was_not_seen_open_has_no_row(event: Event) -> None:
    assert FORMAT.document(event, SENDER) is None


def test_a_row_needs_a_time() -> None:
    with pytest.raises(UnfitError, match="timestamp"):
        FORMAT.document(change(at="", last_seen_open=""), SENDER)
