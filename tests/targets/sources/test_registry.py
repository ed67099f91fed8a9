"""Every shape of the registry on made-up records and rows: it gives claims or a GrammarError, nothing else,
and what it claims outside a scope is not asked. A new shape is covered by being registered."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from targets.entries import Deny, Entry
from targets.errors import ScopeError
from targets.grammar import GrammarError
from targets.planning import narrow_by_claims
from targets.scope import Scope
from targets.sources.json_stream import Record
from targets.sources.known import COLUMNS, RECORDS
from targets.sources.read import read_claims
from targets.sources.shapes import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from targets.claims import Claim
    from targets.sources.shapes import ColumnShape, RecordShape

SCOPE = Scope([Entry.of("10.20.0.0/28"), Entry.of("fd00::/126")], [Deny.of("10.20.0.3")], [27017, 27018])
SCALARS: tuple[Any, ...] = (
    *(
        "10.20.0.1",
        "10.20.0.3",
        "10.21.0.1",
        "10.0.0.0/8",
        "10.20.0.0/30",
        "fd00::1",
        "fe80::1",
        "010.20.0.1",
    ),
    *(
        27017,
        "27017",
        0,
        "0",
        70000,
        -1,
        27017.5,
        True,
        False,
        None,
        "",
        "tcp",
        "udp",
        "open",
        "x",
        "\x1b[2J",
    ),
    *("db.example.com", "2026-02-01T13:24:26Z", 1795490538, 10**30, "mongodb", "https://10.20.0.1:27017/"),
)


@lru_cache
def words_of(read: Callable[..., Any]) -> tuple[str, ...]:
    """The texts in the file of a shape, among which are the names of the fields that it knows."""
    tree = ast.parse(Path(str(sys.modules[read.__module__].__file__)).read_text(encoding="utf-8"))
    found = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return tuple(sorted({word for word in found if isinstance(word, str) and 0 < len(word) < 40}))


@lru_cache
def records(words: tuple[str, ...], smallest: int, largest: int) -> st.SearchStrategy[dict[str, Any]]:
    """JSON of any shape, of the words of a program and of addresses inside and outside. Made once: to make
    it takes longer than to draw from it."""
    keys = st.sampled_from((*words, "ip", "port"))
    values = st.recursive(
        st.sampled_from(SCALARS) | keys,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=8),
        max_leaves=24,
    )
    return st.dictionaries(keys, values, min_size=smallest, max_size=largest)


def check(claims: list[Claim]) -> None:
    """What claims leave of a scope is part of it."""
    found = narrow_by_claims(SCOPE, claims).scope
    assert all(SCOPE.permits(found.pick(index), 0.0) for index in range(len(found)))


@pytest.mark.parametrize("shape", RECORDS, ids=lambda shape: shape.format)
@settings(max_examples=40)
@given(st.data())
def test_records(shape: RecordShape, data: st.DataObject) -> None:
    words = words_of(shape.read)
    value = data.draw(records(words, 1, 12))
    document = data.draw(records(words, 0, 3))
    envelope = data.draw(st.sampled_from(("", *sorted(shape.envelopes))))
    record = Record(1, value, envelope, document)
    with contextlib.suppress(GrammarError):
        if shape.fits(record):
            assert isinstance(shape.version(record), str)
            check(list(shape.read(record, "list")))
    whole = {**document, envelope: [value]} if envelope else value
    with contextlib.suppress(ScopeError):
        check(list(read_claims(io.BytesIO(json.dumps(whole).encode()), "list", lambda told: None)))


@pytest.mark.parametrize("shape", COLUMNS, ids=lambda shape: shape.format)
@settings(max_examples=40)
@given(st.data())
def test_rows(shape: ColumnShape, data: st.DataObject) -> None:
    words = tuple({word.lower() for word in words_of(shape.read)} | {"ip", "port"})
    header = data.draw(st.lists(st.sampled_from(sorted(words)), min_size=1, max_size=12, unique=True))
    cells = st.sampled_from([str(scalar) for scalar in SCALARS])
    rows = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(header, cells)), max_size=3))
    if shape.fits(header):
        assert isinstance(shape.version(header), str)
        for number, row in enumerate(rows, start=2):
            with contextlib.suppress(GrammarError):
                check(list(shape.read(Row(number, row), "list")))
