"""Frames that lie: lengths, ids, opcodes, flags, sections, counts."""

from __future__ import annotations

import functools
import struct
import zlib
from typing import TYPE_CHECKING

import bson

from results.verdict import Verdict
from scanner.lab import wire
from scanner.lab.hostile.base import (
    ANY,
    LIST,
    NEVER_OPEN,
    PLAIN_LIST,
    base_profile,
    hostile,
    sends,
    striking,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.lab.personality import Personality
    from scanner.lab.wire import ClientMessage

    Make = Callable[[ClientMessage], bytes]

MAX_INT = 2**31 - 1
LENGTHS = {
    "zero": 0,
    "15": 15,
    "negative": -1,
    "minimum": -(2**31),
    "maximum": MAX_INT,
    "48000001": 48_000_001,
    "header_only": 16,
    "20": 20,
}


def personalities() -> list[Personality]:
    """All cases of this file."""
    return [*_lengths(), *_headers(), *_flags(), *_sections(), *_counts()]


def _opcode(request: ClientMessage) -> int:
    return wire.OP_MSG if request.opcode == wire.OP_MSG else wire.OP_REPLY


def _length(value: int) -> Make:
    return lambda request: wire.header(value, request.request_id, _opcode(request)) + bytes(64)


def _lengths() -> list[Personality]:
    made = []
    for name, value in LENGTHS.items():
        first = striking(sends(_length(value)))
        made.append(
            hostile(f"length_{name}", f"first reply says it is {value} bytes long", first, also=NEVER_OPEN)
        )
    for name in ("zero", "negative", "maximum", "48000001"):
        later = striking(sends(_length(LENGTHS[name])), LIST)
        text = f"the listDatabases reply says it is {LENGTHS[name]} bytes long"
        made.append(hostile(f"list_length_{name}", text, later))
    short = striking(
        sends(lambda request: wire.header(1000, request.request_id, _opcode(request)) + bytes(100)), LIST
    )
    made.append(hostile("unfinished_reply", "1000 bytes promised, 116 sent, then nothing", short))
    return made


def _list_reply(request: ClientMessage) -> bytes:
    return wire.answer(request, PLAIN_LIST)


def _patched(offset: int, form: str, value: int) -> Make:
    def make(request: ClientMessage) -> bytes:
        raw = bytearray(_list_reply(request))
        struct.pack_into(form, raw, offset, value)
        return bytes(raw)

    return make


def _response_to(change: Callable[[int], int]) -> Make:
    def make(request: ClientMessage) -> bytes:
        return _patched(8, "<i", change(request.request_id))(request)

    return make


@functools.cache
def _bomb(size: int) -> bytes:
    """A valid OP_COMPRESSED body (zlib) that unpacks to `size` bytes."""
    packed = zlib.compress(bytes(size), 9)
    return struct.pack("<iiB", wire.OP_MSG, size, 2) + packed


def _noop_compressed(request: ClientMessage) -> bytes:
    inner = _list_reply(request)[16:]
    body = struct.pack("<iiB", _opcode(request), len(inner), 0) + inner
    return wire.frame(body, request.request_id, wire.OP_COMPRESSED)


def _swapped_kind(request: ClientMessage) -> bytes:
    if request.opcode == wire.OP_MSG:
        return wire.reply(request.request_id, PLAIN_LIST)
    return wire.message(request.request_id, PLAIN_LIST)


def _headers() -> list[Personality]:
    cases: dict[str, tuple[str, Make]] = {
        "response_to_next": ("responseTo is one too high", _response_to(lambda number: number + 1)),
        "response_to_zero": ("responseTo is 0", _response_to(lambda _: 0)),
        "response_to_minus_one": ("responseTo is -1", _response_to(lambda _: -1)),
        "opcode_2001": ("the reply is an OP_UPDATE", _patched(12, "<i", 2001)),
        "opcode_2004": ("the reply is an OP_QUERY", _patched(12, "<i", 2004)),
        "opcode_2010": ("the reply is an OP_COMMAND", _patched(12, "<i", 2010)),
        "opcode_9999": ("the reply has an opcode that does not exist", _patched(12, "<i", 9999)),
        "compressed_noop": ("an OP_COMPRESSED reply that nobody asked for", _noop_compressed),
        "compressed_bomb": (
            "32 KiB of OP_COMPRESSED that unpack to 32 MiB",
            lambda request: wire.frame(_bomb(32 * 1024**2), request.request_id, wire.OP_COMPRESSED),
        ),
        "other_kind": ("OP_REPLY to OP_MSG, OP_MSG to OP_QUERY", _swapped_kind),
    }
    made = [hostile(name, text, striking(sends(make), LIST)) for name, (text, make) in cases.items()]
    junk = striking(sends(_hello_and_more), ANY)
    made.append(
        hostile(
            "unasked_reply",
            "a second reply that nobody asked for follows the first",
            junk,
            also=NEVER_OPEN,
        )
    )
    return made


def _hello_and_more(request: ClientMessage) -> bytes:
    hello = {"ismaster": True, "maxWireVersion": 21, "minWireVersion": 0, "ok": 1.0}
    return wire.answer(request, hello) + wire.message(0, PLAIN_LIST)


def _checksummed(request: ClientMessage) -> bytes:
    raw = bytearray(wire.message(request.request_id, PLAIN_LIST, flags=wire.CHECKSUM_PRESENT))
    struct.pack_into("<i", raw, 0, len(raw) + 4)
    return bytes(raw) + struct.pack("<I", crc32c(bytes(raw)))


def crc32c(content: bytes) -> int:
    """CRC-32 with the Castagnoli polynomial, as OP_MSG's checksum has it."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def _flagged(flags: int) -> Make:
    return lambda request: wire.message(request.request_id, PLAIN_LIST, flags=flags)


def _flags() -> list[Personality]:
    either = frozenset({Verdict.OPEN})
    return [
        hostile("checksum", "a reply with a correct checksum", striking(sends(_checksummed), LIST)),
        hostile("checksum_lie", "the checksum bit without a checksum", striking(sends(_flagged(1)), LIST)),
        hostile(
            "more_to_come",
            "the first of a stream of replies",
            striking(sends(_flagged(wire.MORE_TO_COME)), LIST),
            also=either,
        ),
        hostile("flag_required", "an unknown required flag", striking(sends(_flagged(1 << 5)), LIST)),
        hostile(
            "flag_optional",
            "an unknown optional flag, which must be ignored",
            striking(sends(_flagged(1 << 20)), LIST),
            Verdict.OPEN,
        ),
    ]


def _sections() -> list[Personality]:
    body = b"\x00" + PLAIN_LIST
    document = bson.encode({"ok": 1.0})
    sequence = b"\x01" + struct.pack("<i", 4 + 5 + len(document)) + b"docs\x00" + document
    cases = {
        "section_sequence_first": ("a document sequence before the body", sequence + body),
        "section_sequence_last": ("a document sequence after the body", body + sequence),
        "section_two_bodies": ("two bodies", body + body),
        "section_kind_2": ("a section of a kind that does not exist", b"\x02" + PLAIN_LIST),
        "section_none": ("no section at all", b""),
        "section_size_zero": ("a sequence of size 0", b"\x01" + struct.pack("<i", 0) + body),
        "section_size_negative": ("a sequence of negative size", b"\x01" + struct.pack("<i", -5) + body),
        "section_size_over": (
            "a sequence that ends after the message",
            b"\x01" + struct.pack("<i", 900) + body,
        ),
        "section_trailing": ("bytes after the body", body + b"\x00\x00\x00"),
    }
    made = []
    for name, (text, sections) in cases.items():
        made.append(hostile(name, text, striking(sends(_with_sections(sections)), LIST)))
    return made


def _with_sections(sections: bytes) -> Make:
    return lambda request: wire.frame(struct.pack("<I", 0) + sections, request.request_id, wire.OP_MSG)


def _counts() -> list[Personality]:
    """OP_REPLY fields; the server is a 3.2, which is asked by OP_QUERY only."""

    def case(name: str, text: str, make: Make, verdict: Verdict = Verdict.UNKNOWN) -> Personality:
        return hostile(name, text, striking(sends(make), LIST, base_profile(old=True)), verdict)

    def counted(number: int) -> Make:
        return lambda request: wire.reply(request.request_id, PLAIN_LIST, number_returned=number)

    denied = bson.encode({"$err": "not authorized for query on admin.$cmd", "code": 13})
    return [
        case("returned_zero", "numberReturned 0", counted(0)),
        case("returned_two", "numberReturned 2, one document", counted(2)),
        case("returned_negative", "numberReturned -1", counted(-1)),
        case("returned_maximum", "numberReturned 2^31-1", counted(MAX_INT)),
        case(
            "two_documents",
            "two documents in one reply to a command",
            lambda request: wire.reply(request.request_id, PLAIN_LIST, PLAIN_LIST),
        ),
        case(
            "starting_from",
            "startingFrom 7",
            lambda request: wire.reply(request.request_id, PLAIN_LIST, starting_from=7),
        ),
        case(
            "cursor_of_command",
            "a cursor id in the reply to a command",
            lambda request: wire.reply(request.request_id, PLAIN_LIST, cursor_id=99),
        ),
        case(
            "cursor_not_found",
            "the flag CursorNotFound on a command",
            lambda request: wire.reply(request.request_id, PLAIN_LIST, flags=1),
        ),
        case(
            "query_failure",
            "QueryFailure with $err and code 13",
            lambda request: wire.reply(request.request_id, denied, flags=wire.QUERY_FAILURE),
            Verdict.AUTH_REQUIRED,
        ),
    ]
