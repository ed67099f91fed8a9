"""What is to be reached, and what was: the rounds of each contender, and the table of goals."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.contenders import CONTESTS, Contender, Contest
from bench.far import ROUND_TRIP

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.lines import Lines


@dataclass
class Row:
    """All rounds of one contender."""

    contender: Contender
    targets: int
    rates: list[float] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # microseconds a target, which is seconds a million
    responder: list[float] = field(default_factory=list)  # the other side's, likewise
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


def _cpu(contest: str, ours: str, scale: float = 1.0) -> Callable[[Rows], float | None]:
    """Of our first contender with this in its name, microseconds a server, divided by `scale`."""

    def measured(rows: Rows) -> float | None:
        row = _like(rows, contest, ours)
        return row.cpu_of_one / scale if row and row.cpu else None

    return measured


def _less_cpu(contest: str, ours: str, other: str) -> Callable[[Rows], float | None]:
    def measured(rows: Rows) -> float | None:
        mine, theirs = _like(rows, contest, ours), _like(rows, contest, other)
        return theirs.cpu_of_one / mine.cpu_of_one if mine and theirs and mine.cpu and theirs.cpu else None

    return measured


def _a_core(contest: str, ours: str) -> Callable[[Rows], float | None]:
    cpu = _cpu(contest, ours)
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


def _longest_first(lines: Lines) -> float:
    return lines.largest_first


def _fewest(lines: Lines) -> float:
    return lines.collections


def _of_cpu(ours: str = "mongosweep", mark: str = "") -> list[Goal]:
    """What a server may cost, of our contender with `ours` in its name; `mark` is written behind each."""
    small, large = "depth databases, 4 databases, different", "default depth, 20 x 20, different"
    alike, default = "depth databases, 4 databases, alike", "default depth, 4 x 3, different"
    zgrab2, pymongo = "zgrab2's CPU over ours", "a PyMongo-async loop's CPU over ours"
    rows: list[tuple[str, float, Callable[[Rows], float | None], str, int]] = [
        ("depth verdict, different: CPU a server", 130, _cpu("different", ours), " us", -1),
        (f"{small}: CPU a server", 160, _cpu("databases", ours), " us", -1),
        (f"{small}: {zgrab2}", 1, _less_cpu("databases", ours, "zgrab2"), "x", 1),
        (f"{alike}: CPU a server", 160, _cpu("databases-alike", ours), " us", -1),
        (f"{alike}: {zgrab2}", 1, _less_cpu("databases-alike", ours, "zgrab2"), "x", 1),
        (f"{default}: a second and core", 3000, _a_core("collections", ours), "/s", 1),
        (f"{default}: {pymongo}", 20, _less_cpu("collections", ours, "PyMongo"), "x", 1),
        (f"{large}: CPU a server", 5, _cpu("large", ours, 1000), " ms", -1),
        (f"{large}: {pymongo}", 20, _less_cpu("large", ours, "PyMongo"), "x", 1),
    ]
    return [
        Goal(f"{text}{mark}", goal, measured, unit, better) for text, goal, measured, unit, better in rows
    ]


_LIMIT, _CLASSIC, _OURS, _STAGE = "the limit", "one socket a target", "connect engine", "SYN stage"
GOALS = [
    Goal("depth verdict, alike: against nmap's two scripts", 40, _ratio("live", _OURS, "nmap")),
    Goal("depth verdict, alike: against a Motor loop with 200 at once", 45, _ratio("live", _OURS, "Motor")),
    Goal("depth verdict, alike: against uvloop create_connection", 1.4, _ratio("live", _OURS, "uvloop")),
    Goal(
        "depth verdict, alike: against the limit (bare epoll, recycled)", 0.9, _ratio("live", _OURS, _LIMIT)
    ),
    Goal("depth verdict, alike: bytes a server", 1200, _of_lines("live", _size), " B", -1),
    *_of_cpu(),
    Goal("default depth, 20 x 20: collections in the journal", 400, _of_lines("large", _fewest), ""),
    Goal("default depth, 20 x 20: longest first line", 8192, _of_lines("large", _longest_first), " B", -1),
    Goal("default depth, 20 x 20: longest line", 16384, _of_lines("large", _longest), " B", -1),
    Goal(
        "default depth, 2,048 servers of 20 x 20 at once: peak RSS",
        150,
        _peak("memory", "mongosweep"),
        " MB",
        -1,
    ),
    Goal("default depth, 20 x 20, different: two workers against one", 1.7, _ratio("workers", ": 2", ": 1")),
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
    """Each goal with what was measured and a word: reached, falls short, not measured. Where ours ran
    compiled, too, what servers cost stands there once more."""
    found = []
    compiled = any("compiled" in name for _, name in rows)
    for goal in (*GOALS, *(_of_cpu("compiled", ", compiled") if compiled else ())):
        value = goal.measured(rows)
        if value is None:
            word = "not measured"
        else:
            word = "reached" if (value - goal.goal) * goal.better >= 0 else "**falls short**"
        found.append((goal, value, word))
    return found
