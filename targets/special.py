"""Address space that is not like the rest, as a dated table with its sources.

Our own table, because `ipaddress.is_private` and `is_global` changed between patch releases and call
`64:ff9b::7f00:1`, `::127.0.0.1` and `224.0.0.1` global.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from targets.grammar import Span, format_address, parse_span

AS_OF = "2026-11-01"  # compared with IANA's special-purpose address registries (RFC 6890, RFC 8190)
STALE_AFTER_DAYS = 730  # a block is assigned every year or two


class Policy(StrEnum):
    """What the scope does with special space."""

    NEVER = "never"  # no entry can allow it
    LAB = "lab"  # only an entry with kind = "lab"
    PRIVATE = "private"  # ordinary: the allow-list alone decides
    AUTHORISE = (
        "authorise"  # not proven ours by being private: needs authorised_by and expires, as public does
    )


class Special(NamedTuple):
    """One row: the block, what it is for, the document that says so, and what the scope does with it."""

    span: Span
    name: str
    source: str
    policy: Policy


_ROWS = """
0.0.0.0/8            | "this network"                           | RFC 791 3.2, RFC 1122 3.2.1.3 | never
10.0.0.0/8           | private use                              | RFC 1918                      | private
100.64.0.0/10        | carrier-grade NAT                        | RFC 6598                      | authorise
127.0.0.0/8          | loopback                                 | RFC 1122 3.2.1.3              | lab
169.254.0.0/16       | link-local                               | RFC 3927                      | never
172.16.0.0/12        | private use                              | RFC 1918                      | private
192.0.0.0/24         | IETF protocol assignments                | RFC 6890 2.1                  | never
192.0.2.0/24         | documentation                            | RFC 5737                      | never
192.31.196.0/24      | AS112 service                            | RFC 7535                      | never
192.52.193.0/24      | automatic multicast tunnelling           | RFC 7450                      | never
192.88.99.0/24       | 6to4 relay anycast, deprecated           | RFC 7526                      | never
192.168.0.0/16       | private use                              | RFC 1918                      | private
192.175.48.0/24      | AS112 service                            | RFC 7534                      | never
198.18.0.0/15        | benchmarking                             | RFC 2544                      | authorise
198.51.100.0/24      | documentation                            | RFC 5737                      | never
203.0.113.0/24       | documentation                            | RFC 5737                      | never
224.0.0.0/4          | multicast                                | RFC 5771                      | never
240.0.0.0/4          | reserved                                 | RFC 1112 4                    | never
255.255.255.255/32   | limited broadcast                        | RFC 919                       | never
::/128               | unspecified                              | RFC 4291 2.5.2                | never
::1/128              | loopback                                 | RFC 4291 2.5.3                | lab
::/96                | IPv4-compatible                          | RFC 4291 2.5.5.1              | never
::ffff:0:0/96        | IPv4-mapped                              | RFC 4291 2.5.5.2              | never
::ffff:0:0:0/96      | IPv4-translated (SIIT)                   | RFC 2765 2.1                  | never
64:ff9b::/96         | NAT64                                    | RFC 6052 2.1                  | never
64:ff9b:1::/48       | NAT64, local use                         | RFC 8215                      | never
100::/64             | discard only                             | RFC 6666                      | never
100:0:0:1::/64       | dummy prefix                             | RFC 9780                      | never
2001::/32            | Teredo                                   | RFC 4380                      | never
2001:1::-2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff | IETF protocol assignments | RFC 2928      | never
2001:db8::/32        | documentation                            | RFC 3849                      | never
2002::/16            | 6to4                                     | RFC 3056                      | never
2620:4f:8000::/48    | AS112 service                            | RFC 7534                      | never
3fff::/20            | documentation                            | RFC 9637                      | never
5f00::/16            | segment routing identifiers              | RFC 9602                      | never
fc00::/7             | unique local                             | RFC 4193                      | private
fd00:ec2::254/128    | cloud metadata                           | Amazon EC2 user guide, IMDS   | never
fe80::/10            | link-local                               | RFC 4291 2.5.6                | never
fec0::/10            | site-local, deprecated                   | RFC 3879                      | never
ff00::/8             | multicast                                | RFC 4291 2.7                  | never
"""


def _read(rows: str) -> tuple[Special, ...]:
    table = []
    for row in rows.strip().splitlines():
        block, name, source, policy = (cell.strip() for cell in row.split("|"))
        table.append(Special(parse_span(block), name, source, Policy(policy)))
    # The narrowest row speaks for an address (::1 inside ::/96), so it comes first.
    return tuple(sorted(table, key=lambda special: special.span.size))


TABLE = _read(_ROWS)

_ISATAP = (0x00005EFE, 0x02005EFE)  # upper half of the interface identifier, RFC 5214 6.1


def special_of(version: int, address: int) -> Special | None:
    """The narrowest row that holds an address; None is ordinary public space."""
    for row in TABLE:
        if row.span.version == version and row.span.first <= address <= row.span.last:
            return row
    return None


def overlaps(span: Span) -> list[Special]:
    """Every row that shares an address with `span`, the narrowest first."""
    return [
        row
        for row in TABLE
        if row.span.version == span.version and row.span.first <= span.last and span.first <= row.span.last
    ]


def holds_isatap(span: Span) -> int | None:
    """The first address in `span` whose interface identifier carries IPv4 as ISATAP does, or None."""
    if span.version != 6:
        return None
    for upper in range(span.first >> 64, min(span.last >> 64, (span.first >> 64) + 1) + 1):
        for tag in _ISATAP:
            low = (upper << 64) | (tag << 32)
            if low <= span.last and span.first <= low | 0xFFFFFFFF:
                return max(low, span.first)
    return None


def embedded_ipv4(address: int) -> tuple[str, int] | None:
    """The IPv4 address that an IPv6 address carries, with the name of the form; None when it carries none.

    Forms: RFC 4291 (mapped, compatible), RFC 2765 (translated), RFC 6052 (NAT64; RFC 8215 puts it at any
    place inside a /48, the /96 form is read), RFC 3056 (6to4), RFC 4380 (Teredo, the client's address is
    inverted), RFC 5214 (ISATAP).
    """
    low = address & 0xFFFFFFFF
    upper = address >> 32
    if upper == 0 and low > 1:
        return "IPv4-compatible", low
    for prefix, name in ((0xFFFF, "IPv4-mapped"), (0xFFFF0000, "IPv4-translated"), (0x64FF9B << 64, "NAT64")):
        if upper == prefix:
            return name, low
    if address >> 80 == 0x64FF9B0001:
        return "NAT64", low
    if address >> 112 == 0x2002:
        return "6to4", address >> 80 & 0xFFFFFFFF
    if address >> 96 == 0x20010000:
        return "Teredo", low ^ 0xFFFFFFFF
    if upper & 0xFFFFFFFF in _ISATAP:
        return "ISATAP", low
    return None


def describe(version: int, address: int) -> str:
    """A clause that says why an address is special, for an error text; empty for ordinary space."""
    carried = embedded_ipv4(address) if version == 6 else None
    if carried is not None:
        return f"it is the {carried[0]} form of {format_address(4, carried[1])}"
    row = special_of(version, address)
    if row is None or row.policy is Policy.PRIVATE:
        return ""
    return f"it is {row.name} space ({row.source})"
