"""Fuzz target `structured`: valid documents, frames and talks in which exactly one field is broken.

Hypothesis makes them; atheris chooses, through `fuzz_one_input`, by what code they reach.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import bson
from bson import ObjectId
from bson.int64 import Int64
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import frames, talk
from tests.fuzz.source import DATES, FLOATS, KEYS, NUMBERS, ODDITIES, TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTHS: Final = (-(2**31), -1, 0, 1, 4, 5, 6, 255, 65536, 48_000_000, 48_000_001, 2**31 - 1)
HEADER_VALUES: Final = (*LENGTHS, 2, 3, 7, 8, 16, 2004, 2012, 2013)
_SCALARS: Final[st.SearchStrategy[Any]] = (
    st.sampled_from([n for n in NUMBERS if -(2**63) <= n < 2**63])
    | st.sampled_from(FLOATS)
    | st.sampled_from([text for text in TEXTS if text.isascii()])
    | st.sampled_from(DATES)
    | st.sampled_from(ODDITIES)
    | st.sampled_from([True, False, None, ObjectId(b"\xaa" * 12), Int64(5), b"\x00bytes"])
)
_VALUES: Final[st.SearchStrategy[Any]] = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)
DOCUMENTS: Final = st.sampled_from(talk.KNOWN) | st.dictionaries(st.sampled_from(KEYS), _VALUES, max_size=6)


def fields(data: bytes, start: int = 0) -> Iterator[tuple[int, str]]:
    """Where a valid document's fields stand: ("length", "type" or "end"), by a reader of its own."""
    yield start, "length"
    at = start + 4
    while data[at]:
        yield at, "type"
        kind = data[at]
        at = data.index(0, at + 1) + 1
        if kind in (0x03, 0x04):
            yield from fields(data, at)
            at += int.from_bytes(data[at : at + 4], "little")
        elif kind in (0x02, 0x05, 0x0D, 0x0F):
            yield at, "length"
            length = int.from_bytes(data[at : at + 4], "little")
            at += length + {0x05: 5, 0x0F: 0}.get(kind, 4)
        elif kind == 0x0B:
            at = data.index(0, data.index(0, at) + 1) + 1
        else:
            at += {0x01: 8, 0x09: 8, 0x11: 8, 0x12: 8, 0x10: 4, 0x08: 1, 0x07: 12, 0x13: 16}.get(kind, 0)
    yield at, "end"


@st.composite
def broken_documents(draw: st.DrawFn) -> bytes:
    """One encoded document with one length, type or terminator that is not the right one."""
    data = bytearray(bson.encode(draw(DOCUMENTS)))
    at, what = draw(st.sampled_from(list(fields(bytes(data)))))
    if what == "length":
        right = int.from_bytes(data[at : at + 4], "little")
        near = st.sampled_from([-16, -5, -2, -1, 1, 2, 5, 16]).map(lambda by: right + by)
        data[at : at + 4] = struct.pack("<i", draw(st.sampled_from(LENGTHS) | near))
    else:
        data[at] = draw(st.integers(0, 255))
    return bytes(data)


@st.composite
def scripts(draw: st.DrawFn) -> bytes:
    """A talk for `talk.run`: good replies, one of them broken in its document or in its header."""
    steps = [
        b"\x02" + bytes([draw(st.integers(0, len(talk.KNOWN) - 1))]) for _ in range(draw(st.integers(1, 9)))
    ]
    place = draw(st.integers(0, len(steps) - 1))
    if draw(st.booleans()):
        body = draw(broken_documents())
        steps[place] = b"\x01" + struct.pack("<H", len(body)) + body
    else:
        value = struct.pack("<i", draw(st.sampled_from(HEADER_VALUES)))
        steps[place] = b"\x05" + steps[place][1:] + bytes([draw(st.integers(0, 3))]) + value
    return bytes([draw(st.integers(0, 39)), draw(st.integers(0, 255))]) + b"".join(steps)


@settings(max_examples=100, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def one_field_broken(data: st.DataObject) -> None:
    """A document before the walker, or a talk before the dialogue: the promises hold for both."""
    if data.draw(st.booleans()):
        frames.run(b"\x00" + data.draw(broken_documents()))
    else:
        talk.run(data.draw(scripts()))


def run(data: bytes) -> None:
    """One input as hypothesis reads it; bytes that are too few for it make no test."""
    one_field_broken.hypothesis.fuzz_one_input(data)  # type: ignore[attr-defined]  # set by `given`
