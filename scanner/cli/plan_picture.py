"""A plan as one picture, in SVG: the covered space by owner and site, and what happens when. It asks nobody
for anything: no script, no font, no address in it."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from results.report import hilbert
from results.report.markup import Markup, tag
from results.text import visible
from scanner.cli.plan_text import duration, moment, time_words
from scanner.errors import RefusedError
from targets.grammar import format_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from results.report.hilbert import Block, Layout
    from scanner.sweep.plan import OwnerShare, Plan
    from targets.scope import Scope

# Told apart by people with any kind of colour vision (Okabe and Ito, 2008); a number stands beside each.
_COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
_OTHER: Final = "#8c8c8c"
_DENIED: Final = -1
_MAP, _MARGIN, _ROW, _WIDTH = 400, 24, 22, 960  # pixels
_MOST_ROWS: Final = 16
_STYLE: Final = """
text { font: 13px sans-serif; fill: #1c1e21 } .soft { fill: #5c6470 }
.head { font-size: 18px; font-weight: 600 }
.small { font-size: 11px } .ground { fill: #fff } .line { stroke: #5c6470; fill: none }
.asks { fill: #009e73 } .part { fill: #e69f00 } .none { fill: #d3d6db } .curve { stroke: #1c1e21; fill: none }
@media (prefers-color-scheme: dark) { .ground { fill: #16181c } text { fill: #eceef1 } .soft { fill: #a6adb8 }
.none { fill: #40454d } .curve { stroke: #eceef1 } }
"""


def write_picture(path: Path, plan: Plan, scope: Scope) -> None:
    """Write the picture of a plan. Raises RefusedError when that file cannot be written."""
    try:
        path.write_text(picture(plan, scope), encoding="utf-8")
    except OSError as error:
        raise RefusedError(f"--picture {path}: {error.strerror}; name a file that can be written") from None


def picture(plan: Plan, scope: Scope) -> str:
    """The SVG as text. The same plan gives the same bytes."""
    owners = _owners(plan.owners)
    rows = max(len(plan.owners[:_MOST_ROWS]) + 3, 6)
    top = 88
    middle = max(_MAP, rows * _ROW) + top + 40
    height = middle + 150
    parts = [
        tag("style", Markup(_STYLE)),
        tag("title", "What a sweep would do", id="title"),
        tag("desc", _described(plan), id="desc"),
        tag("rect", width=_WIDTH, height=height, class_="ground"),
        _text(_MARGIN, 36, _headline(plan), "head"),
        _text(_MARGIN, 60, _pace(plan), "soft"),
        tag("g", _map(scope, owners), transform=f"translate({_MARGIN} {top})"),
        tag("g", list(_bars(plan, owners)), transform=f"translate({_MAP + 3 * _MARGIN} {top})"),
        tag("g", list(_when(plan)), transform=f"translate({_MARGIN} {middle})"),
    ]
    return (
        tag(
            "svg",
            parts,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {_WIDTH} {height}",
            role="img",
            aria_labelledby="title desc",
        )
        + "\n"
    )


def _owners(shares: Sequence[OwnerShare]) -> dict[tuple[str, str], int]:
    """Owner and site to the number that they have in the picture, the largest first."""
    return {key: number for number, key in enumerate(dict.fromkeys((s.owner, s.site) for s in shares))}


def _colour(number: int) -> str:
    return _COLOURS[number] if number < len(_COLOURS) else _OTHER


def _text(x: float, y: float, words: str, class_: str | None = None, **more: object) -> Markup:
    return tag("text", words, x=x, y=y, class_=class_, **more)


def _headline(plan: Plan) -> str:
    ports = ", ".join(map(str, plan.ports)) or "none"
    return f"{plan.addresses:,} addresses, port {ports}: {plan.targets:,} targets"


def _pace(plan: Plan) -> str:
    return (
        f"at most {plan.rate:g} connections a second, engine {plan.engine}, depth {plan.depth}: "
        f"{duration(plan.seconds)} if nobody answers ({plan.limited_by} decides)"
    )


def _described(plan: Plan) -> str:
    shares = "; ".join(
        f"{share.owner or 'no owner'}, {share.site or 'no site'}: {share.addresses:,} addresses"
        for share in plan.owners[:_MOST_ROWS]
    )
    return f"{_headline(plan)}. {shares}. {time_words(plan)}"


# --- the map ------------------------------------------------------------------------------------------


class _Held(NamedTuple):
    """Who holds which addresses: sorted starts, ends, and the number of the owner."""

    firsts: list[int]
    runs: list[tuple[int, int, int]]

    def most_of(self, first: int, last: int) -> int:
        """Whose the most of a range is; _DENIED where most of it is not asked."""
        counts: Counter[int] = Counter()
        index = max(bisect_right(self.firsts, first) - 1, 0)
        while index < len(self.runs) and self.runs[index][0] <= last:
            start, end, owner = self.runs[index]
            counts[owner] += max(0, min(end, last) - max(start, first) + 1)
            index += 1
        counts[_DENIED] += last - first + 1 - counts.total()
        return counts.most_common(1)[0][0]


def _map(scope: Scope, owners: dict[tuple[str, str], int]) -> list[Markup]:
    allowed = scope.allowed.intervals(4)
    if not allowed:
        return [_text(0, 20, "No IPv4 addresses: nothing to draw on a map.", "soft")]
    plan = hilbert.layout(list(allowed))
    runs = [
        (segment.first, segment.last, owners[segment.entry.owner, segment.entry.site])
        for segment in scope.segments(4)
    ]
    held = _Held([run[0] for run in runs], runs)
    width = max(block.box.x + block.box.width for block in plan.blocks)
    height = max(block.box.y + block.box.height for block in plan.blocks)
    scale = _MAP / max(width, height)
    shapes = [shape for block in plan.blocks for shape in _areas(plan, block, held, scale)]
    cell = "an address" if not plan.shift else f"{1 << plan.shift:,} addresses"
    return [
        *shapes,
        *(label for block in plan.blocks for label in _label(block, scale)),
        _text(
            0,
            height * scale + 18,
            f"IPv4 along Hilbert's curve, largest ranges first; a cell is {cell}; grey is allowed and denied",
            "soft small",
        ),
    ]


def _areas(plan: Layout, block: Block, held: _Held, scale: float) -> Iterator[Markup]:
    """A block halved along the curve until each part is of one owner."""
    cells = [held.most_of(*plan.addresses_of(block, block.offset + number)) for number in range(block.cells)]
    waiting = [(0, block.cells)]
    while waiting:
        offset, count = waiting.pop()
        kinds = set(cells[offset : offset + count])
        if len(kinds) > 1:
            waiting += [(offset + count // 2, count // 2), (offset, count // 2)]
            continue
        kind = kinds.pop()
        area = plan.area(block.offset + offset, count)
        yield tag(
            "rect",
            x=area.x * scale,
            y=area.y * scale,
            width=area.width * scale,
            height=area.height * scale,
            class_="none" if kind == _DENIED else None,
            fill=None if kind == _DENIED else _colour(kind),
        )


def _label(block: Block, scale: float) -> Iterator[Markup]:
    x, y, width, height = (each * scale for each in block.box)
    yield tag("rect", x=x, y=y, width=width, height=height, class_="line", stroke_width=0.6)
    name = f"{format_address(4, block.first)}/{block.prefix_length}"
    if width > 7 * len(name) and height > 18:
        yield tag(
            "rect", x=x + 3, y=y + 3, width=6.4 * len(name) + 6, height=16, class_="ground", opacity=0.8
        )
        yield _text(x + 6, y + 15, name, "small")


# --- by owner -----------------------------------------------------------------------------------------


def _bars(plan: Plan, owners: dict[tuple[str, str], int]) -> Iterator[Markup]:
    width = _WIDTH - _MAP - 4 * _MARGIN
    most = max((share.addresses for share in plan.owners), default=1) or 1
    yield _text(0, 0, "owner and site", "soft small")
    yield _text(width, 0, "addresses", "soft small", text_anchor="end")
    for row, share in enumerate(plan.owners[:_MOST_ROWS]):
        y = (row + 1) * _ROW
        number = owners[share.owner, share.site]
        name = visible(f"{share.owner or '(no owner)'}{', ' if share.site else ''}{share.site}", 44)
        length = max(share.addresses / most * (width - 260), 1.5)
        yield tag("rect", x=0, y=y - 11, width=14, height=14, fill=_colour(number), opacity=0.55)
        yield _text(7, y, str(number + 1), "small", text_anchor="middle")
        yield _text(22, y, name)
        yield tag("rect", x=180, y=y - 11, width=length, height=14, fill=_colour(number), opacity=0.55)
        yield _text(width, y, f"{share.addresses:,}", text_anchor="end")
    y = (len(plan.owners[:_MOST_ROWS]) + 1) * _ROW
    if len(plan.owners) > _MOST_ROWS:
        rest = sum(share.addresses for share in plan.owners[_MOST_ROWS:])
        yield _text(22, y, f"and {len(plan.owners) - _MOST_ROWS:,} more", "soft")
        yield _text(width, y, f"{rest:,}", text_anchor="end")
        y += _ROW
    if plan.excluded_addresses:
        yield tag("rect", x=0, y=y - 11, width=14, height=14, class_="none")
        yield _text(22, y, "allowed and denied: never asked", "soft")
        yield _text(width, y, f"{plan.excluded_addresses:,}", text_anchor="end")


# --- when ---------------------------------------------------------------------------------------------


def _when(plan: Plan) -> Iterator[Markup]:
    width, height = _WIDTH - 2 * _MARGIN, 60
    yield _text(0, 0, time_words(plan))
    if not plan.stretches:
        return
    begin, end = plan.begins, plan.stretches[-1].end
    across = width / max(end - begin, 1e-9)
    curve = [f"M0 {height + 14}"]
    for each in plan.stretches:
        kind, words = _kind(each.share, waits=each.waits)
        x = (each.start - begin) * across
        yield tag(
            "rect",
            tag("title", f"{moment(each.start)} to {moment(each.end)}: {words}"),
            x=x,
            y=14,
            width=(each.end - each.start) * across,
            height=height,
            class_=kind,
            opacity=0.6,
        )
        share = each.asked / plan.targets
        curve.append(f"L{(each.end - begin) * across:.2f} {14 + height * (1 - share):.2f}")
    yield tag("path", d="".join(curve), class_="curve", stroke_width=1.5)
    yield _text(0, height + 30, moment(begin), "small soft")
    yield _text(width, height + 30, moment(end), "small soft", text_anchor="end")
    for place, (kind, words) in enumerate(_kind(share, waits=waits) for share, waits in _KINDS):
        yield tag("rect", x=place * 230, y=height + 42, width=12, height=12, class_=kind, opacity=0.6)
        yield _text(place * 230 + 18, height + 53, words, "small soft")
    yield _text(690, height + 53, "the line: how much has been asked", "small soft")


_KINDS: Final = ((0.0, False), (0.5, False), (1.0, True))


def _kind(share: float, *, waits: bool) -> tuple[str, str]:
    if waits:
        return "none", "nothing may be asked"
    return ("part", "a part waits for its window") if share else ("asks", "everything may be asked")
