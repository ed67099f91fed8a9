"""BSON that lies or explodes, as the answer to listDatabases."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import bson
from bson import Int64

from results.verdict import Verdict
from scanner.lab.hostile.base import (
    LIST,
    OK,
    PLAIN_LIST,
    databases,
    hostile,
    name_element,
    says,
    sends,
    striking,
)
from scanner.lab.wire import answer, element, raw_document, raw_string

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.lab.personality import Personality

_NAMES = databases("admin", "shop")
OPEN_TOO = frozenset({Verdict.OPEN})


def personalities() -> list[Personality]:
    """All cases of this file."""
    return [*_lengths(), *_strings(), *_bombs(), *_types(), *_duplicates()]


def _case(
    name: str,
    text: str,
    document: bytes | Callable[[], bytes],
    verdict: Verdict = Verdict.UNKNOWN,
    also: frozenset[Verdict] = frozenset(),
) -> Personality:
    blow = (
        says(document) if isinstance(document, bytes) else sends(lambda request: answer(request, document()))
    )
    return hostile(f"bson_{name}", text, striking(blow, LIST), verdict, also)


def _lengths() -> list[Personality]:
    size = len(PLAIN_LIST)
    body = _NAMES + OK
    return [
        _case("length_negative", "document length -1", raw_document(body, length=-1)),
        _case("length_zero", "document length 0", raw_document(body, length=0)),
        _case("length_4", "document length 4", raw_document(body, length=4)),
        _case("length_over", "document longer than the message", raw_document(body, length=size + 900)),
        _case("length_under", "document shorter than its content", raw_document(body, length=20)),
        _case("length_maximum", "document length 2^31-1", raw_document(body, length=2**31 - 1)),
        _case("no_end", "no final NUL", raw_document(body, end=b"\x07")),
        _case(
            "array_over",
            "an array longer than its document",
            raw_document(element(4, "databases", raw_document(b"", length=4000)), OK),
        ),
        _case(
            "array_entry_over",
            "an array holding a document longer than the array",
            raw_document(
                element(4, "databases", raw_document(element(3, "0", raw_document(b"", length=900)))), OK
            ),
        ),
        _case(
            "child_negative",
            "an embedded document of negative length",
            raw_document(element(3, "x", raw_document(b"", length=-8)), _NAMES, OK),
        ),
        _case(
            "binary_negative",
            "a binary of negative length",
            raw_document(element(5, "x", struct.pack("<iB", -1, 0)), _NAMES, OK),
        ),
        _case(
            "binary_over",
            "a binary that ends after the message",
            raw_document(element(5, "x", struct.pack("<iB", 10**8, 0)), _NAMES, OK),
        ),
        _case("truncated_element", "ends inside an element", raw_document(_NAMES, b"\x01o")),
    ]


def _strings() -> list[Personality]:
    def named(payload: bytes) -> bytes:
        entry = element(3, "0", raw_document(element(2, "name", payload)))
        return raw_document(element(4, "databases", raw_document(entry)), OK)

    return [
        _case("string_negative", "a name of negative length", named(raw_string(b"shop", length=-1))),
        _case("string_zero", "a name of length 0", named(raw_string(b"shop", length=0))),
        _case("string_over", "a name longer than the message", named(raw_string(b"shop", length=10**7))),
        _case("string_no_nul", "a name without its NUL", named(struct.pack("<i", 4) + b"shop")),
        _case("key_no_nul", "a key without its NUL", raw_document(b"\x02name", end=b"")),
        _case(
            "nul_in_name",
            "a NUL inside a name, which is legal",
            raw_document(databases(b"sh\x00op", "admin"), OK),
            Verdict.OPEN,
        ),
        _case(
            "not_utf8",
            "names that are not UTF-8",
            raw_document(databases(b"\xff\xfe\x80", b"caf\xe9", b"\xed\xa0\x80", "shop"), OK),
            Verdict.OPEN,
        ),
    ]


def _deep_document(depth: int) -> bytes:
    # Each level adds a length (4), a type byte, the key `a` with its NUL (2) and a final NUL: 8 bytes.
    opening = b"".join(struct.pack("<i", 5 + 8 * level) + b"\x03a\x00" for level in range(depth, 0, -1))
    return opening + b"\x05\x00\x00\x00\x00" + b"\x00" * depth


def _deep(depth: int) -> bytes:
    return raw_document(element(3, "x", _deep_document(depth)), _NAMES, OK)


def _million() -> bytes:
    many = b"".join(b"\x0a%d\x00" % number for number in range(1_000_000))
    return raw_document(element(3, "x", raw_document(many)), _NAMES, OK)


def _million_empty() -> bytes:
    return raw_document(element(4, "databases", raw_document(b"\x0a\x00" * 1_000_000)), OK)


def _bombs() -> list[Personality]:
    """Made when asked for: they are large."""
    return [
        _case("deep_150", "150 documents inside each other", lambda: _deep(150), also=OPEN_TOO),
        _case("deep_100000", "100,000 documents inside each other", lambda: _deep(100_000)),
        _case(
            "deep_list",
            "the list itself is 10,000 levels deep",
            lambda: raw_document(element(4, "databases", _deep_document(10_000)), OK),
        ),
        _case("million_elements", "a million elements in one document", _million, also=OPEN_TOO),
        _case("million_empty_keys", "a list of a million nulls with empty keys", _million_empty),
        _case(
            "long_key",
            "a key of 1 MiB",
            lambda: raw_document(element(0x0A, "k" * 1024**2, b""), _NAMES, OK),
            also=OPEN_TOO,
        ),
    ]


def _types() -> list[Personality]:
    old = (
        element(0x06, "undefined", b""),
        element(0x0E, "symbol", raw_string(b"s")),
        element(0x0D, "code", raw_string(b"function () {}")),
        element(0xFF, "least", b""),
        element(0x7F, "most", b""),
    )
    scope = raw_document()
    code = raw_string(b"function () {}")
    with_scope = struct.pack("<i", 4 + len(code) + len(scope)) + code + scope
    pointer = raw_string(b"a.b") + bytes(12)
    return [
        _case("old_types", "deprecated types, which are legal", raw_document(_NAMES, *old, OK), Verdict.OPEN),
        _case(
            "scope_and_pointer",
            "code with scope and a DBPointer, which are legal",
            raw_document(_NAMES, element(0x0F, "c", with_scope), element(0x0C, "p", pointer), OK),
            Verdict.OPEN,
        ),
        _case(
            "type_20", "a type that does not exist", raw_document(element(0x20, "x", bytes(8)), _NAMES, OK)
        ),
        _case("type_00", "type 0 in the middle", raw_document(_NAMES, b"\x00x\x00", OK)),
        _case(
            "regex",
            "a regular expression that would never end",
            raw_document(element(0x0B, "x", b"(a+)+$\x00imsux\x00"), _NAMES, OK),
            Verdict.OPEN,
        ),
        _case(
            "far_dates",
            "dates millions of years away, both ways",
            raw_document(
                _NAMES,
                element(9, "operationTime", struct.pack("<q", 31_556_952_000_000_000 * 100)),
                element(9, "past", struct.pack("<q", -(2**62))),
                OK,
            ),
            Verdict.OPEN,
        ),
        _case(
            "decimal_ok",
            "ok as a decimal128",
            raw_document(_NAMES, element(0x13, "ok", b"\x01" + bytes(13) + b"\x40\x30")),
            also=OPEN_TOO,
        ),
    ]


def _duplicates() -> list[Personality]:
    zero = element(1, "ok", struct.pack("<d", 0.0))
    code = element(0x10, "code", struct.pack("<i", 13))
    return [
        _case("twice_ok", "ok: 1, then ok: 0", raw_document(_NAMES, OK, zero)),
        _case("twice_ok_reversed", "ok: 0, then ok: 1", raw_document(_NAMES, zero, OK)),
        _case("twice_databases", "two lists", raw_document(_NAMES, databases("other"), OK)),
        _case(
            "twice_code", "two codes", raw_document(zero, code, element(0x10, "code", struct.pack("<i", 59)))
        ),
        _case(
            "twice_other",
            "a field that nobody reads, twice",
            raw_document(_NAMES, element(0x10, "x", bytes(4)), element(0x10, "x", bytes(4)), OK),
            Verdict.OPEN,
        ),
        _case(
            "twice_name",
            "an entry with two names",
            raw_document(
                element(
                    4,
                    "databases",
                    raw_document(element(3, "0", raw_document(name_element("a"), name_element("b")))),
                ),
                OK,
            ),
            also=OPEN_TOO,
        ),
        _case(
            "keys_of_array",
            "array keys that are no numbers, which must not matter",
            raw_document(
                element(4, "databases", raw_document(element(3, "x", bson.encode({"name": "shop"})))),
                element(0x12, "n", bytes(Int64(1).to_bytes(8, "little"))),
                OK,
            ),
            Verdict.OPEN,
        ),
    ]
