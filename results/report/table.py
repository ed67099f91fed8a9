"""The terminal table: what is new, what else is open by owner, and the rest, the gravest first in each; why;
whom to call; and the counts in plain words.

Columns are given up as the terminal gets narrower; what has no column stands in lines below its server, so
nothing that must be acted on is left out. On a very narrow one each server is a block of lines.
"""

from __future__ import annotations

from collections import Counter
from typing import IO, TYPE_CHECKING, NamedTuple

from results.report.printing import COLOURS, Printer, in_columns, padded
from results.report.rows import ReportRow, brief, by_gravity, row, whom_to_call
from results.summary import totals_of, unique
from results.text import cells_of, cut, folded, human_bytes, minute, plural, visible
from results.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from results.record import Observation
    from results.report.news import News
    from results.report.rows import Call
    from results.summary import Coverage, Totals

TITLES = {
    "severity": "severity",
    "score": "score",
    "address": "address",
    "verdict": "verdict",
    "holds": "dbs / docs",
    "size": "size",
    "newest": "last write",
    "version": "version",
    "driver": "driver",
    "owner": "owner / site",
}
_HOLDING = frozenset({"holds", "size", "newest"})  # of what is open
_GIVEN_UP = ("owner", "driver", "version", "verdict", "score")  # these columns, in this order; or blocks
_GIVEN_UP_OF_REST = ("driver", "version", "owner", "score")
_WIDEST = {"owner": 32, "version": 18}  # a longer cell is cut in its column and whole in the lines below
NUMBERS = frozenset({"score", "holds", "size"})
_USUAL = {"verdict": ("open",), "driver": ("agrees",)}  # goes without saying where there is no room for it
_NAME = 60
_SINCE = {
    "reopened": "open again",
    "wiped": "wiped",
    "ransomed": "ransomed",
    "restored": "restored",
    "moved": "moved here",
    "reach_changed": "open from elsewhere",
    "grew": "grew",
}
MOST_CALLS = 40
__all__ = ["by_gravity", "print_calls", "print_table", "row", "totals_lines"]


class _Server(NamedTuple):
    """One line of a section, and what happened to it since the run before."""

    severity: Severity
    cells: ReportRow
    since: tuple[str, ...] = ()


class _Section(NamedTuple):
    """Servers under a title. `told`: columns that say the same of all of them, or that the title tells."""

    title: str
    servers: list[_Server]
    told: frozenset[str] = frozenset()


def print_table(
    observations: Iterable[Observation],
    file: IO[str],
    *,
    width: int | None = None,
    colour: bool | None = None,
    limit: int = 500,
    news: News | None = None,
) -> None:
    """Print the table to `file`, `width` columns wide (default: the terminal's).

    First what is new or worse by `news`, then what else is open by owner, then the rest; the gravest first in
    each. Colour follows the terminal and NO_COLOR unless `colour` says otherwise. At most `limit` servers,
    the gravest; then it says how many more there are. At the end: whom to call.
    """
    out = _Servers(file, width=width, colour=colour)
    ordered = by_gravity(unique(map(brief, observations)))
    if not ordered:
        out.line("nothing to show: no server answered")
        return
    fresh, owners, rest = _sections(ordered[:limit], news)
    if news is not None and not fresh:
        out.line(f"nothing new since the run of {minute(news.since)}")
    out.sections([*fresh, *owners], tuple(TITLES), _GIVEN_UP)
    if rest and (fresh or owners):
        out.line("")
    out.sections(rest, tuple(name for name in TITLES if name not in _HOLDING), _GIVEN_UP_OF_REST)
    if len(ordered) > limit:
        out.line(f"and {len(ordered) - limit:,} more, none of them graver")
    out.line("")
    for line in _end_lines(ordered):
        for text in folded(line, out.width):
            out.line(text, "bold")
    print_calls(out, whom_to_call(ordered))


def _sections(
    ordered: Sequence[Observation], news: News | None
) -> tuple[list[_Section], list[_Section], list[_Section]]:
    """What is new or worse, what else is open for each owner, and the rest."""
    kinds = news.kinds if news is not None else {}
    fresh: list[_Server] = []
    owners: dict[str, list[_Server]] = {}
    rest: list[_Server] = []
    for each in ordered:
        server = _Server(each.severity, row(each), kinds.get(each.finding_id, ()))
        if not each.verdict.is_open:
            rest.append(server)
        elif server.since:
            fresh.append(server)
        else:
            contact = visible(each.owner.contact, _NAME)
            owner = server.cells.owner if server.cells.owner != "-" else "(no owner)"
            owners.setdefault(f"{owner}, {contact}" if contact else owner, []).append(server)
    since = f"new or worse since the run of {minute(news.since)}: {len(fresh):,}" if news is not None else ""
    return (
        [_Section(since, fresh)] if fresh else [],
        [_Section(owner, theirs, frozenset({"owner"})) for owner, theirs in owners.items()],
        [_Section("not open", rest)] if rest else [],
    )


def _end_lines(ordered: Sequence[Observation]) -> list[str]:
    """What is open, in numbers, how grave it is, and whether the official driver agrees."""
    lines = [totals_lines(totals_of(ordered))[-1]]
    grave = Counter(each.severity for each in ordered if each.verdict.is_open)
    if grave:
        levels = ", ".join(f"{grave[level]:,} {level.value}" for level in Severity if grave[level])
        lines.append(f"of these: {levels}")
    asked = [each.confirmation.agrees for each in ordered if each.confirmation is not None]
    if asked:
        agrees, silent, not_so = (asked.count(answer) for answer in (True, None, False))
        lines.append(f"driver agrees {agrees:,}, cannot speak {silent:,}, disagrees {not_so:,}")
    return lines


def _columns(
    rows: Sequence[ReportRow], names: Sequence[str], given_up: Sequence[str], width: int
) -> tuple[str, ...]:
    """As many of these columns as fit side by side; none when not even those do that are not given up."""
    rows = _shortened(rows)
    untold = {name for name in ("score", "driver") if all(getattr(each, name) == "-" for each in rows)}
    names = [name for name in names if name not in untold]
    for less in ("", *given_up):
        names = [name for name in names if name != less]
        if sum(_width(rows, name) for name in names) + 2 * (len(names) - 1) <= width:
            return tuple(names)
    return ()


def _width(rows: Iterable[ReportRow], name: str) -> int:
    longest = max(cells_of(getattr(each, name)) for each in rows)
    return max(min(longest, _WIDEST.get(name, longest)), len(TITLES[name]))


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

    def sections(self, sections: Sequence[_Section], columns: Sequence[str], given_up: Sequence[str]) -> None:
        """Sections in the columns that fit, which they share; in blocks of lines where too few do."""
        rows = [server.cells for section in sections for server in section.servers]
        if not rows:
            return
        if all("owner" in section.told for section in sections):
            columns = [name for name in columns if name != "owner"]
        names = _columns(rows, columns, given_up, self.width)
        widths = {name: _width(_shortened(rows), name) for name in names}
        if names:
            self.line(in_columns(names, [TITLES[name] for name in names], widths, NUMBERS), "bold")
        for number, section in enumerate(sections):
            if number:
                self.line("")
            for text in folded(section.title, self.width):
                self.line(text, "bold")
            for server in section.servers:
                if names:
                    self._columns(server, names, widths, section.told)
                else:
                    self._block(server, section.told)
                self._why(server)

    def _columns(
        self, server: _Server, names: Sequence[str], widths: Mapping[str, int], told: frozenset[str]
    ) -> None:
        """A line, and below it what has no column."""
        cells, (short,) = server.cells, _shortened([server.cells])
        texts = ["" if name in told else cut(getattr(short, name), widths[name]) for name in names]
        self.line(in_columns(names, texts, widths, NUMBERS), COLOURS[server.severity])
        beside = []
        for name in ("verdict", "version", "driver", "owner"):
            text = getattr(cells, name)
            is_there = name in names and cells_of(getattr(short, name)) <= widths[name]
            if is_there or name in told or text in ("-", *_USUAL.get(name, ())):
                continue
            beside.append(f"owner: {text}" if name == "owner" else f"{name} {text}")
        if beside:
            self.paragraph(", ".join(beside))

    def _block(self, server: _Server, told: frozenset[str]) -> None:
        """Some lines, however narrow the terminal."""
        cells = server.cells
        score = f" {cells.score}" if cells.score != "-" else ""
        self.line(
            f"{cells.severity}{score}  {cells.address}  {cells.verdict}  {cells.version}",
            COLOURS[server.severity],
        )
        if cells.holds != "-":
            self.paragraph(f"{cells.holds} databases / documents, {cells.size}, last write {cells.newest}")
        if "owner" not in told:
            self.paragraph("owner: " + cells.owner)
        if cells.driver not in ("-", *_USUAL["driver"]):
            self.paragraph("driver " + cells.driver)

    def _why(self, server: _Server) -> None:
        cells = server.cells
        since = [_SINCE[kind] for kind in server.since if kind in _SINCE]
        if since:
            self.paragraph(f"since then: {', '.join(since)}")
        why = "; ".join(cells.why)
        if cells.ransom != "-" and cells.ransom.partition(": ")[2] not in why:
            self.paragraph("ransom " + cells.ransom)
        if why:
            self.paragraph("why: " + why)
        if cells.past:
            self.paragraph("past: " + "; ".join(cells.past))
        if cells.disagrees:
            self.paragraph("driver disagrees: " + cells.disagrees)


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
