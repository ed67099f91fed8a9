"""zmap's lists: JSON and CSV. Its plain output is a plain list.

Fields: zmap's output modules (csv, json) and its TCP SYN probe module. Beside those that answered it lists,
if told to, those that refused, by `success` and `classification`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from targets.claims import Claim
from targets.grammar import parse_address, parse_port
from targets.sources.json_stream import Record
from targets.sources.moments import moment
from targets.sources.records import claims_of, said_at
from targets.sources.shapes import ColumnShape, RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from targets.sources.shapes import Row


def _fits(found: Record) -> bool:
    return type(found.value) is dict and "saddr" in found.value


def _read(found: Record, name: str) -> Iterator[Claim]:
    value: Mapping[str, Any] = found.value
    seen = moment(value.get("timestamp_str")) or moment(value.get("timestamp_ts"))
    port = value.get("sport")
    if port and value.get("classification") == "synack" and value.get("success") in (1, "1", True):
        # as it writes them: 1 us, not 6
        place = f"{name}:{found.line}"
        yield Claim(parse_address(value["saddr"]), parse_port(str(port)), place, (), said_at(seen))
    else:
        yield from claims_of(found, name, said_at(seen))


def _read_row(row: Row, name: str) -> Iterator[Claim]:
    return _read(Record(row.line, row.cells), name)


JSON: Final = RecordShape("zmap JSON", _fits, _read)
CSV: Final = ColumnShape("zmap CSV", lambda header: "saddr" in header, _read_row)
