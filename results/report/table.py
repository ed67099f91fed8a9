"""The terminal table: what was found, the gravest first; why; whom to call; and the counts in plain words.

Columns are given up from the right as the terminal gets narrower; what has no column stands in lines below
its server, so nothing is ever left out. On a very narrow one each server is a block of lines.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from results.report.printing import COLOURS, Printer, cells_of, cut, in_columns, padded
from results.report.rows import ReportRow, brief, by_gravity, row, whom_to_call
from results.summary import totals_of, unique
from results.text import human_bytes, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from results.record import Observation
    from results.report.rows import Call
    from results.summary import Coverage, Totals
    from results.verdict import Severity

_TITLES = {
    "severity": "severity",
    "address": "address",
    "verdict": "verdict",
    "holds": "dbs / docs",
    "size": "size",
    "newest": "last write",
    "owner": "owner / site",
    "version": "version",
}
_ALWAYS = 6  # these columns, or blocks of lines
_WIDEST = {"owner": 32, "version": 24}  # a longer cell is cut in its column and whole in the lines below
_RIGHT = frozenset({"holds", "size"})
MOST_CALLS = 40
__all__ = ["by_gravity", "print_calls", "print_table", "row", "totals_lines"]


def print_table(
    observations: Iterable[Observation],
    file: IO[str],
    *,
    width: int | None = None,
    colour: bool | None = None,
    limit: int = 500,
) -> None:
    """Print the table to `file`, `width` columns wide (default: the terminal's).

    Colour follows the terminal and NO_COLOR unless `colour` says otherwise. At most `limit` servers, the
    gravest; then it says how many more there are. At the end: whom to call.
    """
    out = _Servers(file, width=width, colour=colour)
    ordered = by_gravity(unique(map(brief, observations)))
    if not ordered:
        out.line("nothing to show: no server answered")
        return
    shown = [(observation.severity, row(observation)) for observation in ordered[:limit]]
    names = _columns([cells for _, cells in shown], out.width)
    if names:
        out.columns(names, shown)
    else:
        out.blocks(shown)
    if len(ordered) > limit:
        out.line(f"and {len(ordered) - limit:,} more, none of them graver")
    out.line("")
    out.line(totals_lines(totals_of(ordered))[-1], "bold")
    print_calls(out, whom_to_call(ordered))


def _columns(rows: Sequence[ReportRow], width: int) -> tuple[str, ...]:
    """As many columns as fit side by side; none when not even the necessary ones do."""
    rows = _shortened(rows)
    for count in range(len(_TITLES), _ALWAYS - 1, -1):
        names = tuple(_TITLES)[:count]
        if sum(_width(rows, name) for name in names) + 2 * (count - 1) <= width:
            return names
    return ()


def _width(rows: Iterable[ReportRow], name: str) -> int:
    longest = max(cells_of(getattr(each, name)) for each in rows)
    return max(min(longest, _WIDEST.get(name, longest)), len(_TITLES[name]))


def _shortened(rows: Iterable[ReportRow]) -> list[ReportRow]:
    """The rows as columns show them: the day of the newest write, and the one long verdict cut short."""
    return [
        cells._replace(
            newest=cells.newest[:10],
            verdict=cells.verdict.replace("certificate_required", "cert"),
        )
        for cells in rows
    ]


class _Servers(Printer):
    """Servers, each with what must be acted on, and whom to call."""

    def columns(self, names: Sequence[str], shown: Sequence[tuple[Severity, ReportRow]]) -> None:
        """A line for each server, and below it what has no column."""
        rows = _shortened(cells for _, cells in shown)
        widths = {name: _width(rows, name) for name in names}
        self.line(in_columns(names, [_TITLES[name] for name in names], widths, _RIGHT), "bold")
        for (severity, cells), short in zip(shown, rows, strict=True):
            texts = [cut(getattr(short, name), widths[name]) for name in names]
            self.line(in_columns(names, texts, widths, _RIGHT), COLOURS[severity])
            beside = [
                f"{name}: {text}" if name == "owner" else f"{name} {text}"
                for name in ("owner", "version")
                if (text := getattr(cells, name)) != "-"
                and (name not in names or cells_of(text) > widths[name])
            ]
            if beside:
                self.paragraph(", ".join(beside))
            self._why(cells)

    def blocks(self, shown: Sequence[tuple[Severity, ReportRow]]) -> None:
        """Some lines for each server, however narrow the terminal."""
        for severity, cells in shown:
            head = f"{cells.severity}  {cells.address}  {cells.verdict}  {cells.version}"
            self.line(head, COLOURS[severity])
            if cells.holds != "-":
                self.paragraph(
                    f"{cells.holds} databases / documents, {cells.size}, last write {cells.newest}"
                )
            self.paragraph("owner: " + cells.owner)
            self._why(cells)

    def _why(self, cells: ReportRow) -> None:
        why = "; ".join(cells.why)
        if cells.ransom != "-" and cells.ransom.partition(": ")[2] not in why:
            self.paragraph("ransom " + cells.ransom)
        if why:
            self.paragraph("why: " + why)
        if cells.past:
            self.paragraph("past: " + "; ".join(cells.past))


def print_calls(out: Printer, calls: Sequence[Call]) -> None:
    """Whom to call, the gravest first."""
    if not calls:
        return
    texts = [
        (
            call.owner or "(no owner)",
            call.contact or "-",
            f"{call.open:,}",
            human_bytes(call.size) if call.open else "-",
            call.gravest.value,
        )
        for call in calls[:MOST_CALLS]
    ]
    head = ("whom to call", "contact", "open", "size", "gravest")
    widths = [max(cells_of(each[place]) for each in (head, *texts)) for place in range(len(head))]
    if sum(widths) + 2 * (len(head) - 1) > out.width:
        out.line(head[0], "bold")
        for owner, contact, count, size, gravest in texts:
            out.paragraph(f"{owner}, {contact}: {count} open, {size}, {gravest}")
    else:
        for number, each in enumerate([head, *texts]):
            cells = [
                padded(text, widths[place], right=head[place] in ("open", "size"))
                for place, text in enumerate(each)
            ]
            out.line("  ".join(cells).rstrip(), "" if number else "bold")
    if len(calls) > MOST_CALLS:
        out.line(f"and {len(calls) - MOST_CALLS:,} more owners")


def totals_lines(totals: Totals, coverage: Coverage | None = None) -> list[str]:
    """The counts in a few plain lines, for the end of a run and for `--quiet`-less pipes on stderr."""
    lines = []
    if coverage is not None:
        lines.append(
            f"{coverage.planned:,} targets planned: {coverage.outcomes:,} asked, "
            f"{coverage.excluded:,} excluded, {coverage.not_reached:,} not reached"
        )
    verdicts = ", ".join(f"{count:,} {verdict.value}" for verdict, count in totals.verdicts.items())
    lines.append(f"verdicts: {verdicts or 'none'}")
    if totals.open:
        ransomed = f", {totals.ransomed:,} with an extortionist's note" if totals.ransomed else ""
        lines.append(
            f"open without a password: {plural(totals.open, 'server')}, {human_bytes(totals.open_bytes)}, "
            f"{plural(totals.open_documents, 'document')}{ransomed}"
        )
    else:
        lines.append("open without a password: none")
    return lines
