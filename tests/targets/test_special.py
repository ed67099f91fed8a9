"""The table of special space: what it calls special, and every IPv6 form that carries an IPv4 address."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.entries import Entry
from targets.errors import ScopeError
from targets.grammar import Span, format_address, parse_address, parse_span
from targets.scope import OutOfScope, Scope
from targets.special import (
    TABLE,
    Policy,
    describe,
    embedded_ipv4,
    holds_isatap,
    special_of,
)
from tests.support.tables import scope_from_tables

ipv4 = st.integers(1 << 24, 2**32 - 1)


def forms(address: int) -> dict[str, int]:
    """Every IPv6 address that carries an IPv4 address, built by shifts of its own."""
    return {
        "IPv4-mapped": (0xFFFF << 32) | address,
        "IPv4-compatible": address,
        "IPv4-translated": (0xFFFF << 48) | address,
        "NAT64": (0x64FF9B << 96) | address,
        "6to4": (0x2002 << 112) | (address << 80) | 1,
        "Teredo": (0x20010000 << 96) | (0x0A000001 << 64) | (address ^ 0xFFFFFFFF),
        "ISATAP": (0xFD00 << 112) | (0x5EFE << 32) | address,
    }


@given(ipv4)
def test_every_embedded_form_is_recognised(address: int) -> None:
    for name, carrier in forms(address).items():
        assert embedded_ipv4(carrier) == (name, address)
        assert describe(6, carrier) == f"it is the {name} form of {format_address(4, address)}"
    local = (0x64FF9B0001 << 80) | address
    assert embedded_ipv4(local) == ("NAT64", address)
    assert embedded_ipv4((0xFD00 << 112) | (0x02005EFE << 32) | address) == ("ISATAP", address)


@given(ipv4)
def test_the_standard_library_agrees_where_it_knows_the_form(address: int) -> None:
    built = forms(address)
    plain = ipaddress.IPv4Address(address)
    assert ipaddress.IPv6Address(built["IPv4-mapped"]).ipv4_mapped == plain
    assert ipaddress.IPv6Address(built["6to4"]).sixtofour == plain
    teredo = ipaddress.IPv6Address(built["Teredo"]).teredo
    assert teredo is not None
    assert teredo[1] == plain


@given(ipv4, st.sampled_from(sorted(forms(0))))
def test_no_entry_can_allow_an_embedded_form(address: int, form: str) -> None:
    """Neither of a denied address, nor of a foreign one, nor of one of ours: it is refused whatever it is."""
    text = format_address(6, forms(address)[form])
    with pytest.raises(ScopeError, match=f"the {form} form of {format_address(4, address)}|2\\*\\*"):
        scope_from_tables(
            [{"cidr": text, "authorised_by": "CHG-1", "expires": "2100-01-01"}], source="a.toml", now=0.0
        )


@given(ipv4, st.sampled_from(sorted(forms(0))))
def test_the_fence_refuses_an_embedded_form_of_an_allowed_address(address: int, form: str) -> None:
    scope = Scope([Entry(span=Span(4, address, address), text="x")])
    with pytest.raises(OutOfScope, match=f"it is the {form} form of"):
        scope.target(format_address(6, forms(address)[form]), 27017)


@pytest.mark.parametrize("text", ["fd00::1", "2606:4700::1", "fd00:0:0:1:0:5efd:a00:1"])
def test_ordinary_addresses_carry_nothing(text: str) -> None:
    assert embedded_ipv4(parse_address(text).first) is None
    assert describe(6, parse_address(text).first) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fd00::/108", None),
        ("fd00::5efe:0:0/108", "fd00::5efe:0:0"),
        ("fd00::5efe:a00:1", "fd00::5efe:a00:1"),
        ("fd00::200:5efe:a00:1", "fd00::200:5efe:a00:1"),
        ("fd00::5efd:ffff:fff0-fd00::5efe:0:5", "fd00::5efe:0:0"),
        ("fd00::/48", "fd00::5efe:0:0"),
        ("10.0.0.0/8", None),
    ],
)
def test_isatap_inside_a_run(text: str, expected: str | None) -> None:
    found = holds_isatap(parse_span(text))
    assert (None if found is None else format_address(6, found)) == expected


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("0.0.0.0", "never"),
        ("10.1.2.3", "private"),
        ("100.64.0.1", "authorise"),
        ("127.0.0.1", "lab"),
        ("169.254.169.254", "never"),
        ("172.16.0.1", "private"),
        ("172.32.0.1", None),
        ("192.0.2.1", "never"),
        ("192.168.1.1", "private"),
        ("198.18.0.1", "authorise"),
        ("224.0.0.1", "never"),
        ("255.255.255.255", "never"),
        ("8.8.8.8", None),
        ("::", "never"),
        ("::1", "lab"),
        ("::2", "never"),
        ("fe80::1", "never"),
        ("fec0::1", "never"),
        ("ff02::1", "never"),
        ("2001:db8::1", "never"),
        ("3fff::1", "never"),
        ("fd00::1", "private"),
        ("fd00:ec2::254", "never"),
        ("64:ff9b::7f00:1", "never"),
        ("64:ff9b:1::7f00:1", "never"),
        ("2002:7f00:1::", "never"),
        ("2606:4700::1", None),
    ],
)
def test_the_narrowest_row_speaks(text: str, policy: str | None) -> None:
    span = parse_address(text)
    row = special_of(span.version, span.first)
    assert (None if row is None else row.policy.value) == policy


def test_every_row_names_a_source() -> None:
    assert all(row.name and row.source for row in TABLE)
    assert {row.policy for row in TABLE} == set(Policy)


def test_the_standard_library_calls_nothing_public_that_we_call_ordinary() -> None:
    """Our table holds everything that `ipaddress` knows to be multicast, reserved, loopback or link-local."""
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "fe80::/10",
        "ff00::/8",
    ):
        span = parse_span(text)
        for address in (span.first, (span.first + span.last) // 2, span.last):
            row = special_of(span.version, address)
            assert row is not None
            assert row.policy in (Policy.NEVER, Policy.LAB)
