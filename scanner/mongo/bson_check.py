"""Checks every length in a BSON document before a decoder sees it, and then decodes it.

Theory of operation. A decoder written in C is a large surface for bytes that a hostile server chose, and
PyMongo's change log names an out-of-bounds read of the past. So one flat loop walks the document first: each
length against its parent's end, each key against its terminator, the depth, the number of elements and the
types. It runs on every reply of a sweep, so it has no recursion and calls nothing but C functions.
Format: https://bsonspec.org/spec.html
"""

from __future__ import annotations

import struct
from collections import deque
from datetime import timezone
from itertools import islice, repeat
from operator import length_hint
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

import bson
from bson.code import Code
from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry
from bson.errors import BSONError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scanner.mongo.facts import Document

MAX_DEPTH: Final = 100
# Of one reply; the end of each document counts too. A decoded element takes up to 120 bytes, so these take
# 48 MB; the names of 130,000 databases pass, and the 4 MiB of names that a 2.x server sends at once.
MAX_ELEMENTS: Final = 400_000
ELEMENT_BYTES: Final = 120
# A date, an id, a regex, … becomes an object made in Python, for several times the time of a string. Honest
# replies hold few, so each counts as many elements. Of binaries they hold one for each collection.
COSTLY_COUNTS_AS: Final = 16
BINARY_COUNTS_AS: Final = 4  # unless its subtype is 0: that becomes plain bytes
TRUSTED_ONCE: Final = frozenset({b"ok", b"code", b"errmsg", b"databases", b"cursor"})

_INT32 = Struct("<i").unpack_from
_STRING, _EMBEDDED, _BINARY, _REGEX, _POINTER, _SCOPED, _UNKNOWN, _OBJECT, _CODE = range(-1, -10, -1)
_OBJECT_SIZE: Final = {0x07: 12, 0x09: 8, 0x11: 8, 0x13: 16}
# Size of the value by element type; negative: the rule that finds it. 0x06, 0x0c, 0x0e, 0x0f are deprecated.
_SIZE: Final = [_UNKNOWN] * 256
for _types, _size in (
    ((0x01, 0x12), 8),
    ((0x10,), 4),
    ((0x08,), 1),
    (tuple(_OBJECT_SIZE), _OBJECT),
    ((0x06, 0x0A, 0x7F, 0xFF), 0),
    ((0x02, 0x0E), _STRING),
    ((0x0D,), _CODE),
    ((0x03, 0x04), _EMBEDDED),
    ((0x05,), _BINARY),
    ((0x0B,), _REGEX),
    ((0x0C,), _POINTER),
    ((0x0F,), _SCOPED),
):
    for _type in _types:
        _SIZE[_type] = _size


class _NoCode(TypeDecoder):
    """JavaScript says nothing to us, and `Code` is a str without a hash: it must not pass for a name."""

    bson_type = Code

    def transform_bson(self, value: object) -> None:
        return None


_OPTIONS: CodecOptions[Document] = CodecOptions(
    type_registry=TypeRegistry([_NoCode()]),
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,  # a year that Python lacks comes as a number
    tz_aware=True,
    tzinfo=timezone.utc,  # noqa: UP017 - bson compares with this object
)
# For lists of names: a byte that is no UTF-8 becomes a lone surrogate, so that the name's bytes can be told.
_NAME_OPTIONS = _OPTIONS.with_options(unicode_decode_error_handler="surrogateescape")


class BsonError(ValueError):
    """The bytes are not the one well-formed document that they claim to be."""


def check(data: bytes, start: int = 0, end: int | None = None) -> int:
    """Walk the document in `data[start:end]`, which it must fill, and return how many elements its top has.

    Raises:
        BsonError: a length, a key, a type or a terminator is wrong, or it is deeper than `MAX_DEPTH` or
            has more than `MAX_ELEMENTS` elements, of which some count more than once.
    """
    return _check(data, start, len(data) if end is None else end, repeat(None, MAX_ELEMENTS))


def _check(data: bytes, start: int, end: int, steps: Iterator[None]) -> int:
    try:
        return _walk(data, start, end, steps)
    except (ValueError, IndexError, struct.error) as error:
        raise BsonError(str(error)) from None


def _walk(data: bytes, start: int, end: int, steps: Iterator[None]) -> int:  # noqa: C901 - one flat loop: a call per element costs more
    if end - start < 5 or _INT32(data, start)[0] != end - start or data[end - 1] != 0:
        raise BsonError("the length of the document is not that of its bytes")
    size_of, find = _SIZE, data.index
    ends: list[int] = []
    limit = end - 1  # where the terminator of the innermost document must stand
    at = start + 4
    top = 0
    for _ in steps:
        kind = data[at]
        if kind == 0:
            if at != limit:
                raise BsonError("a document ends before its length")
            if not ends:
                return top
            at += 1
            limit = ends.pop()
            continue
        if not ends:
            top += 1
        at = find(0, at + 1, limit) + 1
        size = size_of[kind]
        if size >= 0:
            at += size
        elif size == _STRING:
            length = _INT32(data, at)[0]
            at += 4 + length
            if length < 1 or at > limit or data[at - 1] != 0:
                raise BsonError("a string's length is wrong")
        elif size == _EMBEDDED:
            length = _INT32(data, at)[0]
            inner = at + length - 1
            if length < 5 or inner >= limit or data[inner] != 0 or len(ends) >= MAX_DEPTH:
                raise BsonError("an embedded document's length or depth is wrong")
            ends.append(limit)
            limit = inner
            at += 4
        elif size == _BINARY:
            length = _INT32(data, at)[0]
            if data[at + 4]:
                deque(islice(steps, BINARY_COUNTS_AS - 1), maxlen=0)
            at += 5 + length
            if length < 0 or at > limit:
                raise BsonError("a binary's length is wrong")
        else:
            deque(islice(steps, COSTLY_COUNTS_AS - 1), maxlen=0)
            at, limit = _rare(data, kind, at, limit, ends)
    raise BsonError("too many elements")


def _rare(data: bytes, kind: int, at: int, limit: int, ends: list[int]) -> tuple[int, int]:
    """A value that is costly to decode: where to go on, and the limit there."""
    if kind in _OBJECT_SIZE:
        return at + _OBJECT_SIZE[kind], limit
    if kind == 0x0B:
        return data.index(0, data.index(0, at, limit) + 1, limit) + 1, limit
    if kind == 0x0D:
        return _string_end(data, at, limit), limit
    if kind == 0x0C:
        after = _string_end(data, at, limit) + 12
        if after > limit:
            raise BsonError("a pointer's length is wrong")
        return after, limit
    if kind != 0x0F:
        raise BsonError(f"unknown element type {kind:#04x}")
    whole = _INT32(data, at)[0]
    scope = _string_end(data, at + 4, limit)
    length = _INT32(data, scope)[0]
    inner = at + whole - 1
    if (
        length < 5
        or scope + length != at + whole
        or inner >= limit
        or data[inner] != 0
        or len(ends) >= MAX_DEPTH
    ):
        raise BsonError("the length of code with scope is wrong")
    ends.append(limit)
    return scope + 4, inner


def _string_end(data: bytes, at: int, limit: int) -> int:
    length = _INT32(data, at)[0]
    end: int = at + 4 + length
    if length < 1 or end > limit or data[end - 1] != 0:
        raise BsonError("a string's length is wrong")
    return end


def decode(data: bytes, *, names: bool = False) -> Document:
    """Check and decode one document. Text that is not UTF-8 gets U+FFFD, or with `names` lone surrogates.

    Raises:
        BsonError: malformed, or `ok`, `code`, `errmsg`, `databases` or `cursor` stands twice at its top,
            where two readers could each see another answer.
    """
    return _decode_within(data, names, repeat(None, MAX_ELEMENTS))


def decode_weighed(data: bytes, *, names: bool = False) -> tuple[Document, int]:
    """`decode`, and how many bytes the decoded document takes at most."""
    steps = repeat(None, MAX_ELEMENTS)
    document = _decode_within(data, names, steps)
    return document, len(data) + ELEMENT_BYTES * (MAX_ELEMENTS - length_hint(steps))


def _decode_within(data: bytes, names: bool, steps: Iterator[None]) -> Document:
    top = _check(data, 0, len(data), steps)
    document = decode_checked(data, names=names)
    if top != len(document) and (twice := doubled(data)):
        raise BsonError(f"{twice} stands twice in the reply")
    return document


def decode_all(data: bytes, count: int, *, names: bool = False) -> list[Document]:
    """Check and decode `count` documents, back to back, that fill `data` and share the limit of elements."""
    documents = []
    steps = repeat(None, MAX_ELEMENTS)
    at = 0
    for _ in range(count):
        if at + 5 > len(data):
            raise BsonError("fewer documents than were announced")
        end = at + _INT32(data, at)[0]
        if not at + 5 <= end <= len(data):
            raise BsonError("a document reaches over the end of the message")
        documents.append(_decode_within(data[at:end], names, steps))
        at = end
    if at != len(data):
        raise BsonError("bytes follow the last document")
    return documents


def decode_checked(data: bytes, *, names: bool = False) -> dict[str, Any]:
    """Decode a document of which `check` has seen every part. Raises `BsonError`."""
    try:
        return bson.decode(data, _NAME_OPTIONS if names else _OPTIONS)
    except (BSONError, ValueError, TypeError, KeyError, OverflowError, RecursionError, struct.error) as error:
        # Well-formed lengths, but a value that the decoder cannot make, such as a DBRef of odd parts.
        raise BsonError(f"{type(error).__name__}: {error}") from None


def doubled(data: bytes) -> str:
    """The first of the keys in `TRUSTED_ONCE` that stands twice at the top of a checked document, or ""."""
    seen: set[bytes] = set()
    for _, key, _, _, _ in elements(data):
        if key in seen and key in TRUSTED_ONCE:
            return key.decode("ascii")
        seen.add(key)
    return ""


def elements(data: bytes) -> Iterator[tuple[int, bytes, int, int, int]]:
    """The top of a checked document: of each element its type, its key, and where it, its value and what
    follows it begin."""
    at, limit = 4, len(data) - 1
    while at < limit:
        begin, kind = at, data[at]
        key_end = data.index(0, at + 1)
        value = key_end + 1
        at = value + _value_length(data, kind, value)
        yield kind, data[begin + 1 : key_end], begin, value, at


def _value_length(data: bytes, kind: int, at: int) -> int:
    size = _SIZE[kind]
    if size >= 0:
        return size
    if size == _OBJECT:
        return _OBJECT_SIZE[kind]
    if size == _REGEX:
        return data.index(0, data.index(0, at) + 1) + 1 - at
    length: int = _INT32(data, at)[0]
    return {_STRING: 4 + length, _CODE: 4 + length, _BINARY: 5 + length, _POINTER: 16 + length}.get(
        size, length
    )
