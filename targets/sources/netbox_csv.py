"""NetBox's CSV: the export of its tables, by the labels of their columns, and its import form, by the names
of fields.

Labels: netbox/ipam/tables/ip.py of netbox-community/netbox (`Site` before 4.2, `Scope` since; a custom field
is called by its label there); names: netbox/ipam/forms/bulk_import.py, which releases before 2.11 exported.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from targets.grammar import GrammarError
from targets.sources.fields import CONTACTS, OWNERS
from targets.sources.netbox import claim_of, kind_of
from targets.sources.shapes import ColumnShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from targets.claims import Claim
    from targets.sources.shapes import Row

_SAME = {
    "aggregate": "prefix",
    "ip address": "address",
    "start address": "start_address",
    "end address": "end_address",
    "scope type": "scope_type",
    "dns name": "dns_name",
}
"""Labels of columns that are called otherwise in JSON."""

_UNTOLD = """
id comments description created last_updated depth children utilization prefixes prefix_(flat) added
date_added size vlan vlan_group vlan_site tenant_group owner_group pool is_pool is_a_pool marked_utilized
mark_utilized marked_populated mark_populated scope_id interface parent assigned device virtual_machine
fhrp_group is_primary is_oob nat_(inside) nat_(outside)
"""
_OTHERS = frozenset(_UNTOLD.split())
"""Columns that say nothing of whose it is; what is in none of the lists is a custom field."""

_READ = ("prefix", "address", "start_address", "end_address", "dns_name", "rir", "scope_type", "contacts")
_NAMED = ("tenant", "owner", "role", "site", "scope")
_NOTHING = ("", "—", "None", "Global")
_DISTINGUISHER = re.compile(r" \([^()]*:[^()]*\)\Z")  # a VRF's, behind its name
_OF_PREFIX = {"status", "vrf", "tenant", "role", "site", "scope", "rir", "is_pool", "utilization", "vlan"}
_OF_OTHERS = {*OWNERS, *CONTACTS} - {"owner"}
_OF_ADDRESS = {"nat (inside)", "assigned", "dns name", "dns_name", "is_primary"}


def _fits(header: Sequence[str]) -> bool:
    names = set(header)
    if "aggregate" in names and "rir" in names:
        return True
    if "prefix" in names:
        # NetBox names an owner as tenant; who keeps a table of their own calls it as they like.
        another = "tenant" not in names and bool(names & _OF_OTHERS)
        return len(names & _OF_PREFIX) > 1 and not another
    if {"start address", "end address"} <= names or {"start_address", "end_address"} <= names:
        return bool(names & {"vrf", "status", "tenant"})
    return ("ip address" in names or "address" in names) and bool(names & _OF_ADDRESS)


def _read(row: Row, name: str) -> Iterator[Claim]:
    record = _record(row)
    kind = kind_of(record)
    if kind is None:
        raise GrammarError("has no prefix and no address", "export the table with the columns that say it")
    number, place = record.get("id"), f"{name}:{row.line}"
    yield claim_of(record, kind, f"netbox:{kind.path}/{number} ({place})" if number else place)


def _record(row: Row) -> dict[str, Any]:
    """A row as the API would tell the object."""
    custom: dict[str, str] = {}
    record: dict[str, Any] = {"custom_fields": custom}
    for column, cell in row.cells.items():
        key, text = _SAME.get(column, column), "" if cell in _NOTHING else cell
        if key in _READ:
            record[key] = text
        elif key in _NAMED:
            record[key] = text or None
        elif key == "vrf":
            record[key] = _DISTINGUISHER.sub("", text) or None
        elif key == "status":
            record[key] = {"value": text}
        elif key == "tags":
            record[key] = [tag.strip() for tag in text.split(",")]
        elif key == "id":
            record[key] = int(text) if text.isascii() and text.isdigit() else None
        elif key.replace(" ", "_") not in _OTHERS:
            custom[key.removeprefix("cf_")] = text
    if record.get("prefix") == "" and row.cells.get("prefix (flat)"):
        record["prefix"] = row.cells["prefix (flat)"]
    return record


def _version(header: Sequence[str]) -> str:
    if "scope" in header:
        return "4.2 or newer"
    return "before 4.2" if "prefix" in header and "site" in header else ""


NETBOX_CSV: Final = ColumnShape("NetBox CSV", _fits, _read, _version)
