"""An event as its line: printable ASCII, and never longer than `MAX_EVENT`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from results.lines import json_line

if TYPE_CHECKING:
    from results.events.event import ChangeEvent, RunEvent

MAX_EVENT: Final = 16 * 1024
"""Bytes of a line with its newline, at most: as of a journal's lines."""
_STEPS: Final = ((50, 1024), (20, 256), (10, 128), (4, 64), (1, 16))
"""Entries of a list and characters of a text that are kept, at each try. After the last one, every field
together is shorter than a line may be, whatever a server called its databases."""
_OBJECTS: Final = frozenset({"labels", "outcomes", "changes"})
"""With as many fields as whoever wrote them liked."""
_LONGEST_OF_OURS: Final = 128
_OUR_OWN: Final = frozenset(
    {"schema", "event_id", "exposure_id", "finding_id", "run_id", "observation_id", "scope", "at", "ip"}
)


def line_of(event: RunEvent | ChangeEvent) -> bytes:
    """The event's line, with its newline. What makes it too long is cut, and named in its `cut`."""
    line = json_line(event)
    if len(line) <= MAX_EVENT:
        return line
    document = msgspec.to_builtins(event)
    for entries, characters in _STEPS:
        cut: dict[str, None] = {}
        shorter = _shortened(document, "", entries, characters, cut)
        line = json_line(shorter | {"cut": sorted(cut)})
        if len(line) <= MAX_EVENT:
            break
    return line


def _shortened(value: Any, key: str, entries: int, characters: int, cut: dict[str, None]) -> Any:
    if isinstance(value, str):
        if len(value) <= (_LONGEST_OF_OURS if key in _OUR_OWN else characters):
            return value
        cut[key] = None
        return value[:characters]  # also of ours, which a manifest that somebody wrote by hand makes long
    if isinstance(value, list):
        if len(value) > entries:
            cut[key] = None
        return [_shortened(each, key, entries, characters, cut) for each in value[:entries]]
    if isinstance(value, dict):
        items = list(value.items())
        if key in _OBJECTS and len(items) > entries:
            cut[key] = None
            items = items[:entries]
        return {
            name[:characters]: _shortened(each, key if key == "labels" else name, entries, characters, cut)
            for name, each in items
        }
    return value
