"""Lines of a zone as a transfer prints it (`dig AXFR`, with names whole): PTR, A and AAAA name hosts.

Format: RFC 1035 5.1; reverse names: RFC 1035 3.5 and RFC 3596 2.5. Entries of other types name no host, nor
does a reverse name that is not whole: it stands for a network.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from targets.claims import Claim, Said
from targets.grammar import GrammarError, Span, parse_address
from targets.sources.records import host_names
from targets.sources.shapes import LineShape

if TYPE_CHECKING:
    from collections.abc import Iterator

_RECORD: Final = re.compile(
    r"(?P<owner>\S+)[ \t]+(?:[0-9]+[smhdwSMHDW]?[ \t]+)?(?:(?:IN|in)[ \t]+)?(?:[0-9]+[ \t]+)?"
    r"(?P<type>PTR|AAAA|A|SOA|NS|MX|TXT|CNAME|SRV|CAA|DNSKEY|RRSIG|NSEC3?|NSEC3PARAM|DS|HINFO|TLSA)"
    r"[ \t]+(?P<data>\S.*)\Z"
)
_NIBBLES: Final = re.compile(r"((?:[0-9a-f]\.){32})ip6\.arpa\.?\Z", re.IGNORECASE)
_OCTETS: Final = re.compile(r"((?:[0-9]{1,3}\.){4})in-addr\.arpa\.?\Z", re.IGNORECASE)


def address_of(reverse: str) -> Span | None:
    """The address of a whole reverse name; None for any other name."""
    nibbles = _NIBBLES.match(reverse)
    if nibbles:
        value = int(nibbles[1].replace(".", "")[::-1], 16)
        return Span(6, value, value)
    octets = _OCTETS.match(reverse)
    if not octets:
        return None
    try:
        return parse_address(".".join(reversed(octets[1].rstrip(".").split("."))))
    except GrammarError:
        return None


def _read(found: re.Match[str], place: str) -> Iterator[Claim]:
    owner, kind = found["owner"], found["type"]
    data = found["data"].partition(";")[0].split()
    if kind not in ("PTR", "A", "AAAA") or not data:
        return
    if not owner.endswith("."):
        raise GrammarError(
            f"{owner[:60]!r} is a name that is not whole", "name what `dig AXFR` prints, where each name is"
        )
    span = address_of(owner) if kind == "PTR" else parse_address(data[0])
    if span is not None:
        names = host_names([data[0] if kind == "PTR" else owner])
        yield Claim(span, None, place, names, Said(kind="address"))


def _nothing(found: re.Match[str], place: str) -> Iterator[Claim]:
    yield from ()


LINES: Final = (
    LineShape("DNS zone", re.compile(r";"), _nothing),
    LineShape("DNS zone", re.compile(r"\$(?:TTL|ORIGIN|INCLUDE)\b"), _nothing),
    LineShape("DNS zone", _RECORD, _read),
)
