"""NetBox: prefixes, aggregates, ranges, addresses and services, as its REST API tells them in JSON.

Fields: netbox/ipam/api/serializers_ of netbox-community/netbox, 2.x to 4.6. Choices were numbers with a label
before 2.7, `family` a number in 2.x; prefixes had `site` before 4.2 and have `scope` since; `owner` is there
since 4.5, and who that is differs from the tenant (docs/features/resource-ownership.md there).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from targets.claims import Claim, Said
from targets.grammar import BITS, GrammarError, parse_address, parse_port, parse_span
from targets.sources.fields import between, labels_of, text_of
from targets.sources.records import host_names
from targets.sources.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from targets.claims import SpanKind
    from targets.grammar import Span
    from targets.sources.json_stream import Record

_OF_PREFIX = {"status", "vrf", "tenant", "role", "scope_type", "site", "rir", "is_pool", "custom_fields"}
_OF_ADDRESS = {"vrf", "assigned_object_type", "assigned_object", "nat_inside", "dns_name", "custom_fields"}
_OF_RANGE = {"status", "vrf", "family", "size", "custom_fields"}
_SITE = "dcim.site"


class Assigned(NamedTuple):
    """A contact that NetBox assigns to an object, in the role that answers for networks."""

    name: str
    reach: str  # an e-mail address, or what else there is


class Naming(NamedTuple):
    """Which of NetBox's fields name owner and contact, beside those that every NetBox has."""

    owner_field: str = ""  # a custom field
    contact_field: str = ""  # a custom field
    contact_role: str = ""
    contacts: Mapping[tuple[str, int], Assigned] = {}  # by type and id, such as ("ipam.prefix", 12)


NOTHING_NAMED: Final = Naming()


class Kind(NamedTuple):
    """A kind of object: its path in the API, its type as others refer to it, and where it is."""

    path: str
    type: str
    said: SpanKind
    span: Callable[[Mapping[str, Any]], Span]


def _prefix(record: Mapping[str, Any]) -> Span:
    return parse_span(record["prefix"])


def _host(text: object) -> str:
    """The address of `10.1.2.3/24`, which is one host: the mask is its network's. Raises GrammarError."""
    if not isinstance(text, str):
        raise GrammarError(f"{text!r} is no address", "export the list from NetBox once more")
    address, slash, length = text.partition("/")
    if slash and not (length.isdigit() and len(length) <= 3 and int(length) <= BITS[6]):
        raise GrammarError(f"{text[:100]!r} is no address with a mask", "export the list once more")
    return address


def _address(record: Mapping[str, Any]) -> Span:
    return parse_address(_host(record["address"]))


def _range(record: Mapping[str, Any]) -> Span:
    return between(_host(record["start_address"]), _host(record["end_address"]))


AGGREGATE: Final = Kind("aggregates", "ipam.aggregate", "container", _prefix)
PREFIX: Final = Kind("prefixes", "ipam.prefix", "prefix", _prefix)
RANGE: Final = Kind("ip-ranges", "ipam.iprange", "range", _range)
ADDRESS: Final = Kind("ip-addresses", "ipam.ipaddress", "address", _address)


def kind_of(record: Mapping[str, Any]) -> Kind | None:
    """Which kind of object a record is, by its fields; None for none that stands for addresses."""
    keys = record.keys()
    if "prefix" in keys and keys & _OF_PREFIX:
        return AGGREGATE if "rir" in keys else PREFIX
    if "start_address" in keys and "end_address" in keys and keys & _OF_RANGE:
        return RANGE
    if "address" in keys and keys & _OF_ADDRESS:
        return ADDRESS
    return None


def claim_of(record: Mapping[str, Any], kind: Kind, place: str, naming: Naming = NOTHING_NAMED) -> Claim:
    """The claim of an object. Raises GrammarError where it has no addresses that can be read.

    Owner: `owner`, then the assigned contact, then the custom field, then the tenant. Where none of them is
    given it stays "": the owner of the prefix around it comes next, which only a reader of all prefixes
    knows, and the site after that.
    """
    span = kind.span(record)
    owner, owner_by = _owner(record, kind, naming)
    status = _choice(record.get("status"))
    return Claim(
        span,
        None,
        place,
        host_names([record.get("dns_name")]),
        Said(
            kind="container" if status == "container" else kind.said,
            owner=owner,
            owner_by=owner_by,
            contact=_contact(record, kind, naming),
            site=_site(record),
            labels=labels_of(_labels(record, owner_by)),
            vrf=vrf_of(record),
            status=status,
        ),
    )


def vrf_of(record: Mapping[str, Any]) -> str:
    """The name of the VRF; "" is the global table."""
    return text_of(record.get("vrf"))


def fields_of(kind: Kind) -> str:
    """The fields that `claim_of` reads, as the parameter `fields` of the API takes them."""
    own = {
        AGGREGATE: "prefix,rir",
        PREFIX: "prefix,vrf,status,role,site,scope_type,scope",
        RANGE: "start_address,end_address,vrf,status,role",
        ADDRESS: "address,vrf,status,role,dns_name,assigned_object_type,assigned_object",
    }[kind]
    return f"id,{own},owner,tenant,tags,custom_fields"


def _owner(record: Mapping[str, Any], kind: Kind, naming: Naming) -> tuple[str, str]:
    if owner := text_of(record.get("owner")):
        return owner, "owner"
    if assigned := _assigned(naming, kind.type, record.get("id")):
        return assigned.name, f"contact {naming.contact_role}"
    if owner := _custom(record, naming.owner_field):
        return owner, f"custom field {naming.owner_field}"
    if owner := text_of(record.get("tenant")):
        return owner, "tenant"
    return "", ""


def _contact(record: Mapping[str, Any], kind: Kind, naming: Naming) -> str:
    """The contact assigned to the object, the one in its custom field, or that of its tenant or site."""
    if assigned := _assigned(naming, kind.type, record.get("id")):
        return assigned.reach
    if contact := _custom(record, naming.contact_field) or text_of(record.get("contacts")):
        return contact
    site = record.get("site") or (record.get("scope") if record.get("scope_type") == _SITE else None)
    for type_, holder in (("tenancy.tenant", record.get("tenant")), (_SITE, site)):
        if isinstance(holder, dict) and (assigned := _assigned(naming, type_, holder.get("id"))):
            return assigned.reach
    return ""


def _assigned(naming: Naming, type_: str, number: object) -> Assigned | None:
    return naming.contacts.get((type_, number)) if isinstance(number, int) else None


def _custom(record: Mapping[str, Any], field: str) -> str:
    fields = record.get("custom_fields")
    return text_of(fields.get(field)) if field and isinstance(fields, dict) else ""


def _site(record: Mapping[str, Any]) -> str:
    if site := text_of(record.get("site")):
        return site
    return text_of(record.get("scope")) if record.get("scope_type") in (_SITE, "", None) else ""


def _choice(value: object) -> str:
    """A choice in small letters: its value, or its label where the value is a number, as before 2.7."""
    if isinstance(value, dict):
        value = value["value"] if isinstance(value.get("value"), str) else value.get("label")
    return text_of(value).lower()


def _labels(record: Mapping[str, Any], owner_by: str) -> Iterator[tuple[str, str]]:
    yield "role", text_of(record.get("role"))
    if owner_by != "tenant":
        yield "tenant", text_of(record.get("tenant"))
    tags = record.get("tags")
    if isinstance(tags, list):
        yield "tags", ",".join(text for tag in tags if (text := text_of(tag)))
    if record.get("scope_type") not in (_SITE, "", None):
        yield str(record["scope_type"]).rpartition(".")[2], text_of(record.get("scope"))
    stands_on = record.get("assigned_object")
    if isinstance(stands_on, dict):
        for key in ("device", "virtual_machine"):
            yield key, text_of(stands_on.get(key))
    fields = record.get("custom_fields")
    if isinstance(fields, dict):
        for key, value in fields.items():
            yield str(key), text_of(value)


def _place(found: Record, name: str, path: str) -> str:
    number = found.value.get("id")
    place = f"{name}:{found.line}"
    return f"netbox:{path}/{number} ({place})" if isinstance(number, int) else place


def _fits(found: Record) -> bool:
    return (
        found.envelope in ("", "results")
        and isinstance(found.value, dict)
        and (kind_of(found.value) is not None or _is_service(found.value))
    )


def _read(found: Record, name: str) -> Iterator[Claim]:
    kind = kind_of(found.value)
    if kind is not None:
        yield claim_of(found.value, kind, _place(found, name, kind.path))
    else:
        yield from _service(found.value, _place(found, name, "services"))


def _is_service(record: Mapping[str, Any]) -> bool:
    return "ipaddresses" in record and ("ports" in record or "port" in record)


def _service(record: Mapping[str, Any], place: str) -> Iterator[Claim]:
    """Where a service is said to listen; one without addresses listens on all of its host, which it does not
    name. Before 2.10 it had one `port`."""
    if _choice(record.get("protocol")) not in ("tcp", ""):
        return
    ports = record.get("ports") or [record.get("port")]
    addresses = record.get("ipaddresses")
    if not isinstance(ports, list) or not isinstance(addresses, list):
        raise GrammarError("is a service without ports and addresses", "export the list once more")
    owner = text_of(record.get("owner"))
    labels = labels_of([("service", text_of(record.get("name")))])
    said = Said("address", owner, "owner" if owner else "", labels=labels)
    for item in addresses:
        span = parse_address(_host(item.get("address") if isinstance(item, dict) else item))
        for port in ports:
            yield Claim(span, parse_port(str(port)), place, (), said)


def _version(found: Record) -> str:
    record = found.value
    if "owner" in record:
        return "4.5 or newer"
    if "scope_type" in record:
        return "4.2 or newer"
    if isinstance(record.get("family"), int):
        return "2.x"
    return "before 4.2" if "site" in record else ""


NETBOX: Final = RecordShape("NetBox", _fits, _read, _version, frozenset({"results"}))
