"""JSON in any layout, and what the records of different programs say."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.errors import ScopeError
from targets.sources.lines import MAX_LINE
from targets.sources.read import read_claims
from tests.support.lists import Counting, claims, refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from targets.claims import Claim


def found(address: str, port: int = 27017, **details: Any) -> dict[str, Any]:
    """A record of masscan's -oJ."""
    return {
        "ip": address,
        "timestamp": "1795490538",
        "ports": [{"port": port, "proto": "tcp", "status": "open", "reason": "syn-ack", "ttl": 64} | details],
    }


TWO = [found("10.1.2.3"), found("10.1.2.4", 27018)]
BOTH = [("10.1.2.3", 27017), ("10.1.2.4", 27018)]
FIRST, SECOND = (json.dumps(record) for record in TWO)


@pytest.mark.parametrize(
    "text",
    [
        f"{FIRST}\n{SECOND}\n",
        f"{FIRST}\r\n{SECOND}\r\n",
        f"\ufeff{FIRST}\n{SECOND}",
        f"{FIRST}{SECOND}",
        f"[\n{FIRST}\n,\n{SECOND}\n]\n",
        f"[{FIRST},{SECOND}]",
        f"[{FIRST},\n{SECOND},\n]\n",
        json.dumps(TWO, indent=4),
        "\n".join(json.dumps(record, indent=2) for record in TWO),
        f"[{FIRST}]\n[\n{SECOND}\n]\n",
        json.dumps([[TWO[0]], [], [TWO[1]]]),
        f"[\n{FIRST},\n{SECOND},\n{{finished: 1}}\n]\n",
        f'[{FIRST},\n{SECOND},\n{{"finished": 1}}]',
        f",\n{FIRST}\n,\n{SECOND}\n",
        '["10.1.2.3:27017", "10.1.2.4:27018"]',
    ],
)
def test_every_layout(text: str) -> None:
    assert claims(text) == BOTH


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_json_that_windows_saved(encoding: str) -> None:
    assert claims(f"[\r\n{FIRST},\r\n{SECOND}\r\n]\r\n".encode(encoding)) == BOTH


@pytest.mark.parametrize("size", [1, 7, 100])
def test_records_between_two_buffers(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("targets.sources.json_stream.BUFFER", size)
    assert claims(json.dumps([*TWO, {"ip": "10.1.2.5", "banner": "é\\u00e9"}], indent=1)) == [
        *BOTH,
        ("10.1.2.5", None),
    ]


@given(st.integers(1, len(json.dumps(TWO, indent=2)) - 1))
def test_an_array_that_breaks_off_gives_what_it_has(cut: int) -> None:
    warnings: list[str] = []
    got = claims(json.dumps(TWO, indent=2)[:cut], warnings)
    assert got == BOTH[: len(got)]
    assert len(warnings) == 1
    assert warnings[0].startswith("in:")
    assert warnings[0].endswith("is used")


def test_a_torn_record_is_named() -> None:
    warnings: list[str] = []
    assert claims(f"[\n{FIRST},\n{SECOND[:40]}", warnings) == BOTH[:1]
    assert claims('{"ip": \n', warnings) == []
    assert claims(f"[\n{FIRST}\n", warnings) == BOTH[:1]
    assert warnings == [
        "in:3: the last record is torn; what comes before it is used",
        "in:1: the last record is torn; what comes before it is used",
        "in:3: the array has no end, so records may be missing; what is there is used",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{'ip': '10.1.2.3'}\n{}\n", "in:1: not valid JSON; write one object a line"),
        ('[\n"x"\n]\n', "in:2: 'x' is a name, not an address; write its addresses"),
        ('{"ip": 5}\n', "in:1: 5 is a int, not text; write it in quotes"),
        (
            '{"ip": "10.0.0.1", "port": 70000}\n',
            "in:1: '70000' is not a port; write a number from 1 to 65535",
        ),
        ('{"ip": "10.0.0.1", "port": true}\n', "in:1: 'True' is not a port; write a number from 1 to 65535"),
        ('{"ip": "10.0.0.1", "port": 27017.5}\n', "in:1: '27017.5' is not a port"),
        ('{"ip": "10.0.0.1", "ports": [{"port": null}]}\n', "in:1: lists a port without a number"),
        ('{"ip": "10.0.0.1", "ports": {"27017": "open"}}\n', "in:1: has ports that are no list"),
        ('{"port": 5}\n', "in:1: has no address (ip_str, saddr, ip, host_ip or target.ip); name output of "),
        ('{"ip": null, "port": 5}\n', "in:1: has no address"),
        ('{"host": "fd00::1:9001"}\n', "in:1: 'fd00::1:9001' may be an address, or fd00::1 with port 9001"),
        (
            '{"host": "10.0.0.1:9001"}\n',
            "in:1: '10.0.0.1:9001' is more than an address; write the address and",
        ),
        ('{"ip": "10.0.0.0/24"}\n', "in:1: '10.0.0.0/24' is not an address"),
        ('{"ip": "010.0.0.1"}\n', "in:1: '010.0.0.1' has an octet with a leading zero"),
        ('{"host": "db.example.com", "port": 27017}\n', "in:1: 'db.example.com' is a name, not an address"),
        ('{"a":' * 100_000, "in:1: "),
        ('{"a": ' + "9" * 5000 + "}", "in:1: a record is no scanner's: too deep, or with a number too long"),
    ],
)
def test_records_that_are_none(text: str | bytes, message: str) -> None:
    assert refused(text).startswith(message)


@pytest.mark.parametrize("then", [b"a", b" ", b"\n", b"[", b"[1,"])
def test_a_record_without_end_is_refused_early(then: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("targets.sources.json_stream.MAX_DOCUMENT", 4 * MAX_LINE)
    stream = Counting(b'{"ip": "10.0.0.1", "x": "' if then == b"a" else b'{"ip": [', then)
    with pytest.raises(ScopeError, match=r"a record is longer than 4,194,304 characters|no scanner's|JSON"):
        list(read_claims(stream, "in", lambda text: None))  # type: ignore[arg-type]  # it can be read
    assert stream.count <= 5 * MAX_LINE


@pytest.mark.parametrize("then", [b"a", b" ", b"\n", b"[", b"[1,", b"\n{", b"10.0.0.2\n"])
def test_what_follows_a_record_without_end_is_bounded(then: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later record has 1 MiB; then nobody waits for what never comes. What came before is used."""
    monkeypatch.setattr("targets.sources.json_stream.MAX_DOCUMENT", 4 * MAX_LINE)
    stream = Counting(f'{FIRST}\n{{"ip": ['.encode(), then)
    got: list[Claim] = []
    with contextlib.suppress(ScopeError):
        for claim in read_claims(stream, "in", lambda text: None):  # type: ignore[arg-type]  # it can be read
            got.append(claim)
            assert len(got) == 1
            assert stream.count <= MAX_LINE
            if then == b"\n{":  # it begins records for ever, as a scan that goes on does
                return
    assert len(got) == 1
    assert stream.count <= 7 * MAX_LINE


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{FIRST}\n{SECOND[:40]}\n{SECOND}\n", "in:2: not valid JSON; write one object a line"),
        (f"{FIRST}\n10.1.2.9\n{SECOND}\n", "in:2: is not an object; write one object a line"),
        (f"[\n{FIRST},\n5,\n{SECOND}]\n", "in:3: is not an object; write one object a line"),
        (f'{FIRST}\n{{"ip": 5}}\n{SECOND}', "in:2: 5 is a int, not text; write it in quotes"),
        (f'{FIRST}\n{{"ip": [\n{SECOND}\n{"[" * 2**21}', "in:4: not valid JSON; write one object a"),
        (f'{FIRST}\n{{"x": [\n{{"y": "{"z" * 2**20}"}},\n{SECOND}\n', "in:2: a record is longer than "),
    ],
)
def test_a_record_that_cannot_be_used_costs_no_other(text: str, told: str) -> None:
    heard: list[str] = []
    assert claims(text, heard) == BOTH
    assert heard[0].startswith(told)
    assert heard[0].endswith("(left out)")


def test_a_byte_that_is_no_text_costs_no_record() -> None:
    heard: list[str] = []
    banner = b'{"ip": "10.1.2.4",\n "port": 27018, "x": "\xff\xfe"}'
    assert claims(FIRST.encode() + b"\n" + banner + b"\n" + banner, heard) == [*BOTH, BOTH[1]]
    assert heard == ["in:3: byte 0xff is not UTF-8, here first; save the list as UTF-8"]


def lines(*records: Mapping[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_masscan() -> None:
    others: list[dict[str, Any]] = [
        {"status": "closed"},
        {"proto": "udp"},
        {"port": 0, "proto": "icmp"},
        {"port": 0},
    ]
    assert claims(lines(TWO[0], *(found("10.1.2.9", **other) for other in others), TWO[1])) == BOTH
    banner = {
        "ip": "10.1.2.3",
        "ports": [{"port": 27017, "proto": "tcp", "service": {"name": "x", "banner": "y"}}],
    }
    assert claims(lines(banner)) == BOTH[:1]


def test_masscan_one_object_a_port() -> None:
    """`-oD`, where the state is inside `data`, and where an answer to a ping has port 0."""
    record: dict[str, Any] = {"ip": "10.1.2.3", "port": 27017, "proto": "tcp", "rec_type": "status"}
    states = {status: {"data": {"status": status, "reason": "x", "ttl": 1}} for status in ("open", "closed")}
    assert claims(
        lines(
            record | states["open"],
            record | states["open"] | {"port": 0, "proto": "icmp"},
            record | states["open"] | {"port": 53, "proto": "udp"},
            record | states["closed"] | {"port": 27018},
            record | states["open"] | {"port": 0},
            record | {"rec_type": "banner", "data": {"service_name": "mongodb", "banner": "x"}},
        )
    ) == [("10.1.2.3", 27017), ("10.1.2.3", 27017)]


def test_naabu() -> None:
    assert claims(
        lines(
            {"host": "db.example.com", "ip": "10.1.2.3", "port": 27017, "protocol": "tcp", "tls": False},
            {"ip": "fd00::1", "port": {"Port": 27018, "Protocol": 0}},
            {"ip": "fd00::1", "port": {"Port": 27019, "Protocol": 1}},
            {"ip": "10.1.2.4", "port": 53, "protocol": "udp"},
            {"ip": "10.1.2.5", "port": "27017", "protocol": "tcp", "proto": "rpc"},
        )
    ) == [("10.1.2.3", 27017), ("fd00::1", 27018), ("10.1.2.5", 27017)]


@pytest.mark.parametrize("port", [0, "0", None, ""])
def test_a_host_that_was_found_without_a_port_is_asked_on_every_one(port: object) -> None:
    assert claims(lines({"ip": "10.1.2.3", "port": port, "protocol": "", "tls": False})) == [
        ("10.1.2.3", None)
    ]


@pytest.mark.parametrize("ports", [[], None, [{"port": 27017, "status": "CLOSED"}]])
def test_a_host_whose_list_of_ports_is_empty_is_not_asked(ports: object) -> None:
    assert claims(lines({"ip": "10.1.2.3", "ports": ports})) == []
    assert claims(lines({"ip": "fd00::5:1", "ports": "27017, 27018", "protocol": "TCP"})) == [
        ("fd00::5:1", 27017),
        ("fd00::5:1", 27018),
    ]


def test_zmap() -> None:
    assert claims(
        lines(
            {"saddr": "10.1.2.3", "sport": 27017, "success": 1},
            {"saddr": "10.1.2.4", "sport": 27017, "success": 0},
            {"saddr": "10.1.2.5", "sport": 27017, "classification": "rst"},
            {"saddr": "10.1.2.6", "sport": 27017, "classification": "synack"},
        )
    ) == [("10.1.2.3", 27017), ("10.1.2.6", 27017)]


def test_a_line_of_ours_names_its_target() -> None:
    record = {
        "schema": "mongosweep.observation/1",
        "target": {"ip": "fd00::1", "port": 27018, "hostnames": ["db.example.com"], "tls": None},
        "verdict": "open",
    }
    (claim,) = read_claims(io.BytesIO(lines(record).encode()), "in", print)
    assert (claim.port, claim.names) == (27018, ("db.example.com",))
    assert claims(lines(record)) == [("fd00::1", 27018)]


def test_shodan_httpx_and_censys() -> None:
    """Shodan's `ip` is a number, httpx' `port` is text, and Censys lists services."""
    assert claims(
        lines(
            {"ip_str": "10.1.2.3", "ip": 167838211, "port": 27017, "transport": "tcp", "data": "MongoDB"},
            {"ip_str": "10.1.2.4", "ip": 167838212, "port": 53, "transport": "udp", "data": ""},
            {"ip_str": "10.1.2.3", "ports": [27018, 443]},
            {"host": "10.1.2.5", "port": "27017", "url": "http://10.1.2.5:27017", "status_code": 200},
            {"host": "db.example.com", "host_ip": "10.1.2.6", "port": "80", "failed": False},
            {"host": "db.example.com", "host_ip": "10.1.2.7", "port": "80", "failed": True},
            {
                "ip": "10.1.2.8",
                "services": [{"port": 27017, "protocol": "MONGODB", "transport_protocol": "TCP"}],
            },
            {
                "host": {
                    "ip": "10.1.2.9",
                    "services": [{"port": 53, "transport_protocol": "UDP"}, {"port": 1}],
                }
            },
        )
    ) == [
        ("10.1.2.3", 27017),
        ("10.1.2.3", 27018),
        ("10.1.2.3", 443),
        ("10.1.2.5", 27017),
        ("10.1.2.6", 80),
        ("10.1.2.8", 27017),
        ("10.1.2.9", 1),
    ]


def test_records_of_too_many_brackets_are_not_tried_without_end() -> None:
    """Each costs 0.2 ms: two megabytes of them took a minute."""
    told: list[str] = []
    assert claims(f"{FIRST}\n" + '{"a":\n' * 20_000, told) == BOTH[:1]
    assert told[-1] == "in: 1,002 lines or records in all cannot be used and are left out"
