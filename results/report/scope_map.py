"""The map of the scope: which addresses were asked, and what was found on them; as a picture and as a
table."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from results.report import hilbert
from results.report.markup import Markup, joined, tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from results.ledger.tracked import TrackedExposure
    from results.report.content import Asked, Interval
    from results.report.hilbert import Block, Layout

UNITS = 64
"""The map is this many units wide; texts and dots are measured in them, cells are as large as fits."""

MOST_ROWS = 200
"""Rows of the table of ranges; those with findings first."""

FIRST_ROWS = 14
"""So many of them are seen at once."""

_KINDS = ("open", "unreachable", "closed")
_Found = dict[str, int]


class RangeRow(NamedTuple):
    """One range of the scope, in words."""

    name: str
    addresses: int
    asked: int
    found: _Found


def kind(exposure: TrackedExposure) -> str:
    """How an exposure is drawn: `open` (accepted ones, too), `unreachable` or `closed`."""
    return exposure.state if exposure.state in ("unreachable", "closed") else "open"


def scope_map(asked: Asked, exposures: Sequence[TrackedExposure]) -> Markup | None:
    """The picture, its legend and its table. None where no run said what it asked."""
    v4 = hilbert.merged([*asked.lately, *asked.earlier])
    v6 = hilbert.merged([*asked.lately6, *asked.earlier6])
    if not v4 and not v6:
        return None
    places: dict[int, list[tuple[int, str]]] = {4: [], 6: []}
    for each in exposures:
        address = ipaddress.ip_address(each.place.ip)
        places[address.version].append((int(address), kind(each)))
    rows = _rows(v4, asked.lately, places[4], 4) + _rows(v6, asked.lately6, places[6], 6)
    parts: list[object] = []
    if v4:
        plan = hilbert.layout(v4)
        parts.append(tag("div", _picture(plan, asked, places[4]), _legend(plan, asked), class_="map"))
    parts.append(tag("div", _table(rows), _beside(rows, places)))
    return tag("div", parts, class_="two" if v4 else None)


def _rows(
    whole: Sequence[Interval], lately: Sequence[Interval], places: list[tuple[int, str]], version: int
) -> list[RangeRow]:
    found: dict[Interval, Counter[str]] = defaultdict(Counter)
    ordered = sorted(whole)
    starts = [first for first, _ in ordered]
    for address, what in places:
        index = bisect_right(starts, address) - 1
        if index >= 0 and ordered[index][1] >= address:
            found[ordered[index]][what] += 1
    rows = [
        RangeRow(
            name=_range_name(each, version),
            addresses=each[1] - each[0] + 1,
            asked=hilbert.holds(list(lately), *each),
            found=dict(found[each]),
        )
        for each in ordered
    ]
    return sorted(rows, key=lambda row: (-row.found.get("open", 0), -row.found.get("unreachable", 0)))


def _range_name(each: Interval, version: int) -> str:
    kinds = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    first, last = kinds(each[0]), kinds(each[1])
    whole = hilbert.prefixes(*each)
    if len(whole) == 1:
        bits = (32 if version == 4 else 128) - (each[1] - each[0] + 1).bit_length() + 1
        return str(first) if first == last else f"{first}/{bits}"
    return f"{first} to {last}"


def amount(addresses: int) -> str:
    """A count of addresses: whole up to ten million, and the power of two above 2^40, as in IPv6."""
    if addresses < 1 << 40:
        return f"{addresses:,}"
    bits = addresses.bit_length() - 1
    return f"2^{bits}" if addresses == 1 << bits else f"about 2^{bits}"


def _table(rows: Sequence[RangeRow]) -> Markup:
    first, further, rest = rows[:FIRST_ROWS], rows[FIRST_ROWS:MOST_ROWS], rows[MOST_ROWS:]
    caption = "The same in figures: ranges of the scope, those with most open first."
    found = [_grid(caption, [_line(each) for each in first] + ([] if further else _rest(rest)))]
    if further:
        more = [_line(each) for each in further] + _rest(rest)
        words = f"{len(further) + len(rest):,} more ranges"
        found.append(tag("details", tag("summary", words), _grid(None, more), class_="small"))
    return joined(found)


def _grid(caption: str | None, body: list[Markup]) -> Markup:
    heads = ("range", "addresses", "asked", "open", "unreach.", "closed")
    kinds = (None, "number less", "number", "number", "number", "number")
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption) if caption else None,
            tag(
                "thead",
                tag(
                    "tr",
                    [
                        tag("th", head, scope="col", class_=kind)
                        for head, kind in zip(heads, kinds, strict=True)
                    ],
                ),
            ),
            tag("tbody", body),
            class_="small ranges",
        ),
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label="Ranges of the scope",
    )


def _line(row: RangeRow) -> Markup:
    return tag(
        "tr",
        tag("th", row.name, scope="row", class_="mono"),
        tag("td", amount(row.addresses), class_="number less"),
        tag("td", _share(row), class_="number"),
        [tag("td", row.found.get(each, 0) or "-", class_="number") for each in _KINDS],
    )


def _rest(rows: Sequence[RangeRow]) -> list[Markup]:
    if not rows:
        return []
    found = {each: sum(row.found.get(each, 0) for row in rows) for each in _KINDS}
    addresses, asked = sum(row.addresses for row in rows), sum(row.asked for row in rows)
    return [_line(RangeRow(f"{len(rows):,} more ranges", addresses, asked, found))]


def _share(row: RangeRow) -> str:
    if row.asked == row.addresses:
        return "all"
    if not row.asked:
        return "none"
    return f"{min(99.9, max(0.1, 100 * row.asked / row.addresses)):.1f} %"


def _beside(rows: Sequence[RangeRow], places: dict[int, list[tuple[int, str]]]) -> Markup | None:
    inside = sum(sum(row.found.values()) for row in rows)
    outside = len(places[4]) + len(places[6]) - inside
    if not outside:
        return None
    return tag(
        "p", f"{outside:,} exposures stand outside every range that a run set out to ask.", class_="small"
    )


def _picture(plan: Layout, asked: Asked, places: list[tuple[int, str]]) -> Markup:
    width = max(block.box.x + block.box.width for block in plan.blocks)
    height = max(block.box.y + block.box.height for block in plan.blocks)
    scale = UNITS / max(width, height)
    blocks = sorted(plan.blocks, key=lambda block: block.offset)
    ground = [shape for block in blocks for shape in _ground(plan, block, asked.lately, scale)]
    labels = [label for block in blocks if (label := _label(block, scale)) is not None]
    dots = _dots(plan, places, scale)
    return tag(
        "svg",
        tag("title", "Map of the scope", id="map-title"),
        tag("desc", _described(plan, places), id="map-desc"),
        tag(
            "defs",
            tag(
                "pattern",
                tag("rect", width=1, height=1, class_="hatch-ground"),
                tag("path", d="M0 1 L1 0", class_="hatch-line"),
                id="hatch",
                width=1,
                height=1,
                patternUnits="userSpaceOnUse",
            ),
        ),
        ground,
        tag("path", d="".join(_outline(block, scale) for block in blocks), class_="m-range"),
        labels,
        dots,  # last: nothing may lie over a finding
        viewBox=f"-0.4 -0.4 {width * scale + 0.8:.2f} {height * scale + 0.8:.2f}",
        role="img",
        aria_labelledby="map-title map-desc",
    )


def _ground(plan: Layout, block: Block, lately: list[Interval], scale: float) -> Iterator[Markup]:
    """The block's area by whether the last look asked it: halved along the curve until each part is of one
    kind."""
    waiting = [(block.offset, block.cells)]
    while waiting:
        offset, cells = waiting.pop()
        first, last = plan.addresses_of(block, offset, cells)
        count = hilbert.holds(lately, first, last)
        if cells > 1 and 0 < count < last - first + 1:
            waiting += [(offset + cells // 2, cells // 2), (offset, cells // 2)]
            continue
        area = plan.area(offset, cells)
        yield tag(
            "rect",
            x=area.x * scale,
            y=area.y * scale,
            width=area.width * scale,
            height=area.height * scale,
            class_="m-asked" if count else "m-earlier",
        )


def _outline(block: Block, scale: float) -> str:
    x, y, width, height = (each * scale for each in block.box)
    return f"M{x:.2f} {y:.2f}h{width:.2f}v{height:.2f}h-{width:.2f}z"


def _label(block: Block, scale: float) -> Markup | None:
    """The prefix, where its rectangle has room for it."""
    name = f"{ipaddress.IPv4Address(block.first)}/{block.prefix_length}"
    size = 1.6
    if block.box.width * scale < len(name) * size * 0.62 + 1 or block.box.height * scale < 3:
        return None
    return tag(
        "text",
        name,
        x=block.box.x * scale + 0.7,
        y=block.box.y * scale + 1.9,
        font_size=size,
        class_="m-label",
    )


def _dots(plan: Layout, places: list[tuple[int, str]], scale: float) -> list[Markup]:
    cells: dict[int, Counter[str]] = defaultdict(Counter)
    named: dict[int, int] = {}
    for address, what in places:
        block = plan.block_of(address)
        if block is None:
            continue
        cell = plan.cell_of(block, address)
        cells[cell][what] += 1
        named.setdefault(cell, address)
    radius = max(0.42 * scale, 0.55) if scale < 2 else min(0.3 * scale, 1.1)
    worst_last = sorted(cells, key=lambda cell: (-_rank(cells[cell]), cell))
    dots = []
    for cell in worst_last:
        counts = cells[cell]
        x, y, *_ = plan.area(cell, 1)
        words = ", ".join(f"{counts[each]:,} {each}" for each in _KINDS if counts[each])
        total = counts.total()
        where = str(ipaddress.IPv4Address(named[cell])) + (" and near it" if total > 1 else "")
        dots.append(
            tag(
                "circle",
                tag("title", f"{where}: {words}"),
                cx=(x + 0.5) * scale,
                cy=(y + 0.5) * scale,
                r=radius,
                class_=f"m-{_KINDS[_rank(counts)]}",
            )
        )
    return dots


def _rank(counts: Counter[str]) -> int:
    return next(rank for rank, each in enumerate(_KINDS) if counts[each])


def _described(plan: Layout, places: list[tuple[int, str]]) -> str:
    counts = Counter(what for _, what in places)
    return (
        f"{len(plan.blocks):,} IPv4 ranges along Hilbert's curve, largest first, a cell for "
        f"{1 << plan.shift:,} "
        f"address{'es' if plan.shift else ''}. On them {counts['open']:,} open, {counts['unreachable']:,} "
        f"unreachable and {counts['closed']:,} closed exposures. The table beside it says which range "
        "has how many."
    )


def _legend(plan: Layout, asked: Asked) -> Markup:
    entries = [
        ("k-open round", "open"),
        ("k-medium round", "unreachable, not proved closed"),
        ("k-ring round", "proved closed"),
        ("k-asked", "asked by the last look"),
    ]
    if hilbert.merged([*asked.lately, *asked.earlier]) != asked.lately:
        entries.append(("k-earlier", "asked by earlier runs only"))
    cell = f"One cell is {1 << plan.shift:,} address{'es' if plan.shift else ''}."
    return joined(
        [
            tag("ul", [tag("li", tag("i", class_=name), words) for name, words in entries], class_="legend"),
            tag(
                "p",
                "Each range keeps its shape on Hilbert's curve, where neighbours in number are "
                "neighbours on the map; "
                f"largest first, and what lies between ranges is left out. {cell} "
                "Asked means that the run set out to ask it; what silence is worth stands under Runs.",
                class_="small soft",
            ),
        ]
    )
