"""Frames as the lab reads and writes them: struct headers of its own and PyMongo's `bson`.

An independent second implementation on purpose: nothing here comes from the scanner's wire code.
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from typing import Any

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

Document = dict[str, Any]

OP_REPLY = 1
OP_QUERY = 2004
OP_GET_MORE = 2005
OP_COMMAND = 2010
OP_COMPRESSED = 2012
OP_MSG = 2013

MAX_MESSAGE = 48_000_000  # maxMessageSizeBytes of every MongoDB since 2.4
SECONDARY_OK = 4  # OP_QUERY flag bit 2
AWAIT_CAPABLE = 8  # responseFlags of an ordinary OP_REPLY
QUERY_FAILURE = 2  # responseFlags bit 1: the document has `$err`
CHECKSUM_PRESENT = 1
MORE_TO_COME = 2

HEADER = struct.Struct("<iiii")
_REPLY = struct.Struct("<iqii")
_OPTIONS: CodecOptions[Document] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)
_ids = itertools.count(1)


class BadFrameError(ValueError):
    """The client's bytes are no message that a MongoDB server would answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientMessage:
    """One message of a client. `document` is the command (OP_MSG sections merged) or the legacy query."""

    opcode: int
    request_id: int
    response_to: int
    flags: int
    namespace: str
    document: Document
    number_to_return: int = 0
    fields: Document | None = None
    raw: bytes = b""

    @property
    def database(self) -> str:
        """The database part of the namespace."""
        return self.namespace.split(".", 1)[0]

    @property
    def collection(self) -> str:
        """The collection part of the namespace; `$cmd` for commands."""
        return self.namespace.partition(".")[2]

    @property
    def is_command(self) -> bool:
        """True for OP_MSG and for OP_QUERY on `<db>.$cmd`."""
        return self.opcode == OP_MSG or self.collection == "$cmd"

    @property
    def command(self) -> str:
        """The first key of a command document; empty for a legacy read."""
        return next(iter(self.document), "") if self.is_command else ""


def header(length: int, response_to: int, opcode: int, request_id: int | None = None) -> bytes:
    """The 16 bytes in front of every message; any int32 is taken, right or wrong."""
    return HEADER.pack(length, next(_ids) if request_id is None else request_id, response_to, opcode)


def frame(body: bytes, response_to: int, opcode: int, request_id: int | None = None) -> bytes:
    """`body` with a correct header in front."""
    return header(16 + len(body), response_to, opcode, request_id) + body


def reply(
    response_to: int,
    *documents: bytes,
    flags: int = AWAIT_CAPABLE,
    cursor_id: int = 0,
    starting_from: int = 0,
    number_returned: int | None = None,
) -> bytes:
    """An OP_REPLY around encoded documents."""
    count = len(documents) if number_returned is None else number_returned
    body = _REPLY.pack(flags, cursor_id, starting_from, count) + b"".join(documents)
    return frame(body, response_to, OP_REPLY)


def message(response_to: int, document: bytes, *, flags: int = 0) -> bytes:
    """An OP_MSG with one body section around an encoded document."""
    return frame(struct.pack("<I", flags) + b"\x00" + document, response_to, OP_MSG)


def answer(request: ClientMessage, document: Document | bytes, *, flags: int | None = None) -> bytes:
    """`document` in the form in which a real server answers this request: OP_REPLY or OP_MSG."""
    encoded = document if isinstance(document, bytes) else bson.encode(document)
    if request.opcode == OP_MSG:
        return message(request.request_id, encoded)
    return reply(request.request_id, encoded, flags=AWAIT_CAPABLE if flags is None else flags)


def parse(raw: bytes) -> ClientMessage:
    """The message in `raw`, whole and with its header. Raises `BadFrameError`."""
    length, request_id, response_to, opcode = HEADER.unpack_from(raw)
    if length != len(raw):
        raise BadFrameError("length")
    try:
        if opcode == OP_MSG:
            return _parse_msg(raw, request_id, response_to)
        if opcode == OP_QUERY:
            return _parse_query(raw, request_id, response_to)
    except (bson.errors.BSONError, struct.error, ValueError, UnicodeDecodeError) as error:
        raise BadFrameError(str(error)) from error
    return ClientMessage(
        opcode=opcode,
        request_id=request_id,
        response_to=response_to,
        flags=0,
        namespace="",
        document={},
        raw=raw,
    )


def _parse_query(raw: bytes, request_id: int, response_to: int) -> ClientMessage:
    (flags,) = struct.unpack_from("<i", raw, 16)
    end = raw.index(b"\x00", 20)
    _, number_to_return = struct.unpack_from("<ii", raw, end + 1)
    documents = bson.decode_all(raw[end + 9 :], _OPTIONS)
    if not 1 <= len(documents) <= 2:
        raise BadFrameError("an OP_QUERY has one query and perhaps a field selector")
    return ClientMessage(
        opcode=OP_QUERY,
        request_id=request_id,
        response_to=response_to,
        flags=flags,
        namespace=raw[20:end].decode(),
        document=documents[0],
        number_to_return=number_to_return,
        fields=documents[1] if len(documents) == 2 else None,
        raw=raw,
    )


def _parse_msg(raw: bytes, request_id: int, response_to: int) -> ClientMessage:
    (flags,) = struct.unpack_from("<I", raw, 16)
    end = len(raw) - (4 if flags & CHECKSUM_PRESENT else 0)
    body: Document | None = None
    sequences: Document = {}
    position = 20
    while position < end:
        kind = raw[position]
        (size,) = struct.unpack_from("<i", raw, position + 1)
        section = raw[position + 1 : position + 1 + size]
        if size < 5 or len(section) != size or kind > 1:
            raise BadFrameError("section")
        if kind == 0:
            body = bson.decode(section, _OPTIONS)
        else:
            name, _, documents = section[4:].partition(b"\x00")
            sequences[name.decode()] = bson.decode_all(documents, _OPTIONS)
        position += 1 + size
    if body is None or not isinstance(body.get("$db"), str):
        raise BadFrameError("no body or no $db")
    return ClientMessage(
        opcode=OP_MSG,
        request_id=request_id,
        response_to=response_to,
        flags=flags,
        namespace=f"{body['$db']}.$cmd",
        document={**body, **sequences},
        raw=raw,
    )


def element(kind: int, key: str | bytes, payload: bytes) -> bytes:
    """One raw BSON element: type byte, key, payload; nothing is checked."""
    name = key.encode() if isinstance(key, str) else key
    return bytes([kind]) + name + b"\x00" + payload


def raw_document(*elements: bytes, length: int | None = None, end: bytes = b"\x00") -> bytes:
    """A BSON document around raw elements; `length` and `end` may lie."""
    body = b"".join(elements)
    return struct.pack("<i", len(body) + 4 + len(end) if length is None else length) + body + end


def raw_string(text: bytes, length: int | None = None) -> bytes:
    """The payload of a BSON string; `length` may lie."""
    return struct.pack("<i", len(text) + 1 if length is None else length) + text + b"\x00"
