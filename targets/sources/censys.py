"""Censys: hosts of the Platform, of the legacy Search (v2 and v1) and of the Universal Internet Dataset, one
a line or as their APIs answer.

Forms: censys-sdk-python, models/searchqueryhit.py, hostasset.py, host.py and mongodb.py; censys-python,
tests/search/v2/test_hosts.py; docs.censys.com, "Legacy Search: Universal Internet Dataset"; for v1 the page
censys.io/api/v1/docs/search. All services over TCP are claims; those that Censys calls MongoDB carry a
finding. It never says "open": build information is told to everybody, and nothing of a database stands in a
host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim, Said
from targets.grammar import GrammarError
from targets.sources.fields import items, table
from targets.sources.moments import utc
from targets.sources.records import host_names
from targets.sources.reporters import address_of, each_of, is_tcp, labels, mongodb, plain, port_of
from targets.sources.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from targets.sources.json_stream import Record

_OVER_UDP: Final = frozenset({"bacnet", "coap", "dns", "ntp", "snmp", "upnp"})  # in v1's "53/dns"


def _claims(record: Record, name: str) -> Iterator[Claim]:
    place = f"{name}:{record.line}"
    value = record.value
    result = value.get("result")
    listed = result if isinstance(result, list) else table(result).get("hits")
    listed = value.get("results") if listed is None else listed
    if isinstance(listed, list):
        yield from each_of(listed, lambda each: _host(_inner(table(each)), place), "host")
    elif "hits" not in table(result):  # null for a search that found nothing
        yield from _host(_inner(table(result) or value), place)


def _inner(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The host in what is wrapped around it: a hit, a resource with its extensions."""
    for key in ("host_v1", "host", "resource"):
        inner = value.get(key)
        value = inner if isinstance(inner, dict) else value
    return value


def _host(host: Mapping[str, Any], place: str) -> Iterator[Claim]:
    same = table(host.get("host_identifier"))
    span = address_of(host.get("ip") or same.get("ipv4") or same.get("ipv6"))
    services = host.get("services")
    if not isinstance(services, list):
        services = [_of_v1(each) for each in items(host.get("protocols"))]
    dns = table(host.get("dns"))
    names = (host.get("name"), same.get("name"), *items(dns.get("names")))
    called = host_names([*names, *items(table(dns.get("reverse_dns")).get("names"))])
    seen = host.get("last_updated_at") or host.get("updated_at") or host.get("snapshot_date")
    asn = table(host.get("autonomous_system")).get("asn")

    def one(service: object) -> Iterator[Claim]:
        if not isinstance(service, dict):
            raise GrammarError("is not an object", "write it as Censys does")
        port = port_of(service.get("port"))
        if port is None:
            raise GrammarError("has no port", "write a number from 1 to 65535")
        if not is_tcp(service.get("transport_protocol", service.get("transport"))):
            return
        kind = plain(service.get("service_name") or service.get("protocol"))
        told = Said(
            kind="address",
            seen_at=utc(service.get("scan_time") or service.get("observed_at")) or utc(seen),
            finding=_finding(kind, service),
            labels=labels(asn=asn, service=kind),
        )
        yield Claim(span, port, place, called, told)

    yield from each_of(services, one, "service")


def _finding(kind: str, service: Mapping[str, Any]) -> str:
    asked = table(service.get("mongodb"))
    if kind.upper() != "MONGODB" and not asked:
        return ""
    return mongodb("", table(asked.get("build_info")).get("version"))


def _of_v1(protocol: object) -> dict[str, Any]:
    """`27017/mongodb` as a service of today."""
    port, _, kind = plain(protocol).partition("/")
    return {"port": port, "service_name": kind, "transport": "udp" if kind in _OVER_UDP else "tcp"}


def _generation(record: Record) -> str:
    """Which of their forms it is: "v1", "v2", "Platform", "Universal"; "" where that does not show."""
    whole = record.value
    listed = items(whole.get("result"))
    for each in ({"hits": listed} if listed else table(whole.get("result")), whole):
        hits = items(each.get("hits")) or items(each.get("results"))
        value = table(hits[0]) if hits else each
        if "host_identifier" in value:
            return "Universal"
        if "resource" in value or "host_v1" in value or "resource" in table(value.get("host_v1")):
            return "Platform"
        host = _inner(value)
        if "protocols" in host:
            return "v1"
        service = table((items(host.get("services")) or [None])[0])
        if "service_name" in service:
            return "v2"
        if "protocol" in service or "scan_time" in service:
            return "Platform"
    return ""


def _is_host(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    if "ip" in value:
        return isinstance(value.get("services"), list) or isinstance(value.get("protocols"), list)
    return "host_v1" in value or "host_identifier" in value or _is_host(value.get("host"))


def _fits(record: Record) -> bool:
    value = record.value
    if not isinstance(value, dict):
        return False
    if "result" in value:
        result = value["result"]
        if isinstance(result, list):
            return all("resource" in table(each) for each in result[:1])
        return _is_host(result) or "resource" in table(result) or "hits" in table(result)
    listed = value.get("results")
    if isinstance(listed, list):
        return bool(listed) and _is_host(listed[0])
    return _is_host(value) or ("resource" in value and _is_host(value["resource"]))


RECORDS: Final = (RecordShape("Censys", _fits, _claims, _generation, frozenset({"hits"})),)
