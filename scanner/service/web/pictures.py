"""Pictures that the reports do not have: the coverage map, shares by age, and how long closing took
against the deadline. As SVG, and never without a table beside them; colours are classes of `pictures.css`.
"""

from __future__ import annotations

import ipaddress
import math
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, NamedTuple

from results.report import hilbert
from results.report.figures import percent
from results.report.markup import Markup, joined, tag
from results.text import at_least
from scanner.service.view.closing import FIRST_STEP, STEPS
from scanner.service.view.coverage import AGES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from results.ledger.tracked import TrackedExposure
    from results.report.hilbert import Block, Box, Layout
    from scanner.service.view.closing import Closing
    from scanner.service.view.coverage import Age, CoverageView, Extent

AGE_ORDER: Final[tuple[Age, ...]] = (*(age for age, _ in AGES), "older", "never")
AGE_WORDS: Final[dict[Age, str]] = {
    "day": "within a day",
    "week": "within a week",
    "month": "within a month",
    "older": "longer ago",
    "never": "never",
}
_MANY_DOTS: Final = 400
"""So many are drawn smaller, so that the map can still be seen between them."""

_MOST_AREAS: Final = 1500
_FEWER_CELLS: Final = 1 << 10
"""Of a map that would be drawn in more areas than `_MOST_AREAS`: a page stays small."""


def age_bar(by_age: Mapping[Age, int]) -> Markup:
    """A bar of shares, the newest first; the figures stand beside it."""
    whole = sum(by_age.values())
    shapes, begin = [], 0.0
    for age in AGE_ORDER:
        length = by_age.get(age, 0)
        if length:
            shown = max(length, whole / 200)  # what is there can be seen
            left = min(begin, whole - shown)
            shapes.append(
                tag(
                    "rect",
                    x=percent(left, whole),
                    width=percent(shown, whole),
                    height="100%",
                    class_=f"a-{age}",
                )
            )
            begin += length
    return tag("svg", shapes, class_="bar", aria_hidden="true", focusable="false")


class _Area(NamedTuple):
    box: Box
    age: Age


def coverage_map(view: CoverageView, exposures: Sequence[TrackedExposure]) -> Markup | None:
    """The IPv4 part of the scope along Hilbert's curve, each cell by how long ago a complete sweep asked it
    (of several ages in one the worst), and a dot where something is open. None without IPv4."""
    extents = [each for each in view.extents if each.version == 4]
    if not extents:
        return None
    whole = hilbert.merged([(each.first, each.last) for each in extents])
    plan = hilbert.layout(whole)
    areas = _areas(plan, extents)
    if len(areas) > _MOST_AREAS:
        plan = hilbert.layout(whole, _FEWER_CELLS)
        areas = _areas(plan, extents)
    width = max(block.box.x + block.box.width for block in plan.blocks)
    height = max(block.box.y + block.box.height for block in plan.blocks)
    dots = _dots(plan, exposures)
    unit = max(width, height) / 64
    size = max(0.7, unit) if len(dots) < _MANY_DOTS else max(0.45, unit / 2)
    return tag(
        "svg",
        tag("title", "Coverage map", id="map-title"),
        tag("desc", _described(plan, view, len(dots)), id="map-desc"),
        tag(
            "defs",
            tag(
                "pattern",
                tag("rect", width=unit, height=unit, class_="hatch-ground"),
                tag("path", d=f"M0 {unit:.3f}L{unit:.3f} 0", class_="hatch-line", stroke_width=unit / 6),
                id="never",
                width=unit,
                height=unit,
                patternUnits="userSpaceOnUse",
            ),
        ),
        [
            tag("path", d="".join(_outline(area.box) for area in areas if area.age == age), class_=f"a-{age}")
            for age in AGE_ORDER
            if any(area.age == age for area in areas)
        ],
        tag("path", d="".join(_outline(block.box) for block in plan.blocks), class_="m-range"),
        tag("path", d="".join(dots), class_="m-dots", stroke_width=size) if dots else None,
        [label for block in plan.blocks if (label := _label(block, unit)) is not None],
        viewBox=f"{-unit / 2:.3f} {-unit / 2:.3f} {width + unit:.3f} {height + unit:.3f}",
        role="img",
        aria_labelledby="map-title map-desc",
        class_="coverage-map",
    )


def _areas(plan: Layout, extents: Sequence[Extent]) -> list[_Area]:
    """Rectangles of one age each: blocks, halved along the curve until they are."""
    firsts = [each.first for each in extents]
    found = []
    for block in plan.blocks:
        waiting = [(block.offset, block.cells)]
        while waiting:
            offset, cells = waiting.pop()
            first, last = plan.addresses_of(block, offset, cells)
            ages = {each.age for each in _between(extents, firsts, first, last)}
            if len(ages) > 1 and cells > 1:
                waiting += [(offset + cells // 2, cells // 2), (offset, cells // 2)]
            elif ages:
                found.append(_Area(plan.area(offset, cells), max(ages, key=AGE_ORDER.index)))
    return found


def _between(extents: Sequence[Extent], firsts: Sequence[int], first: int, last: int) -> Iterator[Extent]:
    at = max(bisect_right(firsts, first) - 1, 0)
    while at < len(extents) and extents[at].first <= last:
        if extents[at].last >= first:
            yield extents[at]
        at += 1


def _outline(box: Box) -> str:
    return f"M{box.x} {box.y}h{box.width}v{box.height}h-{box.width}z"


def _label(block: Block, unit: float) -> Markup | None:
    """The prefix, where its rectangle has room for it."""
    name = f"{ipaddress.IPv4Address(block.first)}/{block.prefix_length}"
    size = 1.7 * unit
    if block.box.width < (len(name) * 0.62 + 1) * size or block.box.height < 2 * size:
        return None
    place = {"x": block.box.x + size / 2, "y": block.box.y + 1.3 * size}
    return tag("text", name, **place, font_size=size, stroke_width=size / 5, class_="m-label")


def _dots(plan: Layout, exposures: Sequence[TrackedExposure]) -> list[str]:
    """A dot for each cell with something open: a line without length, and round ends."""
    cells = set()
    for each in exposures:
        address = ipaddress.ip_address(each.place.ip)
        block = plan.block_of(int(address)) if address.version == 4 else None
        if block is not None:
            cells.add(plan.cell_of(block, int(address)))
    found = []
    for cell in sorted(cells):
        box = plan.area(cell, 1)
        found.append(f"M{box.x}.5 {box.y}.5h0")
    return found


def _described(plan: Layout, view: CoverageView, dots: int) -> str:
    counts = {age: count for age in AGE_ORDER if (count := view.by_age.get(age, 0))}
    told = ", ".join(f"{AGE_WORDS[age]} {count:,}" for age, count in counts.items())
    cell = f"{1 << plan.shift:,} address{'es' if plan.shift else ''}"
    return (
        f"{len(plan.blocks):,} IPv4 ranges along Hilbert's curve, largest first, a cell for {cell}. Targets "
        f"by when a complete sweep began that asked them: {told}. Something is open in {dots:,} cells. "
        "The tables on this page have every figure."
    )


def closing_figure(rows: Sequence[Closing]) -> Markup:
    """For each severity how long what was closed had been open, on a scale from minutes to years: bars by
    length of time, and a line at the deadline, behind which they were late."""
    height = 64
    shapes: list[Markup] = []
    for number, row in enumerate(rows):
        top = number * height
        most = max((sum(counts) for counts in row.lasted.values()), default=1)
        floor = float(top + 58)
        shapes.append(tag("text", row.name, x=0, y=top + 14, class_="axis"))
        shapes.append(tag("line", x2="100%", y1=floor, y2=floor, class_="zero"))
        for step, counts in sorted(row.lasted.items()):
            under = floor
            for count, kind, words in zip(counts, ("in-time", "late"), ("in time", "late"), strict=True):
                if count:
                    tall = max(38 * count / most, 2.0)
                    under -= tall
                    shapes.append(
                        tag(
                            "rect",
                            tag("title", f"{_step_words(step)}: {count:,} closed {words}"),
                            x=_along(step),
                            width=percent(0.86, STEPS),
                            y=under,
                            height=tall,
                            class_=kind,
                        )
                    )
        if row.deadline is not None:
            place = _along(math.log2(row.deadline))
            shapes.append(tag("line", x1=place, x2=place, y1=top + 16, y2=top + 62, class_="deadline"))
            shapes.append(
                tag("text", f"due {at_least(row.deadline)}", x=place, dx=4, y=top + 14, class_="axis")
            )
    foot = len(rows) * height + 16
    marks = [
        tag(
            "text",
            words,
            x=_along(math.log2(seconds)),
            y=foot,
            class_="axis middle less" if words == "1 week" else "axis middle",
        )
        for seconds, words in _MARKS
    ]
    return tag(
        "svg",
        tag("title", "Time to close against the deadline", id="closing-title"),
        tag("desc", _closing_words(rows), id="closing-desc"),
        joined(shapes),
        joined(marks),
        role="img",
        aria_labelledby="closing-title closing-desc",
        class_="closing",
        height=foot + 6,
    )


_MARKS: Final = (
    (3600, "1 hour"),
    (86_400, "1 day"),
    (7 * 86_400, "1 week"),
    (30 * 86_400, "1 month"),
    (365 * 86_400, "1 year"),
)


def _along(step: float) -> str:
    return percent(min(max(step - FIRST_STEP, 0.0), float(STEPS)), STEPS)


def _step_words(step: int) -> str:
    return f"{at_least(2**step)} to {at_least(2 ** (step + 1))}"


def _closing_words(rows: Sequence[Closing]) -> str:
    told = [
        f"{row.name}: {row.in_time:,} closed in time and {row.late:,} late"
        for row in rows
        if row.in_time or row.late
    ]
    return ("; ".join(told) or "Nothing was proved closed yet") + ". The table below has every figure."
