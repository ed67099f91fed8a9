"""Answers for other programs and for a ticket: JSON lines, CSV, and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.confirm.table import Cells, lines_of, totals_lines
from results.lines import json_line
from results.report.cells import csv_text, markdown_cell, markdown_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from results.confirm.answer import PlaceAnswer, ReportAnswer, RowAnswer

_HEAD = (
    *("named", "times", "reported_first", "reported_last", "reported_finding"),
    *("ip", "port", "answer", "reasons", "at", "verdict"),
    *("driver", "owner", "contact", "site", "exposure_id", "state", "severity", "first_seen_open"),
    *("last_seen_open", "closed_before", "closed_how", "reported_ahead_seconds", "acknowledged_at"),
    *("acknowledged_by", "accepted_by", "accepted_until", "not_before"),
)


def answers_jsonl(rows: Iterable[RowAnswer], whole: ReportAnswer) -> Iterator[str]:
    """A line of JSON for each row, and the last for the whole."""
    for row in rows:
        yield json_line(row).decode()
    yield json_line(whole).decode()


def answers_csv(rows: Iterable[RowAnswer]) -> str:
    """A table for a spreadsheet, a line for each place; no cell of it is a formula."""
    return csv_text(_HEAD, (line for row in rows for line in _csv_lines(row)))


def _csv_lines(row: RowAnswer) -> Iterator[list[str | int | None]]:
    places: list[PlaceAnswer | None] = [*row.places] or [None]
    for place in places:
        yield [
            *(row.named, row.times, row.reported_first, row.reported_last, row.reported_finding),
            *_csv_place(row, place),
        ]


def _csv_place(row: RowAnswer, place: PlaceAnswer | None) -> list[str | int | None]:
    if place is None:
        codes = " ".join(f"{reason.code}: {reason.detail}" for reason in row.reasons)
        return ["", None, row.answer, codes, *([""] * (len(_HEAD) - 9))]
    known = place.exposure
    owner = place.owner
    return [
        *(place.ip, place.port, place.answer, " ".join(reason.code for reason in place.reasons), place.at),
        *(place.verdict.value if place.verdict is not None else "", place.driver),
        *(owner.owner, owner.contact, owner.site),
        *(
            (
                *(known.exposure_id, known.state, known.severity.value),
                *(known.first_seen_open, known.last_seen_open, known.closed_before, known.closed_how),
                *(known.reported_ahead_seconds, known.acknowledged_at, known.acknowledged_by),
                *(known.accepted_by, known.accepted_until, known.not_before),
            )
            if known is not None
            else [""] * 13
        ),
    ]


def answers_markdown(rows: Sequence[RowAnswer], whole: ReportAnswer) -> str:
    """A table and the totals, for a ticket or a message."""
    lines = [list(line.cells) for row in rows for line in lines_of(row)]
    table = markdown_table(Cells._fields, lines) + "\n" if lines else ""
    return table + "".join(f"{markdown_cell(line)}  \n" for line in totals_lines(whole))
