"""The length walker: whatever `bson` writes passes, whatever lies is refused before a decoder sees it."""

from __future__ import annotations

import itertools
import struct
import tracemalloc
from datetime import UTC, datetime
from typing import Any

import bson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from hypothesis import given
from hypothesis import strategies as st

from scanner.mongo import bson_check
from scanner.mongo.bson_check import BsonError, check, decode, decode_all
from tests.support.recordings import load, scenarios
from tests.support.replay import split

EVERYTHING: dict[str, Any] = {
    "double": 1.5,
    "string": "text",
    "empty": "",
    "document": {"a": {"b": {}}},
    "array": [1, [2, []]],
    "binary": b"\x00\x01",
    "old binary": Binary(b"\x00\x01", 2),
    "id": ObjectId(b"\x01" * 12),
    "bool": True,
    "date": datetime(2026, 1, 2, tzinfo=UTC),
    "null": None,
    "regex": Regex("a.b", "i"),
    "code": Code("x"),
    "scoped": Code("x", {"y": 1}),
    "int": 7,
    "timestamp": Timestamp(5, 6),
    "long": Int64(2**40),
    "decimal": Decimal128("1.5"),
    "min": MinKey(),
    "max": MaxKey(),
}
COSTLY_TYPES = (Binary, ObjectId, datetime, Regex, Code, Timestamp, Decimal128)


def doc(body: bytes) -> bytes:
    return struct.pack("<i", len(body) + 5) + body + b"\x00"


def test_every_type_passes_and_comes_out_as_it_went_in() -> None:
    data = bson.encode(EVERYTHING)
    assert check(data) == len(EVERYTHING)
    decoded = decode(data)
    changed = {"old binary"} | {key for key, value in EVERYTHING.items() if isinstance(value, Code)}
    assert {k: v for k, v in decoded.items() if k not in changed} == {
        k: v for k, v in EVERYTHING.items() if k not in changed
    }
    assert decoded["date"].tzinfo is not None


def test_deprecated_types_pass_and_unknown_ones_do_not() -> None:
    pointer = b"\x0cp\x00" + struct.pack("<i", 2) + b"c\x00" + b"\x01" * 12
    assert check(doc(b"\x06u\x00" + pointer + b"\x0es\x00" + struct.pack("<i", 2) + b"x\x00")) == 3
    assert isinstance(decode(doc(pointer))["p"], DBRef)
    for kind in (0x14, 0x20, 0x80, 0xFE):
        with pytest.raises(BsonError, match="unknown element type"):
            check(doc(bytes([kind]) + b"a\x00\x00\x00\x00\x00"))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x02a\x00" + struct.pack("<i", 0) + b"\x00", id="string of length 0"),
        pytest.param(b"\x02a\x00" + struct.pack("<i", -1) + b"\x00", id="string of negative length"),
        pytest.param(b"\x02a\x00" + struct.pack("<i", 2**31 - 1) + b"x\x00", id="string beyond its parent"),
        pytest.param(b"\x02a\x00" + struct.pack("<i", 2) + b"xy", id="string without terminator"),
        pytest.param(b"\x03a\x00" + struct.pack("<i", 4) + b"\x00", id="document of length 4"),
        pytest.param(b"\x03a\x00" + struct.pack("<i", -5) + b"\x00", id="document of negative length"),
        pytest.param(b"\x03a\x00" + struct.pack("<i", 6) + b"\x00", id="document beyond its parent"),
        pytest.param(b"\x03a\x00" + struct.pack("<i", 6) + b"\x01\x00", id="element that is not whole"),
        pytest.param(b"\x04a\x00" + struct.pack("<i", 7) + b"\x00\x00\x00", id="document that ends early"),
        pytest.param(b"\x05a\x00" + struct.pack("<i", -1) + b"\x00", id="binary of negative length"),
        pytest.param(b"\x05a\x00" + struct.pack("<i", 9) + b"\x00x", id="binary beyond its parent"),
        pytest.param(b"\x01a\x00\x00\x00", id="double cut short"),
        pytest.param(b"\x10key without end", id="key without terminator"),
        pytest.param(b"\x0ba\x00pattern", id="regex without terminator"),
        pytest.param(b"\x0ca\x00" + struct.pack("<i", 2) + b"c\x00\x01", id="pointer cut short"),
        pytest.param(b"\x0ca\x00" + struct.pack("<i", -2) + b"c\x00" + b"\x01" * 12, id="pointer, negative"),
        pytest.param(
            b"\x0fa\x00" + struct.pack("<ii", 15, 2) + b"x\x00" + struct.pack("<i", 6) + b"\x00",
            id="scope that is not the rest of its code",
        ),
        pytest.param(
            b"\x0fa\x00" + struct.pack("<ii", 99, 2) + b"x\x00" + struct.pack("<i", 89) + b"\x00",
            id="scope beyond its parent",
        ),
    ],
)
def test_a_length_that_lies_is_refused(body: bytes) -> None:
    with pytest.raises(BsonError):
        decode(doc(body))


@pytest.mark.parametrize(
    "body",
    [
        # Without the check each would go on inside its own value, and find a good document there.
        pytest.param(b"\x05a\x00" + struct.pack("<i", -1) + b"\x0ab\x00", id="binary"),
        pytest.param(b"\x02a\x00" + struct.pack("<i", 2) + b"xy\x0ab\x00", id="string without terminator"),
    ],
)
def test_the_walker_alone_refuses_it(body: bytes) -> None:
    with pytest.raises(BsonError):
        check(doc(body))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x05\x00\x00\x00",
        b"\x04\x00\x00\x00\x00",
        b"\x06\x00\x00\x00\x00",
        b"\x05\x00\x00\x00\x01",
        b"\xff\xff\xff\xff\x00",
        b"\x05\x00\x00\x00\x00\x00",
    ],
)
def test_a_document_must_fill_its_bytes(data: bytes) -> None:
    with pytest.raises(BsonError):
        check(data)


def test_a_part_of_a_buffer_is_checked_within_its_bounds() -> None:
    data = bson.encode({"a": 1})
    assert check(b"xx" + data + b"yy", 2, 2 + len(data)) == 1
    with pytest.raises(BsonError):
        check(b"xx" + data + b"yy", 2)


def nested(depth: int) -> bytes:
    data = doc(b"")
    for _ in range(depth):
        data = doc(b"\x03\x00" + data)
    return data


def test_code_is_no_text() -> None:
    """PyMongo's `Code` is a str that has no hash: as a name it would end up as the key of a table."""
    document = {"codeName": Code("x"), "databases": [{"name": Code("y", {"z": 1})}]}
    assert decode(bson.encode(document)) == {"codeName": None, "databases": [{"name": None}]}


def test_depth_is_limited_without_recursion() -> None:
    assert check(nested(bson_check.MAX_DEPTH)) == 1
    for depth in (bson_check.MAX_DEPTH + 1, 20_000):
        with pytest.raises(BsonError, match="depth"):
            check(nested(depth))
    scoped = b"\x0f\x00" + struct.pack("<ii", 15, 2) + b"x\x00" + doc(b"")
    data = doc(scoped)
    for _ in range(bson_check.MAX_DEPTH):
        data = doc(b"\x03\x00" + data)
    with pytest.raises(BsonError, match="code with scope"):
        check(data)


def test_the_limit_that_a_sweep_has_is_one() -> None:
    """Not a smaller one in its place, as below."""
    least = b"\x0a\x00"
    assert check(doc(least * (bson_check.MAX_ELEMENTS - 1))) == bson_check.MAX_ELEMENTS - 1
    for refuses in (check, decode):
        with pytest.raises(BsonError, match="too many"):
            refuses(doc(least * bson_check.MAX_ELEMENTS))


@pytest.mark.interpreted("replaces a constant that a compiler puts where it is used")
def test_the_number_of_elements_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bson_check, "MAX_ELEMENTS", 100)
    check(doc(b"\x0a\x00" * 99))
    with pytest.raises(BsonError, match="too many"):
        check(doc(b"\x0a\x00" * 100))
    half = doc(b"\x0a\x00" * 49)
    assert len(decode_all(half * 2, 2)) == 2
    with pytest.raises(BsonError, match="too many"):
        decode_all(half * 2 + doc(b""), 3)


COSTLY = [value for value in EVERYTHING.values() if type(value) in COSTLY_TYPES]


@pytest.mark.interpreted("replaces a constant that a compiler puts where it is used")
@pytest.mark.parametrize("value", COSTLY, ids=lambda value: type(value).__name__)
def test_values_that_are_costly_to_decode_count_as_many(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would take the time of several strings; an honest reply has few of them."""
    monkeypatch.setattr(bson_check, "MAX_ELEMENTS", 1000)
    counts_as = 4 if isinstance(value, Binary) else 16
    most = 999 // counts_as if not isinstance(value, Code) or value.scope is None else 999 // 18
    assert len(decode(bson.encode({str(n): value for n in range(most)}))) == most
    with pytest.raises(BsonError, match="too many"):
        check(bson.encode({str(n): value for n in range(most + 1)}))


def test_an_element_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst is one document of different keys with the smallest values: what the limit costs."""
    assert bson_check.MAX_ELEMENTS * 120 <= 48_000_000
    monkeypatch.setattr(bson_check, "MAX_ELEMENTS", elements := 50_000)
    keys = itertools.islice(itertools.product(range(1, 128), repeat=3), elements - 1)
    data = doc(b"".join(b"\x0a%c%c%c\x00" % key for key in keys))
    tracemalloc.start()
    try:
        assert len(decode(data)) == elements - 1
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 120 * elements


@pytest.mark.parametrize("key", ["ok", "code", "errmsg", "databases", "cursor"])
def test_a_trusted_key_that_stands_twice_is_refused(key: str) -> None:
    once = bson.encode({"x": Regex("a", "b"), "b": b"1", "s": "t", key: 1, "after": {"ok": 1, "deep": [1]}})
    twice = doc(once[4:-1] + bson.encode({key: 0})[4:-1])
    decode(once)
    with pytest.raises(BsonError, match=f"{key} stands twice"):
        decode(twice)


def test_another_key_may_stand_twice() -> None:
    part = bson.encode({"host": 1})[4:-1]
    assert decode(doc(part + part)) == {"host": 1}


def test_odd_values_decode_instead_of_raising() -> None:
    odd = doc(
        b"\x09t\x00" + struct.pack("<q", 10**18) + b"\x02n\x00" + struct.pack("<i", 3) + b"\xff\xfe\x00"
    )
    decoded = decode(odd)
    assert isinstance(decoded["t"], DatetimeMS)
    assert decoded["n"] == "\ufffd\ufffd"
    assert decode(doc(b"\x02n\x00" + struct.pack("<i", 4) + b"a\x00b\x00")) == {"n": "a\x00b"}


def test_what_the_decoder_cannot_make_is_our_error() -> None:
    old_binary = b"\x05b\x00" + struct.pack("<i", 5) + b"\x02" + struct.pack("<i", 99) + b"x"
    check(doc(old_binary))  # its outer length is right, the inner one is the decoder's to refuse
    with pytest.raises(BsonError, match="InvalidBSON"):
        decode(doc(old_binary))


def test_documents_back_to_back() -> None:
    one, two = bson.encode({"a": 1}), bson.encode({"b": 2})
    assert decode_all(one + two, 2) == [{"a": 1}, {"b": 2}]
    assert decode_all(b"", 0) == []
    for data, count in ((one, 2), (one + two, 1), (one[:-1], 1), (b"\xff\xff\xff\xff\x00", 1)):
        with pytest.raises(BsonError):
            decode_all(data, count)


def test_every_recorded_reply_passes_and_decodes_as_bson_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bson_check, "MAX_ELEMENTS", bson_check.MAX_ELEMENTS // 20)  # none comes near it
    seen: set[bytes] = set()
    for version, scenario in scenarios():
        for step in load(version, scenario):
            for message in split(step.reply):
                start = {1: 36, 2013: 21}.get(int.from_bytes(message[12:16], "little"))
                if start is None or step.family == "raw" or message[start:] in seen:
                    continue
                seen.add(message[start:])
                documents = bson.decode_all(message[start:], bson_check._OPTIONS)
                assert decode_all(message[start:], len(documents)) == documents
    assert len(seen) > 1000


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_decoded(data: bytes) -> None:
    for candidate in (data, doc(data)):
        try:
            decode(candidate)
        except BsonError:
            continue


KEYS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.binary(max_size=8)
    | st.datetimes(timezones=st.just(UTC)).map(lambda t: t.replace(microsecond=0)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(KEYS, VALUES, max_size=6), st.data())
def test_what_bson_writes_passes_and_one_flipped_byte_never_crashes(
    document: dict[str, Any], data: st.DataObject
) -> None:
    encoded = bson.encode(document)
    assert check(encoded) == len(document)
    position = data.draw(st.integers(0, len(encoded) - 1))
    flipped = bytearray(encoded)
    flipped[position] ^= data.draw(st.integers(1, 255))
    try:
        decode(bytes(flipped))
    except BsonError:
        return
