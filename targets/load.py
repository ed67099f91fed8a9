"""Allow-list files to a Scope: TOML, CSV and plain text. Every refusal names file, line and remedy.

One bad line refuses the whole file: nothing is probed on a doubt.
"""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from targets.errors import ScopeError, did_you_mean
from targets.files import decode, read_bytes
from targets.names import Resolver, leave_out, on_ports_of, resolve_entry
from targets.policy import check_allow, check_deny
from targets.scope import Scope
from targets.tables import ALLOW_KEYS, DENY_KEYS, Named, TableRow, read_allow, read_deny
from targets.toml_lines import TomlLines, syntax_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from targets.entries import Deny, Entry

MAX_TARGETS = 2**24
MAX_LINES = 1_000_000


def load_scope(
    path: str | Path,
    *,
    ports: Sequence[int] = (27017,),
    now: float,
    max_targets: int = MAX_TARGETS,
    resolver: Resolver | None = None,
    allow_empty: bool = False,
) -> Scope:
    """The scope that a file describes: what `file_rows` and `scope_of` do, in that order."""
    rows = file_rows(Path(path), allow_empty=allow_empty)
    return scope_of(
        rows,
        source=str(path),
        ports=ports,
        now=now,
        max_targets=max_targets,
        resolver=resolver,
        allow_empty=allow_empty,
    )


def file_rows(
    path: Path, *, allow_empty: bool = False, checked: Callable[[Path, bytes], None] | None = None
) -> list[TableRow]:
    """The rows of an allow-list: `.toml`, `.csv` or `.tsv` by its ending, otherwise plain text.

    `checked` may refuse the bytes that are about to be read, by raising ScopeError. Raises ScopeError.
    """
    raw = read_bytes(path)
    if checked is not None:
        checked(path, raw)
    text = decode(raw, str(path))
    if not text.strip() and not allow_empty:
        raise ScopeError(str(path), None, "is empty", _EXAMPLE)
    reader = {".toml": toml_rows, ".csv": _csv_rows, ".tsv": _csv_rows}.get(path.suffix.lower(), _plain_rows)
    return list(reader(text, str(path)))


def table_rows(
    allow: Sequence[Mapping[str, Any]],
    deny: Sequence[Mapping[str, Any]] = (),
    *,
    source: str,
    line_of: Callable[[tuple[str | int, ...]], int | None] = lambda place: None,
) -> list[TableRow]:
    """The rows of [[allow]] and [[deny]] tables that somebody else has parsed.

    `line_of(("allow", 0, "cidr"))` gives the line of a key for the errors, as `TomlLines.line` does.
    """
    return [*_rows("allow", allow, source, line_of), *_rows("deny", deny, source, line_of)]


def scope_of(
    rows: Sequence[TableRow],
    *,
    source: str,
    ports: Sequence[int] = (27017,),
    now: float,
    max_targets: int = MAX_TARGETS,
    resolver: Resolver | None = None,
    allow_empty: bool = False,
    wide: bool = False,
) -> Scope:
    """The scope of rows, from one file or several.

    `source` names them all; `now` is seconds since the epoch; `max_targets` counts addresses, each of which
    is asked on every port. Without a `resolver` a host name is refused. `wide`: see `check_allow`; of such a
    scope only `targets.candidates.only` may be asked. Raises ScopeError.
    """
    entries: list[Entry] = []
    denies: list[Deny] = []
    names: list[Named] = []
    for row in rows:
        if row.kind == "allow":
            found, named = read_allow(row)
            entries += found
            names += named
        else:
            denies += read_deny(row)
    check_deny(denies, now)
    entries = check_allow(entries, now, max_targets, wide=wide)
    if resolver is leave_out:
        entries = on_ports_of(names, entries, ports)
    elif names:
        resolved = [entry for named in names for entry in resolve_entry(named, resolver, entries)]
        entries = check_allow([*entries, *resolved], now, max_targets, wide=wide)
    scope = Scope(entries, denies, ports)
    if not allow_empty:
        require_targets(scope, source)
    return scope


def require_targets(scope: Scope, source: str) -> None:
    """Refuse a scope with nothing to probe, with the reason. Raises ScopeError."""
    if scope:
        return
    if not scope.entries:
        raise ScopeError(source, None, "the scope is empty: nothing may be probed", _EXAMPLE)
    raise ScopeError(
        source, None, "the deny entries take away every allowed address", "remove or narrow one of them"
    )


_EXAMPLE = 'write an [[allow]] entry for each range that is yours, as in cidr = "10.20.0.0/16"'


def _rows(
    kind: Literal["allow", "deny"],
    tables: object,
    source: str,
    line_of: Callable[[tuple[str | int, ...]], int | None],
) -> Iterator[TableRow]:
    if not isinstance(tables, (list, tuple)) or not all(isinstance(table, dict) for table in tables):
        raise ScopeError(source, line_of((kind,)), f"{kind} is not a list of tables", f"write [[{kind}]]")
    for number, table in enumerate(tables):
        yield TableRow(kind, table, source, _key_line(line_of, kind, number))


def _key_line(
    line_of: Callable[[tuple[str | int, ...]], int | None], kind: str, number: int
) -> Callable[[str], int | None]:
    return lambda key: line_of((kind, number, key))


def _same_line(line: int) -> Callable[[str], int | None]:
    return lambda key: line


def toml_rows(text: str, source: str) -> Iterator[TableRow]:
    """The rows of an allow-list in TOML; `source` is what errors call it. Raises ScopeError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason, line = syntax_error(str(error))
        line = line or text.rstrip("\n").count("\n") + 1
        raise ScopeError(source, line, f"not valid TOML: {reason}", "correct this line") from None
    except RecursionError:
        raise ScopeError(source, None, "is nested too deeply", "write [[allow]] and [[deny]] alone") from None
    lines = TomlLines(text)
    for key in document:
        if key not in ("allow", "deny"):
            whole = "sweep" in document or "organisation" in document
            remedy = (
                "name a whole configuration with --config" if whole else did_you_mean(key, ["allow", "deny"])
            )
            raise ScopeError(source, lines.line((key,)), f"unknown key {key!r} in an allow-list", remedy)
    yield from _rows("allow", document.get("allow", []), source, lines.line)
    yield from _rows("deny", document.get("deny", []), source, lines.line)


def _plain_rows(text: str, source: str) -> Iterator[TableRow]:
    """One address, CIDR, range or name a line; `!` in front denies; `#` begins a comment."""
    for number, line in enumerate(_bounded_lines(text, source), start=1):
        item, _, comment = line.partition("#")
        item = item.strip(" \t")
        if not item:
            continue
        denied = item.startswith("!")
        values: dict[str, Any] = {"cidr": item.removeprefix("!").lstrip(" \t")}
        if denied and comment.strip():
            values["reason"] = comment.strip()
        yield TableRow("deny" if denied else "allow", values, source, _same_line(number))


def _bounded_lines(text: str, source: str) -> list[str]:
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        raise ScopeError(
            source, MAX_LINES, f"more than {MAX_LINES:,} lines", "write CIDRs, or split the file"
        )
    return lines


_COLUMNS = {
    "ip": "cidr",
    "address": "cidr",
    "network": "cidr",
    "prefix": "cidr",
    "port": "ports",
    "team": "owner",
    "tags": "labels",
    "authorized_by": "authorised_by",
    "note": "note",
    "exclude": "exclude",
    "start": "start",
    "end": "end",
}
_COLUMNS |= {key: key for key in (*ALLOW_KEYS, *DENY_KEYS)}


def _csv_rows(text: str, source: str) -> Iterator[TableRow]:
    """A header and one entry a row, parted by comma, semicolon or tab; `exclude` = true makes it a deny."""
    lines = _bounded_lines(text, source)
    head = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
                continue
            if not header:
                header = _csv_header(cells, source, reader.line_num)
                continue
            yield _csv_row(header, cells, source, reader.line_num)
    except csv.Error as error:
        raise ScopeError(source, reader.line_num, f"not valid CSV: {error}", "correct this line") from None


def _csv_header(cells: list[str], source: str, line: int) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    for name in names:
        if name not in _COLUMNS:
            remedy = did_you_mean(name, sorted(_COLUMNS))
            raise ScopeError(source, line, f"unknown column {name!r}", remedy)
    header = [_COLUMNS[name] for name in names]
    twice = next((name for name in header if header.count(name) > 1), None)
    if twice is not None:
        raise ScopeError(source, line, f"two columns say {twice}", "keep one of them")
    if "cidr" not in header and not {"start", "end"} <= set(header):
        raise ScopeError(
            source, line, "no column holds addresses", "write a header with a cidr column, or start and end"
        )
    return header


def _csv_row(header: list[str], cells: list[str], source: str, line: int) -> TableRow:
    if len(cells) != len(header):
        raise ScopeError(
            source, line, f"{len(cells)} cells under {len(header)} columns", "write one cell for each column"
        )
    given = {name: cell.strip() for name, cell in zip(header, cells, strict=True) if cell.strip()}
    given.pop("note", None)
    if "start" in given:
        given["cidr"] = f"{given.pop('start')}-{given.pop('end', '')}".removesuffix("-")
    values: dict[str, Any] = dict(given)
    exclude = values.pop("exclude", "false").lower()
    if exclude not in ("true", "false", "yes", "no", "1", "0"):
        raise ScopeError(
            source, line, f"exclude = {exclude!r} is neither true nor false", "write true or false"
        )
    denied = exclude in ("true", "yes", "1")
    if "ports" in values:
        parts = values["ports"].replace("/", " ").replace(";", " ").replace(",", " ").split()
        values["ports"] = [int(part) if part.isascii() and part.isdigit() else part for part in parts]
    if "labels" in values:
        pairs = [pair.strip().partition("=") for pair in re.split(r"[;,\s]+", values["labels"])]
        values["labels"] = {key: text for key, _, text in pairs if key}
    if denied:
        values = {key: values[key] for key in DENY_KEYS if key in values}
    else:
        values.pop("reason", None)
    return TableRow("deny" if denied else "allow", values, source, _same_line(line))
