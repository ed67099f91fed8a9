"""Lists of collections of the usual form are read as the general way reads them, or not at all."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Int64
from hypothesis import given
from hypothesis import strategies as st

from scanner.mongo import name_lists
from scanner.mongo.name_lists import read_names
from tests.support.recordings import load, scenarios
from tests.support.shape_oracle import lengthened, names_in_full, on_a_set

KINDS = ("collection", "view", "timeseries")


def listing(*entries: tuple[str, str], **more: Any) -> dict[str, Any]:
    names = [{"name": name, "type": kind} for name, kind in entries]
    cursor = {"id": Int64(0), "ns": "shop.$cmd.listCollections", "firstBatch": names}
    return {"cursor": cursor, "ok": 1.0, **more}


def read(data: bytes) -> list[tuple[str, str, bool | None, bytes]] | None:
    return read_names(b"around" + data + b"it", 6, 6 + len(data))


SHOP = listing(("orders", "collection"), ("äpfel", "view"), ("weather", "timeseries"))


def test_lists_of_recorded_servers_are_read_as_in_full() -> None:
    known = 0
    for version, scenario in scenarios():
        for step in load(version, scenario):
            if step.name.startswith("listCollections") and step.reply[12:16] == b"\xdd\x07\0\0":
                names = read(step.reply[21:])
                known += bool(names)
                assert names is None or names == names_in_full(step.reply[21:])
    assert known > 3


@pytest.mark.parametrize("count", [0, 1, 11, name_lists.MOST])
def test_a_whole_list_is_read(count: int) -> None:
    entries = [(f"c{number}", KINDS[number % 3]) for number in range(count)]
    for data in (bson.encode(listing(*entries)), on_a_set(bson.encode(listing(*entries)))):
        names = read(data)
        assert names is not None
        assert [(name, kind) for name, kind, _, _ in names] == entries
        assert names == names_in_full(data)


@pytest.mark.parametrize(
    "document",
    [
        listing(("", "collection")),
        listing(("a\0b", "collection")),
        listing(("orders", "bucket")),
        listing(("orders", "collection"), ok=0.0),
        listing(("orders", "collection"), **{"$err": "no"}),
        {"ok": 1.0, **listing(("orders", "collection"))},
        listing(*[("orders", "collection")] * (name_lists.MOST + 1)),
        {"cursor": SHOP["cursor"] | {"id": Int64(7)}, "ok": 1.0},
        {"cursor": SHOP["cursor"] | {"more": 1}, "ok": 1.0},
        {
            "cursor": {**SHOP["cursor"], "firstBatch": [{"name": "a", "type": "view", "options": {}}]},
            "ok": 1.0,
        },
    ],
)
def test_any_other_form_goes_the_general_way(document: dict[str, Any]) -> None:
    assert read(bson.encode(document)) is None


def test_a_second_cursor_goes_the_general_way() -> None:
    data = bson.encode(SHOP)
    element = data[4:-1].partition(b"\x01ok")[0]
    twice = data[:-1] + element + b"\0"
    assert read(lengthened(twice, 0, len(element))) is None


def test_no_byte_can_be_changed_unnoticed() -> None:
    """Each byte in several ways, each four of them as a length: nothing, or what the general way reads."""
    for data in (bson.encode(SHOP), on_a_set(bson.encode(SHOP))):
        assert read(data) is not None
        for at in range(len(data)):
            changed = [data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :] for bit in (1, 2, 16, 128, 255)]
            changed += [
                data[:at] + data[at + 1 :],
                data[:at] + b"\0" + data[at:],
                data[:at] + b"x" + data[at:],
            ]
            changed += [lengthened(data, at, more) for more in (-1, 1, 256)] if at + 4 <= len(data) else []
            for other in changed:
                names = read(other)
                assert names is None or names == names_in_full(other)


@given(
    st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.sampled_from(KINDS)), max_size=12),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=6)), max_size=2),
)
def test_any_names_are_read_as_the_general_way_reads_them(
    entries: list[tuple[bytes, str]], splices: list[tuple[int, bytes]]
) -> None:
    """Names of any bytes, and lists into which something was written."""
    marks = [
        f"{number:02}" + "x" * (len(name) - 2) if len(name) > 1 else "~"
        for number, (name, _) in enumerate(entries)
    ]
    data = bson.encode(listing(*zip(marks, [kind for _, kind in entries], strict=True)))
    for mark, (name, _) in zip(marks, entries, strict=True):
        data = data.replace(
            b"\x02name\0" + (len(name) + 1).to_bytes(4, "little") + mark.encode() + b"\0",
            b"\x02name\0" + (len(name) + 1).to_bytes(4, "little") + name + b"\0",
            1,
        )
    for at, piece in splices:
        data = data[: at % len(data)] + piece + data[at % len(data) + len(piece) :]
    names = read(data)
    if names is not None:
        assert names == names_in_full(data)
    elif not splices:
        assert any(b"\0" in name for name, _ in entries)
