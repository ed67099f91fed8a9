"""Writes what was measured: RESULTS.md with the table of goals, and a plot in SVG by a small template."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from bench.contenders import CONTESTS, Contender, Contest
from bench.far import ROUND_TRIP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.lines import Lines


@dataclass
class Row:
    """All rounds of one contender."""

    contender: Contender
    targets: int
    rates: list[float] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # microseconds a target, which is seconds a million
    rss: list[int] = field(default_factory=list)
    found: list[int] = field(default_factory=list)
    start: float = 0.0  # CPU seconds of a run with one target, where that is taken off
    lines: Lines | None = None  # of the last round
    trouble: str = ""
    command: str = ""

    @property
    def cpu_of_one(self) -> float:
        """Median microseconds of CPU a target; 0 when no round succeeded."""
        return statistics.median(self.cpu) if self.cpu else 0.0

    @property
    def rate(self) -> float:
        """Median targets a second; 0 when no round succeeded."""
        return statistics.median(self.rates) if self.rates else 0.0

    def recall(self, contest: Contest) -> float | None:
        """The worst round's share of the live hosts; None where there are none."""
        expected = contest.recall(self.targets)
        return min(self.found) / expected if expected and self.found else None


QUIET = 3.0  # load average above which others were at work
Rows = dict[tuple[str, str], Row]


@dataclass(frozen=True)
class Goal:
    """One line of the table of goals. `better` is +1 when more is better, -1 when less is."""

    text: str
    goal: float
    measured: Callable[[Rows], float | None]
    unit: str = "x"
    better: int = 1


def _ratio(contest: str, ours: str, other: str) -> Callable[[Rows], float | None]:
    def measured(rows: Rows) -> float | None:
        mine, theirs = _like(rows, contest, ours), _like(rows, contest, other)
        return mine.rate / theirs.rate if mine and theirs and mine.rate and theirs.rate else None

    return measured


def _like(rows: Rows, contest: str, part: str) -> Row | None:
    return next((row for (place, name), row in rows.items() if place == contest and part in name), None)


def _cpu(contest: str, scale: float = 1.0) -> Callable[[Rows], float | None]:
    """Of our first contender, microseconds a server, divided by `scale`."""

    def measured(rows: Rows) -> float | None:
        row = _like(rows, contest, "mongosweep")
        return row.cpu_of_one / scale if row and row.cpu else None

    return measured


def _less_cpu(contest: str, other: str) -> Callable[[Rows], float | None]:
    def measured(rows: Rows) -> float | None:
        mine, theirs = _like(rows, contest, "mongosweep"), _like(rows, contest, other)
        return theirs.cpu_of_one / mine.cpu_of_one if mine and theirs and mine.cpu and theirs.cpu else None

    return measured


def _a_core(contest: str) -> Callable[[Rows], float | None]:
    cpu = _cpu(contest)
    return lambda rows: 1e6 / found if (found := cpu(rows)) else None


def _of_lines(contest: str, what: Callable[[Lines], float]) -> Callable[[Rows], float | None]:
    def measured(rows: Rows) -> float | None:
        row = _like(rows, contest, "mongosweep")
        return what(row.lines) if row and row.lines else None

    return measured


def _recall(rows: Rows) -> float | None:
    seen = [
        recall * 100
        for contest in CONTESTS
        for (place, name), row in rows.items()
        if place == contest.name and "mongosweep" in name and (recall := row.recall(contest)) is not None
    ]
    return min(seen, default=None)


def _peak(contest: str, part: str) -> Callable[[Rows], float | None]:
    def measured(rows: Rows) -> float | None:
        row = _like(rows, contest, part)
        return max(row.rss) / 1e6 if row and row.rss else None

    return measured


def _flat(rows: Rows) -> float | None:
    large, small = _like(rows, "eight", "a /8, mongosweep"), _like(rows, "eight", "a /16")
    if not (large and small and large.rss and small.rss):
        return None
    return (max(large.rss) / max(small.rss) - 1) * 100


def _far(rows: Rows) -> float | None:
    """The delay line delays no handshake, so one round trip is added for it."""
    row = _like(rows, "far", "mongosweep")
    return max(row.found) / 1000 + ROUND_TRIP if row and row.found else None


def _seconds(part: str) -> Callable[[Rows], float | None]:
    def measured(rows: Rows) -> float | None:
        row = _like(rows, "eight", part)
        return statistics.median(row.walls) if row and row.walls and row.targets == 1 << 24 else None

    return measured


def _size(lines: Lines) -> float:
    return lines.size_of_server


def _longest(lines: Lines) -> float:
    return lines.largest


def _fewest(lines: Lines) -> float:
    return lines.collections


_LIMIT, _CLASSIC, _OURS, _STAGE = "the limit", "one socket a target", "connect engine", "SYN stage"
GOALS = [
    Goal("depth verdict, alike: against nmap's two scripts", 40, _ratio("live", _OURS, "nmap")),
    Goal("depth verdict, alike: against a Motor loop with 200 at once", 45, _ratio("live", _OURS, "Motor")),
    Goal("depth verdict, alike: against uvloop create_connection", 1.4, _ratio("live", _OURS, "uvloop")),
    Goal(
        "depth verdict, alike: against the limit (bare epoll, recycled)", 0.9, _ratio("live", _OURS, _LIMIT)
    ),
    Goal("depth verdict, alike: bytes a server", 1200, _of_lines("live", _size), " B", -1),
    Goal("depth verdict, different: CPU a server", 130, _cpu("different"), " us", -1),
    Goal("depth databases, 4 databases, different: CPU a server", 160, _cpu("databases"), " us", -1),
    Goal(
        "depth databases, 4 databases, different: zgrab2's CPU over ours", 1, _less_cpu("databases", "zgrab2")
    ),
    Goal("depth databases, 4 databases, alike: CPU a server", 160, _cpu("databases-alike"), " us", -1),
    Goal(
        "depth databases, 4 databases, alike: zgrab2's CPU over ours",
        1,
        _less_cpu("databases-alike", "zgrab2"),
    ),
    Goal("default depth, 4 x 3, different: a second and core", 3000, _a_core("collections"), "/s"),
    Goal(
        "default depth, 4 x 3, different: a PyMongo-async loop's CPU over ours",
        20,
        _less_cpu("collections", "PyMongo"),
    ),
    Goal("default depth, 20 x 20, different: CPU a server", 5, _cpu("large", 1000), " ms", -1),
    Goal(
        "default depth, 20 x 20, different: a PyMongo-async loop's CPU over ours",
        20,
        _less_cpu("large", "PyMongo"),
    ),
    Goal("default depth, 20 x 20: collections in the journal", 400, _of_lines("large", _fewest), ""),
    Goal("default depth, 20 x 20: longest line", 16384, _of_lines("large", _longest), " B", -1),
    Goal(
        "default depth, 2,048 servers of 20 x 20 at once: peak RSS",
        150,
        _peak("memory", "mongosweep"),
        " MB",
        -1,
    ),
    Goal("default depth, 4 x 3, different: two workers against one", 1.7, _ratio("workers", ": 2", ": 1")),
    Goal("RST sweep against the limit (bare epoll, recycled)", 0.9, _ratio("closed", _OURS, _LIMIT)),
    Goal("RST sweep against bare epoll, a socket a target", 2, _ratio("closed", _OURS, _CLASSIC)),
    Goal("SYN stage against zmap, silent range", 2, _ratio("syn-silent", _STAGE, "zmap")),
    Goal("SYN stage against zmap, closed range", 1.2, _ratio("syn-closed", _STAGE, "zmap")),
    Goal("SYN stage against zmap, live range", 1.2, _ratio("syn-live", _STAGE, "zmap")),
    Goal("SYN stage against masscan, silent range", 3, _ratio("syn-silent", _STAGE, "masscan")),
    Goal("SYN stage against masscan, live range", 4, _ratio("syn-live", _STAGE, "masscan")),
    Goal("default depth, 1,000 databases 50 ms away, connect to record", 1, _far, " s", -1),
    Goal("recall of live hosts, worst round of ours", 99.9, _recall, " %"),
    Goal(
        "depth verdict, alike: peak RSS of a /8, all processes",
        200,
        _peak("eight", "a /8, mongosweep"),
        " MB",
        -1,
    ),
    Goal("depth verdict, alike: peak RSS, a /8 over a /16", 10, _flat, " %", -1),
    Goal("a /8 by the SYN stage, every target once", 60, _seconds("SYN stage alone"), " s", -1),
]


def judged(rows: Rows) -> list[tuple[Goal, float | None, str]]:
    """Each goal with what was measured and a word: reached, falls short, not measured."""
    found = []
    for goal in GOALS:
        value = goal.measured(rows)
        if value is None:
            word = "not measured"
        else:
            word = "reached" if (value - goal.goal) * goal.better >= 0 else "**falls short**"
        found.append((goal, value, word))
    return found


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
            *("servers", "CPU us a server", "range", "a second and core", "a second", "peak RSS"),
            *("bytes a server", "longest line", "recall"),
        ]
    return [
        f"{row.targets:,}",
        f"{row.cpu_of_one:,.0f}",
        f"{min(row.cpu):,.0f}–{max(row.cpu):,.0f}",
        f"{1e6 / row.cpu_of_one:,.0f}",
        f"{row.rate:,.0f}",
        f"{max(row.rss) / 1e6:.0f} MB",
        f"{row.lines.size_of_server:,.0f}" if row.lines else "–",
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
