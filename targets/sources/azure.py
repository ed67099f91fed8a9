"""What Azure lists: public addresses and prefixes, network interfaces, virtual machines and networks.

Shapes: Microsoft.Network and Microsoft.Compute as the `az` command line writes them (properties flattened),
as Resource Graph (`az graph query`, in `data`) and the REST interface (in `value`) answer, with
`properties` inside. Keys are compared without case: releases of `az` differ in `privateIPAddress` and
`privateIpAddress`. A public address that is not allocated has none, and makes no claim.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from targets.sources.fields import items, table, tables
from targets.sources.records import host_names
from targets.sources.resources import Resource, said_by, text
from targets.sources.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from targets.claims import Claim
    from targets.sources.json_stream import Record

_ID: Final = re.compile(
    r"/subscriptions/([^/]+)/resourcegroups/([^/]+)/providers/(microsoft\.\w+/\w+)/([^/]+)\Z", re.IGNORECASE
)
_VRF: Final = re.compile(r"/virtualnetworks/([^/]+)", re.IGNORECASE)


def _fits(found: Record) -> bool:
    """A resource says its type or its id; `az vm list-ip-addresses` writes a virtualMachine alone."""
    record = found.value
    if not isinstance(record, dict):
        return False
    machine = table(record.get("virtualMachine"))
    return (
        text(record.get("type")).lower().startswith(("microsoft.network/", "microsoft.compute/"))
        or _ID.match(text(record.get("id"))) is not None
        or isinstance(machine.get("network"), dict)
    )


def _read(found: Record, name: str) -> Iterator[Claim]:
    record, line = found.value, f"{name}:{found.line}"
    machine = table(record.get("virtualMachine"))
    if isinstance(machine.get("network"), dict):
        yield from _machine(machine, line)
        return
    flat = _flat(record)
    resource = _resource(flat, line)
    address = flat.get("ipaddress")
    if isinstance(address, str):
        yield from resource.claims([address])
    yield from resource.claims([flat.get("ipprefix")], "prefix")
    for each in map(_flat, tables(flat.get("ipconfigurations"))):
        yield from resource.claims([each.get("privateipaddress")], vrf=_network_of(each.get("subnet")))
        yield from resource.claims([_flat(table(each.get("publicipaddress"))).get("ipaddress")])
    for key in ("publicips", "privateips"):  # of `az vm list --show-details`, with commas between
        yield from resource.claims(part.strip() for part in text(flat.get(key)).split(","))
    yield from _network(flat, resource, text(flat.get("name")))


def _network(flat: Mapping[str, Any], resource: Resource, name: str) -> Iterator[Claim]:
    """A virtual network's address space holds its subnets."""
    space = items(_flat(table(flat.get("addressspace"))).get("addressprefixes"))
    yield from resource.claims(space, "container", vrf=name)
    for subnet in map(_flat, tables(flat.get("subnets"))):
        several = items(subnet.get("addressprefixes"))
        yield from resource.claims(several or [subnet.get("addressprefix")], "prefix", vrf=name)


def _machine(machine: Mapping[str, Any], line: str) -> Iterator[Claim]:
    """`az vm list-ip-addresses` knows a machine by its name and group."""
    network = table(machine.get("network"))
    group, name = text(machine.get("resourceGroup")), text(machine.get("name"))
    said = said_by({}, (group, "resource group"), resource_group=group)
    resource = Resource(f"azure:{group}/{name} ({line})", said, host_names([name]))
    yield from resource.claims(items(network.get("privateIpAddresses")))
    public = tables(network.get("publicIpAddresses"))
    yield from resource.claims(each.get("ipAddress") for each in public)


def _resource(flat: Mapping[str, Any], line: str) -> Resource:
    found = _ID.match(text(flat.get("id")))
    subscription = found[1] if found else text(flat.get("subscriptionid"))
    group = found[2] if found else text(flat.get("resourcegroup"))
    said = said_by(
        table(flat.get("tags")),
        (subscription, "subscription"),
        site=text(flat.get("location")),
        status=text(flat.get("provisioningstate")),
        account=subscription,
        resource_group=group,
        user=_name_of(flat.get("ipconfiguration")) or _name_of(flat.get("virtualmachine")),
    )
    name = text(flat.get("name")) or (found[4] if found else "")
    dns = text(table(flat.get("dnssettings")).get("fqdn"))
    return Resource(f"azure:{'/'.join(filter(None, (group, name)))} ({line})", said, host_names([dns]))


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a resource and of its properties, in small letters."""
    return {
        key.lower(): value
        for key, value in (*table(record.get("properties")).items(), *record.items())
        if isinstance(key, str)
    }


def _name_of(link: object) -> str:
    return text(table(link).get("id")).rpartition("/")[2]


def _network_of(subnet: object) -> str:
    found = _VRF.search(text(table(subnet).get("id")))
    return found[1] if found else ""


AZURE: Final = (RecordShape("Azure resources", _fits, _read, envelopes=frozenset({"data", "value"})),)
