"""naabu's lists: JSON, CSV and text.

Formats: naabu pkg/runner/output.go. JSON and CSV have the same names. Early ones wrote a port as an object
with capital letters, and no protocol beside it; host discovery writes port 0.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim
from targets.grammar import parse_endpoint
from targets.sources.json_stream import Record
from targets.sources.moments import moment
from targets.sources.records import claims_of, finding_of, said_at
from targets.sources.shapes import ColumnShape, LineShape, RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from targets.sources.shapes import Row


_FIRST: Final = {"host", "ip", "port"}  # all that early ones wrote


def _fits(found: Record) -> bool:
    value = found.value
    if type(value) is not dict or "port" not in value or "url" in value:
        return False
    return ("tls" in value and "protocol" in value) or value.keys() == _FIRST or _is_nested(value)


def _is_nested(value: dict[str, Any]) -> bool:
    port = value.get("port")
    return type(port) is dict and "Port" in port


def _version(found: Record) -> str:
    return "with ports as objects" if _is_nested(found.value) else ""


def _read(found: Record, name: str) -> Iterator[Claim]:
    value: dict[str, Any] = found.value
    finding = finding_of(value["name"], value.get("product"), value.get("version")) if "name" in value else ""
    said = said_at(moment(value.get("timestamp")), finding)
    yield from claims_of(found, name, said)


def _fits_columns(header: Sequence[str]) -> bool:
    return "ip" in header and "port" in header and ("cdn-name" in header or "mac_address" in header)


def _read_row(row: Row, name: str) -> Iterator[Claim]:
    said = said_at(moment(row.cells.get("timestamp")))
    yield from claims_of(Record(row.line, row.cells), name, said)


def _read_line(found: re.Match[str], place: str) -> Iterator[Claim]:
    finding = finding_of(found[2].partition("] [")[0])
    yield Claim(*parse_endpoint(found[1]), place, (), said_at("", finding))


JSON: Final = RecordShape("naabu JSON", _fits, _read, _version)
CSV: Final = ColumnShape("naabu CSV", _fits_columns, _read_row)
# Behind a port it names who delivers its content, or what serves there.
TEXT: Final = LineShape("naabu text", re.compile(r"(\S+:[0-9]+) \[(.*)\]\Z"), _read_line)
