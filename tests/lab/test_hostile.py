"""The hostile servers: each must do to its client what its description says, seen as bytes on the wire."""

from __future__ import annotations

import asyncio
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import bson
import pytest

from results.verdict import Verdict
from scanner.lab import hostile
from scanner.lab.hostile.claims import INJECTION_NAMES
from scanner.lab.hostile.framing import LENGTHS, crc32c
from tests.lab.asking import ALL, ANY_DATE, HELLO, LIST
from tests.lab.client import Client, msg, patience, query
from tests.support.servers import serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.lab.personality import Personality

HELLO_ID, LIST_ID = 7, 8
# Those whose first answer is struck already, or that say nothing that could be read as a message.
STRUCK_AT_ONCE = ("length_", "tls_", "preemptive", "reset_", "hello_48mb", "endless_reply", "stall_after")
# Those that have more to say after a whole message.
GOES_ON = ("unasked_reply", "endless", "more_without", "fin_at", "reset_at", "preemptive")


@dataclass(frozen=True)
class Exchange:
    """What came back: raw bytes after each of two questions, and how it stood at the end."""

    hello: bytes
    listed: bytes
    end: str  # open, closed, reset

    @property
    def header(self) -> tuple[int, int, int, int]:
        """length, requestID, responseTo, opcode of the second answer."""
        found: tuple[int, int, int, int] = struct.unpack_from("<iiii", self.listed)
        return found

    @property
    def document(self) -> bytes:
        """The document of the second answer, encoded."""
        return self.listed[36 if self.header[3] == 1 else 21 :]

    @property
    def decoded(self) -> dict[str, Any]:
        """The same, as the driver's library reads it."""
        return bson.decode(self.document, ANY_DATE)


async def exchange(personality: Personality, seconds: float = 0.12) -> Exchange:
    """Ask twice, and give each answer a moment; whole messages end the wait earlier."""
    async with serve(personality) as server, Client.to(server) as client:
        first = b""
        if not personality.name.startswith(STRUCK_AT_ONCE):
            client.send(query(HELLO, request_id=HELLO_ID))
            first = await message_or_less(client, seconds)
        old = b"maxWireVersion\x00\x04\x00\x00\x00" in first
        client.send(query(LIST, request_id=LIST_ID) if old else msg(LIST, request_id=LIST_ID))
        end, second = "open", b""
        try:
            second = await client.within(seconds, one_message=not personality.name.startswith(GOES_ON))
            if client.reader.at_eof():
                end = "closed"
        except ConnectionResetError:
            end = "reset"
        return Exchange(first, second, end)


async def message_or_less(client: Client, seconds: float) -> bytes:
    """One whole message if there is one, else what came."""
    try:
        async with patience(seconds):
            head = await client.reader.readexactly(16)
            length = struct.unpack_from("<i", head)[0]
            return head + await client.reader.readexactly(min(max(length, 16), 10_000) - 16)
    except asyncio.IncompleteReadError as error:
        return error.partial
    except (TimeoutError, ConnectionResetError):
        return b""


@pytest.mark.both_loops
@pytest.mark.parametrize("part", range(8))
async def test_lets_go_when_its_client_is_gone(part: int) -> None:
    """Whatever it does, the conversation ends with the connection, or at the latest with the server."""
    await asyncio.gather(*(ask_and_leave(name) for name in list(ALL)[part::8]))


async def ask_and_leave(name: str) -> None:
    personality = ALL[name]
    async with serve(personality) as server:
        async with Client.to(server) as client:
            client.send(query(HELLO) + msg(LIST))
            await asyncio.sleep(0.01)
        if personality.accepts:
            assert server.record.connections == 1
    assert server.open_conversations == 0


def test_names_are_unique_and_told() -> None:
    listed = hostile.personalities()
    assert len(ALL) == len(listed) >= 150
    assert all(each.description and each.verdict in each.acceptable for each in listed)
    # A server that proves nothing must never be called open.
    assert not any(each.acceptable >= {Verdict.OPEN, Verdict.NOT_MONGODB} for each in listed)


@pytest.mark.parametrize("name", LENGTHS)
async def test_lengths_are_the_promised_lies(name: str) -> None:
    seen = await exchange(ALL[f"length_{name}"])
    assert seen.header[0] == LENGTHS[name]
    assert seen.header[2] == LIST_ID


CHECKS: dict[str, Callable[[Exchange], bool]] = {
    "list_length_zero": lambda seen: seen.header[0] == 0,
    "list_length_negative": lambda seen: seen.header[0] == -1,
    "list_length_maximum": lambda seen: seen.header[0] == 2**31 - 1,
    "list_length_48000001": lambda seen: seen.header[0] == 48_000_001,
    "unfinished_reply": lambda seen: seen.header[0] == 1000 and len(seen.listed) == 116,
    "response_to_next": lambda seen: seen.header[2] == LIST_ID + 1,
    "response_to_zero": lambda seen: seen.header[2] == 0,
    "response_to_minus_one": lambda seen: seen.header[2] == -1,
    "opcode_2001": lambda seen: seen.header[3] == 2001,
    "opcode_2004": lambda seen: seen.header[3] == 2004,
    "opcode_2010": lambda seen: seen.header[3] == 2010,
    "opcode_9999": lambda seen: seen.header[3] == 9999,
    "compressed_noop": lambda seen: seen.header[3] == 2012 and seen.listed[24] == 0,
    "compressed_bomb": lambda seen: (
        seen.header[3] == 2012
        and struct.unpack_from("<i", seen.listed, 20)[0] == 2**25
        and seen.listed[24] == 2
    ),
    "other_kind": lambda seen: seen.header[3] == 1,
    "checksum": lambda seen: seen.listed[16] == 1 and crc32c(seen.listed[:-4]) == last_number(seen.listed),
    "checksum_lie": lambda seen: (
        seen.listed[16] == 1 and crc32c(seen.listed[:-4]) != last_number(seen.listed)
    ),
    "more_to_come": lambda seen: seen.listed[16] == 2,
    "flag_required": lambda seen: seen.listed[16] == 32,
    "flag_optional": lambda seen: seen.listed[16:20] == struct.pack("<I", 1 << 20),
    "section_sequence_first": lambda seen: seen.listed[20] == 1,
    "section_sequence_last": lambda seen: b"\x01\x1a\x00\x00\x00docs\x00" in seen.listed[21:],
    "section_two_bodies": lambda seen: seen.listed.count(b"\x04databases\x00") == 2,
    "section_kind_2": lambda seen: seen.listed[20] == 2,
    "section_none": lambda seen: seen.header[0] == len(seen.listed) == 20,
    "section_size_zero": lambda seen: seen.listed[20:25] == b"\x01\x00\x00\x00\x00",
    "section_size_negative": lambda seen: seen.listed[20:25] == b"\x01\xfb\xff\xff\xff",
    "section_size_over": lambda seen: struct.unpack_from("<i", seen.listed, 21)[0] > len(seen.listed),
    "section_trailing": lambda seen: seen.listed.endswith(b"\x00\x00\x00\x00"),
    "returned_zero": lambda seen: returned(seen) == 0,
    "returned_two": lambda seen: returned(seen) == 2,
    "returned_negative": lambda seen: returned(seen) == -1,
    "returned_maximum": lambda seen: returned(seen) == 2**31 - 1,
    "two_documents": lambda seen: returned(seen) == 2 and seen.listed.count(b"\x04databases\x00") == 2,
    "starting_from": lambda seen: struct.unpack_from("<i", seen.listed, 28)[0] == 7,
    "cursor_of_command": lambda seen: struct.unpack_from("<q", seen.listed, 20)[0] == 99,
    "cursor_not_found": lambda seen: seen.listed[16] == 1,
    "query_failure": lambda seen: seen.listed[16] == 2 and seen.decoded["code"] == 13,
    "ok_string": lambda seen: seen.decoded["ok"] == "1",
    "ok_nan": lambda seen: math.isnan(seen.decoded["ok"]),
    "ok_two": lambda seen: seen.decoded["ok"] == 2,
    "ok_document": lambda seen: seen.decoded["ok"] == {},
    "ok_null": lambda seen: seen.decoded["ok"] is None,
    "ok_true": lambda seen: seen.decoded["ok"] is True,
    "ok_whole": lambda seen: seen.decoded["ok"] == 1 and isinstance(seen.decoded["ok"], int),
    "ok_zero_with_list": lambda seen: seen.decoded["ok"] == 0 and len(seen.decoded["databases"]) == 2,
    "code_with_list": lambda seen: seen.decoded["code"] == 13 and seen.decoded["ok"] == 1,
    "list_absent": lambda seen: seen.decoded == {"ok": 1.0},
    "list_document": lambda seen: isinstance(seen.decoded["databases"], dict),
    "list_string": lambda seen: seen.decoded["databases"] == "shop",
    "list_numbers": lambda seen: seen.decoded["databases"] == [1, 2],
    "list_nameless": lambda seen: "name" not in seen.decoded["databases"][0],
    "list_number_names": lambda seen: seen.decoded["databases"] == [{"name": 7}],
    "list_empty": lambda seen: seen.decoded["databases"] == [],
    "odd_sizes": lambda seen: seen.decoded["databases"][1]["sizeOnDisk"] == -1.0,
    "injection_names": lambda seen: names(seen) == list(INJECTION_NAMES),
    "long_error": lambda seen: len(seen.decoded["errmsg"]) == 900 * 1024 and seen.decoded["code"] == 13,
    "wrong_database_13": lambda seen: "admin database" in seen.decoded["errmsg"],
    "localhost_words": lambda seen: "must run from localhost" in seen.decoded["errmsg"],
    "code_as_string": lambda seen: seen.decoded["code"] == "13",
    "no_words": lambda seen: seen.decoded == {"ok": 0.0},
    "huge_code": lambda seen: seen.decoded["code"] == 2**62,
    "fin_at_0": lambda seen: (seen.listed, seen.end) == (b"", "closed"),
    "fin_at_1": lambda seen: (len(seen.listed), seen.end) == (1, "closed"),
    "fin_at_15": lambda seen: (len(seen.listed), seen.end) == (15, "closed"),
    "fin_at_16": lambda seen: (len(seen.listed), seen.end) == (16, "closed"),
    "fin_at_17": lambda seen: (len(seen.listed), seen.end) == (17, "closed"),
    "fin_at_40": lambda seen: (len(seen.listed), seen.end) == (40, "closed"),
    "reset_at_0": lambda seen: seen.end == "reset",
    "reset_at_17": lambda seen: seen.end == "reset",
    "reset_at_40": lambda seen: seen.end == "reset",
    "reset_first": lambda seen: seen.end == "reset",
    "reset_at_once": lambda seen: seen.end == "reset",
    "endless_reply": lambda seen: seen.header[0] == 47_000_000 and len(seen.listed) > 500_000,
    "endless_list": lambda seen: seen.header[0] == 47_000_000 and len(seen.listed) > 500_000,
    "endless_replies": lambda seen: seen.listed.count(b"databases") > 1000,
    "more_without_end": lambda seen: seen.listed[16] == 2 and seen.listed.count(b"databases") > 1000,
    "noise": lambda seen: len(seen.listed) > 500_000,
    "drip_list": lambda seen: len(seen.listed) == 1 and seen.end == "open",
    "stall_after_header": lambda seen: len(seen.listed) == 16 and seen.end == "open",
    "zero_window": lambda seen: (seen.hello + seen.listed, seen.end) == (b"", "open"),
    "never_accepts": lambda seen: (seen.hello + seen.listed, seen.end) == (b"", "open"),
    "mute": lambda seen: (seen.hello + seen.listed, seen.end) == (b"", "open"),
    "unasked_reply": lambda seen: seen.header[2] == 0 and b"databases" in seen.listed,
    "mirror": lambda seen: seen.decoded["listDatabases"] == 1 and seen.decoded["ok"] == 1.0,
    "preemptive": lambda seen: seen.listed.count(b"databases") == 20,
    "preemptive_echo": lambda seen: (
        b"databases" in seen.listed and msg(LIST, request_id=LIST_ID) in seen.listed
    ),
}


def last_number(raw: bytes) -> int:
    return int(struct.unpack("<I", raw[-4:])[0])


def returned(seen: Exchange) -> int:
    """numberReturned of an OP_REPLY."""
    return int(struct.unpack_from("<i", seen.listed, 32)[0])


def names(seen: Exchange) -> list[str]:
    """Database names."""
    return [each["name"] for each in seen.decoded["databases"]]


@pytest.mark.parametrize("name", CHECKS)
async def test_strikes_as_described(name: str) -> None:
    assert CHECKS[name](await exchange(ALL[name]))


BSON = [name for name in ALL if name.startswith(("bson_", "deep_"))]


@pytest.mark.parametrize("name", BSON)
async def test_bson_is_as_legal_as_it_says(name: str) -> None:
    """What counts as open is legal BSON with a list in it; the frame around all of them is correct."""
    personality = ALL[name]
    async with serve(personality) as server, Client.to(server) as client:
        await client.ask(query(HELLO))
        reply = await client.ask(msg(LIST, request_id=LIST_ID))
    assert (reply.response_to, reply.opcode, reply.body[:5]) == (LIST_ID, 2013, bytes(5))
    if personality.verdict is Verdict.OPEN:
        decoded = bson.decode(reply.document_bytes, ANY_DATE)
        assert decoded["ok"] == 1.0
        assert decoded["databases"]


BROKEN = [
    *(
        "length_negative",
        "length_zero",
        "length_4",
        "length_over",
        "length_under",
        "length_maximum",
        "no_end",
    ),
    *("array_over", "array_entry_over", "child_negative", "binary_negative", "binary_over"),
    *("truncated_element", "string_negative", "string_zero", "string_over", "string_no_nul", "key_no_nul"),
    *("type_20", "type_00", "deep_100000", "deep_list"),
]


@pytest.mark.parametrize("name", BROKEN)
async def test_broken_bson_is_broken(name: str) -> None:
    """The driver's own library refuses it too."""
    async with serve(ALL[f"bson_{name}"]) as server, Client.to(server) as client:
        await client.ask(query(HELLO))
        reply = await client.ask(msg(LIST))
    with pytest.raises((bson.errors.BSONError, RecursionError)):
        bson.decode(reply.document_bytes)


@pytest.mark.parametrize(
    ("name", "count", "size"),
    [
        ("million_names", 1_000_000, 24_000_000),
        ("list_48mb", 20_000, 46_000_000),
        ("long_names", 2, 2_097_152),
    ],
)
async def test_huge_lists_are_whole_and_correct(name: str, count: int, size: int) -> None:
    async with serve(ALL[name]) as server, Client.to(server) as client:
        await client.ask(query(HELLO))
        reply = await client.ask(msg(LIST, request_id=LIST_ID))
    assert size < reply.length <= 48_000_000
    assert reply.response_to == LIST_ID
    raw = bson.raw_bson.RawBSONDocument(reply.document_bytes)
    assert raw["ok"] == 1.0
    assert reply.document_bytes.count(b"\x02name\x00") == count


async def test_the_longest_hello_is_exactly_as_long_as_a_message_may_be() -> None:
    async with serve(ALL["hello_48mb"]) as server, Client.to(server) as client:
        reply = await client.ask(query(HELLO))
    assert reply.length == 48_000_000
    assert bson.decode(reply.document_bytes)["maxWireVersion"] == 21


async def test_bytes_alone_add_up_to_honest_answers() -> None:
    async with serve(ALL["bytes_alone"]) as server, Client.to(server) as client:
        assert (await client.ask(query(HELLO))).document["maxWireVersion"] == 21
        assert (await client.ask(msg(LIST))).document["databases"]


@pytest.mark.parametrize("name", ["alternating", "alternating_locked"])
async def test_alternating_servers_change_with_each_connection(name: str) -> None:
    answers = []
    async with serve(next(each for each in hostile.personalities() if each.name == name)) as server:
        for _ in range(4):
            async with Client.to(server) as client:
                answers.append((await client.ask(msg(LIST))).document["ok"])
    assert answers == [1.0, 0.0, 1.0, 0.0] if name == "alternating" else [0.0, 1.0, 0.0, 1.0]
