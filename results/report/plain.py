"""A report for programs, spreadsheets and tickets: JSON, CSV and Markdown of the same content."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import msgspec

from results.ledger import dossier as dossiers
from results.report import statistics
from results.report.cells import csv_text, markdown_cell, markdown_table
from results.report.exposures import exposures_csv, exposures_markdown
from results.report.fact_sheet import facts
from results.text import at_least, human_bytes, minute, visible

if TYPE_CHECKING:
    from results.report.content import Content, Dossier, Interval

REPORT, DOSSIER = "mongosweep.report/1", "mongosweep.dossier/1"
MOST_MARKDOWN = 500


def report_json(content: Content) -> str:
    """Everything that the page shows, and every field of each exposure with its changes."""
    history = statistics.over_time(content.exposures, content.now)
    whole = msgspec.to_builtins(content)
    asked = content.asked
    return _json(
        {
            "schema": REPORT,
            **{name: value for name, value in whole.items() if name not in ("asked", "exposures", "changes")},
            "asked": {
                "lately": _ranges(asked.lately, 4) + _ranges(asked.lately6, 6),
                "earlier": _ranges(asked.earlier, 4) + _ranges(asked.earlier6, 6),
                **{name: whole["asked"][name] for name in ("runs", "uncertain", "untold")},
            },
            "totals": msgspec.to_builtins(statistics.headline(content.exposures)._asdict()),
            "open_by_owner": [_builtins(each._asdict()) for each in statistics.by_owner(content.exposures)],
            "over_time": {
                "unit": history.unit,
                "periods": [
                    {"from": each.label, "opened": each.opened, "closed": each.closed, "open": each.open}
                    for each in history.periods
                ],
            },
            "time_to_close": [
                _builtins(each._asdict()) for each in statistics.time_to_close(content.exposures)
            ],
            "exposures": whole["exposures"],
            "changes": whole["changes"],
        }
    )


def dossier_json(content: Dossier) -> str:
    """One exposure with its changes, looks, actions and runs, and the facts for the data-protection
    officer."""
    return _json(
        {
            "schema": DOSSIER,
            **msgspec.to_builtins(content),
            "facts": [{"about": name, "sentences": list(said)} for name, said in facts(content)],
        }
    )


def _builtins(fields: dict[str, Any]) -> Any:
    if "by_severity" in fields:
        split = {
            severity.value: {"exposures": count, "bytes": size}
            for severity, (count, size) in fields["by_severity"].items()
        }
        fields = fields | {"by_severity": split}
    return msgspec.to_builtins(fields)


def _json(document: dict[str, Any]) -> str:
    """ASCII, so that no hidden character is in it as itself."""
    import json

    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


def _ranges(ranges: list[Interval], version: int) -> list[str]:
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    return [str(kind(first)) if first == last else f"{kind(first)}-{kind(last)}" for first, last in ranges]


def report_csv(content: Content) -> str:
    """A row for each exposure; no cell of it is a formula."""
    return exposures_csv(content.exposures)


def dossier_csv(content: Dossier) -> str:
    """A row for each thing that happened to one exposure, in time order."""
    told = dossiers.dossier(content.exposure, content.changes, content.looks, content.actions)
    place = content.exposure.place
    own = (content.exposure.exposure_id, place.ip, place.port)
    rows = [(*own, event.at, event.kind, event.when, event.sentence) for event in told.events]
    return csv_text(("exposure_id", "ip", "port", "at", "kind", "when", "what"), rows)


def report_markdown(content: Content) -> str:
    """The figures and a table of the gravest, for a ticket or a wiki."""
    name = f" of {visible(content.organisation, 80)}" if content.organisation else ""
    head = statistics.headline(content.exposures)
    parts = [f"# Exposures{markdown_cell(name)}\n", f"As of {minute(content.now)}.\n"]
    parts += [f"**{markdown_cell(visible(warning))}**\n" for warning in content.warnings]
    parts.append(
        f"{head.open:,} are open or not proved closed, {head.overdue:,} of them past their deadline; "
        f"{human_bytes(head.bytes)} lie open. {head.proved_closed:,} are proved closed.\n"
    )
    owners = statistics.by_owner(content.exposures)
    if owners:
        rows = [
            [
                visible(each.owner, 60),
                f"{each.open:,}",
                f"{each.overdue:,}",
                human_bytes(each.bytes),
                each.gravest.value,
            ]
            for each in owners
        ]
        parts += [
            "## Open now, by owner\n",
            markdown_table(("owner", "open", "overdue", "bytes", "gravest"), rows, (1, 2, 3)),
        ]
    closing = statistics.time_to_close(content.exposures)
    if closing:
        rows = [
            [visible(each.owner, 60), f"{each.closed:,}", _span(each.median), _span(each.mean)]
            for each in closing
        ]
        parts += [
            "## Time to close\n",
            markdown_table(("owner", "closed", "median", "mean"), rows, (1, 2, 3)),
        ]
    parts.append("## Exposures\n")
    parts.append(exposures_markdown(content.exposures[:MOST_MARKDOWN]))
    if len(content.exposures) > MOST_MARKDOWN:
        parts.append(f"And {len(content.exposures) - MOST_MARKDOWN:,} more, none of them graver.\n")
    return "\n".join(parts)


def _span(seconds: int | None) -> str:
    return "too few" if seconds is None else at_least(seconds)


def dossier_markdown(content: Dossier) -> str:
    """The dossier for a ticket or a wiki."""
    told = dossiers.dossier(content.exposure, content.changes, content.looks, content.actions)
    parts = [f"# {markdown_cell(told.headline)}\n"]
    parts += [f"**{markdown_cell(visible(warning))}**\n" for warning in content.warnings]
    parts.append(f"{markdown_cell(told.exposure_id)}, as of {minute(content.now)}.\n")
    for each in told.sections:
        parts += [f"## {each.heading}\n", _list(each.sentences)]
    parts += ["## Timeline\n", _list([f"{event.when}: {event.sentence}" for event in told.events])]
    parts.append("## Facts for the data-protection officer\n")
    parts.append(_list([f"{name}: {' '.join(said)}" for name, said in facts(content)]))
    return "\n".join(parts)


def _list(sentences: list[str]) -> str:
    return "".join(f"- {markdown_cell(sentence)}\n" for sentence in sentences)
