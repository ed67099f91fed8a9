"""Fuzz target `frames`: the frame reader and the BSON walker, with PyMongo's decoder as a second opinion."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from datetime import UTC
from typing import Any, Final

import bson
from bson.code import Code
from bson.codec_options import TypeDecoder, TypeRegistry
from bson.errors import BSONError

from scanner.mongo import bson_check
from scanner.mongo.bson_check import BsonError
from scanner.mongo.wire import Expected, Flaw, Frame, FrameReader, Opcode, WireError
from tests.fuzz.oracle import OPTIONS, BrokenPromiseError, must
from tests.fuzz.source import Source

CAPS: Final = (60, 4096, 65536, 48_000_000)
DECODER_ERRORS: Final = (
    BSONError,
    ValueError,
    TypeError,
    KeyError,
    OverflowError,
    RecursionError,
    struct.error,
)


class _NoCode(TypeDecoder):
    """As in the walker's own options, where JavaScript becomes nothing."""

    bson_type = Code

    def transform_bson(self, value: object) -> None:
        return None


THEIRS: Final = OPTIONS.with_options(
    tz_aware=True,
    tzinfo=UTC,
    type_registry=TypeRegistry([_NoCode()]),
)
Heard = tuple[list[Frame], Flaw | None, str]


def run(data: bytes) -> None:
    """One input: its first byte says whether the rest is a document, a batch, or a stream of frames."""
    source = Source(data)
    kind = source.byte()
    if kind < 80:
        _document(source.rest())
    elif kind < 96:
        _batch(source.byte() % 8, source.rest())
    else:
        _stream(source)


def _document(data: bytes) -> None:
    try:
        top = bson_check.check(data)
    except BsonError:
        return
    try:
        ours: dict[str, Any] | None = bson_check.decode(data)
    except BsonError as error:
        ours = None
        doubled = "twice" in str(error)
    try:
        theirs: dict[str, Any] | None = bson.decode(data, THEIRS)
    except DECODER_ERRORS:
        theirs = None
    if ours is None:
        must(doubled or theirs is None, "refused, and the driver's decoder takes it")
        return
    must(theirs is not None, "taken, and the driver's decoder refuses it")
    must(len(ours) <= top, "more keys than elements")
    must(repr(ours) == repr(theirs), "two decoders read two documents", ours, theirs)


def _batch(count: int, data: bytes) -> None:
    try:
        documents = bson_check.decode_all(data, count)
    except BsonError:
        return
    must(len(documents) == count, "a batch of another number")


def _expectations(source: Source) -> list[Expected]:
    chosen = []
    for number in range(1 + source.below(4)):
        bits = source.byte()
        chosen.append(
            Expected(
                number + 1,
                Opcode.OP_MSG if bits & 1 else Opcode.OP_QUERY,
                CAPS[bits >> 1 & 3],
                documents=bits & 9 == 8,
                lists_databases=bool(bits & 16),
                optional=bool(bits & 32),
            )
        )
    return chosen


def _stream(source: Source) -> None:
    expectations = _expectations(source)
    size = 1 + source.below(64)
    stream = source.rest()
    whole = _read(expectations, [stream])
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    if zlib.crc32(stream) % 32 == 0:
        tracemalloc.start()
        try:
            cut = _read(expectations, pieces)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        must(peak <= 4 * len(stream) + 64 * 1024, "reading", len(stream), "bytes took", peak)
    else:
        cut = _read(expectations, pieces)
    must(whole == cut, "the pieces change what is read", whole, cut)


def _read(expectations: list[Expected], pieces: list[bytes]) -> Heard:
    reader = FrameReader()
    waiting = [
        Expected(e.request_id, e.by, e.cap, e.documents, e.lists_databases, e.optional) for e in expectations
    ]
    for expected in waiting:
        reader.expect([expected], struct.pack("<iiii", 48, expected.request_id, 0, 2013))
    frames: list[Frame] = []
    try:
        for piece in pieces:
            reader.feed(piece)
            while (frame := reader.next_frame()) is not None:
                _check_frame(frame, waiting)
                frames.append(frame)
                if frame.truncated_list:
                    return frames, None, "truncated"
    except WireError as error:
        return frames, error.flaw, error.detail
    cap = max((e.cap for e in waiting), default=0)
    must(reader.buffered <= max(cap, 16), "held", reader.buffered, "over the cap of", cap)
    return frames, None, ""


def _check_frame(frame: Frame, waiting: list[Expected]) -> None:
    if not any(frame.expected is expected for expected in waiting):
        raise BrokenPromiseError("a reply to nothing")
    while waiting.pop(0) is not frame.expected:
        pass
    must(len(frame.body) <= frame.expected.cap, "a body over its cap")
    must(frame.documents >= 0, "a negative number of documents")
