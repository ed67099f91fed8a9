"""Fuzz target `sizes`: what servers of a known kind say of their sizes, read by it and by the dialogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import bson
from bson import Int64

from scanner.contact import Ending
from scanner.mongo.reply_shapes import SHAPES
from scanner.mongo.values import OF_COUNTS
from tests.fuzz.oracle import must
from tests.fuzz.shapes import bent
from tests.fuzz.source import NOT_BSON, Source
from tests.support.by_kind import conversation, entry, first_of, list_of, replies, taught, usual
from tests.support.opening import of_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from scanner.mongo.first_answers import FirstAnswers

NAMES: Final = ("shop", "customers", "admin", "crm_2024", "README_TO_RECOVER", "local", "logs-eu", "config")
ENDINGS: Final = (Ending.CLOSED, Ending.RESET, Ending.TIMEOUT)
MOST: Final = 12  # conversations of one input

Answer = tuple[dict[str, Any], dict[str, dict[str, Any]]]


def run(data: bytes) -> None:
    """One input: a server's names, what it usually says, and then what else it says."""
    SHAPES._known.clear()  # what another input taught must not decide about this one
    source = Source(data)
    names = [_name(source) for _ in range(1 + source.below(6))]
    first = first_of(*names)
    known = taught(first)
    _compare(known, first, lambda written: [replies(written, *usual(names))], Ending.CLOSED)
    for _ in range(MOST):
        if not source.left:
            return
        said, ending = _said(source, names), ENDINGS[source.below(len(ENDINGS))]
        if _can_be_sent(said):
            _compare(known, first, _pieces(source, said), ending)


def _name(source: Source) -> str:
    choice = source.byte()
    if choice < 200:
        return NAMES[choice % len(NAMES)]
    text = source.text().replace("\x00", "").encode("utf-8", "replace").decode()
    return text or "x"


def _said(source: Source, names: list[str]) -> Answer:
    """The usual answer with some values of its own."""
    sizes, counts = usual(names)
    for each in sizes["databases"]:
        if source.byte() < 40:
            each[("name", "sizeOnDisk", "empty")[source.below(3)]] = source.value()
    for values in counts.values():
        for _ in range(source.below(3)):
            values[OF_COUNTS[source.below(len(OF_COUNTS))]] = source.value()
    match source.byte() % 8:
        case 0:
            del sizes["databases"][source.below(len(names))]
        case 1:
            sizes["databases"].append(entry(_name(source), Int64(source.number())))
        case 2:
            sizes = list_of(sizes["databases"], source.value(), **of_set())
        case _:
            pass
    return sizes, counts


def _can_be_sent(said: Answer) -> bool:
    """Whether BSON holds such values."""
    sizes, counts = said
    try:
        for document in (sizes, *counts.values()):
            bson.encode(document)
    except NOT_BSON:
        return False
    return True


def _pieces(source: Source, said: Answer) -> Callable[[bytes], list[bytes]]:
    """The answer to a write, in pieces, each time the same ones."""
    made: dict[bytes, list[bytes]] = {}

    def then(written: bytes) -> list[bytes]:
        if written not in made:
            reply = replies(written, *said)
            how, at = source.byte(), source.below(4096) % len(reply)
            if how & 3 == 1:
                reply = bent(source, reply)
            made[written] = [reply[:at], reply[at:]][: 2 - (how & 7 == 4)] if how & 4 else [reply]
        return made[written]

    return then


def _compare(known: FirstAnswers, first: bytes, then: Callable[[bytes], list[bytes]], ending: Ending) -> None:
    by_kind, kept = conversation(known, first, then, ending=ending)
    in_full, expected = conversation(None, first, then, ending=ending)
    must(by_kind == in_full, "other requests than the dialogue's")
    must(kept.lines == expected.lines, "two records of one server", kept.lines, expected.lines)
