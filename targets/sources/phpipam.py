"""phpIPAM: subnets and addresses, as its export writes them (a sheet that people save as CSV) and as its API
answers.

Columns: export-subnets.php and export-ipaddr.php in app/admin/import-export, and export-subnet.php in
app/subnets/addresses of phpipam/phpipam; the API: api/controllers there; tags: ipTags in db/SCHEMA.sql.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim, Said
from targets.grammar import GrammarError, parse_address, parse_span
from targets.sources.fields import labels_of, network_of, text_of
from targets.sources.records import host_names
from targets.sources.shapes import ColumnShape, RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from targets.sources.json_stream import Record
    from targets.sources.shapes import Row

_TAGS = {"1": "offline", "2": "used", "3": "reserved", "4": "dhcp"}  # whoever runs it may add others
_OF_SUBNET = {"master subnet", "vlan domain", "host check", "requests", "discover", "section"}
_OF_ADDRESS = {"section", "mac", "gateway", "hostname", "fw object"}
_KEPT = ("section", "description", "device", "location", "note")  # as labels, where they say something
_FOLDER = (" (folder)", " [folder]")
_STANDARD = frozenset(
    (*_KEPT, *_OF_SUBNET, *_OF_ADDRESS, "subnet", "ip address", "owner", "vrf", "vlan", "tag", "state")
) | {"port", "last seen", ""}
"""Columns of every phpIPAM; the others are custom fields."""


def _fits(header: Sequence[str]) -> bool:
    names = set(header)
    if "ip address" in names:
        return len(names & _OF_ADDRESS) > 1
    return "subnet" in names and len(names & _OF_SUBNET) > 1


def _read(row: Row, name: str) -> Iterator[Claim]:
    cells = row.cells
    address, subnet = cells.get("ip address", ""), cells.get("subnet", "")
    if not address and subnet.endswith(_FOLDER):  # holds subnets, and no addresses of its own
        return
    if not address and "ip address" in cells:
        raise GrammarError("has no address", "export the addresses once more")
    vrf = cells.get("vrf", "")
    custom = ((key, text) for key, text in cells.items() if key not in _STANDARD)
    said = Said(
        kind="address" if address else "prefix",
        owner=cells.get("owner", ""),
        owner_by="owner" if cells.get("owner") else "",
        labels=labels_of([*((key, text_of(cells.get(key))) for key in _KEPT), *custom]),
        vrf="" if vrf == "default" else vrf,
        status=cells.get("tag", "").lower(),
    )
    span = parse_address(address) if address else parse_span(subnet)
    yield Claim(span, None, f"{name}:{row.line}", host_names([cells.get("hostname")]), said)


def _fits_record(found: Record) -> bool:
    record = found.value
    if found.envelope not in ("", "data") or not isinstance(record, dict):
        return False
    return {"subnet", "mask", "sectionId"} <= record.keys() or {"ip", "subnetId"} <= record.keys()


def _read_record(found: Record, name: str) -> Iterator[Claim]:
    record: Mapping[str, Any] = found.value
    if "ip" in record:
        tag = text_of(record.get("tag", record.get("state")))
        owner = text_of(record.get("owner"))
        yield Claim(
            parse_address(record["ip"]),
            None,
            _place(found, name, "addresses"),
            host_names([record.get("hostname")]),
            Said(
                kind="address",
                owner=owner,
                owner_by="owner" if owner else "",
                site=_site(record),
                labels=labels_of(_labels(record)),
                status=_TAGS.get(tag, tag),
            ),
        )
    elif text_of(record.get("isFolder")) not in ("1", "true"):
        vrf = text_of(record.get("vrfId"))
        yield Claim(
            network_of(record["subnet"], text_of(record["mask"])),
            None,
            _place(found, name, "subnets"),
            (),
            Said(
                kind="prefix",
                site=_site(record),
                labels=labels_of(_labels(record)),
                vrf="" if vrf == "0" else vrf,
            ),
        )


def _place(found: Record, name: str, path: str) -> str:
    number, place = text_of(found.value.get("id")), f"{name}:{found.line}"
    return f"phpipam:{path}/{number} ({place})" if number else place


def _site(record: Mapping[str, Any]) -> str:
    """The name of the location; some releases give its number, which says nothing."""
    location = record.get("location")
    return text_of(location) if isinstance(location, dict) else ""


def _labels(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "description", text_of(record.get("description"))
    fields = record.get("custom_fields")
    for holder in (record, fields if isinstance(fields, dict) else {}):
        for key, value in holder.items():
            if holder is fields or str(key).startswith("custom_"):
                yield str(key).removeprefix("custom_"), text_of(value)


PHPIPAM_CSV: Final = ColumnShape("phpIPAM CSV", _fits, _read)
PHPIPAM: Final = RecordShape("phpIPAM", _fits_record, _read_record, envelopes=frozenset({"data"}))
