"""Zones as a transfer prints them: reverse names, addresses, and what names no host."""

from __future__ import annotations

import pytest

from targets.grammar import format_span
from targets.sources.zone import address_of
from tests.support.lists import claims, refused, told

NIBBLES = "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f"


def test_a_transfer_as_dig_prints_it() -> None:
    text = f"""\
; <<>> DiG 9.18 <<>> axfr 0.0.0.0.d.f.ip6.arpa
;; global options: +cmd
d.f.ip6.arpa.\t3600\tIN\tSOA\tns1.example.net. host.example.net. 1 2 3 4 5
{NIBBLES}.ip6.arpa. 3600 IN PTR db7.example.net.
7.0.20.10.in-addr.arpa.\t86400\tIN\tPTR\tDB8.example.net.
db9.example.net. 60 IN AAAA fd00::9
db9.example.net. 60 IN A 10.20.0.9
example.net. 60 IN TXT "10.20.0.1"
;; XFR size: 6 records
"""
    assert claims(text) == [("fd00::7", None), ("10.20.0.7", None), ("fd00::9", None), ("10.20.0.9", None)]


def test_the_names_of_hosts_and_the_format() -> None:
    reading = told(f"{NIBBLES}.ip6.arpa. 3600 IN PTR db7.example.net.\n")
    assert [claim.names for claim in reading] == [("db7.example.net",)]
    assert str(reading.format) == "DNS zone"


@pytest.mark.parametrize(
    "name",
    ["0.d.f.ip6.arpa.", "1.2.3.in-addr.arpa.", "1.2.3.400.in-addr.arpa.", "example.net.", ""],
)
def test_what_is_no_whole_reverse_name(name: str) -> None:
    assert address_of(name) is None


def test_a_whole_reverse_name() -> None:
    span = address_of(f"{NIBBLES.upper()}.IP6.ARPA.")
    assert span is not None
    assert format_span(span) == "fd00::7"


def test_a_name_that_is_not_whole_is_told() -> None:
    assert "name that is not whole; name what `dig AXFR` prints" in refused("db7 3600 IN A 10.20.0.7\n")


def test_an_address_that_is_none() -> None:
    heard: list[str] = []
    text = "db7.example.net. IN A 10.20.0.777\ndb8.example.net. IN A 10.20.0.8\n"
    assert claims(text, heard) == [("10.20.0.8", None)]
    assert "in:1: '10.20.0.777' has an octet above 255" in heard[0]
