"""The one reader of address text: strict on purpose, so that no second parser can see another address.

Accepted: a dotted quad of four decimal octets, RFC 4291 text for IPv6, `address/length` with the host bits
zero, `first-last`, and for what names one endpoint `address:port` or `[v6]:port`. `inet_aton` and friends
read `010.0.0.1` as 8.0.0.1 and `10.1` as 10.0.0.1: whoever checks one spelling and connects by another
probes a stranger.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

BITS = {4: 32, 6: 128}
MAX_TEXT = 256

_QUAD = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}\Z")
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f:.]+\Z")
_DIGITS = re.compile(r"(?:0|[1-9][0-9]{0,4})\Z")
_NAME = re.compile(
    r"(?=.{1,253}\.?\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*"
    r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.?\Z"
)


class GrammarError(ValueError):
    """Text that is no address, range or endpoint. `remedy` begins with a verb and says what to write."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


class Span(NamedTuple):
    """An inclusive run of addresses of one family, as integers."""

    version: int
    first: int
    last: int

    @property
    def size(self) -> int:
        """How many addresses."""
        return self.last - self.first + 1


def format_address(version: int, address: int) -> str:
    """The canonical text of an address: a dotted quad, or IPv6 by RFC 5952."""
    if version == 4:
        return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
    return str(ipaddress.IPv6Address(address))


def format_span(span: Span) -> str:
    """The shortest text that `parse_span` reads back as `span`: an address, a CIDR or a range."""
    bits = BITS[span.version]
    free = (span.size - 1).bit_length()
    first = format_address(span.version, span.first)
    if span.size == 1:
        return first
    if span.size == 1 << free and span.first % span.size == 0:
        return f"{first}/{bits - free}"
    return f"{first}-{format_address(span.version, span.last)}"


def parse_address(text: str) -> Span:
    """One address as a span of one. Raises GrammarError."""
    _check_text(text)
    if ":" in text:
        return _parse_six(text)
    if _QUAD.match(text):
        octets = [int(part) for part in text.split(".")]
        if max(octets) > 255:
            raise GrammarError(f"{text!r} has an octet above 255", "write four octets from 0 to 255")
        value = int.from_bytes(bytes(octets), "big")
        return Span(4, value, value)
    raise _explain_four(text)


def parse_span(text: str) -> Span:
    """An address, a CIDR or a range. Raises GrammarError for everything else."""
    _check_text(text)
    if "/" in text:
        return _parse_network(text)
    if "-" in text:
        return _parse_range(text)
    return parse_address(text)


def parse_endpoint(text: str) -> tuple[Span, int | None]:
    """A span with an optional port: `a.b.c.d:port`, `[v6]:port`, or anything `parse_span` takes."""
    _check_text(text)
    if text.startswith("["):
        inside, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise GrammarError(f"{text!r} has an unmatched bracket", "write [fd00::1]:27017")
        span = parse_address(inside)
        if span.version != 6:
            raise GrammarError(f"{text!r} has brackets around IPv4", f"write {inside}{rest}")
        return span, parse_port(rest[1:]) if rest else None
    if text.count(":") == 1:
        address, _, port = text.partition(":")
        return parse_address(address), parse_port(port)
    return parse_span(text), None


def parse_port(text: str) -> int:
    """A TCP port from 1 to 65535. Raises GrammarError."""
    if not _DIGITS.match(text) or not 1 <= int(text) <= 65535:
        raise GrammarError(f"{text!r} is not a port", "write a number from 1 to 65535")
    return int(text)


def looks_like_name(text: str) -> bool:
    """Whether `text` can only be a host name: letters in its last label, so never a number in disguise."""
    return "/" not in text and _NAME.match(text) is not None


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise GrammarError(
            f"{text!r} is a {type(text).__name__}, not text", 'write it in quotes, as in "10.20.0.0/16"'
        )
    if not text:
        raise GrammarError("an empty text is no address", 'write one, as in "10.20.0.0/16"')
    if len(text) > MAX_TEXT:
        raise GrammarError(
            f"text of {len(text)} characters is no address", "write one address, CIDR or range"
        )
    if not text.isascii():
        raise GrammarError(f"{text!r} has characters outside ASCII", "write the digits 0-9 of plain ASCII")
    if " " in text or not text.isprintable():
        raise GrammarError(f"{text!r} has a blank inside", "write it without blanks")


def _parse_six(text: str) -> Span:
    if "%" in text:
        raise GrammarError(f"{text!r} has a zone", f"write {text.partition('%')[0]}, or leave it out")
    if not _HEXADECIMAL.match(text):
        raise GrammarError(f"{text!r} is not an IPv6 address", "write one as in fd00::1")
    try:
        value = int(ipaddress.IPv6Address(text))
    except ValueError:
        raise GrammarError(f"{text!r} is not an IPv6 address", "write one as in fd00::1") from None
    return Span(6, value, value)


def _parse_network(text: str) -> Span:
    address, _, length = text.partition("/")
    if "-" in address:
        raise GrammarError(f"{text!r} mixes a range with a prefix length", "write a-b or a/length")
    start = parse_address(address)
    bits = BITS[start.version]
    if not _DIGITS.match(length) or int(length) > bits:
        raise GrammarError(
            f"{text!r} has no prefix length from 0 to {bits} (masks are not read)", f"write {address}/{bits}"
        )
    size = 1 << (bits - int(length))
    first = start.first & ~(size - 1)
    if first != start.first:
        network = f"{format_address(start.version, first)}/{length}"
        raise GrammarError(
            f"{text!r} has host bits set", f"write {network} for the network or {address} alone"
        )
    return Span(start.version, first, first + size - 1)


def _parse_range(text: str) -> Span:
    left, _, right = text.partition("-")
    first, last = parse_address(left), parse_address(right)
    if first.version != last.version:
        raise GrammarError(f"{text!r} mixes IPv4 and IPv6", "write two ranges")
    if first.first > last.first:
        raise GrammarError(f"{text!r} runs backwards", f"write {right}-{left}")
    return Span(first.version, first.first, last.first)


def _explain_four(text: str) -> GrammarError:
    parts = text.split(".")
    if len(parts) == 4 and all(part.isdigit() for part in parts):
        plain = ".".join(str(int(part)) for part in parts)
        return GrammarError(
            f"{text!r} has an octet with a leading zero, which some programs read as octal", f"write {plain}"
        )
    if re.match(r"[0-9][0-9xXa-fA-F.]*\Z", text):
        return GrammarError(
            f"{text!r} is a shortened or numeric form of an address", "write all four octets in decimal"
        )
    if looks_like_name(text):
        return GrammarError(f"{text!r} is a name, not an address", "write its addresses")
    return GrammarError(
        f"{text!r} is not an address", "write an address, a CIDR or a range, as in 10.20.0.0/16"
    )
