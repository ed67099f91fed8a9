"""All dated tables as one file, which is signed and sent: made, read, and every row of it checked."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from scanner.mongo.advisories import parse
from scanner.mongo.tables import FILES, Table, built_in

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "mongosweep.data/1"
MAX_BYTES = 4 * 1024 * 1024

_Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]
_Text = Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
_Word = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
_Version = Annotated[str, Meta(pattern=r"^\d{1,4}\.\d{1,4}\.\d{1,6}(-[a-z0-9.]{1,20})?\Z")]
_Series = Annotated[str, Meta(pattern=r"^\d{1,4}\.\d{1,4}\Z")]
_Range = tuple[_Version, _Version]
_Within = Literal["database", "collection", "both"]
_Strength = Literal["S", "M", "W", "second", "marker"]


class BundleError(ValueError):
    """Bytes that are no tables; says where and why."""


class _Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row says nothing that this version would pass over: it might narrow what the row matches."""

    source: _Text
    note: _Text | UnsetType = UNSET


class _Advisory(_Row, frozen=True, kw_only=True):
    id: Annotated[str, Meta(pattern=r"^[A-Z][A-Za-z0-9-]{2,40}\Z")]
    summary: _Text
    ranges: Annotated[list[_Range], Meta(max_length=200)]
    possible: Annotated[list[_Range], Meta(max_length=200)] = []
    published: _Day | UnsetType = UNSET
    cvss: Annotated[float, Meta(ge=0, le=10)] | UnsetType = UNSET
    known_exploited: bool = False
    role: Literal["any", "replica_set", "mongos"] = "any"
    transport: Literal["any", "tls"] = "any"
    needs_login: bool = False
    certainty: Literal["certain", "possible"] = "certain"
    condition: _Text | UnsetType = UNSET


class _Wire(_Row, frozen=True, kw_only=True):
    wire: Annotated[int, Meta(ge=0, le=10_000)]
    series: _Series
    open_below: bool = False


class _SeriesRow(_Row, frozen=True, kw_only=True):
    series: _Series
    released: _Word | UnsetType = UNSET  # for people
    ended: _Day | UnsetType = UNSET
    last_patch: _Version | UnsetType = UNSET
    development: bool = False


class _Name(_Row, frozen=True, kw_only=True):
    name: _Word
    within: _Within
    strength: _Strength
    match: Literal["exact", "prefix", "suffix", "pattern"] = "exact"
    holds: Annotated[list[_Word], Meta(max_length=50)] = []
    variant: bool = False
    pair: _Word | UnsetType = UNSET
    pair_strength: _Strength | UnsetType = UNSET


class _Words(_Row, frozen=True, kw_only=True):
    language: Annotated[str, Meta(pattern=r"^[a-z]{2,3}\Z")]
    category: Annotated[str, Meta(pattern=r"^[a-z]{1,20}\Z")]
    words: Annotated[list[_Word], Meta(min_length=1, max_length=2000)]


class _Table(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    as_of: _Day
    about: _Word


class _Advisories(_Table, frozen=True, kw_only=True):
    advisory: Annotated[list[_Advisory], Meta(min_length=1, max_length=5000)]


class _Versions(_Table, frozen=True, kw_only=True):
    wire: Annotated[list[_Wire], Meta(min_length=1, max_length=1000)]
    series: Annotated[list[_SeriesRow], Meta(min_length=1, max_length=1000)]


class _RansomNames(_Table, frozen=True, kw_only=True):
    name: Annotated[list[_Name], Meta(min_length=1, max_length=5000)]


class _TellingNames(_Table, frozen=True, kw_only=True):
    words: Annotated[list[_Words], Meta(min_length=1, max_length=1000)]


class _Tables(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every table: a bundle is whole, so that two tables of it fit together."""

    advisories: _Advisories
    versions: _Versions
    ransom_names: _RansomNames
    telling_names: _TellingNames


class _Bundle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    format: str
    tables: _Tables


class _Head(Struct, frozen=True):
    format: str


def make_bundle(tables: Mapping[str, Table]) -> bytes:
    """The tables as one file: JSON that people can read, ASCII alone, the same bytes for the same tables.
    Raises BundleError for tables that `read_bundle` would refuse."""
    whole = {"format": FORMAT, "tables": {name: tables[name] for name in FILES}}
    try:
        written = json.dumps(whole, indent=1, ensure_ascii=True).encode() + b"\n"
    except (TypeError, ValueError) as error:  # a day without quotes, in TOML
        raise BundleError(f"a value is neither text nor a number: {error}") from None
    read_bundle(written)
    return written


def read_bundle(raw: bytes) -> dict[str, Table]:
    """The tables of a bundle, by name. Raises BundleError for what is none, or is of a later version."""
    if len(raw) > MAX_BYTES:
        raise BundleError(f"it is larger than {MAX_BYTES:,} bytes")
    try:
        found = msgspec.json.decode(raw, type=_Head).format
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise BundleError("it is no bundle of tables") from None
    if found != FORMAT:
        raise BundleError(f"it is written as {found[:60]!r}, and this version reads {FORMAT}")
    try:
        msgspec.json.decode(raw, type=_Bundle)
        tables: dict[str, Table] = msgspec.json.decode(raw)["tables"]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(str(error)) from None
    _check_rows(tables)
    return tables


def read_toml(name: str, raw: bytes) -> Table:
    """A table as it stands in a TOML file of that name. Its rows are checked by `make_bundle`. Raises
    BundleError."""
    try:
        return tomllib.loads(raw.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BundleError(f"{name}.toml is not valid TOML: {error}") from None


def newer(tables: Mapping[str, Table], *, pinned: bool) -> dict[str, Table]:
    """Those tables that count in place of the built-in ones: as new as them or newer; all where `pinned`."""
    return {
        name: found for name, found in tables.items() if pinned or found["as_of"] >= built_in(name)["as_of"]
    }


def older(tables: Mapping[str, Table], than: Mapping[str, Table]) -> list[str]:
    """What of the tables is of an earlier day than those in use, in words."""
    return [
        f"{name} is of {tables[name]['as_of']}, and {than[name]['as_of']} is in use"
        for name in FILES
        if tables[name]["as_of"] < than[name]["as_of"]
    ]


def _check_rows(tables: Mapping[str, Any]) -> None:
    """What types alone cannot tell."""
    for name in FILES:
        _day(f"{name}.as_of", tables[name]["as_of"])
    for number, row in enumerate(tables["advisories"]["advisory"]):
        for low, high in row["ranges"] + row.get("possible", []):
            first, fixed = parse(low), parse(high)
            if first is None or fixed is None or first.key >= fixed.key:
                raise BundleError(f"advisories.advisory[{number}]: {low} to {high} is no range of versions")
        _day(f"advisories.advisory[{number}].published", row.get("published"))
    for number, row in enumerate(tables["versions"]["series"]):
        _day(f"versions.series[{number}].ended", row.get("ended"))
    for number, row in enumerate(tables["ransom_names"]["name"]):
        if row.get("match") == "pattern":
            _pattern(f"ransom_names.name[{number}].name", row["name"])
            if not row.get("holds"):
                raise BundleError(f"ransom_names.name[{number}]: a pattern needs `holds`")
        for fragment in row.get("holds", []):
            _pattern(f"ransom_names.name[{number}].holds", fragment)


def _day(where: str, text: str | None) -> None:
    try:
        date.fromisoformat(text or "1970-01-01")
    except ValueError:
        raise BundleError(f"{where}: {text!r} is no day") from None


def _pattern(where: str, text: str) -> None:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise BundleError(f"{where}: {text!r} is no regular expression: {error}") from None
    if _repeats_a_choice(text):
        raise BundleError(f"{where}: {text!r} repeats a group that holds a repetition or a choice")


# An escape, a class, the beginning of a group, any other sign.
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[:=!<]*|.", re.DOTALL)


def _repeats_a_choice(text: str) -> bool:
    """Whether a group that can match in several ways may be repeated: (a+)+ and (a|aa)* take for ever on a
    name that is made for it. `text` is a regular expression; a group that may be there or not is none."""
    several = [False]  # for each open group: whether it holds a choice
    closed = False  # whether the last piece ended a group that does
    for piece in _PIECE.findall(text):
        if piece in ("*", "+", "{"):
            if closed:
                return True
            several[-1] = True
        elif piece == "|":
            several[-1] = True
        closed = False
        if piece.startswith("("):
            several.append(False)
        elif piece == ")" and len(several) > 1:
            closed = several.pop()
            several[-1] |= closed
    return False
