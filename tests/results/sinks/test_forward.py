"""Forwarding to several sinks: none waits for another, each ends as it should, and its report says how."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from results.files import CorruptError
from results.sinks import delivery as delivery_module
from results.sinks import forward as forward_module
from results.sinks.batch import Pace
from results.sinks.forward import Tell
from results.sinks.sink import Answer, Item, Limits
from results.sinks.state import SET_ASIDE_FILE, SinkFolder
from results.sinks.status import status
from tests.support.sinking import (
    FakeSink,
    HeldSink,
    Step,
    id_of,
    ids_of,
    line,
    sent,
    until,
    write_events,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from results.events.event import Event


async def test_what_is_there_is_sent_once_and_what_comes_later_by_the_next(tmp_path: Path) -> None:
    write_events(tmp_path, range(10))
    sink = FakeSink(limits=Limits(events=3))
    (report,) = await sent(tmp_path, sink)
    assert (report.ended, report.delivered, report.waiting, report.all_delivered) == (
        "delivered",
        10,
        0,
        True,
    )
    assert sink.order == ids_of(*range(10))
    assert sink.closed
    write_events(tmp_path, [10])
    (report,) = await sent(tmp_path, sink)
    assert report.delivered == 1
    assert sink.order == ids_of(*range(11))


async def test_nothing_to_send_is_delivered(tmp_path: Path) -> None:
    (report,) = await sent(tmp_path, FakeSink())
    assert report.all_delivered
    assert report.delivered == 0


async def test_events_keep_their_order_over_failures(tmp_path: Path) -> None:
    write_events(tmp_path, range(20))
    script = [Step("down"), Step("large"), Step("down"), Step("ok"), Step("again", (0,)), Step("down")]
    sink = FakeSink(limits=Limits(events=4), script=[*script, Step("down")])
    (report,) = await sent(tmp_path, sink)
    assert (report.delivered, report.attempts_failed) == (20, 5)
    assert sink.order == ids_of(0, 1, 3, 2, *range(4, 20)), "2 was asked for once more"


async def test_as_many_are_under_way_as_the_sink_takes_and_one_while_it_is_down(tmp_path: Path) -> None:
    write_events(tmp_path, range(60))
    sink = FakeSink(limits=Limits(events=2, in_flight=4))
    await sent(tmp_path, sink)
    assert sink.most_under_way == 4
    down = FakeSink("down", Limits(events=2, in_flight=4), [Step("down")] * 30)
    (report,) = await sent(tmp_path, down)
    assert report.delivered == 60


async def test_the_cursor_waits_for_the_first_of_several_sendings(tmp_path: Path) -> None:
    write_events(tmp_path, range(6))
    sink = HeldSink(0, 3, limits=Limits(events=1, in_flight=3))
    folder = SinkFolder(tmp_path, sink.name)

    def offset() -> int:
        return folder.load().cursor.offset // len(line(0))

    running = asyncio.create_task(sent(tmp_path, sink))
    await until(lambda: len(sink.taken) == 4)
    assert offset() == 0, "0 was not taken, whatever was behind it"
    sink.held[id_of(0)].set()
    await until(lambda: offset() == 3)
    assert folder.load().delivered == 3
    sink.held[id_of(3)].set()
    await running
    assert offset() == 6


async def test_a_stopped_sink_keeps_its_cursor_and_the_others_go_on(tmp_path: Path) -> None:
    write_events(tmp_path, range(9))
    stopped = FakeSink("stopped", Limits(events=3), [Step("ok"), Step("stopped")])
    fine = FakeSink("fine", Limits(events=3))
    tells: list[Tell] = []
    reports = await sent(tmp_path, stopped, fine, progress=tells.append)
    assert [(report.ended, report.delivered, report.waiting) for report in reports] == [
        ("stopped", 3, 6),
        ("delivered", 9, 0),
    ]
    assert "token" in reports[0].problem
    assert Tell("stopped", "stopped", "the token is not known there") in tells
    (told,) = status(tmp_path, ["stopped"])
    assert (told.backlog, told.delivered, told.stopped) == (6, 3, "the token is not known there")
    assert told.backlog_bytes == 6 * len(line(0))
    (report,) = await sent(tmp_path, stopped)
    assert report.delivered == 6
    assert set(stopped.taken.values()) == {1}
    assert status(tmp_path, ["stopped"])[0].stopped == ""


async def test_a_receiver_that_stays_down_is_given_up_after_the_patience_and_the_others_are_not(
    tmp_path: Path,
) -> None:
    write_events(tmp_path, range(5))
    down, fine = FakeSink("down", script=[Step("down")] * 150), FakeSink("fine")
    pace = Pace(first=0.002, most=0.01)
    reports = await sent(tmp_path, down, fine, patience=0.1, pace=pace)
    assert [(report.ended, report.waiting) for report in reports] == [("waiting", 5), ("delivered", 0)]
    assert reports[0].problem == "it is down"
    assert reports[0].attempts_failed > 1
    (told,) = status(tmp_path, ["down"])
    assert (told.last_failure, told.attempts_failed) == ("it is down", reports[0].attempts_failed)
    down.script.clear()
    (report,) = await sent(tmp_path, down)
    assert report.delivered == 5


async def test_a_receiver_that_never_answers_is_given_up_whatever_it_waits_for(tmp_path: Path) -> None:
    write_events(tmp_path, range(5))
    hanging = FakeSink(script=[Step("hang")] * 3, limits=Limits(events=1, in_flight=3))
    (report,) = await sent(tmp_path, hanging, patience=0.05)
    assert (report.ended, report.waiting, hanging.under_way) == ("waiting", 5, 0)


async def test_what_the_other_side_asks_to_wait_is_waited(tmp_path: Path) -> None:
    write_events(tmp_path, range(2))
    waits: list[float | None] = []

    class Told(Pace):
        def wait(self, failures: int, asked: float | None) -> float:
            waits.append(asked)
            return 0.0

    script = [Step("down", wait=7.0), Step("again", (0,), wait=8.0)]
    await sent(tmp_path, FakeSink(script=script), pace=Told())
    assert waits == [7.0, 8.0]


@pytest.mark.parametrize(
    ("events", "poison"),
    [
        (2000, {7, 8, 1203}),
        (500, {1, 400}),  # one in each half of all that there is
        (20, {0, 19}),
    ],
)
async def test_an_event_that_makes_a_receiver_fail_is_found_and_holds_up_nothing(
    tmp_path: Path, events: int, poison: set[int]
) -> None:
    write_events(tmp_path, range(events))
    sink = FakeSink(limits=Limits(events=500, in_flight=2), poison=frozenset(ids_of(*poison)))
    (report,) = await sent(tmp_path, sink)
    assert (report.ended, report.delivered) == ("delivered", events - len(poison))
    assert report.set_aside == len(poison)
    assert not report.all_delivered
    aside = (SinkFolder(tmp_path, "siem").path / SET_ASIDE_FILE).read_text()
    assert all(each in aside for each in sink.poison)
    assert "while others were taken" in aside
    assert set(sink.taken.values()) == {1}
    assert sink.sendings < 150


async def test_what_was_sent_beside_a_refused_event_is_sent_again_without_a_wait(tmp_path: Path) -> None:
    write_events(tmp_path, range(20))
    sink = FakeSink(script=[Step("first")] * 10)
    (report,) = await sent(tmp_path, sink, pace=Pace(first=1000.0, most=1000.0))
    assert (report.delivered, report.set_aside, report.attempts_failed) == (10, 10, 0)
    assert sink.order == ids_of(*range(10, 20))


async def test_an_event_over_the_limit_is_set_aside_before_it_is_sent(tmp_path: Path) -> None:
    write_events(tmp_path, range(3))
    sink = FakeSink(limits=Limits(event_bytes=10))
    (report,) = await sent(tmp_path, sink)
    assert (report.set_aside, sink.sendings) == (3, 0)


async def test_a_format_that_breaks_at_one_event_holds_up_no_other(tmp_path: Path) -> None:
    class Broken(FakeSink):
        def render(self, event: Event, line: bytes) -> bytes | None:
            if getattr(event, "event_id", "") == id_of(1):
                raise KeyError("secret")
            return super().render(event, line)

    write_events(tmp_path, range(3))
    tells: list[Tell] = []
    (report,) = await sent(tmp_path, Broken(), progress=tells.append)
    assert (report.delivered, report.set_aside) == (2, 1)
    assert [tell.text for tell in tells] == [f"{id_of(1)}: a defect of ours: KeyError"]


async def test_a_second_forward_is_told_that_the_first_has_the_sink(tmp_path: Path) -> None:
    write_events(tmp_path, range(3))
    first, second = HeldSink(0), FakeSink()
    running = asyncio.create_task(sent(tmp_path, first))
    await until(SinkFolder(tmp_path, "siem").is_held)
    (report,) = await sent(tmp_path, second)
    assert (report.ended, second.sendings) == ("busy", 0)
    assert "another forward sends to siem already" in report.problem
    assert report.error is not None
    assert report.error.exit_code == 5
    assert status(tmp_path, ["siem"])[0].forwarding
    first.held[id_of(0)].set()
    await running


async def test_following_sends_what_comes_until_it_is_stopped_and_all_that_is_there_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "LOOK_INTERVAL", 0.01)
    write_events(tmp_path, range(2))
    stop, sink = asyncio.Event(), FakeSink()
    brought: list[int] = []

    def bring_up() -> None:
        brought.append(len(brought) + 100)
        write_events(tmp_path, brought[-1:])

    running = asyncio.create_task(sent(tmp_path, sink, follow=True, stop=stop, bring_up=bring_up))
    await until(lambda: len(sink.taken) == 3)
    write_events(tmp_path, [2])
    await until(lambda: len(sink.taken) == 4)
    stop.set()
    (report,) = await running
    assert brought == [100, 101], "at the beginning and at the end"
    assert sink.order == ids_of(0, 1, 100, 2, 101)
    assert report.all_delivered


async def test_the_events_file_is_brought_up_again_and_again_while_one_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward_module, "BRING_UP_INTERVAL", 0.01)
    stop, calls = asyncio.Event(), [0]
    tells: list[Tell] = []

    def bring_up() -> None:
        calls[0] += 1
        if calls[0] in (2, 3):
            raise CorruptError(tmp_path, "the ledger is damaged")

    running = asyncio.create_task(
        sent(tmp_path, FakeSink(), follow=True, stop=stop, bring_up=bring_up, progress=tells.append)
    )
    await until(lambda: calls[0] > 5)
    stop.set()
    (report,) = await running
    assert report.all_delivered
    assert [(tell.sink, tell.kind) for tell in tells] == [("", "problem")], "the same problem is told once"


async def test_what_cannot_be_brought_up_is_sent_as_far_as_it_is_there_and_reported(tmp_path: Path) -> None:
    write_events(tmp_path, range(2))

    def bring_up() -> None:
        raise CorruptError(tmp_path, "the ledger is damaged")

    sink = FakeSink()
    (report,) = await sent(tmp_path, sink, bring_up=bring_up)
    assert len(sink.taken) == 2
    assert (report.ended, report.all_delivered) == ("delivered", False)
    assert "the ledger is damaged" in report.problem
    assert isinstance(report.error, CorruptError)


async def test_a_defect_in_bringing_up_ends_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward_module, "BRING_UP_INTERVAL", 0.01)
    calls = [0]

    def bring_up() -> None:
        calls[0] += 1
        if calls[0] == 2:
            raise KeyError("a defect")

    with pytest.raises(KeyError):
        await sent(tmp_path, FakeSink(), follow=True, bring_up=bring_up)


async def test_a_stop_ends_a_follower_whose_receiver_hangs_after_the_patience(tmp_path: Path) -> None:
    write_events(tmp_path, range(2))
    stop, sink = asyncio.Event(), FakeSink(script=[Step("hang")])
    running = asyncio.create_task(sent(tmp_path, sink, follow=True, stop=stop, patience=0.05))
    await until(lambda: sink.under_way == 1)
    stop.set()
    (report,) = await running
    assert (report.ended, report.waiting) == ("waiting", 2)


async def test_a_stop_lets_what_is_under_way_arrive_and_begins_nothing_new(tmp_path: Path) -> None:
    write_events(tmp_path, range(9))
    stop = asyncio.Event()
    sink = HeldSink(0, limits=Limits(events=3))
    running = asyncio.create_task(sent(tmp_path, sink, stop=stop))
    await until(lambda: sink.begun == 1)
    stop.set()
    await asyncio.sleep(0.02)
    sink.held[id_of(0)].set()
    (report,) = await running
    assert (report.ended, report.delivered) == ("waiting", 3)
    assert report.waiting == 6


async def test_a_stopped_sink_is_tried_again_while_one_follows(tmp_path: Path) -> None:
    write_events(tmp_path, range(3))
    stop = asyncio.Event()
    tells: list[Tell] = []
    sink = FakeSink(script=[Step("stopped"), Step("stopped")])
    running = asyncio.create_task(sent(tmp_path, sink, follow=True, stop=stop, progress=tells.append))
    await until(lambda: len(sink.taken) == 3)
    stop.set()
    (report,) = await running
    assert report.all_delivered
    assert [tell.kind for tell in tells] == ["stopped"], "the same reason is told once"


async def test_a_cancelled_forward_keeps_what_was_taken(tmp_path: Path) -> None:
    write_events(tmp_path, range(4))
    sink = HeldSink(2, limits=Limits(events=1))
    running = asyncio.create_task(sent(tmp_path, sink))
    await until(lambda: len(sink.taken) == 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert SinkFolder(tmp_path, "siem").load().delivered == 2
    assert not SinkFolder(tmp_path, "siem").is_held()


async def test_what_arrives_while_it_is_ended_counts(tmp_path: Path) -> None:
    class Late(FakeSink):
        async def send(self, items: Sequence[Item]) -> Answer:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return await super().send(items)

    write_events(tmp_path, range(2))
    (report,) = await sent(tmp_path, Late(), patience=0.05)
    assert (report.ended, report.delivered) == ("delivered", 2)


@pytest.mark.parametrize("follow", [True, False])
@pytest.mark.parametrize(("asked", "more"), [(None, 1), (100.0, 0)])
async def test_a_stop_tries_a_receiver_that_is_down_at_once_and_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, follow: bool, asked: float | None, more: int
) -> None:
    monkeypatch.setattr(delivery_module, "LAST_TRY", 0.05)
    write_events(tmp_path, range(2))
    stop, sink = asyncio.Event(), FakeSink(script=[Step("down", wait=asked)] * 150)

    class Slow(Pace):
        def wait(self, failures: int, asked: float | None) -> float:
            return 100.0

    running = asyncio.create_task(sent(tmp_path, sink, stop=stop, follow=follow, pace=Slow()))
    await until(lambda: SinkFolder(tmp_path, "siem").load().attempts_failed == 1)
    stop.set()
    (report,) = await running
    assert (report.ended, report.waiting, report.problem) == ("waiting", 2, "it is down")
    assert sink.sendings == 1 + more
