"""Exposures for people and for other programs: the terminal's table, CSV, Markdown and JSONL."""

from __future__ import annotations

from collections import Counter
from typing import IO, TYPE_CHECKING, NamedTuple

from results.codes import sentence
from results.ledger.words import SEEN_ONCE, compact_span, reach_words, times
from results.lines import json_line
from results.report.cells import csv_text, markdown_cell, markdown_table
from results.report.printing import COLOURS, Printer, in_columns
from results.text import address, cells_of, cut, human_bytes, human_count, minute, plural, visible
from results.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from results.ledger.tracked import State, TrackedExposure

_NAME = 60
_TITLES = {
    "severity": "severity",
    "state": "state",
    "exposure": "exposure",
    "address": "address",
    "lasted": "open for",
    "size": "size",
    "hits": "hits",
    "owner": "owner / site",
}
_REACH = {"reach": "open from"}
"""A column where the reach of any of them is known, before those that a narrow terminal leaves out."""
_ALWAYS = 5  # these columns, or blocks of lines
_HEADS = {**_TITLES, **_REACH}
_RIGHT = frozenset({"size", "hits"})
_WIDEST = {"owner": 32}  # a longer cell is cut in its column and whole in the lines below
_GRAVE = frozenset({Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM})


class ExposureRow(NamedTuple):
    """One exposure as text for people; every cell is safe to print. `hits`: wipes and ransoms seen."""

    severity: str
    state: str
    exposure: str
    address: str
    lasted: str
    size: str
    hits: str
    owner: str
    reach: str


def exposure_row(exposure: TrackedExposure) -> ExposureRow:
    """One exposure as cells."""
    owner = exposure.owner
    return ExposureRow(
        severity=exposure.severity.value,
        state=exposure.state,
        exposure=visible(exposure.exposure_id, 40),
        address=address(exposure.place.ip, exposure.place.port),
        lasted=compact_span(exposure.open_at_least_seconds, exposure.open_at_most_seconds) or "?",
        size=human_bytes(exposure.bytes),
        hits=human_count(max(exposure.wiped_count, exposure.ransomed_count)),
        owner=" / ".join(visible(name, _NAME) for name in (owner.owner, owner.site) if name) or "-",
        reach=reach_words(exposure) or "-",
    )


def _titles(rows: Iterable[ExposureRow]) -> dict[str, str]:
    """The columns, from the most important on."""
    told = list(_TITLES.items())
    known = any(row.reach != "-" for row in rows)
    return dict([*told[:_ALWAYS], *(_REACH.items() if known else ()), *told[_ALWAYS:]])


def print_exposures(
    exposures: Sequence[TrackedExposure],
    file: IO[str],
    *,
    width: int | None = None,
    colour: bool | None = None,
    limit: int = 500,
    known: int = 0,
) -> None:
    """Print them in the order given, at most `limit`, with a line of totals and what is overdue. They are
    chosen from the `known` ones.

    `width` is in columns, the terminal's by default; colour follows it and NO_COLOR unless `colour` is given.
    """
    out = _Exposures(file, width=width, colour=colour)
    shown = exposures[:limit]
    rows = [exposure_row(exposure) for exposure in shown]
    names = _columns(rows, out.width)
    if rows and names:
        out.columns(names, shown, rows)
    else:
        out.blocks(shown, rows)
    if len(exposures) > limit:
        out.line(f"and {len(exposures) - limit:,} more; --format jsonl has them all")
    if rows:
        out.line("")
    first, *further = totals_lines(exposures, known)
    out.line(first, "bold")
    for line in further:
        out.line(line)


def totals_lines(exposures: Sequence[TrackedExposure], known: int = 0) -> list[str]:
    """How many there are, in which state, how much lies open; and what is overdue, by owner. Where none was
    chosen from the `known` ones, that is said."""
    if not exposures:
        return [f"none of {plural(known, 'exposure')} is such a one" if known else "no exposures"]
    states = Counter(exposure.state for exposure in exposures)
    still = [exposure for exposure in exposures if exposure.is_open]
    parts = [f"{states[state]:,} {state}" for state in _STATES if states[state]]
    lines = [f"{plural(len(exposures), 'exposure')}: {', '.join(parts)}"]
    if still:
        sizes = [exposure.bytes for exposure in still if exposure.bytes is not None]
        counts = [exposure.documents for exposure in still if exposure.documents is not None]
        size = human_bytes(sum(sizes)) if sizes else "unknown size"
        documents = plural(sum(counts), "document") if counts else "unknown documents"
        lines.append(f"{size}, {documents} in what is not proved closed")
    overdue = [exposure for exposure in exposures if exposure.overdue]
    if overdue:
        owners = Counter(visible(exposure.owner.owner or "(no owner)", _NAME) for exposure in overdue)
        first = min(exposure.due_at for exposure in overdue)
        named = ", ".join(f"{owner} {count:,}" for owner, count in owners.most_common(5))
        more = f" and {len(owners) - 5:,} more owners" if len(owners) > 5 else ""
        lines.append(f"overdue: {len(overdue):,}, the first since {minute(first)}: {named}{more}")
    return lines


_STATES: tuple[State, ...] = ("new", "open", "changed", "reopened", "unreachable", "accepted", "closed")


def _columns(rows: Sequence[ExposureRow], width: int) -> tuple[str, ...]:
    titles = tuple(_titles(rows))
    for count in range(len(titles), _ALWAYS - 1, -1):
        names = titles[:count]
        if sum(_width(rows, name) for name in names) + 2 * (count - 1) <= width:
            return names
    return ()


def _width(rows: Iterable[ExposureRow], name: str) -> int:
    longest = max((cells_of(getattr(row, name)) for row in rows), default=0)
    return max(min(longest, _WIDEST.get(name, longest)), len(_HEADS[name]))


class _Exposures(Printer):
    """Exposures, each with what has no column below it."""

    def columns(
        self, names: Sequence[str], shown: Sequence[TrackedExposure], rows: Sequence[ExposureRow]
    ) -> None:
        """A line for each, and below it what has no column."""
        widths = {name: _width(rows, name) for name in names}
        self.line(in_columns(names, [_HEADS[name] for name in names], widths, _RIGHT), "bold")
        for exposure, row in zip(shown, rows, strict=True):
            texts = [cut(getattr(row, name), widths[name]) for name in names]
            self.line(in_columns(names, texts, widths, _RIGHT), _style(exposure))
            hidden = {
                name for name in _HEADS if name not in names or cells_of(getattr(row, name)) > widths[name]
            }
            self._below(exposure, row, hidden)

    def blocks(self, shown: Sequence[TrackedExposure], rows: Sequence[ExposureRow]) -> None:
        """Some lines for each, however narrow the terminal."""
        for exposure, row in zip(shown, rows, strict=True):
            self.line(f"{row.severity}  {row.state}  {row.address}", _style(exposure))
            lasted = row.lasted if row.lasted == SEEN_ONCE else f"open for {row.lasted}"
            self.paragraph(f"{row.exposure}, {lasted}")
            self._below(exposure, row, {"size", "hits", "owner", "reach"})

    def _below(self, exposure: TrackedExposure, row: ExposureRow, hidden: set[str]) -> None:
        beside = [f"owner: {row.owner}"] if "owner" in hidden and row.owner != "-" else []
        if "size" in hidden and exposure.bytes is not None:
            beside.append(row.size)
        if hits := _hits(exposure) if "hits" in hidden else "":
            beside.append(hits)
        if "reach" in hidden and row.reach != "-":
            beside.append(f"open from: {row.reach}")
        if beside:
            self.paragraph(", ".join(beside))
        if exposure.overdue:
            self.paragraph(f"overdue since {minute(exposure.due_at)}")
        if exposure.state == "accepted" and exposure.acceptance is not None:
            taken = exposure.acceptance
            self.paragraph(f"accepted by {visible(taken.by, _NAME)} until {minute(taken.until)}")
        if why := _why(exposure):
            self.paragraph("why: " + why)


def _hits(exposure: TrackedExposure) -> str:
    said = [
        f"{verb} {times(count)}"
        for count, verb in ((exposure.wiped_count, "wiped"), (exposure.ransomed_count, "held to ransom"))
        if count
    ]
    return ", ".join(said)


def _why(exposure: TrackedExposure) -> str:
    if exposure.severity not in _GRAVE or not exposure.is_open:
        return ""
    return "; ".join(
        visible(sentence(reason), 200) for reason in exposure.severity_reasons if reason.code != "verdict"
    )


def _style(exposure: TrackedExposure) -> str:
    return COLOURS[exposure.severity] if exposure.is_open else "dim"


def exposures_jsonl(exposures: Iterable[TrackedExposure]) -> Iterable[str]:
    """A line of JSON for each, as docs/exposures.md tells."""
    return (json_line(exposure).decode() for exposure in exposures)


_CSV = (
    *("exposure_id", "finding_id", "state", "severity", "severity_number", "ip", "port", "site"),
    *("hostnames", "owner", "contact", "vantages_open", "reach", "not_open_from"),
    *("product", "version", "topology"),
    *("databases", "collections", "documents", "bytes", "hints"),
    *("first_seen_open", "last_seen_open", "opened_after", "opened_after_how"),
    *("open_at_least_seconds", "open_at_most_seconds", "closed_before", "closed_how", "last_look"),
    *("looks", "wiped_count", "ransomed_count", "restored_count", "reopened_count", "first_hit", "last_hit"),
    *(
        "due_at",
        "overdue",
        "warned_at",
        "acknowledged_at",
        "acknowledged_by",
        "accepted_by",
        "accepted_until",
    ),
)


def exposures_csv(exposures: Iterable[TrackedExposure]) -> str:
    """A table for a spreadsheet; no cell of it is a formula."""
    return csv_text(_CSV, map(_csv_row, exposures))


def _csv_row(exposure: TrackedExposure) -> list[str | int | None]:
    each = exposure
    taken = each.acceptance
    return [
        *(each.exposure_id, each.finding_id, each.state, each.severity.value, each.severity_number),
        *(each.place.ip, each.place.port, each.place.site),
        *(" ".join(each.hostnames), each.owner.owner, each.owner.contact),
        " ".join(seen.vantage for seen in each.vantages if seen.state == "open" and seen.vantage),
        *("" if each.reach == "unknown" else each.reach, " ".join(each.not_open_from)),
        *(each.product, each.version, each.topology),
        *(each.database_count, each.collection_count, each.documents, each.bytes, ", ".join(each.hints)),
        *(each.first_seen_open, each.last_seen_open, each.opened_after, each.opened_after_how),
        *(each.open_at_least_seconds, each.open_at_most_seconds, each.closed_before, each.closed_how),
        *(each.last_look, each.looks),
        *(each.wiped_count, each.ransomed_count, each.restored_count, each.reopened_count),
        *(each.first_hit, each.last_hit, each.due_at, "yes" if each.overdue else "no"),
        *(each.warned_at, each.acknowledged_at, each.acknowledged_by),
        *((taken.by, taken.until) if taken else ("", "")),
    ]


def exposures_markdown(exposures: Sequence[TrackedExposure], known: int = 0) -> str:
    """A table and the totals, for a ticket or a message."""
    shown = [exposure_row(exposure) for exposure in exposures]
    titles = _titles(shown)
    head = [*titles.values(), "overdue since"]
    rows = [
        [*(getattr(row, name) for name in titles), minute(exposure.due_at) if exposure.overdue else "-"]
        for exposure, row in zip(exposures, shown, strict=True)
    ]
    right = [place for place, name in enumerate(titles) if name in _RIGHT]
    table = markdown_table(head, rows, right) + "\n" if rows else ""
    return table + "".join(f"{markdown_cell(line)}  \n" for line in totals_lines(exposures, known))
