"""Each event arrives at least once, or is set aside with its reason, whatever the other side answers."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from results.sinks.forward import SinkPlan, SinkReport, forward
from results.sinks.sink import Limits
from results.sinks.state import SET_ASIDE_FILE, STATE_FILE
from tests.support.faulty_files import DiedError, SkippingFileSystem, Wrapping
from tests.support.sinking import AT_ONCE, FakeSink, Step, id_of, line, write_events

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.faulty_files import Call

PATIENCE = 300.0  # seconds: no outcome here depends on the time


class Watched(Wrapping):
    """Looks at each cursor that is kept: everything before it was taken or set aside, and is so on the disk.
    When the process has `died`, no call reaches the disk any more."""

    def __init__(self, output: Path, sink: FakeSink) -> None:
        super().__init__(SkippingFileSystem(("fsync", "fsync_dir")))
        self.output, self.sink = output, sink
        self.dead = False

    def died(self) -> None:
        self.dead = True
        raise DiedError

    def before(self, call: Call) -> bool:
        if self.dead:
            raise DiedError
        return True

    def after(self, call: Call) -> None:
        if call.method == "rename" and call.path.name == STATE_FILE:
            settled = set(self.sink.taken) | set_aside(self.output) | self.sink.passed
            for event_id in sent_before(self.output):
                assert event_id in settled, "the cursor passed an event that was not sent"


def folder(output: Path) -> Path:
    return output / "sinks" / "siem"


def sent_before(output: Path) -> list[str]:
    """The events before the cursor that is kept."""
    state = json.loads((folder(output) / STATE_FILE).read_text())
    offset = state["cursor"].get("offset", 0)
    assert offset % len(line(0)) == 0
    return [id_of(number) for number in range(offset // len(line(0)))]


def set_aside(output: Path) -> set[str]:
    path = folder(output) / SET_ASIDE_FILE
    if not path.exists():
        return set()
    *whole, _ = path.read_bytes().split(b"\n")
    return {json.loads(each)["event_id"] for each in whole if each}


async def once(output: Path, sink: FakeSink, patience: float = PATIENCE) -> SinkReport:
    """One forward to one sink, as a process of its own would do it."""
    sink.closed = False
    sink.under_way = 0
    fs = Watched(output, sink)
    sink.died = fs.died
    begin = len(sink.order)
    try:
        (report,) = await forward(
            output,
            [SinkPlan(sink)],
            follow=False,
            stop=asyncio.Event(),
            patience=patience,
            pace=AT_ONCE,
            fs=fs,
        )
    finally:
        taken = sink.order[begin:]
        assert len(taken) == len(set(taken)), "within one forward, what was taken is not sent again"
    return report


POSITIONS = st.lists(st.integers(0, 7), min_size=1, max_size=3).map(tuple)
STEPS = st.one_of(
    st.just(Step("ok")),
    st.sampled_from(["down", "down", "large", "stopped", "die", "first"]).map(Step),
    st.builds(Step, st.sampled_from(["refuse", "again"]), POSITIONS, wait=st.none()),
)


@settings(max_examples=25, deadline=None)
@given(
    events=st.integers(0, 25),
    limits=st.builds(
        Limits,
        events=st.integers(1, 9),
        bytes=st.integers(1, 6).map(lambda lines: lines * len(line(0))),
        event_bytes=st.just(4096),
        in_flight=st.integers(1, 4),
    ),
    script=st.lists(STEPS, max_size=30),
    unfit=st.sets(st.integers(0, 25), max_size=3),
    passed=st.sets(st.integers(0, 25), max_size=3),
    poison=st.sets(st.integers(0, 25), max_size=2),
)
async def test_every_event_is_taken_or_set_aside_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory,
    events: int,
    limits: Limits,
    script: list[Step],
    unfit: set[int],
    passed: set[int],
    poison: set[int],
) -> None:
    output = tmp_path_factory.mktemp("output")
    write_events(output, range(events))

    def ids(numbers: set[int]) -> frozenset[str]:
        return frozenset(id_of(number) for number in numbers)

    sink = FakeSink(limits=limits, script=script, unfit=ids(unfit), passed=ids(passed), poison=ids(poison))
    report: SinkReport | None = None
    is_over = False
    while report is None or (report.ended != "delivered" and not is_over):
        is_over = not sink.script
        try:
            report = await once(output, sink)
        except DiedError:
            report = None
    assert report is not None
    due = {id_of(number) for number in range(events)} - sink.passed
    aside = set_aside(output)
    missing = due - set(sink.taken) - aside
    assert missing <= sink.poison, "only what nobody takes may wait"
    assert not missing or report.ended == "stopped"
    assert aside <= sink.unfit | sink.refused | sink.poison | (due if "large" in map(kind, script) else set())
    shutil.rmtree(output)


def kind(step: Step) -> str:
    return step.kind
