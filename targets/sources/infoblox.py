"""Infoblox NIOS: its CSV export, where a row `header-TYPE` names the columns of the rows of that type below
it, and the JSON of its WAPI.

Types and columns: the CSV import reference of NIOS (docs.infoblox.com, "Infoblox CSV Import Reference");
required columns end with `*`, extensible attributes begin with `EA-`, and `EAInherited-` says only where one
came from. WAPI: objects network, networkcontainer, fixedaddress, range and record:host, with `extattrs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim, Said
from targets.grammar import GrammarError, parse_address, parse_span
from targets.sources.fields import CONTACTS, OWNERS, SITES, between, labels_of, network_of, text_of
from targets.sources.records import host_names
from targets.sources.shapes import ColumnShape, RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from targets.claims import SpanKind
    from targets.grammar import Span
    from targets.sources.json_stream import Record
    from targets.sources.shapes import Row

_HEADER = "header-"
_NETWORKS: dict[str, SpanKind] = {
    "network": "prefix",
    "ipv6network": "prefix",
    "networkcontainer": "container",
    "ipv6networkcontainer": "container",
}
_ADDRESSES = ("fixedaddress", "ipv6fixedaddress", "hostaddress", "ipv6hostaddress")


def _fits(header: Sequence[str]) -> bool:
    return header[:1] != [] and header[0].startswith(_HEADER)


def _read(row: Row, name: str) -> Iterator[Claim]:
    cells = {key.removesuffix("*"): text for key, text in row.cells.items()}
    first = next(iter(cells))
    of, type_ = first.removeprefix(_HEADER), cells[first].lower()
    if type_ != of:
        raise GrammarError(f"{type_[:40]!r} stands under {first}", f"write it below header-{type_[:40]}")
    attributes = {key.removeprefix("ea-"): text for key, text in cells.items() if key.startswith("ea-")}
    names = host_names([cells.get("fqdn") or cells.get("name") or cells.get("parent")])
    disabled = cells.get("disabled", "").lower() in ("true", "yes")
    said = _said(attributes, cells.get("network_view", ""), cells.get("comment", ""), disabled=disabled)
    for span, kind in _spans(of, cells):
        yield Claim(span, None, f"{name}:{row.line}", names, said._replace(kind=kind))


def _spans(type_: str, cells: Mapping[str, str]) -> Iterator[tuple[Span, SpanKind]]:
    """What a row of a type covers; nothing for types that are no addresses of ours, such as zones."""
    if type_ in _NETWORKS:
        mask = cells.get("netmask") or cells.get("cidr", "")
        yield network_of(cells.get("address", ""), mask), _NETWORKS[type_]
    elif type_ in ("dhcprange", "ipv6dhcprange"):
        yield between(cells.get("start_address", ""), cells.get("end_address", "")), "range"
    elif type_ in _ADDRESSES:
        yield parse_address(cells.get("ip_address") or cells.get("address", "")), "address"
    elif type_ == "hostrecord":
        for column in ("addresses", "ipv6_addresses"):
            for text in cells.get(column, "").split(","):
                if text.strip():
                    yield parse_address(text.strip()), "address"


def _said(attributes: Mapping[str, str], view: str, comment: str, *, disabled: bool) -> Said:
    """What attributes say; their names are whatever an organisation calls them, and are compared in small
    letters. Those that name owner, contact and site are no labels."""
    by_name = {key.lower(): text for key, text in attributes.items() if text}
    owner, contact, site = (
        next((name for name in known if name in by_name), "") for known in (OWNERS, CONTACTS, SITES)
    )
    others = ((key, text) for key, text in attributes.items() if key.lower() not in (owner, contact, site))
    return Said(
        owner=by_name.get(owner, ""),
        owner_by=f"attribute {owner}" if owner else "",
        contact=by_name.get(contact, ""),
        site=by_name.get(site, ""),
        labels=labels_of([*others, ("comment", comment)]),
        vrf="" if view.lower() == "default" else view,
        status="disabled" if disabled else "",
    )


def _fits_record(found: Record) -> bool:
    record = found.value
    return (
        found.envelope in ("", "result")
        and isinstance(record, dict)
        and isinstance(record.get("_ref"), str)
        and bool(record.keys() & {"network", "ipv4addr", "ipv6addr", "ipv4addrs", "ipv6addrs", "start_addr"})
    )


def _read_record(found: Record, name: str) -> Iterator[Claim]:
    record: Mapping[str, Any] = found.value
    extended = record.get("extattrs")
    held = extended.items() if isinstance(extended, dict) else ()
    said = _said(
        {str(key): text_of(value) for key, value in held},
        text_of(record.get("network_view")),
        text_of(record.get("comment")),
        disabled=record.get("disable") is True,
    )
    names = host_names([record.get("name")])
    for span, kind in _wapi_spans(record):
        yield Claim(span, None, f"{name}:{found.line}", names, said._replace(kind=kind))


def _wapi_spans(record: Mapping[str, Any]) -> Iterator[tuple[Span, SpanKind]]:
    """What an object covers. A fixed address and a range name their `network`, too."""
    if "start_addr" in record:
        yield between(record["start_addr"], record.get("end_addr")), "range"
        return
    found = False
    for key in ("ipv4addr", "ipv6addr", "ipv4addrs", "ipv6addrs"):
        value = record.get(key)
        for item in value if isinstance(value, list) else [value]:
            inner = (item.get("ipv4addr") or item.get("ipv6addr")) if isinstance(item, dict) else item
            if inner is not None:
                found = True
                yield parse_address(inner), "address"
    if not found and "network" in record:
        container = record["_ref"].partition("/")[0].endswith("networkcontainer")
        yield parse_span(record["network"]), "container" if container else "prefix"


INFOBLOX_CSV: Final = ColumnShape("Infoblox CSV", _fits, _read)
INFOBLOX: Final = RecordShape("Infoblox WAPI", _fits_record, _read_record, envelopes=frozenset({"result"}))
