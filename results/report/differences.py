"""A comparison for people and for other programs: the terminal's table, Markdown, JSON and JSONL."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, NamedTuple

import msgspec
from msgspec.structs import replace

from results.diff.scopes import scope_lines
from results.ledger.words import grown_in, lost_in, names_in, place_words, reasons_in
from results.lines import json_line
from results.report.cells import csv_text, markdown_cell, markdown_table
from results.report.printing import COLOURS, Printer, in_columns
from results.text import address, cells_of, cut, human_bytes, minute, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from results.diff.difference import Comparison, Difference, RunSide, Side

_NAME = 60
_TITLES = {
    "what": "what",
    "severity": "severity",
    "address": "address",
    "size": "size",
    "owner": "owner / site",
}
_ALWAYS = 3  # these columns, or blocks of lines
_RIGHT = frozenset({"size"})
_WIDEST = {"owner": 32}
_DIM = frozenset({"closed", "unchanged"})


class _Row(NamedTuple):
    what: str
    severity: str
    address: str
    size: str
    owner: str


def kind_words(kind: str) -> str:
    """A kind as people read it: `no longer covered`."""
    return kind.replace("_", " ")


def _row(difference: Difference) -> _Row:
    owner = difference.owner
    return _Row(
        what=", ".join(map(kind_words, difference.kinds)),
        severity=difference.severity.value,
        address=address(difference.place.ip, difference.place.port),
        size=_sizes(difference.old, difference.new),
        owner=" / ".join(visible(name, _NAME) for name in (owner.owner, owner.site) if name) or "-",
    )


def _sizes(old: Side | None, new: Side | None) -> str:
    before, after = (
        human_bytes(side.bytes)
        if side is not None and side.verdict is not None and side.verdict.is_open
        else ""
        for side in (old, new)
    )
    if before and after and before != after:
        return f"{before} -> {after}"
    return after or before or "-"


def details(difference: Difference) -> str:
    """What shows it, in a few words; "" for nothing."""
    parts = []
    if difference.moved_from is not None:
        parts.append(f"from {place_words(difference.moved_from)}")
    lost = lost_in(difference.lost)
    if lost:
        parts.append(f"lost {lost}")
    elif difference.names:
        parts.append(names_in(difference.names))
    if grown := grown_in(difference.grown):
        parts.append(grown)
    if reasons := reasons_in(difference.reasons):
        parts.append(reasons)
    return "; ".join(parts)


def print_comparison(
    comparison: Comparison,
    file: IO[str],
    *,
    width: int | None = None,
    colour: bool | None = None,
    limit: int = 500,
) -> None:
    """Print what is compared, what cannot be, and at most `limit` differences, the gravest first.

    `width` is in columns, the terminal's by default; colour follows it and NO_COLOR unless `colour` is given.
    """
    out = _Differences(file, width=width, colour=colour)
    for line in head_lines(comparison):
        out.paragraph(line, indent=0)
    shown = comparison.differences[:limit]
    if shown:
        out.line("")
        rows = [_row(difference) for difference in shown]
        names = _columns(rows, out.width)
        if names:
            out.columns(names, shown, rows)
        else:
            out.blocks(shown, rows)
    if len(comparison.differences) > limit:
        out.line(f"and {len(comparison.differences) - limit:,} more; --format jsonl has them all")
    out.line("")
    out.paragraph(totals_line(comparison), indent=0, style="bold")


def head_lines(comparison: Comparison) -> list[str]:
    """What is compared, and what cannot be."""
    if comparison.old is None or comparison.new is None:
        return [f"between {minute(comparison.since)} and {minute(comparison.until)}, by the ledger"]
    lines = [f"{name}: {_run(side)}" for name, side in (("old", comparison.old), ("new", comparison.new))]
    return lines + (scope_lines(comparison.scopes) if comparison.scopes else [])


def _run(side: RunSide) -> str:
    began = f", begun {minute(side.created_at)}" if side.created_at else ""
    vantage = f", from {visible(side.vantage, 40)}" if side.vantage else ""
    return f"{visible(side.run_id, 80)}, {visible(side.state, 20)}{began}{vantage}"


def totals_line(comparison: Comparison) -> str:
    """How many of each kind."""
    counted = [f"{kind_words(kind)} {count:,}" for kind, count in comparison.counts.items() if count]
    return ", ".join(counted) or "no exposure in either"


def _columns(rows: Sequence[_Row], width: int) -> tuple[str, ...]:
    for count in range(len(_TITLES), _ALWAYS - 1, -1):
        names = tuple(_TITLES)[:count]
        if sum(_width(rows, name) for name in names) + 2 * (count - 1) <= width:
            return names
    return ()


def _width(rows: Sequence[_Row], name: str) -> int:
    longest = max(cells_of(getattr(row, name)) for row in rows)
    return max(min(longest, _WIDEST.get(name, longest)), len(_TITLES[name]))


class _Differences(Printer):
    """Differences, each with what shows it below it."""

    def columns(self, names: Sequence[str], shown: Sequence[Difference], rows: Sequence[_Row]) -> None:
        """A line for each, and below it what shows it."""
        widths = {name: _width(rows, name) for name in names}
        self.line(in_columns(names, [_TITLES[name] for name in names], widths, _RIGHT), "bold")
        for difference, row in zip(shown, rows, strict=True):
            texts = [cut(getattr(row, name), widths[name]) for name in names]
            self.line(in_columns(names, texts, widths, _RIGHT), _style(difference))
            hidden = {
                name for name in _TITLES if name not in names or cells_of(getattr(row, name)) > widths[name]
            }
            self._below(difference, row, hidden)

    def blocks(self, shown: Sequence[Difference], rows: Sequence[_Row]) -> None:
        """Some lines for each, however narrow the terminal."""
        for difference, row in zip(shown, rows, strict=True):
            self.line(f"{row.what}  {row.severity}  {row.address}", _style(difference))
            self._below(difference, row, {"size", "owner"})

    def _below(self, difference: Difference, row: _Row, hidden: set[str]) -> None:
        beside = [f"owner: {row.owner}"] if "owner" in hidden and row.owner != "-" else []
        if "size" in hidden and row.size != "-":
            beside.append(row.size)
        if difference.exposure_id:
            beside.append(visible(difference.exposure_id, 40))
        if beside:
            self.paragraph(", ".join(beside))
        if told := details(difference):
            self.paragraph(told)


def _style(difference: Difference) -> str:
    return "dim" if difference.kind in _DIM else COLOURS[difference.severity]


def comparison_json(comparison: Comparison) -> str:
    """One JSON object with everything, printable ASCII."""
    return msgspec.json.format(json_line(comparison), indent=2).decode() + "\n"


def comparison_jsonl(comparison: Comparison) -> Iterator[str]:
    """The comparison without its differences, then each of them, a line of JSON each."""
    yield json_line(replace(comparison, differences=[])).decode()
    for difference in comparison.differences:
        yield json_line(difference).decode()


_CSV = (
    *("kind", "also", "finding_id", "exposure_id", "ip", "port", "severity", "owner", "contact", "site"),
    *("old_verdict", "old_bytes", "new_verdict", "new_bytes", "how_we_know"),
)


def comparison_csv(comparison: Comparison) -> str:
    """A row for each difference, for a spreadsheet; no cell of it is a formula."""
    return csv_text(_CSV, map(_csv_row, comparison.differences))


def _csv_row(each: Difference) -> list[str | int | None]:
    return [
        *(each.kind, " ".join(each.also), each.finding_id, each.exposure_id, each.place.ip, each.place.port),
        *(each.severity.value, each.owner.owner, each.owner.contact, each.owner.site),
        *_csv_side(each.old),
        *_csv_side(each.new),
        details(each),
    ]


def _csv_side(side: Side | None) -> tuple[str, int | None]:
    if side is None:
        return "", None
    return side.verdict.value if side.verdict is not None else "", side.bytes


def comparison_markdown(comparison: Comparison) -> str:
    """What is compared, a table, and the counts, for a ticket or a message."""
    head = "".join(f"{markdown_cell(line)}  \n" for line in head_lines(comparison))
    rows = [[*_row(difference), details(difference) or "-"] for difference in comparison.differences]
    table = "\n" + markdown_table([*_TITLES.values(), "how we know"], rows, [3]) if rows else ""
    return f"{head}{table}\n{markdown_cell(totals_line(comparison))}\n"
