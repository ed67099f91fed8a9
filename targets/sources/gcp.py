"""What Google Cloud lists of Compute Engine: instances, addresses, subnetworks, networks and forwarding
rules.

Shapes: the Compute Engine API v1 (`kind: compute#…`), as `gcloud compute … list --format=json` writes its
records, and as the API answers to `list` and `aggregatedList`. Google's TERMINATED is a stopped instance,
which keeps its internal address; whatever has no address any more lists none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from targets.grammar import GrammarError, parse_port
from targets.sources.fields import items, table, tables
from targets.sources.resources import Resource, said_by, text
from targets.sources.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from targets.claims import Claim, Said
    from targets.sources.json_stream import Record

_PROJECT: Final = re.compile(r"/projects/([^/]+)/")
_ZONE: Final = re.compile(r"-[a-z]\Z")  # of a zone's name, behind its region
_MAX_PORTS: Final = 64  # of a forwarding rule, named one by one; a wider range is every port of the scope
_AGGREGATED: Final = re.compile(r"compute#\w+AggregatedList\Z")


def _instance(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    found = _resource(record, line, status=text(record.get("status")))
    for interface in tables(record.get("networkInterfaces")):
        network = _last(interface.get("network"))
        aliases = [each.get("ipCidrRange") for each in tables(interface.get("aliasIpRanges"))]
        yield from found.claims([interface.get("networkIP")], vrf=network)
        yield from found.claims(aliases, "prefix", vrf=network)
        yield from found.claims([interface.get("ipv6Address")])
        yield from found.claims(each.get("natIP") for each in tables(interface.get("accessConfigs")))
        outside = tables(interface.get("ipv6AccessConfigs"))
        yield from found.claims(each.get("externalIpv6") for each in outside)


def _address(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    """A reserved address is ours whether something uses it or not; one with a length is a range for peers."""
    internal = record.get("addressType") == "INTERNAL"
    found = _resource(
        record,
        line,
        status=text(record.get("status")),
        address_type=text(record.get("addressType")),
        purpose=text(record.get("purpose")),
        user=_last(next(iter(items(record.get("users"))), "")),
    )
    vrf = _last(record.get("network") or record.get("subnetwork")) if internal else ""
    length = record.get("prefixLength")
    if length and isinstance(record.get("address"), str):
        yield from found.claims([f"{record['address']}/{length}"], "prefix", vrf=vrf)
    else:
        yield from found.claims([record.get("address")], vrf=vrf)


def _subnetwork(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    found = _resource(record, line, purpose=text(record.get("purpose")))
    more = [each.get("ipCidrRange") for each in tables(record.get("secondaryIpRanges"))]
    network = _last(record.get("network"))
    yield from found.claims([record.get("ipCidrRange"), *more], "prefix", vrf=network)
    six = [record.get(key) for key in ("ipv6CidrRange", "internalIpv6Prefix", "externalIpv6Prefix")]
    yield from found.claims(six, "prefix")


def _network(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    found = _resource(record, line)
    yield from found.claims([record.get("IPv4Range")], "container", vrf=text(record.get("name")))
    yield from found.claims([record.get("internalIpv6Range")], "container")


def _rule(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    """A load balancer's address on the ports that it forwards over TCP."""
    scheme = text(record.get("loadBalancingScheme"))
    if text(record.get("IPProtocol") or "TCP") not in ("TCP", "L3_DEFAULT"):
        return
    found = _resource(record, line, scheme=scheme)
    address = record.get("IPAddress")
    kind = "prefix" if "/" in text(address) else "address"
    vrf = _last(record.get("network")) if scheme.startswith("INTERNAL") else ""
    for port in _ports(record):
        yield from found.claims([address], kind, port=port, vrf=vrf)  # type: ignore[arg-type]  # both are kinds


def _ports(record: Mapping[str, Any]) -> Iterator[int | None]:
    listed = [each for each in items(record.get("ports")) if isinstance(each, str)]
    first, _, last = text(record.get("portRange")).partition("-")
    if listed:
        yield from (parse_port(each) for each in listed[:_MAX_PORTS])
    elif first and not record.get("allPorts"):
        low, high = parse_port(first), parse_port(last or first)
        yield from range(low, high + 1) if high - low < _MAX_PORTS else (None,)
    else:
        yield None


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], Iterator[Claim]]]] = {
    "compute#instance": _instance,
    "compute#address": _address,
    "compute#subnetwork": _subnetwork,
    "compute#network": _network,
    "compute#forwardingRule": _rule,
}


def _aggregated(found: Record, name: str) -> Iterator[Claim]:
    """The API's answer over all zones: lists by kind, in tables by zone."""
    for zone in table(found.value.get("items")).values():
        for listed in table(zone).values():
            for record in tables(listed):
                read = _READERS.get(text(record.get("kind")))
                if read is None:
                    raise GrammarError(
                        "lists what has no address", "list instances, addresses or subnetworks"
                    )
                yield from read(record, f"{name}:{found.line}")


def _resource(record: Mapping[str, Any], line: str, *, status: str = "", **labels: str) -> Resource:
    link = text(record.get("selfLink"))
    project = found[1] if (found := _PROJECT.search(link)) else ""
    region = _last(record.get("region")) or _ZONE.sub("", _last(record.get("zone")))
    said: Said = said_by(
        table(record.get("labels")),
        (project, "project"),
        word="label",
        site=region,
        status=status,
        account=project,
        **labels,
    )
    kind = text(record.get("kind")).partition("#")[2]
    where = "/".join(part for part in (project, kind, text(record.get("name"))) if part)
    return Resource(f"gcp:{where} ({line})", said)


def _last(link: object) -> str:
    """The name at the end of a resource's address."""
    return text(link).rpartition("/")[2]


def _kind(found: Record) -> str:
    return text(found.value.get("kind")) if isinstance(found.value, dict) else ""


GCP: Final = (
    RecordShape(
        "Google Cloud resources",
        lambda found: _kind(found) in _READERS,
        lambda found, name: _READERS[_kind(found)](found.value, f"{name}:{found.line}"),
        envelopes=frozenset({"items"}),
    ),
    RecordShape(
        "Google Cloud aggregated list",
        lambda found: _AGGREGATED.match(_kind(found)) is not None,
        _aggregated,
    ),
)
