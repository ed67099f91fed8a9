"""Events in an output directory, and our own strict fake of a sink, which takes what its script says."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from results.events.log import EVENTS_FILE
from results.sinks.batch import Pace
from results.sinks.forward import SinkPlan, SinkReport, forward
from results.sinks.sink import (
    Answer,
    Item,
    Limits,
    StoppedError,
    TooLargeError,
    UnavailableError,
    UnfitEventError,
)
from tests.support.receivers.sent import change_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from results.events.event import Event

AT_ONCE: Final = Pace(first=0.0, most=0.0, most_asked=0.0, stopped=0.0)
"""No waiting after a failure."""
LONG: Final = 300.0
"""Seconds of patience that no test waits for."""
IN_VAIN: Final = 200
"""Sendings without anything taken after which the fake stops the sink, so that no test goes on for ever."""


def line(number: int) -> bytes:
    """The event with this number as it stands in the events file."""
    return msgspec.json.encode(change_event(number)) + b"\n"


def id_of(number: int) -> str:
    """Its id."""
    return change_event(number).event_id


def write_events(output: Path, numbers: Iterable[int]) -> Path:
    """Append events to the events file."""
    path = output / EVENTS_FILE
    with path.open("ab") as file:
        file.writelines(map(line, numbers))
    return path


class Step(NamedTuple):
    """What becomes of one sending. `positions` count from 0, those beyond its end from its beginning again.

    ok, down, large, stopped; refuse: these are refused; again: these are to be sent again; first: the first
    is refused, and all others are to be sent again; hang: no answer; die: it is taken, and `died` is called
    before anybody hears of it.
    """

    kind: str
    positions: tuple[int, ...] = ()
    wait: float | None = None


class FakeSink:
    """Strict: holds delivery to the limits that it gave, and to the protocol. `unfit` ids cannot be rendered,
    `passed` have no place here, `poison` ids make any sending with them fail for ever."""

    kind = "fake"
    place = "a fake"

    def __init__(
        self,
        name: str = "siem",
        limits: Limits | None = None,
        script: Iterable[Step] = (),
        *,
        unfit: frozenset[str] = frozenset(),
        passed: frozenset[str] = frozenset(),
        poison: frozenset[str] = frozenset(),
        died: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self.limits = limits or Limits()
        self.script = deque(script)
        self.unfit, self.passed, self.poison = unfit, passed, poison
        self.taken: Counter[str] = Counter()
        self.order: list[str] = []
        self.refused: set[str] = set()
        self.sendings = 0
        self._in_vain = 0  # since anything was taken
        self.under_way = 0
        self.most_under_way = 0
        self.closed = False
        self.died = died

    def render(self, event: Event, line: bytes) -> bytes | None:
        """The line itself."""
        event_id = getattr(event, "event_id", "")
        assert event_id.encode() in line
        assert b"\n" not in line
        if event_id in self.unfit:
            raise UnfitEventError("it is unfit")
        return None if event_id in self.passed else line

    async def send(self, items: Sequence[Item]) -> Answer:
        """As the script says; `ok` when it is over."""
        assert not self.closed
        assert 0 < len(items) <= self.limits.events
        assert len(items) == 1 or sum(len(item.body) for item in items) <= self.limits.bytes
        assert all(len(item.body) <= self.limits.event_bytes for item in items)
        self.sendings += 1
        self._in_vain += 1
        if self._in_vain > IN_VAIN:
            self._in_vain = 0
            raise StoppedError("nothing was taken for so long that nothing will be")
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        assert self.under_way <= self.limits.in_flight
        step = self.script.popleft() if self.script else Step("ok")
        try:
            await asyncio.sleep(0)
            return await self._do(step, items)
        finally:
            self.under_way -= 1

    async def close(self) -> None:
        """Nothing may be under way any more."""
        assert not self.under_way
        self.closed = True

    async def _do(self, step: Step, items: Sequence[Item]) -> Answer:
        if step.kind == "down" or any(item.event_id in self.poison for item in items):
            raise UnavailableError("it is down", step.wait)
        if step.kind == "large":
            raise TooLargeError("it is too large")
        if step.kind == "stopped":
            raise StoppedError("the token is not known there")
        if step.kind == "hang":
            await asyncio.Event().wait()
        if step.kind == "first":
            self.refused.add(items[0].event_id)
            return Answer("one is refused", refused={0: "bad"}, again=frozenset(range(1, len(items))))
        chosen = {position % len(items) for position in step.positions}
        left = chosen if step.kind in ("refuse", "again") else set()
        for position, item in enumerate(items):
            if position not in left:
                self._in_vain = 0
                self.taken[item.event_id] += 1
                self.order.append(item.event_id)
        if step.kind == "die":
            self.died()
        if step.kind == "refuse":
            self.refused |= {items[position].event_id for position in left}
            return Answer("some are refused", refused=dict.fromkeys(left, "it is refused"))
        if step.kind == "again":
            return Answer("some are to come again", again=frozenset(left), wait=step.wait)
        return Answer("ok")


class HeldSink(FakeSink):
    """Keeps the sendings with these events until they are let go."""

    def __init__(self, *held: int, **more: Any) -> None:
        super().__init__(**more)
        self.held = {id_of(number): asyncio.Event() for number in held}
        self.begun = 0

    async def send(self, items: Sequence[Item]) -> Answer:
        """When all of them are let go."""
        self.begun += 1
        for item in items:
            if item.event_id in self.held:
                await self.held[item.event_id].wait()
        return await super().send(items)


async def sent(output: Path, *sinks: FakeSink, every: bool = False, **more: Any) -> list[SinkReport]:
    """One forward to these sinks, which does not wait after a failure."""
    given: dict[str, Any] = {"follow": False, "stop": asyncio.Event(), "patience": LONG, "pace": AT_ONCE}
    for sink in sinks:
        sink.closed = False
    return await forward(output, [SinkPlan(sink, every) for sink in sinks], **given | more)


def ids_of(*numbers: int) -> list[str]:
    """Their ids."""
    return [id_of(number) for number in numbers]


async def until(what: Callable[[], bool]) -> None:
    """Wait until it is true."""
    while not what():  # noqa: ASYNC110  # what happens in other threads and on the disk wakes nobody
        await asyncio.sleep(0.005)
