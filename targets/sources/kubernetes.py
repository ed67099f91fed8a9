"""What `kubectl get -o json` lists of a cluster: services, nodes, pods and endpoints.

Shapes: the Kubernetes API, v1 and discovery.k8s.io/v1; lists of one kind and of several. A service's
addresses are claimed on its TCP ports: its cluster addresses in a network of their own ("cluster"), as only
the cluster routes them. A node port is on every node's address, and services stand before the nodes: so it
is a label of its service, and a node is claimed on every port that the scope asks. Give that port to the
entry of the nodes (`ports`) to have it asked. A pod that has ended has no address any more, whatever is
listed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from targets.sources.fields import items, table, tables
from targets.sources.records import host_names
from targets.sources.resources import Resource, said_by, text
from targets.sources.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from targets.claims import Claim
    from targets.sources.json_stream import Record

CLUSTER: Final = "cluster"  # the network of addresses that exist inside of a cluster only
_REGIONS: Final = ("topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region")
_ENDED: Final = ("Succeeded", "Failed")


def _service(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    spec, status = table(record.get("spec")), table(record.get("status"))
    ports = tables(spec.get("ports"))
    found = _resource(
        record,
        "service",
        line,
        service_type=text(spec.get("type")),
        target_ports=_joined(each.get("targetPort") for each in ports),
        node_ports=_joined(each.get("nodePort") for each in ports),
    )
    inside = items(spec.get("clusterIPs")) or [spec.get("clusterIP")]
    outside = [each.get("ip") for each in tables(table(status.get("loadBalancer")).get("ingress"))]
    outside += items(spec.get("externalIPs"))
    for port in _tcp(ports):
        yield from found.claims((each for each in inside if each != "None"), port=port, vrf=CLUSTER)
        yield from found.claims(outside, port=port)


def _node(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    spec, listed = table(record.get("spec")), tables(table(record.get("status")).get("addresses"))
    found = _resource(record, "node", line, provider=text(spec.get("providerID")))
    found = found._replace(
        names=host_names([each.get("address") for each in listed if not _is_address(each)])
    )
    yield from found.claims(each.get("address") for each in listed if _is_address(each))
    pods = items(spec.get("podCIDRs")) or [spec.get("podCIDR")]
    yield from found.claims(pods, "container", vrf=CLUSTER)


def _is_address(listed: Mapping[str, Any]) -> bool:
    return listed.get("type") in ("InternalIP", "ExternalIP")


def _pod(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    spec, status = table(record.get("spec")), table(record.get("status"))
    phase = text(status.get("phase"))
    if phase in _ENDED:
        return
    found = _resource(record, "pod", line, phase, node=text(spec.get("nodeName")))
    several = [each.get("ip") for each in tables(status.get("podIPs"))]
    yield from found.claims(several or [status.get("podIP")])


def _slice(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    """Addresses and ports of the pods behind a service; a slice may name host names instead."""
    if record.get("addressType") == "FQDN":
        return
    found = _resource(record, "endpointslice", line)
    for port in _tcp(tables(record.get("ports"))):
        for endpoint in tables(record.get("endpoints")):
            yield from found.claims(items(endpoint.get("addresses")), port=port)


def _endpoints(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    found = _resource(record, "endpoints", line)
    for subset in tables(record.get("subsets")):
        for port in _tcp(tables(subset.get("ports"))):
            yield from found.claims((e.get("ip") for e in tables(subset.get("addresses"))), port=port)


def _tcp(ports: list[Mapping[str, Any]]) -> Iterator[int | None]:
    """The TCP ports that are named; None for every port, where none is."""
    if not ports:
        yield None
    for each in ports:
        number = each.get("port")
        if each.get("protocol") in (None, "TCP") and (number is None or type(number) is int):
            yield number if number is None or 1 <= number <= 65535 else None


def _joined(numbers: Iterable[object]) -> str:
    return ",".join(str(each) for each in numbers if isinstance(each, (int, str)) and each)


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any], str], Iterator[Claim]]]] = {
    "Service": _service,
    "Node": _node,
    "Pod": _pod,
    "EndpointSlice": _slice,
    "Endpoints": _endpoints,
}


def _resource(record: Mapping[str, Any], kind: str, line: str, status: str = "", **labels: str) -> Resource:
    """Who owns an object by its labels, then by its annotations, then by its namespace."""
    meta = table(record.get("metadata"))
    tags, notes = table(meta.get("labels")), table(meta.get("annotations"))
    namespace, name = text(meta.get("namespace")), text(meta.get("name"))
    region = next((text(tags[key]) for key in _REGIONS if key in tags), "")
    by_note = said_by(notes, (namespace, "namespace"), word="annotation")
    said = said_by(
        tags,
        (by_note.owner, by_note.owner_by),
        word="label",
        site=region,
        status=status,
        namespace=namespace,
        **labels,
    )
    if not said.contact:
        said = said._replace(contact=by_note.contact)
    return Resource(f"kubernetes:{namespace or kind}/{name} ({line})", said)


def _kind(found: Record) -> str:
    """Of an object; in a list of one kind the API leaves it out, and the list's says it."""
    if not isinstance(found.value, dict) or not isinstance(found.value.get("metadata"), dict):
        return ""
    if "spec" not in found.value and "status" not in found.value and "kind" not in found.value:
        return ""
    own = text(found.value.get("kind"))
    return own or (text(found.document.get("kind")).removesuffix("List") if found.envelope else "")


def _read(found: Record, name: str) -> Iterator[Claim]:
    """An object of a kind that has no address makes no claim, and is no fault of its list."""
    read = _READERS.get(_kind(found))
    return read(found.value, f"{name}:{found.line}") if read is not None else iter(())


KUBERNETES: Final = (
    RecordShape(
        "Kubernetes objects",
        lambda found: bool(_kind(found)) and not _kind(found).startswith("compute#"),
        _read,
        lambda found: text(found.value.get("apiVersion") or found.document.get("apiVersion")),
        envelopes=frozenset({"items"}),
    ),
)
