"""The findings of `scope check`, for people and for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from results.text import plural, visible
from scanner.cli.listing import Column, Listing, text_writer

if TYPE_CHECKING:
    from scanner.setup.scope_reading import Checked
    from targets.scope_check import Finding

ROWS: Final = 20  # of each code that are shown to people


def check_listing(checked: Checked) -> Listing[Finding]:
    """Every finding; people get the first of each code, each with its place in the file."""
    return Listing(
        rows=checked.findings,
        columns=[
            Column("gravity"),
            Column("code"),
            Column("file", lambda each: each.path),
            Column("line"),
            Column("text"),
            Column("remedy"),
        ],
        title=f"Findings in {checked.source}",
        foot=[_counted(checked)],
        empty="",
        as_object=_as_object,
        document=lambda: {
            "source": checked.source,
            "entries": checked.entries,
            "denies": checked.denies,
            "names": checked.names,
            "counts": dict(Counter(each.code for each in checked.findings)),
            "findings": list(map(_as_object, checked.findings)),
        },
        own={"table": text_writer(check_lines(checked))},
    )


def _as_object(each: Finding) -> dict[str, object]:
    return {
        "gravity": each.gravity,
        "code": each.code,
        "file": each.path,
        "line": each.line,
        "text": each.text,
        "remedy": each.remedy,
    }


def check_lines(checked: Checked) -> list[str]:
    """The same as lines for a terminal, without their end-of-line characters: the first ROWS of each code."""
    counts = Counter(each.code for each in checked.findings)
    shown: Counter[str] = Counter()
    lines = []
    for each in checked.findings:
        shown[each.code] += 1
        if shown[each.code] <= ROWS:
            lines.append(_line(each))
        elif shown[each.code] == counts[each.code]:
            lines.append(f"  and {counts[each.code] - ROWS:,} more {each.code}; --format jsonl has all")
    return [*lines, _counted(checked)]


def _counted(checked: Checked) -> str:
    of = f"{plural(checked.entries, 'entry', 'entries')} and {plural(checked.denies, 'deny', 'denies')}"
    if checked.names:
        of += f", {plural(checked.names, 'host name')} not looked up"
    gravities = Counter(each.gravity for each in checked.findings)
    told = ", ".join(
        plural(gravities[gravity], gravity) for gravity in ("error", "warning", "note") if gravities[gravity]
    )
    return f"{told}, in {of}" if told else f"{visible(checked.source, 300)}: nothing to say of {of}"


def _line(finding: Finding) -> str:
    place = finding.path if finding.line is None else f"{finding.path}:{finding.line}"
    at = f"{visible(place, 200)}: " if place else ""
    text = visible(f"{finding.text}; {finding.remedy}", 500)
    return f"{at}{finding.gravity} {finding.code}: {text}"
