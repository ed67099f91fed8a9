"""The terminal table: what was found, the gravest first, and the counts in plain words."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, NamedTuple

from results.text import human_bytes, human_count, visible
from results.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rich.console import Console
    from rich.text import Text

    from results.record import Exposure, LastWrite, Observation
    from results.summary import Coverage, Summary

_WRAPS = {"owner": 14, "version": 12, "holds": 12, "ransom": 30}
"""Cells that may be folded in the wide table, and the width that they then need at most."""
_COMPACT = ("severity", "address", "verdict", "holds", "size", "newest")
"""What the narrower table shows in columns; the rest stands in lines below each server."""
_NAME = 60
_COLOURS = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
_TITLES = {
    "severity": "severity",
    "address": "address",
    "owner": "owner / site",
    "verdict": "verdict",
    "version": "version",
    "holds": "databases / documents",
    "size": "size",
    "newest": "newest write",
    "ransom": "ransom",
}
_SHORT_TITLES = {**_TITLES, "holds": "dbs / docs"}
_RIGHT = frozenset({"holds", "size"})


class Row(NamedTuple):
    """One server as text for people; every cell is already safe to print."""

    severity: str
    address: str
    owner: str
    verdict: str
    version: str
    holds: str
    size: str
    newest: str
    ransom: str


def by_gravity(observations: Iterable[Observation]) -> list[Observation]:
    """Gravest first: by severity, then what is open, then the biggest; addresses in numerical order."""

    def key(observation: Observation) -> tuple[object, ...]:
        exposure = observation.exposure
        return (
            observation.severity.rank,
            not observation.verdict.is_open,
            -((exposure.total_size_bytes or 0) if exposure else 0),
            _numeric(observation.target.ip),
            observation.target.port,
        )

    return sorted(observations, key=key)


def row(observation: Observation) -> Row:
    """One observation as cells. Names from servers and from files are escaped here, and only here."""
    target, owner, server, exposure = (
        observation.target,
        observation.owner,
        observation.server,
        observation.exposure,
    )
    address = f"[{target.ip}]:{target.port}" if ":" in target.ip else f"{target.ip}:{target.port}"
    names = " / ".join(visible(name, _NAME) for name in (owner.owner, owner.site) if name)
    product = ""
    if server is not None:
        product = visible(server.version, _NAME)
        if server.product != "mongodb":
            product = f"{visible(server.product, _NAME)} {product}".strip()
    open_now = exposure if observation.verdict.is_open else None
    return Row(
        severity=observation.severity.value,
        address=visible(address, 70),
        owner=names or "-",
        verdict=observation.verdict.value,
        version=product or "-",
        holds=_holds(open_now),
        size=human_bytes(open_now.total_size_bytes) if open_now else "-",
        newest=_when(open_now.last_write) if open_now else "-",
        ransom=_ransom(open_now),
    )


def _holds(exposure: Exposure | None) -> str:
    if exposure is None:
        return "-"
    count = max(exposure.database_count, len(exposure.databases))
    return f"{human_count(count)} / {human_count(exposure.documents)}"


def _when(write: LastWrite | None) -> str:
    return "?" if write is None else write.at.strftime("%Y-%m-%d %H:%M")


def _ransom(exposure: Exposure | None) -> str:
    if exposure is None or exposure.ransom.level == "none":
        return "-"
    names = ", ".join(visible(name, _NAME) for name in exposure.ransom.names[:5])
    more = len(exposure.ransom.names) - 5
    names += f" and {more} more" if more > 0 else ""
    return f"{exposure.ransom.level.replace('_', ' ')}: {names}" if names else exposure.ransom.level


def print_table(
    observations: Iterable[Observation],
    file: IO[str],
    *,
    width: int | None = None,
    colour: bool | None = None,
    limit: int = 500,
) -> None:
    """Print the table to `file`, `width` columns wide (default: the terminal's).

    Colour follows the terminal and NO_COLOR unless `colour` says otherwise. On a narrow terminal each server
    is a block of lines instead, so that nothing is cut. At most `limit` servers, the gravest; then it says
    how many more there are.
    """
    from rich.console import Console  # imported here: a run that is piped never needs it

    console = Console(
        file=file,
        width=width,
        no_color=None if colour is None else not colour,
        force_terminal=True if colour else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    ordered = by_gravity(observations)
    shown = [(observation.severity, row(observation)) for observation in ordered[:limit]]
    fit = _fitting(getattr(file, "encoding", None))
    if not shown:
        console.print("nothing to show: no server answered")
    elif _width([cells for _, cells in shown], tuple(_TITLES), _WRAPS, gap=3) <= console.width:
        _print_columns(console, shown, fit)
    elif _width(_shortened(shown), _COMPACT, {}, gap=2) <= console.width:
        _print_compact(console, shown, fit)
    else:
        _print_blocks(console, shown, fit)
    if len(ordered) > limit:
        console.print(f"and {len(ordered) - limit:,} more, none of them graver")


def _fitting(encoding: str | None) -> Callable[[str], str]:
    """What this stream cannot encode is escaped, so that no name can end the output with an error."""
    encoding = encoding or "utf-8"
    return lambda text: text.encode(encoding, "backslashreplace").decode(encoding)


def _natural(rows: list[Row], name: str, wraps: Mapping[str, int]) -> int:
    """The width of one column: its longest cell, or less where a cell may be folded."""
    longest = max(len(getattr(cells, name)) for cells in rows)
    if name in wraps:
        return min(longest, wraps[name])
    return max(longest, len(_SHORT_TITLES[name]))


def _width(rows: list[Row], names: tuple[str, ...], wraps: Mapping[str, int], gap: int) -> int:
    return sum(_natural(rows, name, wraps) for name in names) + gap * (len(names) - 1)


def _shortened(shown: list[tuple[Severity, Row]]) -> list[Row]:
    """The rows of the narrower table: the day of the newest write, and the one long verdict cut short."""
    return [
        cells._replace(
            newest=cells.newest[:10],
            verdict=cells.verdict.replace("certificate_required", "cert"),
        )
        for _, cells in shown
    ]


def _print_columns(console: Console, shown: list[tuple[Severity, Row]], fit: Callable[[str], str]) -> None:
    from rich import box
    from rich.table import Table

    rows = [cells for _, cells in shown]
    widths = {name: _natural(rows, name, _WRAPS) for name in _TITLES}
    spare = console.width - _width(rows, tuple(_TITLES), _WRAPS, gap=3)
    for name in ("ransom", "owner", "version", "holds"):
        wanted = max(_natural(rows, name, {}), len(_TITLES[name])) - widths[name]
        widths[name] += min(spare, wanted)
        spare -= min(spare, wanted)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name, title in _TITLES.items():
        table.add_column(
            title, justify="right" if name in _RIGHT else "left", overflow="fold", width=widths[name]
        )
    for severity, cells in shown:
        table.add_row(*(_text(fit(cell)) for cell in cells), style=_COLOURS[severity])
    console.print(table)


def _print_compact(console: Console, shown: list[tuple[Severity, Row]], fit: Callable[[str], str]) -> None:
    """One line in columns for each server, and what does not fit there in lines below it."""
    rows = _shortened(shown)
    widths = {name: _natural(rows, name, {}) for name in _COMPACT}

    def line(cells: Mapping[str, str]) -> str:
        return "  ".join(
            cells[name].rjust(widths[name]) if name in _RIGHT else cells[name].ljust(widths[name])
            for name in _COMPACT
        ).rstrip()

    console.print(_text(line(_SHORT_TITLES), "bold"))
    for (severity, _), cells in zip(shown, rows, strict=True):
        console.print(_text(fit(line(cells._asdict())), _COLOURS[severity]))
        details = [cells.owner, f"version {cells.version}" if cells.version != "-" else ""]
        _print_details(console, ", ".join(filter(None, details)), cells, fit)


def _print_blocks(console: Console, shown: list[tuple[Severity, Row]], fit: Callable[[str], str]) -> None:
    for severity, cells in shown:
        head = f"{cells.severity}  {cells.address}  {cells.verdict}  {cells.version}"
        console.print(_text(fit(head), _COLOURS[severity]))
        if cells.holds != "-":
            held = f"{cells.holds} databases / documents, {cells.size}, newest write {cells.newest}"
            console.print(_text("  " + fit(held)))
        _print_details(console, cells.owner, cells, fit)


def _print_details(console: Console, owner: str, cells: Row, fit: Callable[[str], str]) -> None:
    console.print(_text("  owner: " + fit(owner)))
    if cells.ransom != "-":
        console.print(_text("  ransom " + fit(cells.ransom)))


def _text(cell: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(cell, style=style, overflow="fold")


def summary_lines(summary: Summary, coverage: Coverage | None = None) -> list[str]:
    """The counts in a few plain lines, for the end of a run and for `--quiet`-less pipes on stderr."""
    lines = []
    if coverage is not None:
        lines.append(
            f"{coverage.planned:,} targets planned: {coverage.outcomes:,} asked, "
            f"{coverage.excluded:,} excluded, {coverage.not_reached:,} not reached"
        )
    verdicts = ", ".join(f"{count:,} {verdict.value}" for verdict, count in summary.verdicts.items())
    lines.append(f"verdicts: {verdicts or 'none'}")
    if summary.open:
        ransomed = f", {summary.ransomed:,} with an extortionist's note" if summary.ransomed else ""
        lines.append(
            f"open without a password: {_plural(summary.open, 'server')}, {human_bytes(summary.open_bytes)}, "
            f"{_plural(summary.open_documents, 'document')}{ransomed}"
        )
    else:
        lines.append("open without a password: none")
    return lines


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _numeric(ip: str) -> tuple[int | str, ...]:
    return tuple(int(part) if part.isdigit() else part for part in re.split(r"(\d+)", ip))
