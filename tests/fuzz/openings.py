"""Fuzz target `openings`: first answers teach their kind, and bent ones are read by it and in full."""

from __future__ import annotations

from typing import Final

from scanner.mongo.facts import Depth, Limits
from scanner.mongo.first_answers import FirstAnswers
from tests.fuzz.oracle import must
from tests.fuzz.shapes import bent
from tests.fuzz.source import NOT_BSON, Source
from tests.support.opening import answer, build, difference, listing, member, of_set, recorded, teach

RECORDED: Final = recorded()
MADE_UP: Final = 96  # a choice below is one of the recorded answers
MOST: Final = 40  # readings of one input


def run(data: bytes) -> None:
    """One input: first answers that are learned from, and after each some that are bent from it."""
    source = Source(data, decoded=True)
    known = FirstAnswers(Limits(), Depth.VERDICT)
    for _ in range(MOST):
        if not source.left:
            return
        choice = source.byte()
        first = RECORDED[choice % len(RECORDED)] if choice < MADE_UP else _made_up(source, choice)
        teach(known, first)
        _compare(known, first)
        for _ in range(1 + source.below(4)):
            _compare(known, other := bent(source, first))
            if choice & 1:
                teach(known, other)


def _made_up(source: Source, choice: int) -> bytes:
    """What a member of a set says, with fields and names of its own."""
    own = source.document() if choice & 2 else {}
    added = of_set(source.below(2**31)) if choice & 4 else {}
    names = [source.text().encode("utf-8", "replace").decode() for _ in range(source.below(5))]
    try:
        return answer(member(**own), build(**added), listing(*names, **added))
    except NOT_BSON:
        return answer(member(), build(), listing("shop"))


def _compare(known: FirstAnswers, data: bytes) -> None:
    found = difference(known, data)
    must(not found, "two readings of one first answer", found)
