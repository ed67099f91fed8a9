"""masscan's lists: JSON (`-oJ`), JSON lines (`-oD`), its list (`-oL`) and what it prints meanwhile.

Formats: masscan src/out-json.c, src/out-ndjson.c, src/out-text.c and src/output.c. It writes XML and lines
for grep as nmap does. It knows no service that is MongoDB.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim
from targets.grammar import parse_address, parse_port
from targets.sources.moments import moment
from targets.sources.records import claims_of, said_at
from targets.sources.shapes import LineShape, RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from targets.sources.json_stream import Record


def _fits(found: Record) -> bool:
    """An address and a list of ports, each with its protocol; `timestamp` came later."""
    value = found.value
    if type(value) is not dict or "ip" not in value:
        return False
    ports = value.get("ports")
    return type(ports) is list and bool(ports) and type(ports[0]) is dict and "proto" in ports[0]


def _fits_lines(found: Record) -> bool:
    value = found.value
    return type(value) is dict and "rec_type" in value and "proto" in value and "ip" in value


def _read(found: Record, name: str) -> Iterator[Claim]:
    value: dict[str, Any] = found.value
    said = said_at(moment(value.get("timestamp")))
    ports = value.get("ports")
    if type(ports) is list and len(ports) == 1 and type(ports[0]) is dict:  # as it writes them: 1 us, not 6
        entry = ports[0]
        port = entry.get("port")
        if entry.get("proto") == "tcp" and entry.get("status") == "open" and type(port) is int and port:
            yield Claim(parse_address(value["ip"]), parse_port(str(port)), f"{name}:{found.line}", (), said)
            return
    yield from claims_of(found, name, said)


def _read_line(found: Record, name: str) -> Iterator[Claim]:
    value: dict[str, Any] = found.value
    said = said_at(moment(value.get("timestamp")))
    data, port = value.get("data"), value.get("port")
    known = type(data) is dict and data.get("status") == "open"
    if known and value["proto"] == "tcp" and type(port) is int and port:  # as it writes them: 1 us, not 6
        yield Claim(parse_address(value["ip"]), parse_port(str(port)), f"{name}:{found.line}", (), said)
    else:
        yield from claims_of(found, name, said)


JSON: Final = RecordShape("masscan JSON", _fits, _read)
JSON_LINES: Final = RecordShape("masscan JSON lines", _fits_lines, _read_line)


def _listed(found: re.Match[str], place: str) -> Iterator[Claim]:
    status, protocol, port, address, seen = found.groups()
    if status == "open" and protocol == "tcp" and port != "0":
        yield Claim(parse_address(address), parse_port(port), place, (), said_at(moment(seen)))


def _printed(found: re.Match[str], place: str) -> Iterator[Claim]:
    status, port, protocol, address = found.groups()
    if status == "open" and protocol == "tcp" and port != "0":
        yield Claim(parse_address(address), parse_port(port), place)


LIST: Final = LineShape(
    "masscan list",
    re.compile(r"(open|closed|up|unknown|banner) ([a-z0-9]+) (\S+) (\S+) ([0-9]+)(?: |\Z)"),
    _listed,
)
PRINTED: Final = LineShape(
    "masscan's plain output",
    re.compile(r"(?:Discovered (\w+)|Banner on) port ([0-9]+)/(\w+) on ([0-9A-Fa-f:.]+)(?:[: ]|\Z)"),
    _printed,
)
