"""The one reader of address text: strict on purpose, so that no second parser can see another address.

Accepted: a dotted quad of four decimal octets, RFC 4291 text for IPv6, `address/length` with the host bits
zero, `first-last`, and for what names one endpoint `address:port` or `[v6]:port`. `inet_aton` and friends
read `010.0.0.1` as 8.0.0.1 and `10.1` as 10.0.0.1: whoever checks one spelling and connects by another
probes a stranger.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import NamedTuple

BITS = {4: 32, 6: 128}
_EXAMPLES = {4: "10.20.0.0/16", 6: "fd00::/120"}
MAX_TEXT = 256

_QUAD = re.compile(r"(?:0|[1-9][0-9]{0,2})(?:\.(?:0|[1-9][0-9]{0,2})){3}\Z")
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f:.]+\Z")
_OCTETS = {str(number): number for number in range(256)}  # each by its one spelling
_DIGITS = re.compile(r"(?:0|[1-9][0-9]{0,4})\Z")
_URI_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?\Z")
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
    try:  # nearly every address of a long list: 0.7 us; what follows takes 2.5, to explain what is none
        one, two, three, four = text.split(".")
        value = _OCTETS[one] << 24 | _OCTETS[two] << 16 | _OCTETS[three] << 8 | _OCTETS[four]
        return Span(4, value, value)
    except (ValueError, KeyError, AttributeError, TypeError):
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
    _check_six(text)
    return parse_span(text), None


@lru_cache(4096)
def parse_port(text: str) -> int:
    """A TCP port from 1 to 65535. Raises GrammarError."""
    if not _DIGITS.match(text) or not 1 <= int(text) <= 65535:
        raise GrammarError(f"{text!r} is not a port", "write a number from 1 to 65535")
    return int(text)


def looks_like_name(text: str) -> bool:
    """Whether `text` can only be a host name: letters in its last label, so never a number in disguise."""
    return "/" not in text and _NAME.match(text) is not None


def _check_six(text: str) -> None:
    """Refuse IPv6 without brackets that ends as a port would: its writer may mean another host."""
    address, _, port = text.rpartition(":")
    if not _DIGITS.match(port) or not 1 <= int(port) <= 65535 or not _is_six(address):
        return
    if not _is_six(text):
        raise GrammarError(f"{text!r} is IPv6 with a port and without brackets", f"write [{address}]:{port}")
    raise GrammarError(
        f"{text!r} may be an address, or {address} with port {port}",
        f"write [{address}]:{port} for the port, or [{text}] for the address",
    )


def _is_six(text: str) -> bool:
    if ":" not in text:
        return False
    try:
        _parse_six(text)
    except GrammarError:
        return False
    return True


def _explain_uri(text: str) -> GrammarError:
    """What to write instead of a URI. Nothing before an `@` is repeated: it may be a password."""
    scheme, _, rest = text.partition("://")
    place = re.split(r"[/?#]", rest.rpartition("@")[2])[0]
    hosts = [host for host in place.split(",") if _URI_HOST.match(host)]
    what = f"a {scheme}:// URI" if scheme.isalnum() and scheme.isascii() else "a URI"
    names = [host for host in hosts if host[0] != "[" and not _QUAD.match(host.partition(":")[0])]
    if names:  # nor would that be a target
        return GrammarError(f"{what[:40]} is no target", f"write the address of {names[0]} in its place")
    return GrammarError(
        f"{what[:40]} is no target", f"write {' and '.join(hosts[:3]) or 'its address'} alone"
    )


def _check_text(text: object) -> None:
    if not isinstance(text, str):
        raise GrammarError(
            f"{text!r} is a {type(text).__name__}, not text", 'write it in quotes, as in "10.20.0.0/16"'
        )
    if "://" in text:
        raise _explain_uri(text)
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
        raise _explain_length(text, start, length)
    size = 1 << (bits - int(length))
    first = start.first & ~(size - 1)
    if first != start.first:
        network = f"{format_address(start.version, first)}/{length}"
        raise GrammarError(
            f"{text!r} has host bits set", f"write {network} for the network or {address} alone"
        )
    return Span(start.version, first, first + size - 1)


def _explain_length(text: str, start: Span, length: str) -> GrammarError:
    """A mask has a length that says the same; the remedy names it, and never one address for a network."""
    bits = BITS[start.version]
    reason = f"{text!r} has no prefix length from 0 to {bits}"
    meant = _length_of_mask(start.version, length)
    if meant is None:
        return GrammarError(reason, f"write the length of the prefix, as in {_EXAMPLES[start.version]}")
    size = 1 << (bits - meant)
    network = f"{format_address(start.version, start.first & ~(size - 1))}/{meant}"
    alone = "" if start.first % size == 0 else f", or {format_address(start.version, start.first)} alone"
    return GrammarError(f"{reason} (masks are not read)", f"write {network}{alone}")


def _length_of_mask(version: int, text: str) -> int | None:
    """The length of 255.255.255.0, and of 0.0.0.255 as routers write it; None for what is no mask."""
    try:
        found, mask, _ = parse_address(text)
    except GrammarError:
        return None
    every = (1 << BITS[version]) - 1
    if found != version or mask == 0:
        return None
    hosts = mask if mask >> (BITS[version] - 1) == 0 else mask ^ every
    return BITS[version] - hosts.bit_length() if hosts & (hosts + 1) == 0 else None


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
