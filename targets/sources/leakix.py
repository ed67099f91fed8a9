"""LeakIX: events (services and leaks), one a line or in an array, what it answers on a host, bulk exports.

Fields: LeakIX/l9format, l9event.go, and l9format-python, class L9Aggregation; the answer on a host:
leakix.net/api-documentation. Its plugins on MongoDB (LeakIX/l9plugins, tcp/mongo_open.go and
mongo_explore.go) list collections without a password, and count what is in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim, Said
from targets.sources.fields import items, table
from targets.sources.moments import utc
from targets.sources.records import host_names
from targets.sources.reporters import address_of, each_of, is_tcp, labels, mongodb, plain, port_of
from targets.sources.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from targets.sources.json_stream import Record

_LISTS: Final = ("events", "services", "leaks", "Services", "Leaks")
_ENVELOPES: Final = frozenset({"Services", "Leaks"})
_OLD: Final = (
    "ip",
    "port",
    "type",
    "time",
    "data",
)  # before 2021, when an event was a service or a leak by itself


def _claims(record: Record, name: str) -> Iterator[Claim]:
    place, value = f"{name}:{record.line}", record.value
    listed = [event for key in _LISTS for event in items(value.get(key))]
    if listed:
        yield from each_of(
            listed, lambda event: _event({"ip": value.get("ip"), **table(event)}, place), "event"
        )
    elif isinstance(value.get("open_ports"), list):
        ports = value["open_ports"]
        yield from each_of(ports, lambda port: _event({**value, "port": port}, place), "port")
    elif not any(key in value for key in _LISTS):
        yield from _event(value, place)


def _event(event: Mapping[str, Any], place: str) -> Iterator[Claim]:
    span, port = address_of(event.get("ip")), port_of(event.get("port"))
    if not is_tcp(event.get("transport")):
        return
    told = Said(
        kind="address",
        seen_at=utc(event.get("time")),
        finding=_finding(event),
        labels=labels(
            asn=table(event.get("network")).get("asn") or None,
            event=event.get("event_fingerprint"),
            plugin=event.get("event_source") or event.get("plugin"),
            severity=table(event.get("leak")).get("severity"),
        ),
    )
    yield Claim(span, port, place, host_names([event.get("host"), event.get("reverse")]), told)


def _finding(event: Mapping[str, Any]) -> str:
    """What its plugins on MongoDB found; collections are counted there, databases are not."""
    kind = plain(event.get("protocol") or event.get("type")).lower()
    source = plain(event.get("event_source") or event.get("plugin"))
    if not (kind in ("mongo", "mongodb") or source.startswith("Mongo")):
        return ""
    version = table(table(event.get("service")).get("software")).get("version")
    leak = table(event.get("leak"))
    found = table(leak.get("dataset"))
    told = [
        f"{plain(found.get(key), 24)} {what}"
        for key, what in (("collections", "collections"), ("rows", "documents"), ("size", "bytes"))
        if found.get(key)
    ]
    told += ["called infected"] if found.get("infected") is True else []
    is_leak = event.get("event_type") == "leak" or bool(told)
    return mongodb("open" if is_leak else "", version, more=", ".join(told))


def _fits(record: Record) -> bool:
    value = record.value
    if not isinstance(value, dict):
        return False
    if ("event_type" in value and "event_source" in value) or record.envelope in _ENVELOPES:
        return True
    if "Services" in value or ("services" in value and "leaks" in value):
        return True
    return ("ip" in value and "resource_id" in value) or all(key in value for key in _OLD)


RECORDS: Final = (RecordShape("LeakIX events", _fits, _claims, envelopes=_ENVELOPES),)
