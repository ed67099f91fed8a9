"""The terminal table: what was found, the gravest first, and the counts in plain words."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING, NamedTuple

from results.text import human_bytes, human_count, visible
from results.verdict import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rich.console import Console
    from rich.text import Text

    from results.record import Exposure, LastWrite, Observation
    from results.summary import Coverage, Summary

_NARROW = 92
"""Columns that a table needs besides the longest address; with fewer, each server gets lines of its own."""
_RANSOM_WIDTH = 30
_NAME = 60
_COLOURS = {
    Severity.CRITICAL: "bold red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}
_TITLES = ("severity", "address", "owner / site", "verdict", "version", "databases / documents")
_MORE_TITLES = ("size", "newest write", "ransom")


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
    elif console.width < _NARROW + max(len(cells.address) for _, cells in shown):
        _print_blocks(console, shown, fit)
    else:
        _print_columns(console, shown, fit)
    if len(ordered) > limit:
        console.print(f"and {len(ordered) - limit:,} more, none of them graver")


def _fitting(encoding: str | None) -> Callable[[str], str]:
    """What this stream cannot encode is escaped, so that no name can end the output with an error."""
    encoding = encoding or "utf-8"
    return lambda text: text.encode(encoding, "backslashreplace").decode(encoding)


def _print_columns(console: Console, shown: list[tuple[Severity, Row]], fit: Callable[[str], str]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    longest = max(len(cells.ransom) for _, cells in shown)
    for title in _TITLES + _MORE_TITLES:
        table.add_column(
            title,
            justify="right" if title in ("size", "databases / documents") else "left",
            overflow="fold",
            min_width=min(longest, _RANSOM_WIDTH) if title == "ransom" else None,
            no_wrap=title in ("severity", "address", "size", "newest write"),
        )
    for severity, cells in shown:
        table.add_row(*(_text(fit(cell)) for cell in cells), style=_COLOURS[severity])
    console.print(table)


def _print_blocks(console: Console, shown: list[tuple[Severity, Row]], fit: Callable[[str], str]) -> None:
    for severity, cells in shown:
        head = f"{cells.severity}  {cells.address}  {cells.verdict}  {cells.version}"
        console.print(_text(fit(head), _COLOURS[severity]))
        lines = [f"owner: {cells.owner}"]
        if cells.holds != "-":
            lines.append(f"{cells.holds} databases / documents, {cells.size}, newest write {cells.newest}")
        if cells.ransom != "-":
            lines.append(f"ransom {cells.ransom}")
        for line in lines:
            console.print(_text("  " + fit(line)))


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
