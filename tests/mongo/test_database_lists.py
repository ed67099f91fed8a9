"""Lists of databases of the usual forms are read as the general way reads them, or not at all."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson import Int64
from hypothesis import given
from hypothesis import strategies as st

from scanner.mongo.name_lists import LONG, MOST, SHORT, read_databases, read_sizes
from tests.support.recordings import load, scenarios
from tests.support.shape_oracle import databases_in_full, lengthened, on_a_set, plain_sizes, sizes_in_full

EIGHT_K = Int64(8192)


def sized(*names: str, size: Any = EIGHT_K, **more: Any) -> dict[str, Any]:
    entries = [{"name": name, "sizeOnDisk": size, "empty": not at % 3} for at, name in enumerate(names)]
    return {"databases": entries, "totalSize": size, "totalSizeMb": Int64(0), "ok": 1.0, **more}


def named(*names: str, **more: Any) -> dict[str, Any]:
    return {"databases": [{"name": name} for name in names], "ok": 1.0, **more}


def sizes(data: bytes) -> object:
    return plain_sizes(read_sizes(b"around" + data + b"it", 6, 6 + len(data)))


def names(data: bytes) -> list[str] | None:
    return read_databases(b"around" + data + b"it", 6, 6 + len(data))


def test_lists_of_recorded_servers_are_read_as_in_full() -> None:
    known = 0
    for version, scenario in scenarios():
        for step in load(version, scenario):
            if step.name.startswith("listDatabases") and step.reply[12:16] == b"\xdd\x07\0\0":
                reply = step.reply[21:]
                known += sizes(reply) is not None or names(reply) is not None
                assert sizes(reply) in (None, sizes_in_full(reply))
                assert names(reply) in (None, databases_in_full(reply))
    assert known > 3


@pytest.mark.parametrize("size", [Int64(0), Int64(2**62), 8192.0, float("nan"), -1.0])
@pytest.mark.parametrize("count", [0, 1, 11, MOST])
def test_a_whole_list_with_sizes_is_read(count: int, size: Any) -> None:
    data = bson.encode(sized(*[f"db{at}" for at in range(count)], size=size))
    for reply in (data, on_a_set(data)):
        assert sizes(reply) == sizes_in_full(reply)
        assert sizes(reply) is not None


@pytest.mark.parametrize(
    "document",
    [
        sized(""),
        sized("a\0b"),
        sized("shop", size=8192),
        sized("shop", ok=0.0),
        sized("shop", ok=1),
        sized("shop", errmsg="no"),
        {"ok": 1.0, **sized("shop")},
        sized(*["shop"] * (MOST + 1)),
        sized("x" * LONG),
        named("shop"),
        {
            "databases": [{"name": "shop", "empty": False, "sizeOnDisk": Int64(1)}],
            "totalSize": Int64(1),
            "ok": 1.0,
        },
        {
            "databases": [{"name": "shop", "sizeOnDisk": Int64(1), "empty": 0}],
            "totalSize": Int64(1),
            "ok": 1.0,
        },
        {"databases": [{"name": "shop", "sizeOnDisk": Int64(1)}], "totalSize": Int64(1), "ok": 1.0},
    ],
)
def test_any_other_form_with_sizes_goes_the_general_way(document: dict[str, Any]) -> None:
    assert sizes(bson.encode(document)) is None


@pytest.mark.parametrize(
    "document",
    [named(), named(""), named("x" * (SHORT + 1)), named("a", totalSize=1), named("a", ok=0.0), sized("a")],
)
def test_any_other_form_of_names_goes_the_general_way(document: dict[str, Any]) -> None:
    assert names(bson.encode(document)) is None


def test_no_byte_can_be_changed_unnoticed() -> None:
    """Each byte in several ways, each four of them as a length: nothing, or what the general way reads."""
    for document in (sized("shop", "äpfel", size=Int64(3)), named("shop", "äpfel")):
        for data in (bson.encode(document), on_a_set(bson.encode(document))):
            assert sizes(data) is not None or names(data) is not None
            for at in range(len(data)):
                changed = [data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :] for bit in (1, 2, 16, 255)]
                changed += [data[:at] + data[at + 1 :], data[:at] + b"\0" + data[at:]]
                changed += (
                    [lengthened(data, at, more) for more in (-1, 1, 256)] if at + 4 <= len(data) else []
                )
                for other in changed:
                    assert sizes(other) in (None, sizes_in_full(other))
                    assert names(other) in (None, databases_in_full(other))


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.integers(0, 2000), st.binary(max_size=6))
def test_names_of_any_bytes_are_read_as_the_general_way_reads_them(
    wanted: list[bytes], at: int, piece: bytes
) -> None:
    for made in (sized, named):
        data = bson.encode(made(*["x" * len(name) for name in wanted]))
        for name in wanted:
            data = data.replace(b"x" * len(name) + b"\0", name + b"\0", 1)
        at %= len(data)
        for reply in (data, data[:at] + piece + data[at + len(piece) :]):
            assert sizes(reply) in (None, sizes_in_full(reply))
            assert names(reply) in (None, databases_in_full(reply))
