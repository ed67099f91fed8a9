"""Outside reports: golden files of every format and version, and rows that are hostile."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.sources.moments import utc
from targets.sources.reporters import MAX_FINDING, MAX_LABEL
from targets.sources.shadowserver import HEADERS
from tests.support.claimed import claimed, endpoints

GOLDEN = Path(__file__).with_name("golden") / "reports"
REPORTS = sorted(path for path in GOLDEN.iterdir() if not path.name.endswith(".expected.json"))
HEADER = list(HEADERS)[-1]
ROW = {
    "timestamp": "2026-11-24 09:15:02",
    "ip": "10.1.2.3",
    "protocol": "tcp",
    "port": "27017",
    "asn": "64512",
}
OPEN = {"address": "10.1.2.3", "port": 27017}


def shadowserver(*rows: dict[str, str], header: tuple[str, ...] = HEADER) -> bytes:
    """A report of open MongoDB with these cells."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([row.get(column, "") for column in header] for row in rows)
    return text.getvalue().encode()


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.name)
def test_golden(path: Path) -> None:
    expected = json.loads(path.with_name(f"{path.name}.expected.json").read_text())
    assert claimed(path.read_bytes(), path.name) == expected


def test_each_header_of_shadowserver_has_a_golden_file() -> None:
    formats = {json.loads(path.read_text())["format"] for path in GOLDEN.glob("*.expected.json")}
    assert {f"Shadowserver scan_mongodb {version}" for version in HEADERS.values()} <= formats


def test_columns_that_come_tomorrow_are_read_by_their_names() -> None:
    told = claimed(shadowserver(ROW, header=("new", *reversed(HEADER))), "in")
    assert (told["format"], endpoints(told)) == ("Shadowserver scan_mongodb", [("10.1.2.3", 27017)])


def test_our_own_export_is_read_back() -> None:
    from results.formats.shadowserver import COLUMNS

    assert COLUMNS == HEADER


@pytest.mark.parametrize(
    "port", ["18446744073709551617", "-27017", "65536", "27017.0", "0x6989", "²7017", "x" * 200_000]
)
def test_ports_that_are_none(port: str) -> None:
    told = claimed(shadowserver(ROW | {"port": port}, ROW), "in")
    assert endpoints(told) == [("10.1.2.3", 27017)]
    (warning,) = told["warnings"]
    assert warning.startswith("in:2: ")
    assert len(warning) < 200


NO_TIMES = (
    *("2026-02-30 09:15:02", "2026-11-24 25:00:00", "9999-12-31 23:59:59-14:00", "0001-01-01T00:00:00Z"),
    *("yesterday", "2026-11-24", "", "1" * 1000, "\x1b[31m", "\uff12026-11-24 09:15:02"),
)


@pytest.mark.parametrize("said", NO_TIMES)
def test_times_of_no_calendar_are_left_out_and_cost_no_row(said: str) -> None:
    told = claimed(shadowserver(ROW | {"timestamp": said}), "in")
    assert endpoints(told) == [("10.1.2.3", 27017)]
    assert "seen_at" not in told["claims"][0]


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("2026-11-24 09:15:02", "2026-11-24T09:15:02Z"),
        ("2026-11-24T09:15:02.123456789", "2026-11-24T09:15:02Z"),
        ("2026-11-24T09:15:02+01:00", "2026-11-24T08:15:02Z"),
        ("2026-11-24 09:15 UTC", "2026-11-24T09:15:00Z"),
    ],
)
def test_times(said: str, at: str) -> None:
    assert utc(said) == at


def test_a_cell_of_a_mebibyte_and_control_characters() -> None:
    nasty = "\x1b]0;x\x07\u202e" + "n" * 1_000_000
    told = claimed(
        shadowserver(ROW, ROW | {"visible_databases": nasty}, ROW | {"tag": "\x1b[2J" + "t" * 9999}), "in"
    )
    claims = told["claims"]
    assert all(claim["port"] == 27017 for claim in claims)
    for claim in claims:
        texts = [claim.get("finding", ""), *claim.get("labels", {}).values()]
        assert all(text.isprintable() for text in texts)
        assert len(texts[0]) <= MAX_FINDING
        assert all(len(text) <= MAX_LABEL for text in texts[1:])


def test_a_header_twice_and_half_rows() -> None:
    first, second = shadowserver(ROW), shadowserver(ROW | {"ip": "10.1.2.4"}, header=next(iter(HEADERS)))
    told = claimed(first + second + b'"2026-11-24 09:15:02","10.1.2.5"\n' + first + b'"2026-11-24 09:1', "in")
    assert endpoints(told) == [("10.1.2.3", 27017), ("10.1.2.4", 27017), ("10.1.2.3", 27017)]
    assert [warning.split(": ")[0] for warning in told["warnings"]] == ["in:5", "in:8"]


def test_reports_on_traffic_name_no_port() -> None:
    header = "timestamp,protocol,src_ip,src_port,src_asn,src_geo,dst_ip,dst_port\n"
    told = claimed(f"{header}2026-11-24 09:15:02,tcp,10.1.2.3,4711,64512,FR,10.9.9.9,27017\n".encode(), "in")
    assert not told["claims"]
    assert told["refusal"].startswith(
        "in:2: tells what an address has sent (src_ip, dst_ip), not of an open port; "
    )


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"ip_str": 167838211, "port": 27017}, "has an address that is a int"),
        ({"ip_str": "10.1.2.3", "port": [27017]}, "'list' is not a port"),
        ({"ip_str": "10.1.2.3", "port": True}, "'True' is not a port"),
        ({"ip_str": {"x": "y" * 100_000}, "port": 1}, "has an address that is a dict"),
        (
            {"ip_str": "10.1.2.3", "data": [{"port": -1}, {"port": "x"}, {"port": 2**64}]},
            "banner 1 '-1' is not a port (3",
        ),
        ({"event_type": "leak", "event_source": "x", "ip": "", "host": "db.example.com"}, "names no address"),
        ({"ip": "10.1.2.3", "services": ["MONGODB"]}, "service 1 is not an object"),
        ({"ip": "10.1.2.3", "services": [{"service_name": "MONGODB"}]}, "service 1 has no port"),
        ({"ip": "10.1.2.3", "protocols": ["mongodb"]}, "service 1 'mongodb' is not a port"),
        (
            {"xarf_version": "4.2.0", "category": "connection", "source_identifier": "10.1.2.3"},
            "is a report on connection",
        ),
        ({"result": {"resource": None}}, "names no address"),
    ],
)
def test_records_that_cannot_be_used(record: dict[str, Any], reason: str) -> None:
    good = {"ip_str": "10.1.2.3", "port": 27017}
    told = claimed("".join(json.dumps(each) + "\n" for each in (good, record)).encode(), "in")
    assert endpoints(told) == [("10.1.2.3", 27017)]
    (warning,) = told["warnings"]
    assert warning.startswith(f"in:2: {reason}")
    assert len(warning) < 300


def test_one_bad_host_in_an_answer_costs_no_other() -> None:
    hits = [
        {"ip": "10.1.2.3", "services": [{"port": 27017}]},
        {"ip": "x"},
        {"ip": "10.1.2.4", "services": [{"port": 1}]},
    ]
    told = claimed(b'{"ip_str": "10.1.2.9"}\n' + json.dumps({"result": {"hits": hits}}).encode(), "in")
    assert endpoints(told)[1:] == [("10.1.2.3", 27017), ("10.1.2.4", 1)]
    assert "host 2 " in told["warnings"][0]
    told = claimed(json.dumps({"result": {"hits": hits}}).encode(), "in")
    assert endpoints(told) == [("10.1.2.3", 27017), ("10.1.2.4", 1)]
    assert "refusal" not in told


BEGINNINGS = (
    b'{"ip_str":"10.1.2.3",',
    b'{"ip":"10.1.2.3","services":[',
    b'{"event_type":"leak","event_source":',
    b'{"result":{',
)
KEYS = (
    *(
        "ip",
        "ip_str",
        "port",
        "ports",
        "data",
        "matches",
        "result",
        "results",
        "hits",
        "services",
        "protocols",
    ),
    *("host", "host_v1", "resource", "event_type", "event_source", "Services", "leak", "dataset", "mongodb"),
    *(
        "listDatabases",
        "databases",
        "transport",
        "timestamp",
        "asn",
        "geo",
        "xarf_version",
        "category",
        "dns",
    ),
    *("_shodan", "open_ports", "resource_id", "host_identifier", "gitversion", "visible_databases", "names"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("10.1.2.3"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=3))
def test_any_json_is_claims_or_told(records: list[Any]) -> None:
    claimed("".join(json.dumps(record) + "\n" for record in records).encode(), "in")


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=100))
def test_any_bytes_are_claims_or_told(beginning: bytes, raw: bytes) -> None:
    claimed(beginning + raw, "in")
    claimed(shadowserver(ROW) + raw, "in")
