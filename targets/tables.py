"""Reads one [[allow]] or [[deny]] table, or one row of a list, into entries; checks every key and value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from targets.entries import Deny, Entry, Kind
from targets.errors import ScopeError, did_you_mean
from targets.grammar import GrammarError, Span, looks_like_name, parse_span

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ALLOW_KEYS = (
    "cidr",
    "owner",
    "contact",
    "site",
    "labels",
    "authorised_by",
    "expires",
    "kind",
    "ports",
    "inventory",
)
DENY_KEYS = ("cidr", "reason", "expires")
MAX_PORTS = 64
MAX_STRING = 1024


@dataclass(frozen=True, slots=True)
class TableRow:
    """One table or line as it stands in a file; `line_of` gives the line of one of its keys."""

    kind: Literal["allow", "deny"]
    values: Mapping[str, Any]
    source: str
    line_of: Callable[[str], int | None]

    def refuse(self, key: str, reason: str, remedy: str) -> NoReturn:
        """Raise the error that points at `key`."""
        raise ScopeError(self.source, self.line_of(key), reason, remedy) from None


@dataclass(frozen=True, slots=True)
class Named:
    """An allow row for a host name: what it says of the name, before the name is resolved."""

    name: str
    row: TableRow
    entry: Entry  # its span is a place-holder


def read_allow(row: TableRow) -> tuple[list[Entry], list[Named]]:
    """The entries of an allow row, one for each CIDR, and its host names. Raises ScopeError."""
    _check_keys(row, ALLOW_KEYS)
    owner, contact, site, authorised_by, inventory = (
        _string(row, key) for key in ("owner", "contact", "site", "authorised_by", "inventory")
    )
    labels, ports, kind, expires = _labels(row), _ports(row), _kind(row), _expires(row)

    def make(span: Span, text: str) -> Entry:
        return Entry(
            span=span,
            text=text,
            owner=owner,
            contact=contact,
            site=site,
            labels=labels,
            authorised_by=authorised_by,
            expires=expires,
            kind=kind,
            ports=ports,
            inventory=inventory,
            source=row.source,
            line=row.line_of("cidr"),
        )

    entries: list[Entry] = []
    names: list[Named] = []
    for text in _texts(row):
        if looks_like_name(text):
            names.append(Named(text, row, make(Span(4, 0, 0), text)))
        else:
            entries.append(make(_span(row, text), text))
    return entries, names


def read_deny(row: TableRow) -> list[Deny]:
    """The entries of a deny row, one for each CIDR. Raises ScopeError."""
    _check_keys(row, DENY_KEYS)
    reason, expires = _string(row, "reason"), _expires(row)
    found = []
    for text in _texts(row):
        if looks_like_name(text):
            row.refuse("cidr", f"{text!r} is a name, and a name may move", "write its addresses")
        found.append(
            Deny(
                span=_span(row, text),
                text=text,
                reason=reason,
                expires=expires,
                source=row.source,
                line=row.line_of("cidr"),
            )
        )
    return found


def _check_keys(row: TableRow, known: tuple[str, ...]) -> None:
    for key in row.values:
        if key not in known:
            row.refuse(key, f"unknown key {key!r} in [[{row.kind}]]", did_you_mean(key, known))
    if "cidr" not in row.values:
        row.refuse("cidr", f"[[{row.kind}]] has no cidr", 'write cidr = "10.20.0.0/16"')


def _texts(row: TableRow) -> list[str]:
    value = row.values["cidr"]
    texts = value if isinstance(value, list) else [value]
    if not texts:
        row.refuse("cidr", "cidr is an empty list", 'write cidr = "10.20.0.0/16"')
    for text in texts:
        if not isinstance(text, str):
            row.refuse("cidr", f"cidr = {_shown(value)} is not text", 'write cidr = "10.20.0.0/16"')
    return [text.strip(" \t") for text in texts]


def _span(row: TableRow, text: str) -> Span:
    try:
        return parse_span(text)
    except GrammarError as error:
        row.refuse("cidr", error.reason, error.remedy)


def _string(row: TableRow, key: str) -> str:
    value = row.values.get(key, "")
    if not isinstance(value, str):
        row.refuse(key, f"{key} = {_shown(value)} is not text", f'write it in quotes, as in {key} = "…"')
    if len(value) > MAX_STRING or not value.isprintable():
        row.refuse(
            key, f"{key} is too long or holds control characters", f"write at most {MAX_STRING} in one line"
        )
    return value


def _labels(row: TableRow) -> tuple[tuple[str, str], ...]:
    value = row.values.get("labels", {})
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        row.refuse(
            "labels", f"labels = {_shown(value)} is not a table of texts", 'write labels = {env = "prod"}'
        )
    return tuple(sorted(value.items()))


def _ports(row: TableRow) -> tuple[int, ...] | None:
    value = row.values.get("ports")
    if value is None:
        return None
    good = isinstance(value, list) and value and all(type(p) is int and 1 <= p <= 65535 for p in value)
    if not good or len(value) > MAX_PORTS:
        row.refuse(
            "ports",
            f"ports = {_shown(value)} is not a list of ports",
            f"write 1 to {MAX_PORTS} numbers from 1 to 65535, as in ports = [27017]",
        )
    return tuple(sorted(set(value)))


def _kind(row: TableRow) -> Kind:
    value = row.values.get("kind", "estate")
    if value == "lab":
        return "lab"
    if value != "estate":
        row.refuse(
            "kind", f"kind = {_shown(value)} is not known", 'write kind = "lab" for loopback, or nothing'
        )
    return "estate"


def _expires(row: TableRow) -> float:
    """Seconds since the epoch. A date alone ends as that day begins in UTC: the stricter reading."""
    value = row.values.get("expires")
    if value is None or value == "":
        return math.inf
    remedy = "write a date, as in expires = 2027-01-01, or a time with its zone, 2027-01-01T18:00:00Z"
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
        except ValueError:
            row.refuse("expires", f"expires = {_shown(value)} is no date", remedy)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            row.refuse("expires", f"expires = {value.isoformat()} has no time zone", remedy)
        return value.timestamp()
    if not isinstance(value, date):
        row.refuse("expires", f"expires = {_shown(value)} is no date", remedy)
    return datetime.combine(value, time(), UTC).timestamp()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
