"""A plan for people and for programs. Text only: no library that costs a start-up."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

import msgspec

from results.text import cells_of, cut, plural, visible
from scanner.cli.listing import Column, Listing, text_writer
from scanner.cli.listing_table import plain_lines
from scanner.cli.streams import terminal_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scanner.sweep.plan import LearnedPort, OwnerShare, Plan

MOST_ROWS = 40
MOST_PORTS = 20
TOP_PORTS = 10
_LEAST = 12  # columns of a text that was cut, and of a bar


def plan_listing(plan: Plan, holders: Sequence[object] | None = None, proof: str = "") -> Listing[OwnerShare]:
    """A row for each owner, with the whole plan around it; `json` has all of it, `holders` where they were
    asked for."""

    def document() -> object:
        whole = msgspec.to_builtins(plan)
        return whole if holders is None else whole | {"holders": msgspec.to_builtins(holders)}

    def print_plan(stream: TextIO) -> None:
        width = terminal_width(stream)
        lines = plan_lines(plan, holders, proof, drawn=can_draw(stream), width=width)
        text_writer(lines)(stream)

    return Listing(
        rows=plan.owners,
        columns=[
            Column("owner", None, lambda share: share.owner or "(no owner)"),
            Column("site"),
            Column("contact"),
            Column("addresses", right=True),
            Column("targets", right=True),
        ],
        title="What a sweep would do",
        above=head_lines(plan),
        foot=[
            *(
                f"excluded: {item.cidr}, {plural(item.addresses, 'address', 'addresses')}: "
                f"{item.reason or '(no reason)'}"
                for item in plan.excluded
            ),
            time_words(plan),
            *(f"warning: {warning}" for warning in plan.warnings),
            f"scope {plan.scope_sha256[:16]}; nothing was sent",
        ],
        empty="nothing may be asked",
        document=document,
        own={"table": print_plan},
    )


def head_lines(plan: Plan) -> list[str]:
    """How much is asked, how fast and for how long."""
    index, shards = plan.shard
    part = f", part {index} of {shards}: {plan.targets:,} targets" if shards > 1 else ""
    how = f"at most {plan.rate:g} connections a second, engine {plan.engine}, depth {plan.depth}"
    addresses = plural(plan.addresses, "address", "addresses")
    return [
        f"{addresses}, port {ports_text(plan.ports)}: {plural(plan.scope_targets, 'target')}{part}",
        f"{how}: about {duration(plan.seconds)} if nobody answers ({plan.limited_by} decides)",
        *([] if plan.learned is None else [learned_text(plan.learned)]),
    ]


def plan_lines(
    plan: Plan,
    holders: Sequence[object] | None = None,
    proof: str = "",
    *,
    drawn: bool = True,
    width: int | None = None,
) -> list[str]:
    """The plan as lines for a terminal, without its end-of-line characters; `drawn` with bars of blocks,
    where it can show them, in tables of `width` columns. `proof` says how far the public prefixes are proven
    ours."""
    lines = [*head_lines(plan), ""]
    most = max((share.addresses for share in plan.owners), default=0)
    rows = [
        (
            share.owner or "(no owner)",
            share.site,
            share.contact,
            bar(share.addresses, most, drawn=drawn),
            f"{share.addresses:,}",
        )
        for share in plan.owners
    ]
    lines += table_lines(("OWNER", "SITE", "CONTACT", "", "ADDRESSES"), rows, width=width)
    if plan.overlapping_addresses:
        lines.append(f"{plan.overlapping_addresses:,} addresses are named more than once; each is asked once")
    if plan.excluded:
        excluded = [
            (item.cidr, item.reason or "(no reason)", f"{item.addresses:,}") for item in plan.excluded
        ]
        owners = f", {plan.opted_out_addresses:,} by their owners" if plan.opted_out_addresses else ""
        lines += ["", f"excluded: {plan.excluded_addresses:,} addresses that were allowed{owners}"]
        lines += table_lines(("DENIED", "REASON", "ADDRESSES"), excluded, width=width)
    if plan.link_edges:
        count = plural(len(plan.link_edges), "address", "addresses")
        lines += ["", f"not asked, as no host has them: {count} at the ends of this machine's own links"]
        edges = [(edge.cidr, edge.reason) for edge in plan.link_edges]
        lines += table_lines(("ADDRESS", "WHAT IT IS"), edges, width=width)
    if plan.considered:
        lines += ["", "IPv6 prefixes too wide to sweep, asked at these addresses alone:"]
        lines += [
            f"  {visible(each.source)}{f' ({each.format})' if each.format else ''}:"
            f" {plural(each.addresses, 'address', 'addresses')} inside"
            f"{f', {each.outside:,} outside' if each.outside else ''}"
            for each in plan.considered
        ]
    if plan.blackouts:
        lines += ["", "not touched:"]
        lines += [f"  {visible(window.text)}" for window in plan.blackouts[:MOST_ROWS]]
    if len(plan.stretches) > 1 or plan.held_by:
        lines += ["", *course_lines(plan, drawn=drawn)]
    if plan.signatures:
        lines += ["", "signed allow-lists:"]
        lines += [
            f"  {visible(each.file)} by {visible(each.signer)}, {visible(each.key)}"
            for each in plan.signatures
        ]
    if holders is not None:
        lines += [
            "",
            "who holds the public prefixes:",
            *(f"  {visible(str(holder))}" for holder in holders),
        ]
    if proof:
        lines += ["", proof]
    if plan.warnings:
        lines += ["", *(f"warning: {warning}" for warning in plan.warnings)]
    lines += ["", f"scope {plan.scope_sha256[:16]}; nothing was sent"]
    return lines


def ports_text(ports: Sequence[int]) -> str:
    """Ports for people, the first of very many."""
    more = f" and {len(ports) - MOST_PORTS:,} more" if len(ports) > MOST_PORTS else ""
    return (", ".join(map(str, ports[:MOST_PORTS])) or "none") + more


def learned_text(learned: Sequence[LearnedPort]) -> str:
    """How many targets are asked because lists of open ports name them, and on which ports most of them."""
    if not learned:
        return "no list of open ports names a target that is not asked anyway"
    told = [f"port {each.port}: {each.targets:,}" for each in learned[:TOP_PORTS]]
    more = [f"{len(learned) - TOP_PORTS:,} more ports"] if len(learned) > TOP_PORTS else []
    count = plural(sum(each.targets for each in learned), "target")
    return f"{count} learned from open ports ({', '.join([*told, *more])})"


_BAR = 12  # characters of the longest
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_ACROSS = 60  # characters of a sweep's whole time
_MARKS = {True: "█▒░", False: "#+."}  # drawn or not: everything, a part, nothing may be asked


def can_draw(stream: TextIO | None) -> bool:
    """Whether a stream can show blocks."""
    try:
        _EIGHTHS.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeError, LookupError):
        return False
    return os.environ.get("TERM", "") != "dumb"


def bar(part: int, most: int, *, drawn: bool) -> str:
    """A length beside the longest; what is there can be seen."""
    eighths = max(round(8 * _BAR * part / most), 1) if most and part else 0
    if not drawn:
        return "#" * max(eighths // 8, 1 if part else 0)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def course_lines(plan: Plan, *, drawn: bool) -> list[str]:
    """What happens between the begin of a sweep and its end, as a strip with its meaning."""
    marks = _MARKS[drawn]
    strip = []
    end = plan.stretches[-1].end if plan.stretches else plan.begins
    for place in range(_ACROSS if end > plan.begins else 0):
        at = plan.begins + (place + 0.5) * (end - plan.begins) / _ACROSS
        stretch = next(each for each in plan.stretches if at < each.end)
        strip.append(marks[2] if stretch.waits else marks[1] if stretch.share else marks[0])
    meaning = f"{marks[0]} everything may be asked  {marks[1]} a part waits  {marks[2]} nothing may be asked"
    return [time_words(plan), f"  {''.join(strip)}", f"  {meaning}"]


def time_words(plan: Plan) -> str:
    """When a sweep would end, in one sentence."""
    if plan.ends is None:
        return "blackout windows leave it no time to end"
    waits = f", {duration(plan.waiting)} of them waiting for windows" if plan.waiting >= 1 else ""
    takes = f"{duration(plan.ends - plan.begins)}{waits}"
    if plan.held_by:
        return f"it begins when the stop file {visible(plan.held_by)} is gone, and then takes {takes}"
    return f"from {moment(plan.begins)} to {moment(plan.ends)} if nobody answers: {takes}"


def moment(at: float) -> str:
    """A time (seconds since 1970) with its day of the week."""
    return f"{datetime.fromtimestamp(at, UTC):%a %Y-%m-%d %H:%M} UTC"


def duration(seconds: float) -> str:
    """Seconds as people say them: two units at most."""
    whole = max(round(seconds), 1)
    units = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    for position, (size, name) in enumerate(units):
        if whole >= size:
            text = f"{whole // size} {name}"
            if position + 1 < len(units):
                below, below_name = units[position + 1]
                rest = whole % size // below
                text += f" {rest} {below_name}" if rest else ""
            return text
    return "0 s"


def table_lines(
    head: Sequence[str], rows: Iterable[Sequence[str]], most: int = MOST_ROWS, width: int | None = None
) -> list[str]:
    """Rows in columns, at most `most`; the last column, a number, to the right. Within `width` columns, if it
    is given, as far as that goes: the widest are cut with an ellipsis, and stand below their row in full."""
    cells = [list(head), *([visible(cell) for cell in row] for row in rows)]
    hidden = len(cells) - 1 - most
    cells = cells[: most + 1]
    widths = [max(cells_of(row[column]) for row in cells) for column in range(len(head))]
    while width is not None and sum(widths) + 2 * (len(widths) - 1) > width and max(widths[:-1]) > _LEAST:
        widths[widths.index(max(widths[:-1]))] -= 1
    lines = []
    for row in cells:
        texts = [cut(cell, most_cells) for cell, most_cells in zip(row, widths, strict=True)]
        blanks = [" " * (most_cells - cells_of(text)) for text, most_cells in zip(texts, widths, strict=True)]
        first = [text + blank for text, blank in zip(texts[:-1], blanks, strict=False)]
        lines.append("  ".join([*first, blanks[-1] + texts[-1]]))
        beside = zip(head, row, texts, strict=True)
        if whole := [f"{title.lower()}: {cell}" for title, cell, text in beside if text != cell]:
            lines += plain_lines([f"  {', '.join(whole)}"], width)
    return [*lines, *([f"and {hidden:,} more; --json has them all"] if hidden > 0 else [])]
