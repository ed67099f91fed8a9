"""What an import brought and what it changes, for people and for programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from results.text import plural, visible
from scanner.cli.listing import json_text
from targets.allow_file import HEADINGS, left_line, summary
from targets.grammar import format_span

if TYPE_CHECKING:
    from scanner.setup.scope_import import Imported
    from targets.allow_diff import Row, What

ROWS: Final = 10  # of each kind that are shown to people
MOST_ROWS: Final = 10_000  # of each kind in JSON
_WORDS: Final[tuple[tuple[What, str], ...]] = (
    ("added", "added"),
    ("gone", "gone"),
    ("owner", "with another owner"),
    ("terms", "with another contact, site, label, authorisation or port"),
)


def import_json(imported: Imported) -> str:
    """One JSON object: what changes (`rows` at most MOST_ROWS of a kind), what is left out, what was done."""
    change, proposal = imported.difference, imported.proposal
    counts: dict[str, Any] = {
        "before": change.before,
        "after": change.after,
        "added": change.added,
        "gone": change.gone,
    }
    return json_text(
        {
            "file": str(imported.path),
            "sources": imported.sources,
            "written": imported.written,
            "refused": imported.refusal,
            "first": imported.first,
            "in_force": imported.in_force,
            "entries": len(proposal.entries),
            "addresses": counts,
            "growth": round(change.growth, 6),
            "loss": round(change.loss, 6),
            "changes": {
                what: {
                    "runs": len(change.of(what)),
                    "rows": [_row_json(row) for row in change.of(what)[:MOST_ROWS]],
                }
                for what, _ in _WORDS
            },
            "unauthorised": [each.entry.text for each in proposal.unauthorised[:MOST_ROWS]],
            "left_out": {
                why: {"count": count, "rows": [left_line(item) for item in items]}
                for why, (count, items) in proposal.left.items()
            },
            "not_kept": [entry.text for entry in proposal.dropped[:MOST_ROWS]],
        },
        indent=2,
    )


def _row_json(row: Row) -> dict[str, object]:
    found: dict[str, object] = {"addresses": format_span(row.span), "count": row.span.size}
    if row.what != "gone":
        found["owner"] = row.owner
    if row.what in ("gone", "owner"):
        found["owner_before"] = row.before
    return found


def import_lines(imported: Imported, config: str) -> list[str]:
    """The same as lines for a terminal, without their end-of-line characters. `config`: the configuration."""
    change, proposal = imported.difference, imported.proposal
    lines = [f"{visible(str(imported.path), 300)}: {summary(proposal)}"]
    if not imported.first:
        lines[0] += f" ({change.before:,} addresses before)"
        for what, words in _WORDS:
            lines += _changed(words, change.of(what))
        if not change.rows:
            lines.append("  nothing has changed")
    lines += _waiting(imported)
    for why, heading in HEADINGS.items():
        if why in proposal.left:
            count, items = proposal.left[why]
            lines.append(f"  left out: {count:,} {heading}")
            if why != "container":
                lines += [f"    {visible(left_line(item), 300)}" for item in items[:3]]
    lines += [
        f"  not kept: what was written into {visible(entry.text, 100)} by hand, which is no entry of "
        f"{visible(repr(entry.owner), 100) if entry.owner else 'nobody'} any more"
        for entry in proposal.dropped[:ROWS]
    ]
    if imported.refusal:
        return lines
    return [*lines, *_ending(imported, config)]


def _changed(words: str, rows: list[Row]) -> list[str]:
    if not rows:
        return []
    addresses = sum(row.span.size for row in rows)
    count = plural(addresses, "address", "addresses") if addresses < 2**64 else "more than 2**64 addresses"
    lines = [f"  {words}: {count} in {plural(len(rows), 'run')}"]
    lines += [f"    {format_span(row.span)}  {_whose(row)}".rstrip() for row in rows[:ROWS]]
    if len(rows) > ROWS:
        lines.append(f"    and {len(rows) - ROWS:,} more runs")
    return lines


def _whose(row: Row) -> str:
    if row.what == "owner":
        return f"{visible(row.before, 80) or 'no owner'} -> {visible(row.owner, 80) or 'no owner'}"
    return visible(row.owner or row.before, 80)


def _waiting(imported: Imported) -> list[str]:
    waiting = imported.proposal.unauthorised
    if not waiting:
        return []
    first = ", ".join(each.entry.text for each in waiting[:3])
    prefixes = plural(len(waiting), "prefix", "prefixes")
    remedy = "fill in who authorised them at the end of the file, or give --authorised-by and --expires"
    return [f"  not allowed: {prefixes} not proven ours by being private ({first}); {remedy}"]


def _ending(imported: Imported, config: str) -> list[str]:
    shown = visible(str(imported.path), 300)
    if imported.written:
        lines = [f"wrote {shown}; review it as you review code, and see `mongosweep scope check`"]
    elif imported.difference.rows or imported.first:
        lines = [f"nothing was written: without --dry-run {shown} would be"]
    else:
        lines = [f"{shown} is up to date"]
    if not imported.in_force:
        name = _beside(imported.path, config)
        where = f"[scope] of {visible(config, 300) or 'a configuration (`mongosweep init`)'}"
        lines.append(f'not in force: it counts once {where} says files = ["{visible(name, 300)}"]')
    if imported.signing and imported.written:
        lines.append("not in force: [scope] signers wants it signed; see docs/scope.md")
    return lines


def _beside(path: Path, config: str) -> str:
    """The path as a configuration names it: relative to its folder, where it lies below that."""
    folder = Path(os.path.realpath(config)).parent if config else Path(os.path.realpath("."))
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
