"""What a record of another program says: the fields of JSON objects and of CSV rows, whoever wrote them.

Field names: masscan src/out-json.c and src/out-ndjson.c, naabu pkg/runner/output.go, zmap's output modules,
httpx runner/types.go, Shodan's banner, Censys's host, and the lines of our own runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from targets.claims import MAX_NAMES, Claim
from targets.errors import ScopeError
from targets.grammar import GrammarError, looks_like_name, parse_address, parse_endpoint, parse_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from targets.grammar import Span

# In this order: beside `ip_str`, Shodan's `ip` is a number; beside `ip`, naabu's `host` is a name.
ADDRESS_KEYS = ("ip_str", "saddr", "ip", "host_ip", "address", "ip_address", "host")
_ADDRESS_ALONE = ADDRESS_KEYS[:4]  # the others are any program's, and may hold a port as well
PORT_KEYS = ("port", "sport")
# masscan's `proto` comes last: beside `protocol`, naabu's is something else.
_PROTOCOL_KEYS = ("protocol", "transport_protocol", "transport", "proto")
_NOT_OPEN = ("closed", "filtered", "unfiltered", "open|filtered", "closed|filtered", "down", "unknown")
_NO = (False, 0, "0", "false")
_TCP = ("tcp", "6")


class Place(NamedTuple):
    """Where a record stands."""

    name: str
    line: int


def claims_of(record: Any, place: Place) -> Iterator[Claim]:
    """The open TCP ports that a record tells of. Raises ScopeError for one that is no record of a host.

    A host without a port, as host discovery finds it, is a claim for every port of the scope.
    """
    if isinstance(record, str):
        try:
            yield Claim(*parse_endpoint(record), f"{place.name}:{place.line}")
        except GrammarError as error:
            raise ScopeError(*place, error.reason, error.remedy) from None
        return
    if not isinstance(record, dict):
        raise ScopeError(*place, "is not an object", "write one object a line")
    record = _host_of(record)
    key = next((key for key in ADDRESS_KEYS if record.get(key) not in (None, "")), None)
    if key is None:
        if "finished" in record:  # masscan's last record
            return
        raise ScopeError(
            *place,
            f"has no address ({', '.join(ADDRESS_KEYS[:4])} or target.ip)",
            "name output of masscan, naabu or zmap, or a run of ours",
        )
    if not _is_open(record):
        return
    names = _names(record)
    read = parse_address if key in _ADDRESS_ALONE else _parse_host
    for port in _ports(record, place):
        try:
            span = read(record[key])
            number = None if port is None else parse_port(str(port))
        except GrammarError as error:
            raise ScopeError(*place, error.reason, error.remedy) from None
        yield Claim(span, number, f"{place.name}:{place.line}", names)


def _host_of(record: dict[str, Any]) -> dict[str, Any]:
    """The part of a record that names the host: ours has a target, that of Censys a host."""
    for key in ("target", "host"):
        inner = record.get(key)
        if isinstance(inner, dict):
            return inner
    return record


def _is_open(record: Mapping[str, Any]) -> bool:
    """Whether a record tells of something that answers over TCP."""
    if record.get("success", True) in _NO or record.get("failed") in (True, "true"):
        return False
    if "success" not in record and str(record.get("classification")).startswith(("rst", "icmp")):
        return False
    details = record.get("data")
    more = details if isinstance(details, dict) else {}
    for said in (record, more):
        for key in ("status", "state"):
            if key in said and str(said[key]).lower() in _NOT_OPEN:
                return False
    return str(next((record[key] for key in _PROTOCOL_KEYS if record.get(key)), "tcp")).lower() in _TCP


def _ports(record: Mapping[str, Any], place: Place) -> Iterator[object]:
    """The ports that are open, as they are written; None for every port."""
    lists = [record[key] for key in ("ports", "services") if record.get(key, "") != ""]
    listed = next((found for found in lists if found is not None), None)
    if listed is not None:
        yield from _listed_ports(listed, place)
        return
    port = next((record[key] for key in PORT_KEYS if record.get(key) is not None), "")
    if port == "" and lists:  # null, as Go writes a list of nothing
        return
    if isinstance(port, dict):  # naabu before 2.1 nested it, with capital letters
        if port.get("Protocol", 0) not in (0, "tcp"):
            return
        port = next((port[key] for key in ("Port", "port") if key in port), "")
    if str(port) not in ("", "0"):
        yield port
    elif port == "" or "proto" not in record:  # masscan's port 0 is one, and no server's
        yield None


def _listed_ports(listed: object, place: Place) -> Iterator[object]:
    items = re.split(r"[,;\s]+", str(listed).strip()) if isinstance(listed, (str, int)) else listed
    if not isinstance(items, list):
        raise ScopeError(*place, "has ports that are no list", "write the ports as in [27017, 27018]")
    for item in items:
        details = item if isinstance(item, dict) else {"port": item}
        number = details.get("port")
        if number is None:
            raise ScopeError(*place, "lists a port without a number", "write a number from 1 to 65535")
        service = {key: details[key] for key in ("status", "proto", "transport_protocol") if key in details}
        if _is_open(service) and str(number) != "0":
            yield number


def _names(record: Mapping[str, Any]) -> tuple[str, ...]:
    listed = record.get("hostnames")
    names = [*(listed if isinstance(listed, list) else ()), record.get("host")]
    return host_names(names)


def host_names(names: list[Any]) -> tuple[str, ...]:
    """Those of `names` that can be host names, each once and in one spelling, at most MAX_NAMES."""
    good = (name.rstrip(".").lower() for name in names if isinstance(name, str) and looks_like_name(name))
    return tuple(dict.fromkeys(good))[:MAX_NAMES]


def _parse_host(text: object) -> Span:
    """An address that must not read as an address with a port too."""
    span, port = parse_endpoint(text)  # type: ignore[arg-type]  # it refuses what is not text
    if port is not None or span.size > 1:
        raise GrammarError(f"{text!r} is more than an address", "write the address and the port apart")
    return span
