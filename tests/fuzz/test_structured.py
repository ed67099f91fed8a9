"""A hundred broken documents and talks with every run of the tests, without atheris."""

from __future__ import annotations

import bson
from hypothesis import given

from tests.fuzz.structured import DOCUMENTS, fields, one_field_broken


def test_one_broken_field() -> None:
    one_field_broken()


@given(DOCUMENTS)
def test_the_field_finder_ends_where_the_document_ends(document: dict[str, object]) -> None:
    data = bson.encode(document)
    assert list(fields(data))[-1] == (len(data) - 1, "end")
