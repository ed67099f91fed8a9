"""The pictures as SVG: bars, exposures over time, one exposure's strip. No figure is told by colour alone.

Horizontal places are percentages and text keeps its size, so that a picture fits a telephone, a screen and
paper. Colours are classes of `report.css`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from results.report.markup import Markup, joined, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.report.statistics import OverTime, Period
    from results.verdict import Severity

STRIP = 1000
"""An exposure's strip is this many units wide: from the begin of the ledger to now."""


class Stretch(NamedTuple):
    """One stretch of a strip, in units of `STRIP`. `kind` is `open` or `maybe` (open by its bounds,
    perhaps)."""

    begin: int
    end: int
    kind: str


class Mark(NamedTuple):
    """One dated thing on a strip."""

    at: int
    kind: str


def percent(part: float, whole: float) -> str:
    """A place or length in an SVG."""
    return f"{100 * part / whole:.2f}".rstrip("0").rstrip(".") + "%"


def bar(parts: Sequence[tuple[Severity, float]], most: float) -> Markup:
    """A horizontal bar of parts by severity; `most` is the length of the longest. The figures stand beside
    it."""
    shapes: list[Markup] = []
    begin = 0.0
    for severity, length in parts:
        if length > 0:
            shown = max(length, most / 300)  # what is there can be seen
            shapes.append(
                tag(
                    "rect",
                    x=percent(begin, most),
                    width=percent(min(shown, most - begin), most),
                    height="100%",
                    class_=f"s-{severity.value}",
                )
            )
            begin = min(begin + shown, most)
    return tag("svg", shapes, class_="bar", aria_hidden="true", focusable="false")


def span_bar(
    shortest: float, middle: float | None, mean: float | None, longest: float, most: float
) -> Markup:
    """A line from the shortest to the longest, with a tick at the median and a dot at the mean."""
    shapes = [
        tag("line", x1=percent(shortest, most), x2=percent(longest, most), y1="50%", y2="50%", class_="span")
    ]
    if middle is not None:
        shapes.append(
            tag(
                "line", x1=percent(middle, most), x2=percent(middle, most), y1="8%", y2="92%", class_="median"
            )
        )
    if mean is not None:
        shapes.append(tag("circle", cx=percent(mean, most), cy="50%", r=4, class_="mean"))
    return tag("svg", shapes, class_="bar", aria_hidden="true", focusable="false")


def over_time(history: OverTime) -> Markup:
    """How many were open at the end of each period as a line, what opened above and closed below the zero
    line."""
    periods = history.periods
    open_top = _round_up(max((each.open for each in periods), default=0))
    flow_top = _round_up(max((max(each.opened, each.closed) for each in periods), default=0))
    return tag(
        "svg",
        tag("title", "Exposures over time", id="over-time-title"),
        tag("desc", _described(history), id="over-time-desc"),
        _plot(12, 150, periods, open_top, _open_shapes),
        _scale(12, 150, [(0, open_top), (0.5, open_top / 2), (1, 0)]),
        _plot(190, 76, periods, flow_top, _flow_shapes),
        _scale(190, 76, [(0, flow_top), (0.5, 0), (1, flow_top)]),
        tag("text", "opened", x="100%", y=187, class_="axis end"),
        tag("text", "closed", x="100%", y=264, class_="axis end"),
        _dates(periods),
        role="img",
        aria_labelledby="over-time-title over-time-desc",
        class_="over-time",
        height=290,
    )


def _plot(top: int, height: int, periods: Sequence[Period], most: int, shapes: object) -> Markup:
    assert callable(shapes)
    return tag(
        "svg",
        shapes(periods, most),
        y=top,
        width="100%",
        height=height,
        viewBox=f"0 0 {max(len(periods), 1) * 10} 100",
        preserveAspectRatio="none",
    )


def _open_shapes(periods: Sequence[Period], most: int) -> list[Markup]:
    heights = [100 - 98 * each.open / most for each in periods]
    steps = " ".join(
        f"H{index * 10} V{height:.1f} H{index * 10 + 10}" for index, height in enumerate(heights)
    )
    if not heights:
        return []
    line = f"M0 {heights[0]:.1f} " + steps
    return [
        tag("path", d=f"M0 100 {steps} V100 Z", class_="area"),
        tag("path", d=line, class_="line"),
    ]


def _flow_shapes(periods: Sequence[Period], most: int) -> list[Markup]:
    shapes: list[Markup] = []
    for index, each in enumerate(periods):
        if each.opened:
            height = max(48 * each.opened / most, 1.5)
            shapes.append(
                tag("rect", x=index * 10 + 1, width=8, y=50 - height, height=height, class_="opened")
            )
        if each.closed:
            height = max(48 * each.closed / most, 1.5)
            shapes.append(tag("rect", x=index * 10 + 1, width=8, y=50.0, height=height, class_="closed"))
    shapes.append(tag("path", d=f"M0 50 H{len(periods) * 10}", class_="zero"))
    return shapes


def _scale(top: int, height: int, marks: Sequence[tuple[float, float]]) -> Markup:
    found: list[Markup] = []
    for share, value in marks:
        y = top + height * share
        found.append(tag("line", x2="100%", y1=y, y2=y, class_="grid"))
        found.append(tag("text", f"{value:,.0f}", x=0, y=y - 3, class_="axis"))
    return joined(found)


def _dates(periods: Sequence[Period]) -> Markup:
    if not periods:
        return joined([])
    count = len(periods)
    wanted = sorted({0, count // 3, 2 * count // 3, count - 1}) if count > 4 else list(range(count))
    found = []
    for index in wanted:
        place = 100 * (index + 0.5) / count
        side = (
            "start" if index == 0 and count > 1 else "end" if index == count - 1 and count > 1 else "middle"
        )
        place = 0 if side == "start" else 100 if side == "end" else place
        found.append(tag("text", periods[index].label, x=f"{place:.1f}%", y=284, class_=f"axis {side}"))
    return joined(found)


def _described(history: OverTime) -> str:
    periods = history.periods
    if not periods:
        return "Nothing was ever seen open."
    peak = max(periods, key=lambda each: each.open)
    return (
        f"By {history.unit}, from {periods[0].label} to {periods[-1].label}: "
        f"{sum(each.opened for each in periods):,} times one opened, "
        f"{sum(each.closed for each in periods):,} times one was proved closed; "
        f"{periods[-1].open:,} are open now, and most were in {peak.label}, {peak.open:,}. The table "
        "below has every figure."
    )


def _round_up(value: int) -> int:
    """The next figure that reads well on a scale and whose half does, too: 2, 4, 10, 20, 40, 100 ..."""
    step = 1
    while True:
        for factor in (2, 4, 6, 8, 10):
            if value <= factor * step:
                return factor * step
        step *= 10


def strip(stretches: Sequence[Stretch], marks: Sequence[Mark]) -> Markup:
    """One exposure's life in a line. `report.js` draws the same; the sentences beside it say it in words."""
    shapes: list[Markup] = [tag("rect", y=9, width="100%", height=2, class_="rail")]
    shapes += [
        tag(
            "rect",
            x=percent(each.begin, STRIP),
            y=5,
            width=percent(max(each.end - each.begin, 6), STRIP),
            height=10,
            class_=f"t-{each.kind}",
        )
        for each in stretches
    ]
    shapes += [
        tag("circle", cx=percent(each.at, STRIP), cy=10, r=4, class_=f"t-{each.kind}") for each in marks
    ]
    return tag("svg", shapes, class_="strip", aria_hidden="true", focusable="false")
