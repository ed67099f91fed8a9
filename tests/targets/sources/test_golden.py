"""A small file of each format and version of scanners, as each program wrote it, and what is read of it.

nmap, masscan and zmap wrote theirs between two namespaces; those of the others follow their sources. Beside
each file stands what is right: `FILE.expected.json`. The addresses of every golden file, those of inventories
and reports too, are also replaced by others, inside and outside of a scope: no list makes a scope wider.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from targets.entries import Entry
from targets.errors import ScopeError
from targets.grammar import format_span
from targets.planning import narrow_by_claims
from targets.scope import Scope
from targets.sources.known import COLUMNS, LINES, RECORDS
from targets.sources.read import read_claims

EVERY = Path(__file__).parent / "golden"
GOLDEN = EVERY / "scanners"
EXPECTED = ".expected.json"
FILES = sorted(path.name for path in GOLDEN.iterdir() if not path.name.endswith(EXPECTED))
LISTS = sorted(
    path for path in EVERY.rglob("*") if path.is_file() and not path.name.endswith((EXPECTED, ".claims"))
)
SCOPE = Scope([Entry.of("10.77.0.0/28"), Entry.of("10.77.0.9", ports=(27018,)), Entry.of("fd77::/126")])
_ADDRESS = re.compile(r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b|\bfd77::2\b")
ADDRESSES = ("10.77.0.1", "10.77.0.9", "10.77.0.99", "9.9.9.9", "fd77::1", "fd78::1", "10.0.0.0/8", "x")


def _read(name: str) -> dict[str, Any]:
    told: list[str] = []
    reading = read_claims(io.BytesIO((GOLDEN / name).read_bytes()), "list", told.append)
    found = []
    for claim in reading:
        row = {"span": format_span(claim.span), "port": claim.port, "provenance": claim.provenance}
        said: dict[str, Any] = {"names": list(claim.names)} | claim.said._asdict()
        said |= {"labels": [list(label) for label in claim.said.labels]}
        found.append(row | {key: value for key, value in said.items() if value})
    return {"format": str(reading.format), "told": told, "claims": found}


@pytest.mark.parametrize("name", FILES)
def test_golden(name: str) -> None:
    assert _read(name) == json.loads((GOLDEN / f"{name}{EXPECTED}").read_text(encoding="utf-8"))


def test_every_shape_has_a_file() -> None:
    shown = [json.loads(path.read_text())["format"] for path in EVERY.rglob(f"*{EXPECTED}")]
    shown += [path.read_text(encoding="utf-8").partition("\n")[0] for path in EVERY.glob("*.claims")]
    shapes = {shape.format for shape in RECORDS} | {shape.format for shape in COLUMNS}
    shapes |= {shape.format for shape in LINES if shape.format != "naabu text"}  # mostly plain
    assert [name for name in sorted(shapes) if not any(told.startswith(name) for told in shown)] == []


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
@settings(max_examples=10)
@given(st.data())
def test_no_list_makes_a_scope_wider(path: Path, data: st.DataObject) -> None:
    raw = path.read_bytes()
    draw = st.sampled_from(ADDRESSES)
    text = raw.decode("utf-16") if raw.startswith(codecs.BOM_UTF16_LE) else raw.decode(errors="replace")
    text = _ADDRESS.sub(lambda found: data.draw(draw), text)
    try:
        found = narrow_by_claims(SCOPE, read_claims(io.BytesIO(text.encode()), "list", lambda told: None))
    except ScopeError:
        return
    for index in range(len(found.scope)):
        assert SCOPE.permits(found.scope.pick(index), 0.0)
    assert len(found.scope) <= len(SCOPE)
