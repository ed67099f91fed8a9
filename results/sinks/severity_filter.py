"""A sink that is sent what is grave enough, and of everything how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.events.event import RunEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.events.event import Event
    from results.sinks.sink import Answer, Item, Sink
    from results.verdict import Severity


class SeverityFilter:
    """Another sink, which has no place for what is less grave than `least`.

    It has one for run events, and for closures whatever their severity: an exposure that became harmless
    before it was closed would stay open over there.
    """

    def __init__(self, sink: Sink, least: Severity) -> None:
        self._sink = sink
        self._least = least.number
        self.name = sink.name
        self.kind = sink.kind
        self.place = sink.place
        self.limits = sink.limits

    def render(self, event: Event, line: bytes) -> bytes | None:
        """As the sink renders it; None for what is not grave enough."""
        always = isinstance(event, RunEvent) or getattr(event, "kind", "") == "closed"
        if not always and event.severity_number < self._least:
            return None
        return self._sink.render(event, line)

    async def send(self, items: Sequence[Item]) -> Answer:
        """As the sink sends them."""
        return await self._sink.send(items)

    async def close(self) -> None:
        """As the sink closes."""
        await self._sink.close()
