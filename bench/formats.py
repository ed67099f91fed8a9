"""What a document of each format costs: `python -m bench.formats` prints CPU time, user and system, in
microseconds, the least of several rounds. Events are of every kind, in turn."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from results.events.event import parse
from results.formats.registry import FORMATS, format_named
from results.lines import json_line
from tests.support.told import SENDER, ordinary

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS, TIMES = 7, 400


def cost(work: Callable[[Any], object], events: list[Any]) -> float:
    """Microseconds of CPU for one of these, of the round that was disturbed least."""
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(TIMES):
            for event in events:
                work(event)
        least = min(least, time.process_time() - began)
    return least / (TIMES * len(events)) * 1e6


def _made(document: Callable[[Any, Any], object], event: Any) -> object:
    return document(event, SENDER)


def main() -> None:
    """Print a line for reading an event, and one for each format."""
    events = ordinary()
    lines = [json_line(event)[:-1] for event in events]
    print(f"{'(reading a line)':<18}{cost(parse, lines):6.1f} us")
    for name in FORMATS:
        document = format_named(name).document
        made = [size for event in events if (size := len(document(event, SENDER) or b""))]
        spent = cost(partial(_made, document), events)
        print(f"{name:<18}{spent:6.1f} us {sum(made) // len(made):6} bytes")


if __name__ == "__main__":
    main()
