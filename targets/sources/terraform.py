"""What Terraform and OpenTofu keep: the state as JSON (`show -json`), its file (`terraform.tfstate`), and
outputs.

Shapes: HashiCorp's "JSON Output Format" (format_version 1.x) and state file version 4. A state holds
passwords: only the attributes that `ADDRESSES` names are read, of resource types that it knows, and tags;
nothing else of a record reaches a claim. Data sources are left out, as what they look up need not be ours;
so are outputs that are marked as sensitive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from targets.grammar import GrammarError, parse_span
from targets.sources.fields import items, table, tables
from targets.sources.resources import Resource, said_by, text
from targets.sources.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from targets.claims import Claim, SpanKind
    from targets.sources.json_stream import Record

_MACHINE_OF_GOOGLE: Final = (
    "network_interface.network_ip",
    "network_interface.ipv6_address",
    "network_interface.access_config.nat_ip",
    "network_interface.ipv6_access_config.external_ipv6",
)
_MACHINE_OF_AZURE: Final = ("private_ip_addresses", "public_ip_addresses")
ADDRESSES: Final[Mapping[str, tuple[str, ...]]] = {
    "aws_instance": ("private_ip", "secondary_private_ips", "public_ip", "ipv6_addresses"),
    "aws_spot_instance_request": ("private_ip", "public_ip", "ipv6_addresses"),
    "aws_eip": ("public_ip", "private_ip"),
    "aws_network_interface": ("private_ips", "ipv6_addresses"),
    "aws_lightsail_instance": ("private_ip_address", "public_ip_address", "ipv6_addresses"),
    "aws_subnet": ("cidr_block", "ipv6_cidr_block"),
    "aws_vpc": ("cidr_block", "ipv6_cidr_block"),
    "aws_vpc_ipv4_cidr_block_association": ("cidr_block",),
    "google_compute_instance": _MACHINE_OF_GOOGLE,
    "google_compute_address": ("address",),
    "google_compute_global_address": ("address",),
    "google_compute_forwarding_rule": ("ip_address",),
    "google_compute_global_forwarding_rule": ("ip_address",),
    "google_compute_subnetwork": (
        "ip_cidr_range",
        "secondary_ip_range.ip_cidr_range",
        "ipv6_cidr_range",
        "external_ipv6_prefix",
        "internal_ipv6_prefix",
    ),
    "azurerm_public_ip": ("ip_address",),
    "azurerm_public_ip_prefix": ("ip_prefix",),
    "azurerm_network_interface": ("private_ip_addresses",),
    "azurerm_linux_virtual_machine": _MACHINE_OF_AZURE,
    "azurerm_windows_virtual_machine": _MACHINE_OF_AZURE,
    "azurerm_virtual_network": ("address_space",),
    "azurerm_subnet": ("address_prefixes",),
    "openstack_compute_instance_v2": ("access_ip_v4", "network.fixed_ip_v4", "network.fixed_ip_v6"),
    "openstack_compute_floatingip_v2": ("address",),
    "openstack_networking_floatingip_v2": ("address",),
    "openstack_networking_port_v2": ("all_fixed_ips",),
    "openstack_networking_subnet_v2": ("cidr",),
    "digitalocean_droplet": ("ipv4_address", "ipv4_address_private", "ipv6_address"),
    "digitalocean_reserved_ip": ("ip_address",),
    "digitalocean_floating_ip": ("ip_address",),
    "digitalocean_vpc": ("ip_range",),
    "hcloud_server": ("ipv4_address", "ipv6_address", "network.ip"),
    "hcloud_floating_ip": ("ip_address",),
    "hcloud_primary_ip": ("ip_address",),
    "hcloud_network": ("ip_range",),
    "hcloud_network_subnet": ("ip_range",),
    "linode_instance": ("ipv4", "ipv6"),
    "oci_core_instance": ("private_ip", "public_ip"),
    "oci_core_subnet": ("cidr_block",),
    "oci_core_vcn": ("cidr_blocks",),
    "vsphere_virtual_machine": ("guest_ip_addresses",),
    "vultr_instance": ("main_ip", "internal_ip", "v6_main_ip"),
}
"""By the type of a resource, its attributes with addresses; a dot leads into a block, or each of a list."""

_CONTAINERS: Final = frozenset(
    {"aws_vpc", "azurerm_virtual_network", "digitalocean_vpc", "hcloud_network", "oci_core_vcn"}
)
_ALONE: Final = frozenset({"linode_instance", "hcloud_server"})  # write an address with its network's length
_REGIONS: Final = ("region", "location", "availability_zone", "zone")
_DEEPEST: Final = 64  # modules in modules


def _state(found: Record, name: str) -> Iterator[Claim]:
    """`terraform show -json`: of a state, or of a plan, whose prior state is what there is."""
    document = found.value
    if "prior_state" in document:
        document = table(document["prior_state"])
    root = table(table(document.get("values")).get("root_module"))
    yield from _module(root, f"{name}:{found.line}", _DEEPEST)


def _module(module: Mapping[str, Any], line: str, deepest: int) -> Iterator[Claim]:
    for resource in tables(module.get("resources")):
        if resource.get("mode") == "managed":
            address = text(resource.get("address"))
            yield from _resource(text(resource.get("type")), address, table(resource.get("values")), line)
    for child in tables(module.get("child_modules")) if deepest else ():
        yield from _module(child, line, deepest - 1)


def _file(found: Record, name: str) -> Iterator[Claim]:
    """A resource of a state file, with an instance for each of its `count` or `for_each`."""
    record = found.value
    if record.get("mode") != "managed":
        return
    kind = text(record.get("type"))
    parts = (text(record.get("module")), kind, text(record.get("name")))
    for instance in tables(record.get("instances")):
        key = instance.get("index_key")
        address = ".".join(filter(None, parts)) + (f"[{key}]" if isinstance(key, (int, str)) else "")
        yield from _resource(kind, address, table(instance.get("attributes")), f"{name}:{found.line}")


def _resource(kind: str, address: str, attributes: Mapping[str, Any], line: str) -> Iterator[Claim]:
    paths = ADDRESSES.get(kind)
    if paths is None:
        return
    tags = attributes.get("tags_all") or attributes.get("tags") or attributes.get("labels")
    region = next((text(attributes[key]) for key in _REGIONS if text(attributes.get(key))), "")
    account = text(attributes.get("owner_id")) or text(attributes.get("project"))
    said = said_by(table(tags), (account, "account"), site=region, resource_type=kind)
    found = Resource(f"terraform:{address[:200]} ({line})", said)
    once: dict[str, None] = {}
    for path in paths:
        once |= dict.fromkeys(each for each in _at([attributes], path.split(".")) if each)
    for each in once:
        one = each.partition("/")[0] if kind in _ALONE else each
        span: SpanKind = "container" if kind in _CONTAINERS else "prefix" if "/" in one else "address"
        yield from found.claims([one], span)


def _at(listed: list[Any], path: list[str]) -> Iterator[str]:
    """The texts at a path, in every element of the lists on the way."""
    for each in listed:
        found = table(each).get(path[0]) if path else each
        if path:
            yield from _at(found if isinstance(found, list) else [found], path[1:])
        elif isinstance(found, str):
            yield found


def _outputs(found: Record, name: str) -> Iterator[Claim]:
    """`terraform output -json`: texts that are addresses or prefixes, in lists and tables too."""
    for key, output in found.value.items():
        if output.get("sensitive"):
            continue
        where = Resource(f"terraform:output.{key[:200]} ({name}:{found.line})", said_by({}))
        for each in _texts(output.get("value"), 8):
            try:
                parse_span(each)
            except GrammarError:
                continue
            yield from where.claims([each], "prefix" if "/" in each else "address")


def _texts(value: object, deepest: int) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)) and deepest:
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each, deepest - 1)


def _is_state(found: Record) -> bool:
    record = found.value
    return isinstance(record, dict) and "format_version" in record and "terraform_version" in record


def _is_in_file(found: Record) -> bool:
    record = found.value
    if not isinstance(record, dict):
        return False
    of_file = found.envelope == "resources" and "terraform_version" in found.document
    return of_file or (isinstance(record.get("instances"), list) and "mode" in record and "type" in record)


def _is_output(found: Record) -> bool:
    record = found.value
    outputs = items(list(record.values())) if isinstance(record, dict) else []
    return bool(outputs) and all(
        isinstance(each, dict) and {"sensitive", "type", "value"} <= each.keys() for each in outputs
    )


def _version(found: Record) -> str:
    own = found.value.get("terraform_version")
    return text(own or found.document.get("terraform_version"))


TERRAFORM: Final = (
    RecordShape("Terraform state", _is_state, _state, _version),
    RecordShape("Terraform state file", _is_in_file, _file, _version, frozenset({"resources"})),
    RecordShape("Terraform outputs", _is_output, _outputs),
)
