"""Our own JSON, one line an event, in printable ASCII: what `mongosweep schema` describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.formats.format import Format
from results.lines import json_line

if TYPE_CHECKING:
    from results.events.event import Event
    from results.formats.fields import Sender


def document(event: Event, _: Sender) -> bytes:
    """The event's line, without fields that this version does not know. Whoever has the line sends that."""
    return json_line(event)[:-1]


FORMAT = Format(
    name="native",
    about="mongosweep's own JSON, one line an event",
    media_type="application/x-ndjson",
    document=document,
)
