"""The examples of docs/formats.md in JSON are what the formats make."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from results.formats import ecs, ocsf, sarif, zgrab2
from tests.support.told import SENDER, change, run_event, seen_open

if TYPE_CHECKING:
    from results.events.event import Event
    from results.formats.format import Format

PAGE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")


def examples(name: str) -> list[Any]:
    """Documents in a section of the page."""
    section = PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    return [json.loads(text) for text in re.findall(r"```json\n(.*?)\n```", section, re.DOTALL)]


@pytest.mark.parametrize(
    ("format_", "events"),
    [
        (ecs.FORMAT, [change(), run_event()]),
        (ocsf.FORMAT, [change(), run_event()]),
        (sarif.FORMAT, [change()]),
        (zgrab2.FORMAT, [seen_open()]),
    ],
    ids=lambda each: getattr(each, "name", ""),
)
def test_examples(format_: Format, events: list[Event]) -> None:
    made = [json.loads(format_.document(event, SENDER) or b"null") for event in events]
    assert examples(format_.name) == made
