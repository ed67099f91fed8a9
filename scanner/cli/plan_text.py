"""A plan for people and for programs. Text only: no library that costs a start-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from results.text import indented, plural, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scanner.sweep.plan import Plan

MOST_ROWS = 40


def plan_json(plan: Plan, holders: Sequence[object] | None = None) -> str:
    """One JSON object; `holders` is there when it was asked for."""
    document = msgspec.to_builtins(plan)
    if holders is not None:
        document["holders"] = msgspec.to_builtins(holders)
    return indented(document)


def plan_lines(plan: Plan, holders: Sequence[object] | None = None) -> list[str]:
    """The plan as lines for a terminal, without its end-of-line characters."""
    index, shards = plan.shard
    part = f", part {index} of {shards}: {plan.targets:,} targets" if shards > 1 else ""
    ports = ", ".join(map(str, plan.ports)) or "none"
    how = f"at most {plan.rate:g} connections a second, engine {plan.engine}, depth {plan.depth}"
    addresses = plural(plan.addresses, "address", "addresses")
    lines = [
        f"{addresses}, port {ports}: {plural(plan.scope_targets, 'target')}{part}",
        f"{how}: about {duration(plan.seconds)} if nobody answers ({plan.limited_by} decides)",
        "",
    ]
    rows = [
        (share.owner or "(no owner)", share.site, share.contact, f"{share.addresses:,}")
        for share in plan.owners
    ]
    lines += table_lines(("OWNER", "SITE", "CONTACT", "ADDRESSES"), rows)
    if plan.overlapping_addresses:
        lines.append(f"{plan.overlapping_addresses:,} addresses are named more than once; each is asked once")
    if plan.excluded:
        excluded = [
            (item.cidr, item.reason or "(no reason)", f"{item.addresses:,}") for item in plan.excluded
        ]
        owners = f", {plan.opted_out_addresses:,} by their owners" if plan.opted_out_addresses else ""
        lines += ["", f"excluded: {plan.excluded_addresses:,} addresses that were allowed{owners}"]
        lines += table_lines(("DENIED", "REASON", "ADDRESSES"), excluded)
    if plan.link_edges:
        count = plural(len(plan.link_edges), "address", "addresses")
        lines += ["", f"not asked, as no host has them: {count} at the ends of this machine's own links"]
        lines += table_lines(
            ("ADDRESS", "WHAT IT IS"), [(edge.cidr, edge.reason) for edge in plan.link_edges]
        )
    if plan.blackouts:
        lines += ["", "not touched:"]
        lines += [f"  {visible(window.text)}" for window in plan.blackouts[:MOST_ROWS]]
    if holders is not None:
        lines += [
            "",
            "who holds the public prefixes:",
            *(f"  {visible(str(holder))}" for holder in holders),
        ]
    if plan.warnings:
        lines += ["", *(f"warning: {warning}" for warning in plan.warnings)]
    lines += ["", f"scope {plan.scope_sha256[:16]}; nothing was sent"]
    return lines


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


def table_lines(head: Sequence[str], rows: Iterable[Sequence[str]], most: int = MOST_ROWS) -> list[str]:
    """Rows in columns, at most `most`; the last column, a number, to the right."""
    cells = [list(head), *([visible(cell) for cell in row] for row in rows)]
    hidden = len(cells) - 1 - most
    cells = cells[: most + 1]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "  ".join(
            [
                *(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)),
                row[-1].rjust(widths[-1]),
            ]
        )
        for row in cells
    ]
    return [*lines, *([f"and {hidden:,} more; --json has them all"] if hidden > 0 else [])]
