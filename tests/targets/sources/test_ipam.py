"""What NetBox, phpIPAM and Infoblox export: golden files of every form, and records that are none.

Those of NetBox 4.6 were recorded from NetBox 4.6.8, filled with names that are made up; the others follow the
sources that the readers name.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.errors import ScopeError
from targets.grammar import format_span
from targets.sources.read import read_claims
from tests.support.golden import GOLDEN, expected_lines, golden_lines
from tests.support.lists import claims, refused
from tests.support.netbox import differences

FILES = sorted(
    path.name
    for path in GOLDEN.iterdir()
    if path.name.startswith(("netbox", "phpipam", "infoblox", "prefixes")) and path.suffix != ".claims"
)


@pytest.mark.parametrize("name", FILES)
def test_golden(name: str) -> None:
    assert golden_lines(name) == expected_lines(name)


@pytest.mark.parametrize("kind", ["prefixes", "ranges", "aggregates"])
def test_what_was_recorded_is_as_published(kind: str) -> None:
    """So the NetBox of other tests, which is held against the same, does not drift from the real one. (Of its
    addresses NetBox 4.6 publishes no null for `role`, and gives one.)"""
    page = json.loads((GOLDEN / f"netbox-4.6-{kind}.json").read_text())
    assert differences(f"ipam/{kind.replace('ranges', 'ip-ranges')}", page) == []


def test_an_address_with_a_mask_is_one_host() -> None:
    """Taken for a network, it would be 256."""
    assert claims('[{"id": 1, "address": "10.1.2.3/24", "dns_name": ""}]') == [("10.1.2.3", None)]
    assert claims('{"address": "fd00::3/64", "vrf": null}') == [("fd00::3", None)]
    assert claims('{"start_address": "10.0.0.9/24", "end_address": "10.0.0.12/24", "size": 4}') == [
        ("10.0.0.9-10.0.0.12", None)
    ]
    assert claims("Address,Status,DNS name\n10.1.2.3/24,Active,\n") == [("10.1.2.3", None)]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"address": "10.0.0.1/999", "vrf": None}, "in:1: '10.0.0.1/999' is no address with a mask"),
        ({"address": 7, "vrf": None}, "in:1: 7 is no address"),
        ({"prefix": "10.0.0.1/24", "vrf": None}, "in:1: '10.0.0.1/24' has host bits set"),
        ({"prefix": None, "vrf": None}, "in:1: None is a NoneType, not text"),
        (
            {"start_address": "10.0.0.9/24", "end_address": "10.0.0.1/24", "size": 1},
            "in:1: '10.0.0.9' to '10.0.0.1' is no range; write its first and its last address",
        ),
        (
            {"start_address": "10.0.0.9", "end_address": "fd00::1", "size": 1},
            "in:1: '10.0.0.9' to 'fd00::1' is",
        ),
        ({"ports": 5, "ipaddresses": [], "name": "x"}, "in:1: is a service without ports and addresses"),
        ({"ports": [0], "ipaddresses": ["10.0.0.1/24"]}, "in:1: '0' is not a port"),
        (
            {"subnet": "10.0.0.0", "mask": "33", "sectionId": "1"},
            "in:1: '33' is no netmask; write its length",
        ),
        ({"subnet": "10.0.0.1", "mask": "24", "sectionId": "1"}, "in:1: '10.0.0.1/24' has host bits set"),
        ({"ip": "10.0.0", "subnetId": "1"}, "in:1: '10.0.0' is a shortened"),
        ({"_ref": "network/x", "network": "10.0.0.0"[:5]}, "in:1: '10.0.' is a shortened"),
    ],
)
def test_records_that_are_none(record: dict[str, Any], message: str) -> None:
    warnings: list[str] = []
    good = {"prefix": "10.0.0.0/24", "vrf": None}
    assert claims(json.dumps([record, good]), warnings) == [("10.0.0.0/24", None)]
    (told,) = warnings
    assert told.startswith(message)
    assert refused(json.dumps([record])).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "header-network,address*,netmask*\nnetwork,10.0.0.0,255.0.255.0\n",
            "in:2: '255.0.255.0' is no netmask",
        ),
        ("header-network,address*,netmask*\nnetwork,10.0.0.9,24\n", "in:2: '10.0.0.9/24' has host bits set"),
        ("header-network,address*,netmask*\nnetwork,10.0.0.0,\n", "in:2: '' is no netmask; write its length"),
        (
            "header-network,address*,netmask*\nipv6network,fd00::,64\n",
            "in:2: 'ipv6network' stands under header-network; write it below header-ipv6network",
        ),
        ("Section,IP Address,Hostname,MAC\nx,,db,\n", "in:2: has no address; export the addresses once more"),
        ("Prefix,Status,VRF\n•,Active,Global\n", "in:2: '•' has characters outside ASCII"),
        ("Prefix,Status,VRF,Tenant\n10.0.0.0/24,Active\n", "in:2: 2 cells under 4 columns"),
    ],
)
def test_rows_that_are_none(text: str, message: str) -> None:
    assert refused(text).startswith(message)


def test_a_page_that_refuses_is_no_list() -> None:
    """What is saved when the token is wrong."""
    assert "has no address" in refused('{"detail":"Invalid token"}')


def test_headers_of_infoblox_change_as_they_come() -> None:
    text = (
        "HEADER-Network,ADDRESS,NETMASK\nNetwork,10.0.0.0,24\nheader-authzone,fqdn*\nauthzone,example.com\n"
        "header-fixedaddress,ip_address*\nfixedaddress,10.0.0.7\n"
    )
    assert claims(text) == [("10.0.0.0/24", None), ("10.0.0.7", None)]


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["10.0.0.1/24", "10.0.0.0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    "id prefix address start_address end_address vrf tenant owner role status scope scope_type site tags rir "
    "custom_fields assigned_object dns_name ipaddresses ports protocol subnet mask sectionId ip subnetId "
    "isFolder tag location _ref network ipv4addr ipv4addrs start_addr end_addr extattrs network_view"
)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS.split()), ANYTHING, max_size=8), max_size=4))
def test_anything_gives_claims_or_is_told(records: list[dict[str, Any]]) -> None:
    reading = read_claims(io.BytesIO(json.dumps(records).encode()), "in", lambda text: None)
    try:
        for claim in reading:
            format_span(claim.span)
            assert all(isinstance(text, str) for text in claim.said[:5])
    except ScopeError:
        pass
