"""Endpoints in what people write: what is one, what is none, and what is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.grammar import format_span
from targets.sources.markup import text_of
from targets.sources.prose import MAX_CLAIMS, read_prose
from targets.sources.reading import TOLD


def found(text: str, warnings: list[str] | None = None) -> list[tuple[str, int | None]]:
    """Addresses and ports that a text names; without `warnings` there must be none."""
    heard: list[str] = [] if warnings is None else warnings
    claims = [(format_span(c.span), c.port) for c in read_prose(text.splitlines(), "in", heard.append)]
    assert warnings is not None or not heard
    return claims


ONE = [("10.1.2.3", 27017)]
SIX = [("2001:db8::27", 27017)]


@pytest.mark.parametrize(
    "text",
    [
        "10.1.2.3:27017",
        "Open: mongodb://10.1.2.3:27017/admin.",
        "hxxp://10[.]1[.]2[.]3:27017/",
        "10(dot)1[dot]2[.]3[:]27017",
        "10.1.2.3\u200b:27017",
        "(10.1.2.3:27017)",
        "10.1.2.3:27017/tcp is open",
        "10.1.2.3 port 27017",
        "10.1.2.3, TCP port 27017.",
        "the server 10.1.2.3 (port 27017/tcp)",
        "10.1.2.3 (db.example.com) on port 27017",
        "Port 27017/tcp of host 10.1.2.3 answers.",
        "port 27017 is open on the server 10.1.2.3",
        "27017/tcp on 10.1.2.3",
        "10.1.2.3 auf Port 27017",
        "- 10.1.2.3 27017",
        "10.1.2.3 | 27017 | open",
        "IP: 10.1.2.3\nPort: 27017",
        "IP address = 10.1.2.3\r\nTCP port = 27017\r\n",
        "> > IP: 10.1.2.3\n> > Port: 27017/tcp",
        "Port: 27017\nIP: 10.1.2.3",
        "* Server: 10.1.2.3\n* Timestamp: 2026-11-24 09:15:02\n* Port: 27017",
        "Source: 10.1.2.3:27017\nSource-Type: ip-address",
        "Betroffene Systeme: 10.1.2.3\nOffener Port: 27017",
        "ip,port\n10.1.2.3,27017",
        '"IP-Adresse";"Port"\n"10.1.2.3";"27017"',
        "IP Port\n10.1.2.3 27017",
        "Format: ASN | IP | Timestamp (UTC) | Port\n\n 64512 | 10.1.2.3 | 2026-11-24 09:15:02 | 27017",
        "| IP | Port |\n|----|------|\n| 10.1.2.3 | 27017 |",
        "MongoDB on 10.1.2.3 is open.\n\n10.1.2.3:27017",
    ],
)
def test_every_way_to_write_an_endpoint(text: str) -> None:
    assert found(text) == ONE


@pytest.mark.parametrize(
    "text",
    [
        "[2001:db8::27]:27017",
        "2001[:]db8::27 port 27017",
        "IP: 2001:db8::27\nPort: 27017",
        "ip,port\n2001:db8::27,27017",
        "http://[2001:db8::27]:27017/",
    ],
)
def test_ipv6(text: str) -> None:
    assert found(text) == SIX


@pytest.mark.parametrize(
    "text",
    [
        "10.1.2.3",
        "* 10.1.2.3,",
        "10.1.2.3, and",
        "your server 10.1.2.3 is open",
        "the IP address 10.1.2.3 answers",
        "MongoDB answers at 10.1.2.3.",
    ],
)
def test_an_address_without_a_port(text: str) -> None:
    assert found(text) == [("10.1.2.3", None)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Update to MongoDB 4.0.3 or 7.0.14.",
        "Seen at 09:15:02, by 00:11:22:33:44:55.",
        "Received: from mail.example.com ([10.1.2.3])\n\tby 10.1.2.4:25 with ESMTP\n (10.1.2.5:26)",
        "From: reports@10.1.2.3\nX-Originating-IP: [10.1.2.3]\nReported-From: abuse@10.1.2.3",
        "-- \nYours\n10.1.2.3:27017",
        "We connected from 10.1.2.3:51234.",
        "Our scanner at 10.1.2.3 does that every day.",
        "Scanner IP: 10.1.2.3",
        "Block 10.1.0.0/16 and 10.1.2.3-10.1.2.9",
        "db10.1.2.3 and 10.1.2.3.example.com, see http://example.com/10.1.2.3/x",
        "10.1.2.3:161/udp and 10.1.2.4 UDP port 161",
        "IP: 10.1.2.3\nPort: 161/udp",
        "ip,port,protocol\n10.1.2.3,161,udp",
        "999.1.2.3:27017 and 010.1.2.3:27017 and ::ffff:x",
    ],
)
def test_what_is_no_endpoint(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "old is mongodb 1.2.3.4",
            "in:1: 1.2.3.4 is not read as an endpoint; write 1.2.3.4:27017 if it is one",
        ),
        (
            "\nwe saw 2001:db8::27 too",
            "in:2: 2001:db8::27 is not read as an endpoint; write [2001:db8::27]:27017",
        ),
        (
            "see 2001:db8::1:2701",
            "in:1: '2001:db8::1:2701' may be an address, or 2001:db8::1 with port 2701;",
        ),
        (
            "see 2001:db8::1:27017",
            "in:1: '2001:db8::1:27017' is IPv6 with a port and without brackets; write [",
        ),
        ("10.1.2.3:99999", "in:1: '99999' is not a port; write a number from 1 to 65535"),
        ("10.1.2.3:18446744073709551617", "in:1: '18446744073709551617' is not a port"),
        ("IP: 10.1.2.3:0", "in:1: '0' is not a port"),
        ("ip,port,note\n10.1.2.3,27017", "in:2: 2 cells under 3 columns; write one cell for each column"),
        ("x" * 9000, "in:1: a line of 9,000 characters is read as far as 8,192"),
    ],
)
def test_what_is_told(text: str, warning: str) -> None:
    warnings: list[str] = []
    assert found(text, warnings) == []
    (heard,) = warnings
    assert heard.startswith(warning)


def test_fields_of_several_endpoints() -> None:
    """Whatever comes first, the fields of one endpoint are not given to another."""
    blocks = (
        "IP: 10.1.2.{n}\nPort: 2701{n}\n",
        "Date: 2026-11-24 09:15:0{n}\nIP: 10.1.2.{n}\nPort: 2701{n}\n",
    )
    for block in blocks:
        for between in ("", "\n", "---\n"):
            text = between.join(block.format(n=n) for n in (3, 4, 5))
            assert found(text) == [(f"10.1.2.{n}", 27010 + n) for n in (3, 4, 5)]
            if "Date" in block:
                seen = [claim.said.seen_at for claim in read_prose(text.splitlines(), "in", print)]
                assert seen == [f"2026-11-24T09:15:0{n}Z" for n in (3, 4, 5)]
    assert found("IP: 10.1.2.3\nIP: 10.1.2.4\nPorts: 27017, 27018\n") == [
        ("10.1.2.3", 27017),
        ("10.1.2.3", 27018),
        ("10.1.2.4", 27017),
        ("10.1.2.4", 27018),
    ]


def test_what_is_said_of_an_endpoint() -> None:
    text = "ip | port | hostname | time | mongodb version | databases | asn\n"
    text += "10.1.2.3 | 27017 | db.example.com | 2026-11-24 09:15:02 | 4.0.3 | a, b | 64512\n"
    (claim,) = read_prose(text.splitlines(), "in", print)
    assert (claim.provenance, claim.names) == ("in:2", ("db.example.com",))
    assert claim.said.finding == "open MongoDB 4.0.3, databases: a, b"
    assert claim.said.seen_at == "2026-11-24T09:15:02Z"
    assert dict(claim.said.labels) == {"asn": "64512"}


def test_a_signature_ends_where_an_older_mail_begins() -> None:
    older = "-----Original Message-----\nFrom: reports@cert.example\nSent: Tuesday\n\n10.1.2.3:27017\n"
    for text in (f"See below.\n-- \n10.9.9.9:1\n\n{older}", "Hi\n-- \n10.9.9.9:1\n> 10.1.2.3:27017"):
        assert found(text) == ONE


def test_so_many_that_it_is_a_list() -> None:
    warnings: list[str] = []
    text = "\n".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}:27017" for n in range(MAX_CLAIMS + 5))
    assert len(found(text, warnings)) == MAX_CLAIMS
    assert "more than 20,000 addresses; the rest is not read" in warnings[0]
    warnings = []
    assert found("\n".join(f"saw 10.1.2.{n}!" for n in range(200)), warnings) == []
    assert len(warnings) == TOLD + 1
    assert warnings[-1] == "in: 200 places in all are not read as endpoints"


def test_html() -> None:
    page = "<style>10.1.2.9:1</style><!-- 10.1.2.9:2 --><p title='10.1.2.9:3'>a&nbsp;&lt;b<br>"
    page += "c</p><tr><td></td> <td>d"
    assert text_of(page) == "\na\xa0<b\nc\n\n\td"
    assert text_of("1 < 2 <3 <!-- never closed 10.1.2.3:1") == "1 < 2 <3 "


PIECES = (
    "10.1.2.3",
    "[2001:db8::27]",
    "2001:db8::27:27017",
    ":",
    "27017",
    " port ",
    "ip,port",
    "|",
    ",",
    "\n",
    "\t",
    "> ",
)
WORDS = st.sampled_from(
    (*PIECES, "IP: ", "Port: ", "-- ", "from ", "[.]", "hxxp://", "Received: ", "/udp", " ", "999999")
)


@given(st.lists(WORDS | st.text(max_size=5), max_size=30).map("".join))
def test_any_text_is_read(text: str) -> None:
    for claim in read_prose(text.splitlines(), "in", lambda text: None):
        assert claim.span.size == 1
        assert claim.port is None or 1 <= claim.port <= 65535
    read_prose(text_of(text).splitlines(), "in", lambda text: None)
