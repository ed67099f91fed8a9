"""What the codes of a record mean, for people: `codes.toml` beside this module, loaded when asked for."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from results.record import Reason

_FILE = Path(__file__).parent / "codes.toml"


class Code(NamedTuple):
    """One code: what it stands in, its clause, and more for who wants to know."""

    kind: str
    clause: str
    more: str


class Method(NamedTuple):
    """How a time was found: what that proves, and what it does not."""

    proves: str
    does_not_prove: str


KINDS = {
    "evidence": "evidence",
    "severity": "a reason of the severity",
    "notes": "a note of a database or collection",
    "ransom": "a reason for taking a name for a ransom note",
    "cautions": "a caution about a time",
    "needs": "what lacks until an exposure is closed",
    "ledger": "how the ledger knows something of an exposure",
    "past": "what one look tells of the time before it",
}
"""The sections of the file, and what a code of each is."""

WORDS = {
    "states": "the state of an exposure",
    "reaches": "from where an exposure is open",
    "changes": "what happened to an exposure",
    "events": "what an event tells",
    "answers": "what a row of an outside report is answered",
}
"""Sections of words that stand in no list of codes, and what a word of each is."""


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


@cache
def codes() -> dict[str, list[Code]]:
    """Every code. One that stands in two places has the meaning of each."""
    found: dict[str, list[Code]] = {}
    for section, kind in KINDS.items():
        for code, (clause, more) in _table()[section].items():
            found.setdefault(code, []).append(Code(kind, clause, more))
    return found


@cache
def words() -> list[tuple[str, Code]]:
    """Every word of `WORDS`, by its name. One that stands in two sections is there twice."""
    return [
        (word, Code(kind, clause, more))
        for section, kind in WORDS.items()
        for word, (clause, more) in _table()[section].items()
    ]


@cache
def methods() -> dict[str, Method]:
    """Every method that finds a time."""
    return {name: Method(**row) for name, row in _table()["methods"].items()}


def clause(code: str, section: str) -> str | None:
    """The clause of a code in one section of the file; None where it has none there."""
    kind = KINDS[section]
    return next((known.clause for known in codes().get(code, ()) if known.kind == kind), None)


def sentence(reason: Reason) -> str:
    """A reason for people. The detail is as it came from the server: escape it before it is shown.

    A code that this version does not know stands for itself.
    """
    known = codes().get(reason.code)
    clause = known[0].clause if known else reason.code
    return f"{clause}: {reason.detail}" if reason.detail else clause
