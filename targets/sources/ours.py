"""Lines of our own runs: what was asked, to be asked again. The record: docs/record.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from targets.sources.moments import moment
from targets.sources.records import claims_of, said_at
from targets.sources.shapes import RecordShape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from targets.claims import Claim
    from targets.sources.json_stream import Record

_SCHEMA = "mongosweep."


def _fits(found: Record) -> bool:
    value = found.value
    if type(value) is not dict:
        return False
    schema = value.get("schema")
    return type(schema) is str and schema.startswith(_SCHEMA)


def _version(found: Record) -> str:
    return str(found.value["schema"]).removeprefix(_SCHEMA)[:40]


def _read(found: Record, name: str) -> Iterator[Claim]:
    value: dict[str, Any] = found.value
    if "target" not in value:  # what is told of a run names no target
        return
    target = found._replace(value=value["target"])
    verdict = value.get("verdict")
    finding = verdict[:40] if isinstance(verdict, str) and verdict.isascii() and verdict.isprintable() else ""
    yield from claims_of(target, name, said_at(moment(value.get("observed_at")), finding))


JSON: Final = RecordShape("mongosweep JSONL", _fits, _read, _version)
