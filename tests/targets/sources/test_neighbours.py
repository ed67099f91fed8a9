"""Tables of neighbours, as four programs print them."""

from __future__ import annotations

import json

import pytest

from tests.support.lists import claims, told

ANCHOR = "10.99.0.1\n"  # a list of which nothing is usable is refused


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("10.20.0.7 dev eth0 lladdr 52:54:00:12:34:56 REACHABLE", ["10.20.0.7"]),
        ("fd00::7 dev eth0 lladdr 52:54:00:12:34:56 router STALE", ["fd00::7"]),
        ("fd00::8 dev eth0 lladdr 52:54:00:12:34:56 used 12/12/12 probes 4 STALE", ["fd00::8"]),
        ("fd00::9 dev eth0 FAILED", []),
        ("fd00::9 dev eth0 INCOMPLETE", []),
        ("fe80::1 dev eth0 lladdr 52:54:00:12:34:56 router REACHABLE", []),
        ("? (10.20.0.7) at 52:54:00:12:34:56 [ether] on eth0", ["10.20.0.7"]),
        ("? (10.20.0.8) at <incomplete> on eth0", []),
        ("host.example.net (10.20.0.9) at 52:54:0:12:34:56 on en0 ifscope [ethernet]", ["10.20.0.9"]),
        ("fd00::7  52:54:0:12:34:56  en0  23h59m58s  S  R", ["fd00::7"]),
        ("fe80::1%en0  52:54:0:12:34:56  en0  23h59m58s  S  R", []),
        ("fd00::8  (incomplete)  en0  permanent  R", []),
        ("Neighbor                        Linklayer Address  Netif Expire    S Flags", []),
        ("IPv6 Address                              Age Link-layer Addr State Interface", []),
        ("2001:DB8::7                                 0 5254.0012.3456  REACH Gi0/0", ["2001:db8::7"]),
        ("2001:DB8::8                                 - -  INCMP Gi0/0", []),
    ],
)
def test_a_line(line: str, found: list[str]) -> None:
    assert [text for text, _ in claims(f"{line}\n{ANCHOR}")] == [*found, "10.99.0.1"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"dst": "fd00::7", "dev": "eth0", "lladdr": "52:54:00:12:34:56", "state": ["STALE"]}, ["fd00::7"]),
        ({"dst": "fd00::7", "dev": "eth0", "state": ["FAILED"]}, []),
        ({"dst": "fe80::7", "dev": "eth0", "state": ["REACHABLE"]}, []),
    ],
)
def test_a_record(value: dict[str, object], found: list[str]) -> None:
    assert [text for text, _ in claims(json.dumps([value]))] == found


def test_whose_table_it_is() -> None:
    reading = told("fd00::7 dev eth0 lladdr 52:54:00:12:34:56 REACHABLE\n")
    assert len(list(reading)) == 1
    assert str(reading.format) == "iproute2 neighbours"
