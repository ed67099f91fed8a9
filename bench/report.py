"""Writes what was measured: RESULTS.md with the table of goals, and a plot in SVG by a small template."""

from __future__ import annotations

import os
import platform
import statistics
from html import escape
from typing import TYPE_CHECKING

from bench.contenders import CONTESTS, Contest
from bench.goals import Row, Rows, judged

if TYPE_CHECKING:
    from collections.abc import Sequence


QUIET = 3.0  # load average above which others were at work


def machine() -> str:
    """One line on where this ran."""
    return f"Linux {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def load(before: tuple[float, float, float]) -> str:
    """How busy the machine was, in a sentence: ours alone makes about two."""
    after = os.getloadavg()
    said = f"Load average {before[0]:.1f} before, {after[0]:.1f} at the end ({after[2]:.1f} over 15 minutes)."
    if max(before[0], after[2]) > QUIET:
        said += " The machine was busy with other work: rates are far below what it can do, ratios are rough."
    return said


def markdown(rows: Rows, rounds: int, quick: bool, busy: str) -> str:
    """The whole page."""
    kind = "short rounds (`--quick`): ratios are rough" if quick else "full rounds"
    lines = [
        "# What was measured",
        "",
        f"`make bench` on {machine()}; {rounds} alternating rounds, {kind}. Scanner and responder",
        "each have one core and are joined by a veth pair. Rates are targets a second at the responder's",
        "door, from the first to the last hundredth of the packets, so start-up and cool-down count for",
        "nobody. What a tool lost on its way, or did not find, does not count. The median, and the range.",
        "Rates drift from minute to minute: only ratios of one run count. CPU a server is user and system",
        "time of all the tool's processes, less that of a run with one target, over the servers found; a",
        "second and core is its inverse. 4 x 3 is 4 databases of 3 collections. Who is alike, who differs,",
        "and what each tool asks: docs/performance.md, Methods.",
        "",
        busy,
        "",
        "## Goals",
        "",
        "| | goal | measured | |",
        "|---|---|---|---|",
    ]
    for goal, value, word in judged(rows):
        sign = "at least" if goal.better > 0 else "at most"
        shown = (
            "–"
            if value is None
            else f"{value:.2f}{goal.unit}"
            if goal.unit in ("x", " s", " ms")
            else f"{value:,.0f}{goal.unit}"
            if value >= 1000
            else f"{value:.1f}{goal.unit}"
        )
        lines.append(f"| {goal.text} | {sign} {goal.goal:g}{goal.unit} | {shown} | {word} |")
    for contest in CONTESTS:
        mine = [row for (place, _), row in rows.items() if place == contest.name]
        if mine and contest.name != "far":
            lines += _table(contest, mine)
    lines += ["", "![rates](results.svg)", "", "## Commands", "", "Each ran in the scanning namespace.", ""]
    for row in rows.values():
        lines += [f"- {row.contender.contest}, {row.contender.name}: `{row.command}`"]
    return "\n".join(lines) + "\n"


def _table(contest: Contest, rows: Sequence[Row]) -> list[str]:
    title = f"{contest.title[0].upper()}{contest.title[1:]}"
    cells = _of_servers if contest.per_server else _of_targets
    head = cells(contest, None)
    lines = ["", f"## {title}", "", f"| {' | '.join(['', *head]).lstrip()} |", "|---" * (len(head) + 1) + "|"]
    for row in rows:
        if row.rates:
            found = cells(contest, row)
        else:
            found = [*["–"] * (len(head) - 1), f"not measured: {row.trouble or 'did not run'}"]
        lines.append(f"| {' | '.join([row.contender.name, *found])} |")
    return lines


def _of_targets(contest: Contest, row: Row | None) -> list[str]:
    """The cells of a contest of rates; without a row their heads."""
    if row is None:
        return ["targets", "a second", "range", "whole run", "CPU s a million", "peak RSS", "recall"]
    return [
        f"{row.targets:,}",
        f"{row.rate:,.0f}",
        f"{min(row.rates):,.0f}–{max(row.rates):,.0f}",
        f"{statistics.median(row.walls):.1f} s",
        f"{row.cpu_of_one:.1f}",
        f"{max(row.rss) / 1e6:.0f} MB",
        _share(row.recall(contest)),
    ]


def _of_servers(contest: Contest, row: Row | None) -> list[str]:
    """The cells of a contest of CPU a server; without a row their heads."""
    if row is None:
        return [
            *("servers", "CPU us a server", "range", "the responder's", "a second and core", "a second"),
            *("peak RSS", "bytes a server", "lines a server", "longest line", "recall"),
        ]
    return [
        f"{row.targets:,}",
        f"{row.cpu_of_one:,.0f}",
        f"{min(row.cpu):,.0f}–{max(row.cpu):,.0f}",
        f"{statistics.median(row.responder):,.0f}",
        f"{1e6 / row.cpu_of_one:,.0f}",
        f"{row.rate:,.0f}",
        f"{max(row.rss) / 1e6:.0f} MB",
        f"{row.lines.size_of_server:,.0f}" if row.lines else "–",
        f"{row.lines.of_server:.1f}" if row.lines else "–",
        f"{row.lines.largest:,}" if row.lines else "–",
        _share(row.recall(contest)),
    ]


def _share(recall: float | None) -> str:
    return "–" if recall is None else f"{recall:.4f}"


def _by_core(contest: Contest) -> bool:
    return contest.per_server and not contest.all_cores


def _a_second(contest: Contest, row: Row) -> float:
    """What a bar shows: servers a second, or a second and core where CPU a server counts."""
    return 1e6 / row.cpu_of_one if _by_core(contest) else row.rate


_BAR, _LEFT, _WIDTH = 22, 330, 520


def svg(rows: Rows) -> str:
    """Bars of `_a_second`, one group a contest, each on a scale of its own."""
    parts: list[str] = []
    y = 10
    for contest in CONTESTS:
        mine = [row for (place, _), row in rows.items() if place == contest.name and row.rates]
        if not mine or contest.name == "far":
            continue
        y += 24
        parts.append(f'<text x="10" y="{y}" class="t">{escape(contest.title)}</text>')
        shown = [_a_second(contest, row) for row in mine]
        unit = "/s a core" if _by_core(contest) else "/s"
        for row, rate in zip(mine, shown, strict=True):
            y += _BAR
            width = max(1.0, rate / max(shown) * _WIDTH)
            ours = (
                "ours" if "mongosweep" in row.contender.name or "SYN stage" in row.contender.name else "other"
            )
            parts.append(
                f'<text x="{_LEFT - 8}" y="{y}" text-anchor="end">{escape(row.contender.name)}</text>'
                f'<rect x="{_LEFT}" y="{y - 12}" width="{width:.1f}" height="15" class="{ours}"/>'
                f'<text x="{_LEFT + width + 6:.1f}" y="{y}">{rate:,.0f}{unit}</text>'
            )
        y += 12
    style = "text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.ours{fill:#2a7}.other{fill:#99a}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="960" height="{y + 20}" role="img" '
        f'aria-label="targets a second"><style>{style}</style><rect width="100%" height="100%" fill="#fff"/>'
        + "".join(parts)
        + "</svg>\n"
    )
