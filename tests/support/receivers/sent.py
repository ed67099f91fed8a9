"""Events for sinks, made up, and what a sink makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from results.events.event import ChangeEvent, Event, RunEvent, Snapshot, run_event_id
from results.formats.fields import Sender
from results.formats.format import Format
from results.ledger.tracked import Place
from results.record import Owner
from results.sinks.sink import Item
from results.verdict import Severity, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.sinks.sink import Sink

AT = "2026-03-08T08:30:00.250Z"
SENDER = Sender(version="1.0", host="probe-1", organisation="Example")
NATIVE = Format(
    name="native",
    about="mongosweep's own JSON",
    media_type="application/x-ndjson",
    document=lambda event, _: msgspec.json.encode(event),
)
PLAIN = Format(
    name="words",
    about="a line of text",
    media_type="text/plain",
    document=lambda event, _: None if isinstance(event, RunEvent) else 'says "so" |é'.encode(),
)


def run_event(**changes: Any) -> RunEvent:
    """A sweep that ended complete, and nothing was open."""
    base = RunEvent(
        event_id=run_event_id("run-1", "ended"),
        kind="ended",
        at=AT,
        run_id="run-1",
        state="complete",
        severity=Severity.INFO,
        severity_number=Severity.INFO.number,
        host="probe-7",
        open=0,
    )
    return msgspec.structs.replace(base, **changes)


def change_event(number: int = 0, **changes: Any) -> ChangeEvent:
    """A server that was found open; each number is another."""
    snapshot = Snapshot(
        state="open",
        place=Place(ip="10.20.1.17", port=27017, site="paris", first_seen=AT, last_seen=AT),
        owner=Owner(owner="web platform", contact="web-oncall@example.com", site="paris"),
        verdict=Verdict.OPEN,
        databases=["shop", "a\r\nb\u202e"],
        first_seen_open=AT,
        last_seen_open=AT,
    )
    base = ChangeEvent(
        event_id=f"mc_{number:024x}",
        exposure_id=f"e{number:011x}",
        finding_id=f"{number:032x}",
        kind="opened",
        at=AT,
        run_id="run-1",
        severity=Severity.CRITICAL,
        severity_number=Severity.CRITICAL.number,
        snapshot=snapshot,
    )
    return msgspec.structs.replace(base, **changes)


def items_of(sink: Sink, events: Sequence[Event]) -> list[Item]:
    """What is sent of these events."""
    items = []
    for event in events:
        assert isinstance(event, RunEvent | ChangeEvent)
        body = sink.render(event, msgspec.json.encode(event))
        assert body is not None
        items.append(Item(event.event_id, event.at, body))
    return items
