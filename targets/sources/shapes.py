"""What it takes to know the output of one program: records of JSON, rows of CSV, or lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from targets.claims import Claim
    from targets.sources.json_stream import Record


def _unversioned(_: object) -> str:
    return ""


class RecordShape(NamedTuple):
    """JSON of one program. `read` gives the claims of a record that fits, for a list of that name; it raises
    GrammarError for one that cannot be used. A shape is tried first on what follows a record of its own."""

    format: str  # as people are told: "AWS network interfaces"
    fits: Callable[[Record], bool]
    read: Callable[[Record, str], Iterator[Claim]]
    version: Callable[[Record], str] = _unversioned
    envelopes: frozenset[str] = frozenset()  # keys of documents under which such records stand in a list


class LineShape(NamedTuple):
    """Lines of one program that are no plain targets. `read` gives the claims of a line whose beginning
    `form` matches, with the place where it stands; it raises GrammarError for one that cannot be used."""

    format: str
    form: re.Pattern[str]
    read: Callable[[re.Match[str], str], Iterator[Claim]]


class Row(NamedTuple):
    """A row of CSV: cells by the names of their columns in small letters, and the line where it begins."""

    line: int
    cells: Mapping[str, str]


class ColumnShape(NamedTuple):
    """CSV of one program, known by its header (in small letters). `read` as that of a RecordShape."""

    format: str
    fits: Callable[[Sequence[str]], bool]
    read: Callable[[Row, str], Iterator[Claim]]
    version: Callable[[Sequence[str]], str] = _unversioned
