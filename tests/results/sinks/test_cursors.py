"""Where a sink goes on: after a restart, over files that were changed or removed, and over a full disk."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from results.events.log import EVENTS_FILE
from results.files import ResultsError, StorageError
from results.run import RunDirectory
from results.sinks import delivery as delivery_module
from results.sinks.batch import Pace
from results.sinks.forward import begin_again, pass_over
from results.sinks.sink import Limits
from results.sinks.state import SET_ASIDE_FILE, CursorError, SinkFolder
from results.sinks.status import status
from tests.results.examples import START, observation
from tests.results.runs import LINES, create, finish
from tests.support.faulty_files import FailingFileSystem
from tests.support.lines import line_of
from tests.support.sinking import (
    FakeSink,
    Step,
    id_of,
    ids_of,
    line,
    sent,
    write_events,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from results.events.event import Event

# --- where a cursor stands -----------------------------------------------------------------------------


async def test_a_restart_sends_all_of_it_again_and_from_now_nothing_of_it(tmp_path: Path) -> None:
    write_events(tmp_path, range(4))
    sink = FakeSink()
    await sent(tmp_path, sink)
    begin_again(tmp_path, "siem")
    (report,) = await sent(tmp_path, sink)
    assert report.delivered == 4
    write_events(tmp_path, [4])
    pass_over(tmp_path, "siem", every=False)
    write_events(tmp_path, [5])
    await sent(tmp_path, sink)
    assert sink.taken == dict.fromkeys(ids_of(0, 1, 2, 3), 2) | {id_of(5): 1}
    assert SinkFolder(tmp_path, "siem").load().delivered == 9, "counts go on"


async def test_an_events_file_made_anew_is_an_error_until_somebody_says_where_to_go_on(
    tmp_path: Path,
) -> None:
    path = write_events(tmp_path, range(4))
    sink, other = FakeSink(), FakeSink("other")
    await sent(tmp_path, sink)
    path.unlink()
    write_events(tmp_path, range(10, 20))
    failed, fine = await sent(tmp_path, sink, other)
    assert (failed.ended, fine.delivered) == ("failed", 10)
    assert isinstance(failed.error, CursorError)
    (told,) = status(tmp_path, ["siem"])
    assert "forward --restart siem" in told.problem
    begin_again(tmp_path, "siem")
    (report,) = await sent(tmp_path, sink)
    assert report.delivered == 10


async def test_a_restart_takes_the_place_of_a_state_that_cannot_be_read(tmp_path: Path) -> None:
    write_events(tmp_path, range(2))
    folder = SinkFolder(tmp_path, "siem")
    folder.path.mkdir(parents=True)
    (folder.path / "state.json").write_bytes(b"{")
    sink = FakeSink()
    (report,) = await sent(tmp_path, sink)
    assert (report.ended, sink.sendings) == ("failed", 0)
    assert "forward --restart siem" in report.problem
    begin_again(tmp_path, "siem")
    (report,) = await sent(tmp_path, sink)
    assert report.delivered == 2


async def test_every_observation_is_sent_where_it_is_asked_for(tmp_path: Path) -> None:
    run = create(tmp_path)
    for each in LINES:
        run.journal().append(each)
    run.journal().sync()
    finish(run)
    run.close()
    write_events(tmp_path, range(2))
    sink, changes = FakeSink(), FakeSink("changes")
    (report,) = await sent(tmp_path, sink, every=True)
    await sent(tmp_path, changes)
    observed = [observation(f"127.0.0.{number}").event_id for number in range(1, 5)]
    assert sink.order == ids_of(0, 1) + observed
    assert changes.order == ids_of(0, 1)
    assert report.all_delivered
    shutil.rmtree(run.path)
    (report,) = await sent(tmp_path, sink, every=True)
    assert report.all_delivered, "all of it was sent"


async def test_every_observation_of_a_run_that_is_written_and_resumed_meanwhile_arrives_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_module, "LOOK_INTERVAL", 0.001)
    seen = [observation(f"127.0.{number // 250}.{number % 250 + 1}") for number in range(600)]

    def sweep() -> None:
        run = create(tmp_path)
        for number, each in enumerate(seen):
            if number == 300:
                run.close()
                run = RunDirectory.open(run.path, START, need_bytes=0)
            run.journal(rotate_bytes=5000).append(line_of(each))
            if number % 20 == 0:
                run.journal().sync()
        run.journal().sync()
        finish(run)
        run.close()

    stop, sink = asyncio.Event(), FakeSink(limits=Limits(events=7, in_flight=2))
    running = asyncio.create_task(sent(tmp_path, sink, every=True, follow=True, stop=stop))
    await asyncio.to_thread(sweep)
    stop.set()
    (report,) = await running
    assert report.all_delivered
    assert sorted(sink.order) == sorted(each.event_id for each in seen)
    assert SinkFolder(tmp_path, "siem").load().cursor.runs["run-1"].ended


async def test_a_run_pruned_before_it_was_sent_is_reported_and_the_rest_sent(tmp_path: Path) -> None:
    run = create(tmp_path)
    run.journal().append(LINES[0])
    run.journal().sync()
    run.close()
    sink = FakeSink(script=[Step("stopped")])
    await sent(tmp_path, sink, every=True)
    shutil.rmtree(run.path)
    write_events(tmp_path, range(2))
    (report,) = await sent(tmp_path, sink, every=True)
    assert (report.ended, report.delivered, report.all_delivered) == ("delivered", 2, False)
    assert "removed before all of its observations were sent" in report.problem
    assert status(tmp_path, ["siem"])[0].problem == report.problem
    pass_over(tmp_path, "siem", every=True)
    (report,) = await sent(tmp_path, sink, every=True)
    assert report.all_delivered


# --- our own disk --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "name"), [("write", "state.json"), ("fsync", "state.json"), ("write", SET_ASIDE_FILE)]
)
async def test_a_full_disk_ends_it_with_a_clear_error_and_nothing_is_lost(
    tmp_path: Path, method: str, name: str
) -> None:
    write_events(tmp_path, range(9))

    class Full(FailingFileSystem):
        def before(self, call: Any) -> bool:
            self._nth = 1  # it stays full
            return super().before(call)

    sink = FakeSink(limits=Limits(events=3), unfit=frozenset(ids_of(4)))
    (report,) = await sent(tmp_path, sink, fs=Full(method, errno.ENOSPC, name=name))
    assert report.ended == "failed"
    assert isinstance(report.error, StorageError)
    assert "no space left" in report.problem
    assert "free space" in report.problem
    (report,) = await sent(tmp_path, sink)
    assert report.ended == "delivered"
    assert set(sink.taken) | {id_of(4)} == set(ids_of(*range(9)))
    assert id_of(4) in (SinkFolder(tmp_path, "siem").path / SET_ASIDE_FILE).read_text()


async def test_a_cursor_is_kept_after_what_it_points_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a loss of power could leave it beyond the end of the events file."""
    events = write_events(tmp_path, range(2)).stat().st_ino
    synced: list[int] = []

    def fsync(descriptor: int, fsync: Callable[[int], None] = os.fsync) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    await sent(tmp_path, FakeSink())
    state = (SinkFolder(tmp_path, "siem").path / "state.json").stat().st_ino
    assert synced.index(events) < synced.index(state)


async def test_a_place_where_nothing_can_be_kept_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    write_events(tmp_path, range(2))
    (tmp_path / "sinks").write_text("a file in the way")
    sink = FakeSink()
    (report,) = await sent(tmp_path, sink)
    assert (report.ended, sink.sendings) == ("failed", 0)
    assert isinstance(report.error, ResultsError)


# --- how it stands -------------------------------------------------------------------------------------


async def test_the_backlog_is_counted_from_the_cursor_on(tmp_path: Path) -> None:
    assert status(tmp_path, ["siem"])[0].backlog == 0
    write_events(tmp_path, range(5))
    with (tmp_path / EVENTS_FILE).open("ab") as file:
        file.write(line(6)[:20])  # not a line yet
    (told,) = status(tmp_path, ["siem"])
    assert (told.backlog, told.backlog_bytes) == (5, 5 * len(line(0)))
    assert told.oldest_at == "2026-03-08T08:30:00.250Z"
    await sent(tmp_path, FakeSink())
    (told,) = status(tmp_path, ["siem"])
    assert (told.backlog, told.oldest_at, told.kind, told.place) == (0, "", "fake", "a fake")
    assert told.last_delivered_at


def test_a_line_that_somebody_edited_has_no_age(tmp_path: Path) -> None:
    edited = line(0).replace(b"2026-03-08T08:30:00", b"last week, about")
    assert edited != line(0)
    (tmp_path / EVENTS_FILE).write_bytes(edited)
    (told,) = status(tmp_path, ["siem"])
    assert (told.backlog, told.oldest_at) == (1, "")


async def test_memory_does_not_grow_with_what_waits(tmp_path: Path) -> None:
    """Of a receiver that hangs, only what may be under way and a few batches are read."""
    write_events(tmp_path, range(3000))
    read: list[int] = []
    limits = Limits(events=10, in_flight=2)

    class Counting(FakeSink):
        def render(self, event: Event, line: bytes) -> bytes | None:
            read.append(1)
            return super().render(event, line)

    await sent(tmp_path, Counting(limits=limits, script=[Step("hang")] * 2), patience=0.05)
    assert len(read) == 20
    read.clear()
    down = Counting("down", limits, [Step("down")] * 1000)
    await sent(tmp_path, down, patience=0.2, pace=Pace(first=0.001, most=0.001))
    assert len(read) <= 10 * (1 + 4 + 2)
