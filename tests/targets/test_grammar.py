"""Address text: what is read, what is refused with which remedy, and that reading inverts writing."""

from __future__ import annotations

import ipaddress

import netaddr
import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.grammar import (
    GrammarError,
    Span,
    format_address,
    format_span,
    looks_like_name,
    parse_address,
    parse_endpoint,
    parse_port,
    parse_span,
)

ODD = {
    "010.0.0.1": "'010.0.0.1' has an octet with a leading zero, which some programs read as octal; "
    "write 10.0.0.1",
    "10.1": "'10.1' is a shortened or numeric form of an address; write all four octets in decimal",
    "167772161": "'167772161' is a shortened or numeric form of an address; write all four octets in decimal",
    "0x0a000001": "'0x0a000001' is a shortened or numeric form of an address; "
    "write all four octets in decimal",
    "10.0.0.256": "'10.0.0.256' has an octet above 255; write four octets from 0 to 255",
    "10.0.0.1 ": "'10.0.0.1 ' has a blank inside; write it without blanks",
    "10.0.0.1\n": "'10.0.0.1\\n' has a blank inside; write it without blanks",
    "10.0.0.1\x00": "'10.0.0.1\\x00' has a blank inside; write it without blanks",
    "１０.0.0.1": "'１０.0.0.1' has characters outside ASCII; write the digits 0-9 of plain ASCII",
    "10.0.0.1/24": "'10.0.0.1/24' has host bits set; write 10.0.0.0/24 for the network or 10.0.0.1 alone",
    "10.20.0.0/255.255.255.0": "'10.20.0.0/255.255.255.0' has no prefix length from 0 to 32 "
    "(masks are not read); write 10.20.0.0/24",
    "10.20.0.5/255.255.255.0": "'10.20.0.5/255.255.255.0' has no prefix length from 0 to 32 "
    "(masks are not read); write 10.20.0.0/24, or 10.20.0.5 alone",
    "10.0.0.0/0.255.255.255": "'10.0.0.0/0.255.255.255' has no prefix length from 0 to 32 "
    "(masks are not read); write 10.0.0.0/8",
    "10.0.0.1/255.255.255.255": "'10.0.0.1/255.255.255.255' has no prefix length from 0 to 32 "
    "(masks are not read); write 10.0.0.1/32",
    "10.0.0.0/255.0.255.0": "'10.0.0.0/255.0.255.0' has no prefix length from 0 to 32; "
    "write the length of the prefix, as in 10.20.0.0/16",
    "10.0.0.0/0.0.0.0": "'10.0.0.0/0.0.0.0' has no prefix length from 0 to 32; "
    "write the length of the prefix, as in 10.20.0.0/16",
    "10.0.0.0/33": "'10.0.0.0/33' has no prefix length from 0 to 32; "
    "write the length of the prefix, as in 10.20.0.0/16",
    "10.0.0.0/08": "'10.0.0.0/08' has no prefix length from 0 to 32; "
    "write the length of the prefix, as in 10.20.0.0/16",
    "10.0.0.0/": "'10.0.0.0/' has no prefix length from 0 to 32; "
    "write the length of the prefix, as in 10.20.0.0/16",
    "fd00::/ffff:ffff::": "'fd00::/ffff:ffff::' has no prefix length from 0 to 128 (masks are not read); "
    "write fd00::/32",
    "mongodb://user:pass@10.0.0.1:27017,[fd00::1]/db": "a mongodb:// URI is no target; "
    "write 10.0.0.1:27017 and [fd00::1] alone",
    "mongodb+srv://user:pass@db.example.com/shop": "a URI is no target; "
    "write the address of db.example.com in its place",
    "mongodb://10.0.0.1,db.example.com:27018": "a mongodb:// URI is no target; "
    "write the address of db.example.com:27018 in its place",
    "mongodb://user:pass": "a mongodb:// URI is no target; write its address alone",
    "mongodb://": "a mongodb:// URI is no target; write its address alone",
    "10.0.0.9-10.0.0.1": "'10.0.0.9-10.0.0.1' runs backwards; write 10.0.0.1-10.0.0.9",
    "10.0.0.1-fd00::1": "'10.0.0.1-fd00::1' mixes IPv4 and IPv6; write two ranges",
    "10.0.0.1-9": "'9' is a shortened or numeric form of an address; write all four octets in decimal",
    "10.0.0.0-10.0.0.9/24": "'10.0.0.0-10.0.0.9/24' mixes a range with a prefix length; "
    "write a-b or a/length",
    "10.0.0.*": "'10.0.0.*' is not an address; write an address, a CIDR or a range, as in 10.20.0.0/16",
    "fe80::1%eth0": "'fe80::1%eth0' has a zone; write fe80::1, or leave it out",
    "fd00::g": "'fd00::g' is not an IPv6 address; write one as in fd00::1",
    "fd00:::1": "'fd00:::1' is not an IPv6 address; write one as in fd00::1",
    "fd00::1/129": "'fd00::1/129' has no prefix length from 0 to 128; "
    "write the length of the prefix, as in fd00::/120",
    "::ffff:010.0.0.1": "'::ffff:010.0.0.1' is not an IPv6 address; write one as in fd00::1",
    "db.example.com": "'db.example.com' is a name, not an address; write its addresses",
    "": 'an empty text is no address; write one, as in "10.20.0.0/16"',
    "1" * 300: "text of 300 characters is no address; write one address, CIDR or range",
}


@pytest.mark.parametrize(("text", "message"), ODD.items())
def test_odd_notations_are_refused_with_a_remedy(text: str, message: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_span(text)
    assert message == str(caught.value)


@pytest.mark.parametrize("value", [True, 3, b"abcd", None, 1.5])
def test_what_is_not_text_is_refused(value: object) -> None:
    """`ipaddress` reads True as 0.0.0.1 and b"abcd" as 97.98.99.100."""
    with pytest.raises(GrammarError, match="not text; write it in quotes"):
        parse_span(value)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("10.20.0.0/16", "10.20.0.0", "10.20.255.255"),
        ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.1/32", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.250-10.0.1.5", "10.0.0.250", "10.0.1.5"),
        ("fd00::/120", "fd00::", "fd00::ff"),
        ("FD00::1-fd00::0:9", "fd00::1", "fd00::9"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
    ],
)
def test_ordinary_notations(text: str, first: str, last: str) -> None:
    span = parse_span(text)
    assert format_address(span.version, span.first) == first
    assert format_address(span.version, span.last) == last


@given(st.sampled_from((4, 6)), st.data())
def test_reading_inverts_writing(version: int, data: st.DataObject) -> None:
    top = (1 << (32 if version == 4 else 128)) - 1
    first = data.draw(st.integers(0, top))
    last = data.draw(st.integers(first, min(top, first + data.draw(st.sampled_from((0, 1, 255, top))))))
    span = Span(version, first, last)
    assert parse_span(format_span(span)) == span


@given(st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_networks_agree_with_netaddr(length: int, address: int) -> None:
    network = netaddr.IPNetwork((address, length), version=4).cidr
    assert parse_span(str(network)) == Span(4, network.first, network.last)


@given(st.text(alphabet="0123456789abcdefx.:/-% ", max_size=24))
def test_any_text_is_refused_or_read_as_the_strict_oracle_reads_it(text: str) -> None:
    try:
        span = parse_address(text)
    except GrammarError:
        return
    assert int(ipaddress.ip_address(text)) == span.first
    assert parse_address(format_address(span.version, span.first)) == span


@pytest.mark.parametrize(
    ("text", "ip", "port"),
    [
        ("10.0.0.1:27017", "10.0.0.1", 27017),
        ("[fd00::1]:27018", "fd00::1", 27018),
        ("[fd00::1]", "fd00::1", None),
        ("fd00::1", "fd00::1", None),
        ("[fd00::1:9001]", "fd00::1:9001", None),
        ("fd00::1:abc", "fd00::1:abc", None),
        ("fd00::1:0", "fd00::1:0", None),
        ("fd00:0:0:0:0:0:1:9001", "fd00::1:9001", None),
        ("fd00::1:0/112", "fd00::1:0/112", None),
        ("10.0.0.0/24", "10.0.0.0/24", None),
    ],
)
def test_endpoints(text: str, ip: str, port: int | None) -> None:
    span, found = parse_endpoint(text)
    assert (format_span(span), found) == (ip, port)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.1:0", "'0' is not a port; write a number from 1 to 65535"),
        ("10.0.0.1:70000", "'70000' is not a port; write a number from 1 to 65535"),
        ("10.0.0.1:", "'' is not a port; write a number from 1 to 65535"),
        (
            "fd00::1:9001",
            (
                "'fd00::1:9001' may be an address, or fd00::1 with port 9001; "
                "write [fd00::1]:9001 for the port, or [fd00::1:9001] for the address"
            ),
        ),
        (
            "fd00::1:27017",
            "'fd00::1:27017' is IPv6 with a port and without brackets; write [fd00::1]:27017",
        ),
        (
            "fd00:0:0:0:0:0:0:1:80",
            "'fd00:0:0:0:0:0:0:1:80' is IPv6 with a port and without brackets; write [fd00:0:0:0:0:0:0:1]:80",
        ),
        ("[fd00::1", "'[fd00::1' has an unmatched bracket; write [fd00::1]:27017"),
        ("[fd00::1]27017", "'[fd00::1]27017' has an unmatched bracket; write [fd00::1]:27017"),
        ("[10.0.0.1]:27017", "'[10.0.0.1]:27017' has brackets around IPv4; write 10.0.0.1:27017"),
    ],
)
def test_bad_endpoints(text: str, message: str) -> None:
    with pytest.raises(GrammarError) as caught:
        parse_endpoint(text)
    assert message == str(caught.value)


@pytest.mark.parametrize("text", ["0", "65536", "+1", "1.0", "027", "１"])
def test_bad_ports(text: str) -> None:
    with pytest.raises(GrammarError, match="is not a port"):
        parse_port(text)


@pytest.mark.parametrize("text", ["db", "db1.example.com", "db1.example.com.", "a-b.example", "_x.example"])
def test_names(text: str) -> None:
    assert looks_like_name(text)


@pytest.mark.parametrize(
    "text", ["10.0.0.1", "1.2.3.4.5", "10.0.0.1-10.0.0.2", "a/b", "-a.b", "a..b", "a b", ""]
)
def test_no_names(text: str) -> None:
    """A last label of digits is what `inet_aton` takes for an address, so it is never a name."""
    assert not looks_like_name(text)
