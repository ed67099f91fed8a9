"""What the AWS command line lists of EC2: interfaces, elastic addresses, instances, subnets, VPCs, and
prefixes that were brought along.

Shapes: the EC2 service model (API version 2016-11-15), as `aws ec2 describe-… --output json` writes its
answers. Whose pool a public address is from (`IpOwnerId`, "amazon" or an account) is kept as a label and
proves nothing: the address is ours while an interface of ours has it. An elastic address without an
interface is ours too, with the status "unassociated". A terminated instance has no addresses any more,
whatever is listed. RDS and DocumentDB name their servers only; their addresses stand among the interfaces.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from targets.sources.fields import table, tables
from targets.sources.records import host_names
from targets.sources.resources import Resource, said_by, text
from targets.sources.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from targets.claims import Claim, Said
    from targets.sources.json_stream import Record

_REGION: Final = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-[0-9]{1,2}")
_GONE: Final = ("terminated", "shutting-down")


def _interfaces(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    lists = tables(record.get("PrivateIpAddresses"))
    associations = [table(record.get("Association")), *(table(each.get("Association")) for each in lists)]
    names = [record.get("PrivateDnsName"), *(each.get("PublicDnsName") for each in associations)]
    found = Resource(
        f"aws:{text(record.get('NetworkInterfaceId'))} ({line})",
        _said(
            record,
            status=text(record.get("Status")),
            ip_owner=next((text(each["IpOwnerId"]) for each in associations if each.get("IpOwnerId")), ""),
            interface_type=text(record.get("InterfaceType")).removeprefix("interface"),
            description=text(record.get("Description")),
            instance=text(table(record.get("Attachment")).get("InstanceId")),
        ),
        host_names(names),
    )
    vpc = text(record.get("VpcId"))
    private = [record.get("PrivateIpAddress"), *(each.get("PrivateIpAddress") for each in lists)]
    yield from found.claims(private, vrf=vpc)
    yield from found.claims(each.get("PublicIp") for each in associations)
    yield from found.claims(each.get("Ipv6Address") for each in tables(record.get("Ipv6Addresses")))
    for key, inner, vrf in (("Ipv4Prefixes", "Ipv4Prefix", vpc), ("Ipv6Prefixes", "Ipv6Prefix", "")):
        yield from found.claims((each.get(inner) for each in tables(record.get(key))), "prefix", vrf=vrf)


def _addresses(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    """The private address that it leads to stands among the interfaces, with its VPC."""
    used = bool(record.get("AssociationId") or record.get("InstanceId") or record.get("NetworkInterfaceId"))
    found = Resource(
        f"aws:{text(record.get('AllocationId') or record.get('PublicIp'))} ({line})",
        _said(
            record,
            status="associated" if used else "unassociated",
            instance=text(record.get("InstanceId")),
            interface=text(record.get("NetworkInterfaceId")),
            pool=text(record.get("PublicIpv4Pool")),
        ),
    )
    yield from found.claims([record.get("PublicIp"), record.get("CarrierIp")])


def _reservation(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    for instance in tables(record.get("Instances")):
        yield from _instance({"OwnerId": record.get("OwnerId"), **instance}, line)


def _instance(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    state = text(table(record.get("State")).get("Name"))
    if state in _GONE:
        return
    said = _said(record, status=state)
    names = host_names([record.get("PrivateDnsName"), record.get("PublicDnsName")])
    found = Resource(f"aws:{text(record.get('InstanceId'))} ({line})", said, names)
    public, private, six = [record.get("PublicIpAddress")], [record.get("PrivateIpAddress")], []
    six.append(record.get("Ipv6Address"))
    for interface in tables(record.get("NetworkInterfaces")):
        lists = tables(interface.get("PrivateIpAddresses"))
        private += [interface.get("PrivateIpAddress"), *(each.get("PrivateIpAddress") for each in lists)]
        public += [table(each.get("Association")).get("PublicIp") for each in (interface, *lists)]
        six += [each.get("Ipv6Address") for each in tables(interface.get("Ipv6Addresses"))]
    yield from found.claims(private, vrf=text(record.get("VpcId")))
    yield from found.claims((*public, *six))


def _subnet(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    said = _said(record, status=text(record.get("State")), vpc=text(record.get("VpcId")))
    found = Resource(f"aws:{text(record.get('SubnetId'))} ({line})", said)
    yield from found.claims([record.get("CidrBlock")], "prefix", vrf=text(record.get("VpcId")))
    yield from found.claims(_six(record), "prefix")


def _vpc(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    """A VPC holds subnets, so its prefixes are containers."""
    vpc = text(record.get("VpcId"))
    found = Resource(f"aws:{vpc} ({line})", _said(record, status=text(record.get("State"))))
    more = tables(record.get("CidrBlockAssociationSet"))
    four = [
        record.get("CidrBlock"),
        *(each.get("CidrBlock") for each in more if _is_in_use(each, "CidrBlockState")),
    ]
    yield from found.claims(four, "container", vrf=vpc)
    yield from found.claims(_six(record), "container")


def _brought(record: Mapping[str, Any], line: str) -> Iterator[Claim]:
    state = text(record.get("State"))
    if not state.startswith(("failed", "deprovisioned")):
        found = Resource(f"aws:{text(record.get('Cidr'))} ({line})", _said(record, status=state))
        yield from found.claims([record.get("Cidr")], "prefix")


def _six(record: Mapping[str, Any]) -> Iterator[object]:
    for each in tables(record.get("Ipv6CidrBlockAssociationSet")):
        if _is_in_use(each, "Ipv6CidrBlockState"):
            yield each.get("Ipv6CidrBlock")


def _is_in_use(association: Mapping[str, Any], key: str) -> bool:
    return text(table(association.get(key)).get("State")) in ("", "associated", "associating")


def _said(record: Mapping[str, Any], *, status: str, **labels: str) -> Said:
    """Interfaces call their tags TagSet, everything else Tags."""
    tags = {text(each.get("Key")): each.get("Value") for each in _tags(record)}
    account = next(
        (text(record[key]) for key in ("OwnerId", "NetworkInterfaceOwnerId") if record.get(key)), ""
    )
    zone = table(record.get("Placement")).get("AvailabilityZone") or record.get("AvailabilityZone")
    region = _REGION.match(text(zone or record.get("NetworkBorderGroup")))
    if region is None:
        region = _REGION.search(text(record.get("SubnetArn")))
    return said_by(
        tags,
        (account, "account"),
        site=region[0] if region else "",
        status=status,
        account=account,
        **labels,
    )


def _tags(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return tables(record.get("TagSet")) or tables(record.get("Tags"))


def _shape(
    what: str,
    envelope: str,
    keys: tuple[str, ...],
    read: Callable[[Mapping[str, Any], str], Iterator[Claim]],
) -> RecordShape:
    """A list of EC2's, known by the key of its list, or by what each of its records has."""

    def fits(found: Record) -> bool:
        record = found.value
        if not isinstance(record, dict):
            return False
        return (found.envelope == envelope and bool(envelope)) or all(key in record for key in keys)

    def claims(found: Record, name: str) -> Iterator[Claim]:
        return read(found.value, f"{name}:{found.line}")

    return RecordShape(f"AWS {what}", fits, claims, envelopes=frozenset({envelope} if envelope else ()))


AWS: Final = (
    _shape("network interfaces", "NetworkInterfaces", ("NetworkInterfaceId", "InterfaceType"), _interfaces),
    _shape("elastic addresses", "Addresses", ("PublicIp", "Domain"), _addresses),
    _shape("instances", "Reservations", ("ReservationId", "Instances"), _reservation),
    _shape("instances", "", ("InstanceId", "InstanceType"), _instance),
    _shape("subnets", "Subnets", ("SubnetId", "CidrBlock"), _subnet),
    _shape("VPCs", "Vpcs", ("VpcId", "CidrBlock", "DhcpOptionsId"), _vpc),
    _shape("prefixes of our own", "ByoipCidrs", ("Cidr", "State"), _brought),
)
