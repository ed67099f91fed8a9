"""Replies of a known shape are read as the general way reads them, or not at all."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import DatetimeMS, Int64, ObjectId
from hypothesis import given
from hypothesis import strategies as st

from scanner.mongo import reply_shapes
from scanner.mongo.reply_shapes import ReplyShapes, make
from scanner.mongo.requests import Command
from tests.support.shape_oracle import lengthened, on_a_set, read_in_full, recorded_replies, told

REPLIES = recorded_replies()
ASKED = 300  # bytes of a request
COUNTS: dict[str, Any] = {"db": "shop", "objects": Int64(7), "storageSize": 4096.0, "indexSize": 1, "ok": 1.0}
PART: dict[str, Any] = {
    "ns": "shop.orders",
    "host": "db1.example:27017",
    "count": 7,
    "storageStats": {
        "size": 700,
        "count": 7,
        "storageSize": Int64(4096),
        "totalIndexSize": 1,
        "capped": False,
    },
}

ROW: dict[str, Any] = {
    "name": "_id_",
    "key": {"_id": 1},
    "accesses": {"ops": Int64(9), "since": DatetimeMS(1_795_000_000_000)},
}


def batch(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"cursor": {"firstBatch": list(parts), "id": Int64(0), "ns": "shop.orders"}, "ok": 1.0, **more}


def not_all(*parts: dict[str, Any]) -> dict[str, Any]:
    """What a reply says whose batch holds only the first of what there is."""
    return {"cursor": {"firstBatch": list(parts), "id": Int64(5), "ns": "shop.orders"}}


def bent(document: dict[str, Any], old: bytes, new: bytes) -> bytes:
    return bson.encode(document).replace(old, new)


def shapes_of(command: Command, *documents: dict[str, Any]) -> ReplyShapes:
    shapes = ReplyShapes()
    for document in documents:
        assert shapes.learn(command, ASKED, bson.encode(document), bson.decode(bson.encode(document)))
    return shapes


def read(shapes: ReplyShapes, command: Command, data: bytes, asked: int = ASKED) -> tuple[Any, ...] | None:
    return shapes.read(command, asked, b"around" + data + b"it", 6, 6 + len(data))


def test_the_recordings_have_replies_of_each_kind() -> None:
    learned = {command for command, data in REPLIES if read_in_full(command, data) and make(command, data)}
    assert learned == {
        *(Command.DB_STATS, Command.COLL_STATS_STAGE, Command.INDEX_STATS),
        *(Command.NEWEST_DATE, Command.NEWEST_ID),
    }


def test_recorded_replies_are_read_alike_by_the_shapes_of_all_others() -> None:
    known = 0
    for command, data in REPLIES:
        for reply in (data, on_a_set(data)):
            shapes = ReplyShapes()
            if read_in_full(command, reply) is None or not shapes.learn(
                command, ASKED, reply, bson.decode(reply)
            ):
                continue
            for asked, other in REPLIES:
                fields = read(shapes, asked, other)
                if fields is not None:
                    assert told(fields) == told(read_in_full(asked, other))
            known += read(shapes, command, reply) is not None
    assert known > 20


@pytest.mark.parametrize(
    ("command", "document", "same"),
    [
        (Command.DB_STATS, COUNTS, COUNTS | {"db": "ärs", "objects": Int64(2**40), "storageSize": -1.0}),
        (Command.DB_STATS, COUNTS, COUNTS | {"storageSize": float("nan"), "indexSize": -5}),
        (
            Command.COLL_STATS_STAGE,
            batch(PART),
            batch(PART | {"ns": "b\0op.orders", "host": "db2.example:27017", "count": -1}),
        ),
        (Command.COLL_STATS_STAGE, batch(PART | {"shard": "s1"}), batch(PART | {"shard": "é"})),
        (Command.NEWEST_DATE, batch({"t": DatetimeMS(1)}), batch({"t": DatetimeMS(1_795_000_000_123)})),
        (Command.OLDEST_DATE, batch({"t": DatetimeMS(1)}), batch({"t": DatetimeMS(-5)})),
        (Command.OLDEST_DATE, batch({"t": DatetimeMS(1)}), batch({"t": DatetimeMS(2**62)})),
        (Command.NEWEST_ID, batch({"_id": ObjectId()}), batch({"_id": ObjectId(b"\xff" * 12)})),
    ],
)
def test_other_numbers_and_names_are_the_same_shape(
    command: Command, document: dict[str, Any], same: dict[str, Any]
) -> None:
    data = bson.encode(same)
    fields = read(shapes_of(command, document), command, data)
    assert fields is not None
    assert told(fields) == told(read_in_full(command, data))


@pytest.mark.parametrize(
    ("command", "document", "other"),
    [
        (Command.DB_STATS, COUNTS, COUNTS | {"ok": 0.0}),
        (Command.DB_STATS, COUNTS, COUNTS | {"objects": 7}),
        (Command.DB_STATS, COUNTS, COUNTS | {"note": 1}),
        (Command.DB_STATS, COUNTS, COUNTS | {"db": "a\0b"}),
        (Command.DB_STATS, COUNTS, {"$err": "no"} | COUNTS),
        (Command.COLL_STATS_STAGE, batch(PART), batch(PART, PART)),
        (Command.COLL_STATS_STAGE, batch(PART), batch()),
        (Command.COLL_STATS_STAGE, batch(PART), batch({**PART, "shard": "s"})),
        (
            Command.COLL_STATS_STAGE,
            batch(PART),
            batch(PART | {"ns": "shop.order", "host": "db1.example:270178"}),
        ),
        (Command.DB_STATS, COUNTS | {"raw": True}, bent(COUNTS | {"raw": True}, b"raw\0\1", b"raw\0\2")),
        (Command.NEWEST_DATE, batch({"t": DatetimeMS(1)}), batch({"t": 1})),
        (Command.INDEX_STATS, batch(ROW), batch(ROW) | not_all(ROW)),
    ],
)
def test_anything_else_is_another_shape(
    command: Command, document: dict[str, Any], other: dict[str, Any] | bytes
) -> None:
    data = other if isinstance(other, bytes) else bson.encode(other)
    assert read(shapes_of(command, document), command, data) is None


def test_a_request_of_another_length_is_another_question() -> None:
    shapes = shapes_of(Command.DB_STATS, COUNTS)
    assert read(shapes, Command.DB_STATS, bson.encode(COUNTS)) is not None
    assert read(shapes, Command.DB_STATS, bson.encode(COUNTS), ASKED + 1) is None


@pytest.mark.parametrize(
    "document",
    [
        batch(PART | {"count": "7"}),
        batch(PART | {"storageStats": {"indexSizes": {"_id_": 1}, "count": 7}}),
        batch(PART | {"storageStats": {"$ref": "x", "$id": 1, "count": 7}}),
        batch(PART | {"extra": bson.Regex("x")}),
        batch(PART | {"extra": bson.Binary(b"\x01\0\0\0x", 2)}),
    ],
)
def test_what_is_read_otherwise_makes_no_shape(document: dict[str, Any]) -> None:
    assert make(Command.COLL_STATS_STAGE, bson.encode(document)) is None


@pytest.mark.parametrize(
    ("command", "document"),
    [
        (Command.DB_STATS, COUNTS | {"objects": DatetimeMS(7)}),
        (Command.DB_STATS, COUNTS | {"indexSize": ObjectId(b"x" * 12)}),
        (Command.COLL_STATS_STAGE, batch(PART | {"count": DatetimeMS(7)})),
        (Command.COLL_STATS_STAGE, batch(PART | {"capped": DatetimeMS(1)})),
        (Command.COLL_STATS_STAGE, batch(PART | {"shard": 7})),
        (Command.NEWEST_DATE, batch({"t": Int64(7)})),
        (Command.OLDEST_DATE, batch({"t": True})),
        (Command.NEWEST_ID, batch({"_id": Int64(7)})),
        (Command.OLDEST_ID, batch({"_id": DatetimeMS(7)})),
        (Command.INDEX_STATS, batch(ROW) | not_all(ROW)),
    ],
)
def test_what_is_looked_at_each_time_makes_no_shape(command: Command, document: dict[str, Any]) -> None:
    assert make(command, bson.encode(document)) is None


def test_a_key_that_stands_twice_makes_no_shape() -> None:
    inner = b"\x10objects\0\1\0\0\0" * 2
    data = (4 + len(inner) + 1).to_bytes(4, "little") + inner + b"\0"
    assert make(Command.DB_STATS, data) is None


def test_an_answer_with_what_nobody_asked_for_is_looked_at_each_time() -> None:
    shapes, document = ReplyShapes(), batch(PART | {"name": "a reader"})
    data = bson.encode(document)
    assert not shapes.learn(Command.COLL_STATS_STAGE, ASKED, data, bson.decode(data))
    assert read(shapes, Command.COLL_STATS_STAGE, data) is None


@pytest.mark.parametrize("row", [7, True, "count", None, []])
def test_a_row_that_is_no_document_teaches_nothing(row: Any) -> None:
    shapes, document = ReplyShapes(), batch(row)
    data = bson.encode(document)
    shapes.learn(Command.COLL_STATS_STAGE, ASKED, data, bson.decode(data))
    assert read(shapes, Command.COLL_STATS_STAGE, data) is None


@pytest.mark.parametrize("command", [Command.LIST_COLLECTIONS, Command.COLL_STATS, Command.HELLO])
def test_other_questions_have_no_shapes(command: Command) -> None:
    data = bson.encode(COUNTS)
    assert not ReplyShapes().learn(command, ASKED, data, COUNTS)
    assert read(ReplyShapes(), command, data) is None


@pytest.mark.parametrize(
    ("command", "document"), [(Command.DB_STATS, COUNTS), (Command.COLL_STATS_STAGE, batch(PART))]
)
def test_no_byte_can_be_changed_unnoticed(command: Command, document: dict[str, Any]) -> None:
    """Each byte in several ways, each four of them as a length: nothing, or what the general way reads."""
    data, shapes = bson.encode(document), shapes_of(command, document)
    for at in range(len(data)):
        changed = [data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :] for bit in (1, 2, 16, 128, 255)]
        changed += [data[:at] + data[at + 1 :], data[:at] + b"\0" + data[at:], data[:at] + b"x" + data[at:]]
        changed += [lengthened(data, at, more) for more in (-1, 1, 256)] if at + 4 <= len(data) else []
        for other in changed:
            fields = read(shapes, command, other)
            if fields is not None:
                assert told(fields) == told(read_in_full(command, other))


@given(
    names=st.tuples(st.text(max_size=40), st.text(max_size=40)),
    whole=st.integers(-(2**63), 2**63 - 1),
    number=st.floats(),
    capped=st.booleans(),
    inner=st.sampled_from(("full", "empty", "missing")),
)
def test_any_values_are_read_as_the_general_way_reads_them(
    names: tuple[str, str], whole: int, number: float, capped: bool, inner: str
) -> None:
    stats = {"size": Int64(whole), "count": whole % 2**31, "storageSize": number, "capped": capped}
    part = {"ns": names[0], "host": names[1], "shard": names[0], "count": whole % 2**31}
    if inner != "missing":
        part["storageStats"] = stats if inner == "full" else {}
    data = bson.encode(batch(part))
    lengths = [len(name.encode()) for name in names]
    other = part | {"ns": "x" * lengths[0], "host": "y" * lengths[1], "shard": "z" * lengths[0], "count": 7}
    fields = read(shapes_of(Command.COLL_STATS_STAGE, batch(other)), Command.COLL_STATS_STAGE, data)
    assert fields is not None
    assert told(fields) == told(read_in_full(Command.COLL_STATS_STAGE, data))


def test_few_shapes_are_kept_and_the_last_that_were_learned() -> None:
    documents = [COUNTS | {f"field{number}": 1} for number in range(reply_shapes.ALIKE + 3)]
    shapes = shapes_of(Command.DB_STATS, *documents)
    kept = [read(shapes, Command.DB_STATS, bson.encode(document)) is not None for document in documents]
    assert kept == [False] * 3 + [True] * reply_shapes.ALIKE


@pytest.mark.interpreted("replaces a constant that a compiler puts where it is used")
def test_few_lengths_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_shapes, "KEPT", 5)
    documents = [COUNTS | {"db": "x" * number} for number in range(8)]
    shapes = shapes_of(Command.DB_STATS, *documents)
    kept = [read(shapes, Command.DB_STATS, bson.encode(document)) is not None for document in documents]
    assert kept == [False] * 3 + [True] * 5


def test_long_replies_teach_nothing() -> None:
    long = COUNTS | {"db": "x" * reply_shapes.MAX_BYTES}
    assert not ReplyShapes().learn(Command.DB_STATS, ASKED, bson.encode(long), long)
    many = COUNTS | {f"f{number}": 1 for number in range(reply_shapes.MAX_ELEMENTS)}
    assert make(Command.DB_STATS, bson.encode(many)) is None
