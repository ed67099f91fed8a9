"""CSV that people keep of their networks, and our own allow-lists in CSV: a prefix, range or address a row,
and whose it is. Names of columns: those that a CSV allow-list may have, and their common other names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from targets.claims import Claim, Said
from targets.grammar import GrammarError, parse_port, parse_span
from targets.sources.fields import CONTACTS, OWNERS, SITES, between, text_of
from targets.sources.records import host_names
from targets.sources.shapes import ColumnShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from targets.grammar import Span
    from targets.sources.shapes import Row

_ADDRESSES = ("ip", "address", "ip_address", "ip address")
_PREFIXES = ("cidr", "prefix", "network", "subnet", "range")
_ENDS = (("start", "end"), ("first", "last"), ("start_address", "end_address"))
_WHOSE = {*OWNERS, *CONTACTS, *SITES}
_NAMES = ("hostname", "host", "name")
_YES = ("true", "yes", "1")


def _fits(header: Sequence[str]) -> bool:
    names = set(header)
    if any(name[:1].isdigit() or ":" in name for name in header):  # a row, such as `network,10.20.0.0`
        return False
    if not names.isdisjoint(_ADDRESSES):  # without more, any program's list of what it found
        return not names.isdisjoint(_WHOSE)
    return not names.isdisjoint(_PREFIXES) or any({*ends} <= names for ends in _ENDS)


def _read(row: Row, name: str) -> Iterator[Claim]:
    cells = row.cells
    if cells.get("exclude", "").lower() in _YES:
        raise GrammarError("excludes its addresses, which no source does", "write a [[deny]] for them")
    owner = _first(cells, OWNERS)
    said = Said(
        owner=text_of(cells.get(owner)),
        owner_by=f"column {owner}" if owner else "",
        contact=text_of(cells.get(_first(cells, CONTACTS))),
        site=text_of(cells.get(_first(cells, SITES))),
        vrf=text_of(cells.get("vrf")),
    )
    port = parse_port(cells["port"]) if cells.get("port") else None
    names = host_names([cells.get(_first(cells, _NAMES))])
    yield Claim(_span(cells), port, f"{name}:{row.line}", names, said)


def _span(cells: Mapping[str, str]) -> Span:
    text = cells.get(_first(cells, (*_ADDRESSES, *_PREFIXES)))
    if text:
        return parse_span(text)
    start, end = next((ends for ends in _ENDS if cells.get(ends[0])), _ENDS[0])
    if not cells.get(start):
        raise GrammarError("has no addresses", "write a prefix, a range or an address")
    return between(cells[start], cells.get(end) or cells[start])


def _first(cells: Mapping[str, str], columns: Sequence[str]) -> str:
    """The first of the columns that says something; "" where none does."""
    return next((column for column in columns if cells.get(column)), "")


PREFIXES_CSV: Final = ColumnShape("CSV of prefixes", _fits, _read)
