"""Tables of neighbours: which addresses this machine or a router has spoken to on its links.

Forms: `ip neigh` and `ip -json neigh` of iproute2 (ip/ipneigh.c), `arp -an` of net-tools and of BSD,
`ndp -an` of BSD and macOS, `show ipv6 neighbors` of Cisco IOS. Link-local addresses are of no use elsewhere.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim, Said
from targets.grammar import GrammarError, Span, parse_address
from targets.sources.shapes import LineShape, RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from targets.sources.json_stream import Record

_IP: Final = re.compile(
    r"(?P<at>[0-9A-Fa-f:.]+) dev \S+(?: (?:lladdr|used|ref|probes) \S+| router| proxy| extern_learn)*"
    r"(?: (?P<state>REACHABLE|STALE|DELAY|PROBE|PERMANENT|NOARP|FAILED|INCOMPLETE|NONE))? *\Z"
)
_ARP: Final = re.compile(r"\S+ \((?P<at>[0-9.]+)\) at (?P<state>\S+)(?: .*)?\Z")
_NDP: Final = re.compile(
    r"(?P<at>[0-9A-Fa-f:]+)(?:%\S+)?\s+(?P<state>(?:[0-9a-f]{1,2}:){5}[0-9a-f]{1,2}|\(incomplete\))"
    r"\s+\S+\s.*\Z"
)
_CISCO: Final = re.compile(
    r"(?P<at>[0-9A-Fa-f:.]+)\s+(?:\d+|-)\s+(?:(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}|-)\s+"
    r"(?P<state>INCMP|REACH|STALE|DELAY|PROBE|GLEAN|DELETE|FAIL|UNKN)\s+\S+\Z"
)
_GONE: Final = frozenset(
    {"FAILED", "INCOMPLETE", "NONE", "INCMP", "FAIL", "DELETE", "<incomplete>", "(incomplete)"}
)


def _line(found: re.Match[str], place: str) -> Iterator[Claim]:
    if found["state"] not in _GONE:
        yield from _claims(found["at"], place)


def _claims(text: str, place: str) -> Iterator[Claim]:
    for span in _usable(text):
        yield Claim(span, None, place, (), Said(kind="address"))


def _usable(text: str) -> list[Span]:
    span = parse_address(text)
    link_local = span.version == 6 and span.first >> 118 == 0xFE80 >> 6
    return [] if link_local else [span]


def _fits(record: Record) -> bool:
    value = record.value
    return isinstance(value, dict) and "dst" in value and "dev" in value


def _read(record: Record, name: str) -> Iterator[Claim]:
    value: dict[str, Any] = record.value
    states = value.get("state")
    if (
        isinstance(states, list)
        and states
        and all(isinstance(state, str) and state in _GONE for state in states)
    ):
        return
    if not isinstance(value["dst"], str):
        raise GrammarError("dst is no text", "name what `ip -json neigh` wrote")
    yield from _claims(value["dst"], f"{name}:{record.line}")


def _nothing(found: re.Match[str], place: str) -> Iterator[Claim]:
    yield from ()


JSON: Final = RecordShape("iproute2 neighbours", _fits, _read)
LINES: Final = (
    LineShape("iproute2 neighbours", _IP, _line),
    LineShape("arp table", _ARP, _line),
    LineShape("ndp table", re.compile(r"Neighbor\s+Linklayer Address\s"), _nothing),
    LineShape("ndp table", _NDP, _line),
    LineShape("Cisco IPv6 neighbors", re.compile(r"IPv6 Address\s+Age\s"), _nothing),
    LineShape("Cisco IPv6 neighbors", _CISCO, _line),
)
