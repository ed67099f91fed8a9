"""What a sink with a least severity is sent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from results.sinks.severity_filter import SeverityFilter
from results.sinks.sink import Answer
from results.verdict import Severity
from tests.support.receivers.scripted import Scripted
from tests.support.receivers.sent import change_event, items_of, run_event


def rendered(least: Severity, event: Any) -> bytes | None:
    """What the filter makes of an event."""
    return SeverityFilter(Scripted(Answer()), least).render(event, msgspec.json.encode(event))


@pytest.mark.parametrize("least", list(Severity))
@pytest.mark.parametrize("severity", list(Severity))
def test_what_is_less_grave_is_passed_over(least: Severity, severity: Severity) -> None:
    event = change_event(severity=severity, severity_number=severity.number)
    assert (rendered(least, event) is not None) == (severity.number >= least.number)


def test_runs_and_closures_are_always_sent() -> None:
    harmless: dict[str, Any] = {"severity": Severity.INFO, "severity_number": Severity.INFO.number}
    assert rendered(Severity.CRITICAL, run_event()) is not None
    assert rendered(Severity.CRITICAL, change_event(kind="closed", **harmless)) is not None
    assert rendered(Severity.CRITICAL, change_event(kind="changed", **harmless)) is None


async def test_it_is_its_sink_otherwise() -> None:
    sink = Scripted(Answer("taken", refused={0: "no"}))
    least = SeverityFilter(sink, Severity.HIGH)
    assert (least.name, least.kind, least.place, least.limits) == ("soc", "scripted", "nowhere", sink.limits)
    items = items_of(least, [change_event(1), run_event()])
    assert await least.send(items) == Answer("taken", refused={0: "no"})
    assert sink.sent == items
    await least.close()
    assert sink.closed
