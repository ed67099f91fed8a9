"""What a record of another program says: the fields of JSON objects and of CSV rows, whoever wrote them.

Field names: Shodan's banner, Censys's host, and those of the scanners, whose own files know them by name.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from targets.claims import MAX_NAMES, NOTHING_SAID, Claim, Said
from targets.grammar import GrammarError, looks_like_name, parse_address, parse_endpoint, parse_port
from targets.sources.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from targets.grammar import Span
    from targets.sources.json_stream import Record

# In this order: beside `ip_str`, Shodan's `ip` is a number; beside `ip`, naabu's `host` is a name.
ADDRESS_KEYS = ("ip_str", "saddr", "ip", "host_ip", "address", "ip_address", "host")
_ADDRESS_ALONE = ADDRESS_KEYS[:4]  # the others are any program's, and may hold a port as well
PORT_KEYS = ("port", "sport")
# masscan's `proto` comes last: beside `protocol`, naabu's is something else.
_PROTOCOL_KEYS = ("protocol", "transport_protocol", "transport", "proto")
_NOT_OPEN = ("closed", "filtered", "unfiltered", "open|filtered", "closed|filtered", "down", "unknown")
# Where a record has none of these, few of its fields say all: 2 us instead of 7.
_MORE = {*ADDRESS_KEYS, *PORT_KEYS, *_PROTOCOL_KEYS, "target", "ports", "services"}
_MORE |= {"success", "failed", "classification", "data"}
_MORE -= {"ip", "address", "host", "port", "protocol"}
_NO = (False, 0, "0", "false")
_TCP = ("tcp", "6")


def claims_of(found: Record, name: str, said: Said = NOTHING_SAID) -> Iterator[Claim]:
    """The open TCP ports that a record of the list `name` tells of, each with what is said. Raises
    GrammarError for one that is no record of a host.

    A host without a port, as host discovery finds it, is a claim for every port of the scope.
    """
    record, place = found.value, f"{name}:{found.line}"
    if type(record) is dict and _MORE.isdisjoint(record):
        address, port = record.get("ip") or record.get("address"), record.get("port")
        state = record.get("state") or record.get("status")
        plain = record.get("protocol") in ("tcp", None) and state in ("open", "up", None)
        if plain and type(port) in (int, str) and port not in (0, "0", "") and type(address) is str:
            names = _names(record) if "host" in record or "hostnames" in record else ()
            yield Claim(_parse_host(address), parse_port(str(port)), place, names, said)
            return
    if isinstance(record, str):
        yield Claim(*parse_endpoint(record), place, (), said)
        return
    if not isinstance(record, dict):
        raise GrammarError("is not an object", "write one object a line")
    record = _host_of(record)
    key = next((key for key in ADDRESS_KEYS if record.get(key) not in (None, "")), None)
    if key is None:
        if "finished" in record:  # masscan's last record
            return
        raise GrammarError(
            f"has no address ({', '.join(ADDRESS_KEYS[:4])} or target.ip)",
            "name output of masscan, naabu or zmap, or a run of ours",
        )
    if not _is_open(record):
        return
    names = _names(record)
    read = parse_address if key in _ADDRESS_ALONE else _parse_host
    for port in _ports(record):
        number = None if port is None else parse_port(str(port))
        yield Claim(read(record[key]), number, place, names, said)


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


def _ports(record: Mapping[str, Any]) -> Iterator[object]:
    """The ports that are open, as they are written; None for every port."""
    lists = [record[key] for key in ("ports", "services") if record.get(key, "") != ""]
    listed = next((found for found in lists if found is not None), None)
    if listed is not None:
        yield from _listed_ports(listed)
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


def _listed_ports(listed: object) -> Iterator[object]:
    items = re.split(r"[,;\s]+", str(listed).strip()) if isinstance(listed, (str, int)) else listed
    if not isinstance(items, list):
        raise GrammarError("has ports that are no list", "write the ports as in [27017, 27018]")
    for item in items:
        details = item if isinstance(item, dict) else {"port": item}
        number = details.get("port")
        if number is None:
            raise GrammarError("lists a port without a number", "write a number from 1 to 65535")
        service = {key: details[key] for key in ("status", "proto", "transport_protocol") if key in details}
        if _is_open(service) and str(number) != "0":
            yield number


def _names(record: Mapping[str, Any]) -> tuple[str, ...]:
    listed = record.get("hostnames")
    host = record.get("host")
    if not listed and not host:
        return ()
    return host_names([*(listed if isinstance(listed, list) else ()), host])


def host_names(names: list[Any]) -> tuple[str, ...]:
    """Those of `names` that can be host names, each once and in one spelling, at most MAX_NAMES."""
    good = (name.rstrip(".").lower() for name in names if isinstance(name, str) and looks_like_name(name))
    return tuple(dict.fromkeys(good))[:MAX_NAMES]


def _parse_host(text: object) -> Span:
    """An address that must not read as an address with a port too."""
    if type(text) is str and ":" not in text and "/" not in text and "-" not in text:
        return parse_address(text)
    span, port = parse_endpoint(text)  # type: ignore[arg-type]  # it refuses what is not text
    if port is not None or span.size > 1:
        raise GrammarError(f"{text!r} is more than an address", "write the address and the port apart")
    return span


@lru_cache(4096)  # a list says the same of many hosts: a look-up instead of a new one each
def said_at(seen_at: str, finding: str = "") -> Said:
    """What a scanner says: when it saw a host (RFC 3339 in UTC, or ""), and what it found there."""
    return Said(seen_at=seen_at, finding=finding)


def finding_of(*words: object) -> str:
    """What a scanner says that serves there, where that is MongoDB: "mongodb MongoDB 4.4.1"; "" for others,
    about which nobody asks here."""
    told = " ".join(word for word in words if isinstance(word, str) and word)
    return "".join(sign for sign in told[:60] if sign.isprintable()) if "mongo" in told.lower() else ""


ANY_RECORD = RecordShape("JSON", lambda record: True, claims_of)
