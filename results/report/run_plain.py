"""A run's observations for other programs, a spreadsheet and a ticket: JSON lines, JSON, CSV and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.formats.registry import format_named
from results.formats.writing import written
from results.lines import json_line, to_lines
from results.report.cells import markdown_cell, markdown_table
from results.report.rows import brief, by_gravity, row, whom_to_call
from results.report.table import NUMBERS, TITLES, totals_lines
from results.summary import totals_of, unique
from results.text import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from results.formats.fields import Sender
    from results.record import Observation
    from results.runs import RunInfo

MOST_MARKDOWN = 500  # servers; a ticket takes some ten thousand characters
_HEAD = {name: title for name, title in TITLES.items() if name != "driver"}
_RIGHT = [place for place, name in enumerate(_HEAD) if name in NUMBERS]


def run_jsonl(observations: Iterable[Observation]) -> Iterator[str]:
    """The lines of each observation, as a run writes them, in the order of the run."""
    for observation in unique(observations):
        for line in to_lines(observation):
            yield line.decode()


def run_json(info: RunInfo | None, observations: Iterable[Observation]) -> Iterator[str]:
    """One JSON object: the run as `mongosweep runs` lists it, null for a file of observations alone, and the
    observations, each with all its databases."""
    run = "null" if info is None else json_line(info).decode().rstrip()
    yield f'{{"run": {run},\n "observations": ['
    for number, observation in enumerate(unique(observations)):
        yield f"{',' if number else ''}\n  {json_line(observation).decode().rstrip()}"
    yield "]}\n"


def run_csv(observations: Iterable[Observation], sender: Sender) -> Iterator[str]:
    """A row for each server, as `mongosweep convert --to csv` writes it; no cell of it is a formula."""
    for piece in written(unique(observations), format_named("csv"), sender):
        yield piece.decode()


def run_markdown(head: Sequence[str], observations: Iterable[Observation]) -> str:
    """How the run ended (`head`), what was found, the gravest first, the counts, and whom to call."""
    found = by_gravity(unique(map(brief, observations)))
    text = "".join(f"{markdown_cell(line)}  \n" for line in head) + ("\n" if head else "")
    rows = []
    for observation in found[:MOST_MARKDOWN]:
        cells = row(observation)
        rows.append([*(getattr(cells, name) for name in _HEAD), "; ".join((*cells.why, *cells.past)) or "-"])
    if rows:
        text += markdown_table([*_HEAD.values(), "why"], rows, _RIGHT) + "\n"
    if len(found) > MOST_MARKDOWN:
        text += f"And {len(found) - MOST_MARKDOWN:,} more, none of them graver.\n\n"
    text += "".join(f"{markdown_cell(line)}  \n" for line in totals_lines(totals_of(found)))
    calls = [
        [
            *(call.owner or "(no owner)", call.contact or "-", f"{call.open:,}"),
            *(human_bytes(call.size) if call.open else "-", call.gravest.value),
        ]
        for call in whom_to_call(found)
    ]
    if calls:
        text += "\n## Whom to call\n\n"
        text += markdown_table(("owner", "contact", "open", "size", "gravest"), calls, (2, 3))
    return text
