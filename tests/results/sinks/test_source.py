"""What a sink is to be sent: read from a cursor on, each line once; nothing when the cursor fits nothing."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from results.events.event import EventError, RunEvent
from results.events.log import EVENTS_FILE, EventLog, read_lines
from results.files import CorruptError
from results.lines import MAX_OBSERVATION, to_lines
from results.record import Observation
from results.run import RunDirectory
from results.sinks import source as source_module
from results.sinks.source import EventSource, Read, end_of
from results.sinks.state import CursorError, SinkCursor
from tests.results.examples import START, database, observation, open_server
from tests.results.runs import create, finish
from tests.support.sinking import id_of, line, write_events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

OPEN: list[EventSource] = []
SEEN = [observation(f"127.0.0.{number}") for number in range(1, 9)]


@pytest.fixture(autouse=True)
def closed_at_the_end() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def source_of(output: Path, cursor: SinkCursor, *, every: bool = False, name: str = "NAME") -> EventSource:
    OPEN.append(EventSource(output, cursor, every=every, name=name))
    return OPEN[-1]


def all_of(source: EventSource, most_events: int = 3, most_bytes: int = 1 << 20) -> list[Read]:
    found: list[Read] = []
    while reads := source.read(most_events, most_bytes):
        assert len(reads) <= most_events
        found += reads
    return found


def ids(reads: list[Read]) -> list[str]:
    return [getattr(read.event, "event_id", "") for read in reads if read.event is not None]


def behind(source: EventSource, cursor: SinkCursor, reads: list[Read]) -> SinkCursor:
    return source.behind(cursor, {read.place.run: read for read in reads})


def seen_ids(*positions: int) -> list[str]:
    return [SEEN[position].event_id for position in positions]


def add(run: RunDirectory, *positions: int) -> None:
    for position in positions:
        for each in to_lines(SEEN[position]):
            run.journal().append(each)
    run.journal().sync()


# --- the events file -----------------------------------------------------------------------------------


def test_each_line_once_from_any_cursor_on(tmp_path: Path) -> None:
    write_events(tmp_path, range(10))
    reads = all_of(source_of(tmp_path, SinkCursor()))
    assert ids(reads) == [id_of(number) for number in range(10)]
    assert all(read.line + b"\n" == line(number) for number, read in enumerate(reads))
    for number in range(10):
        cursor = behind(source_of(tmp_path, SinkCursor()), SinkCursor(), reads[: number + 1])
        assert ids(all_of(source_of(tmp_path, cursor))) == [id_of(later) for later in range(number + 1, 10)]


def test_there_need_be_no_file_yet_and_half_a_line_is_none(tmp_path: Path) -> None:
    source = source_of(tmp_path, SinkCursor())
    assert source.read(10, 1 << 20) == []
    (tmp_path / EVENTS_FILE).write_bytes(line(1) + line(2)[:40])
    assert ids(all_of(source)) == [id_of(1)]
    with EventLog.open(tmp_path) as log:  # cuts the half off
        log.append([(id_of(3), line(3))])
    assert ids(all_of(source)) == [id_of(3)]


def test_not_more_bytes_at_once_than_asked_for_but_always_one_line(tmp_path: Path) -> None:
    write_events(tmp_path, range(5))
    source = source_of(tmp_path, SinkCursor())
    assert len(source.read(10, 2 * len(line(0)))) == 2
    assert len(source.read(10, 1)) == 1


@pytest.mark.parametrize(
    "bad", [b"{}", b"", b"\xff\xfe", b"[" * 5000, b'{"schema":"mongosweep.run/9"}', b"x" * 3_000_000]
)
def test_what_is_no_event_is_given_out_as_such_and_stops_nothing(tmp_path: Path, bad: bytes) -> None:
    (tmp_path / EVENTS_FILE).write_bytes(line(1) + bad + b"\n" + line(2))
    source = source_of(tmp_path, SinkCursor())
    reads = all_of(source)
    assert ids([reads[0], reads[-1]]) == [id_of(1), id_of(2)]
    assert all(isinstance(read.event, EventError) for read in reads[1:-1])
    for number in range(len(reads)):
        cursor = behind(source, SinkCursor(), reads[: number + 1])
        again = all_of(source_of(tmp_path, cursor))
        assert [read.line for read in again] == [read.line for read in reads[number + 1 :]]


def test_an_observation_is_no_event_of_the_events_file(tmp_path: Path) -> None:
    (tmp_path / EVENTS_FILE).write_bytes(to_lines(SEEN[0])[0])
    (read,) = all_of(source_of(tmp_path, SinkCursor()))
    assert isinstance(read.event, EventError)


def cut(path: Path) -> None:
    os.truncate(path, 2 * len(line(0)))


def another(path: Path) -> None:
    path.unlink()
    write_events(path.parent, range(100, 110))


def one_more_in_front(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(line(77) + content)


@pytest.mark.parametrize("change", [cut, another, os.unlink, one_more_in_front])
@pytest.mark.parametrize("following", [False, True])
def test_a_cursor_in_another_file_is_an_error_that_says_what_to_do(
    tmp_path: Path, change: Callable[[Path], None], *, following: bool
) -> None:
    path = write_events(tmp_path, range(5))
    source = source_of(tmp_path, SinkCursor(), name="siem")
    reads = all_of(source)
    cursor = behind(source, SinkCursor(), reads[:4])
    change(path)
    if not following:
        source = source_of(tmp_path, cursor, name="siem")
    with pytest.raises(CursorError) as caught:
        source.read(10, 1 << 20)
    assert str(path) in str(caught.value)
    assert "not the file that was being sent" in caught.value.reason
    assert "forward --restart siem" in caught.value.remedy
    assert "--from-now siem" in caught.value.remedy


def test_a_file_that_was_made_again_with_the_same_lines_goes_on(tmp_path: Path) -> None:
    path = write_events(tmp_path, range(5))
    source = source_of(tmp_path, SinkCursor())
    cursor = behind(source, SinkCursor(), all_of(source))
    path.unlink()
    write_events(tmp_path, range(7))
    assert ids(all_of(source)) == [id_of(5), id_of(6)]
    assert ids(all_of(source_of(tmp_path, cursor))) == [id_of(5), id_of(6)]


def test_a_file_that_is_replaced_between_two_looks_is_not_read_from_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_events(tmp_path, range(5))
    source = source_of(tmp_path, SinkCursor())
    all_of(source)
    write_events(tmp_path, [5])

    def replaced(output: Path, offset: int, most: int) -> tuple[list[bytes], int]:
        monkeypatch.setattr(source_module, "read_lines", read_lines)
        another(path)
        return read_lines(output, offset, most)

    monkeypatch.setattr(source_module, "read_lines", replaced)
    with pytest.raises(CursorError):
        source.read(10, 1 << 20)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / EVENTS_FILE).mkdir()
    with pytest.raises(CorruptError, match="directory"):
        source_of(tmp_path, SinkCursor()).read(1, 1)


# --- every observation ---------------------------------------------------------------------------------


def test_observations_follow_the_events_and_lines_of_databases_are_none(tmp_path: Path) -> None:
    run = create(tmp_path)
    large = open_server("127.0.0.99", *[database(f"d{number}", collections=30) for number in range(9)])
    lines = to_lines(large)
    assert len(lines) > 1
    assert len(lines[0]) <= MAX_OBSERVATION
    add(run, 0)
    for each in lines:
        run.journal().append(each)
    add(run, 1)
    finish(run)
    write_events(tmp_path, [1])
    source = source_of(tmp_path, SinkCursor(), every=True)
    reads = all_of(source)
    assert ids(reads) == [id_of(1), *seen_ids(0), large.event_id, *seen_ids(1)]
    assert ids(all_of(source_of(tmp_path, SinkCursor()))) == [id_of(1)]
    for number in range(len(reads)):
        cursor = behind(source, SinkCursor(), reads[: number + 1])
        assert ids(all_of(source_of(tmp_path, cursor, every=True))) == ids(reads[number + 1 :])


def test_a_run_is_followed_while_it_is_written_and_when_it_is_resumed(tmp_path: Path) -> None:
    run = create(tmp_path)
    source = source_of(tmp_path, SinkCursor(), every=True)
    assert all_of(source) == []
    add(run, 0, 1)
    assert ids(all_of(source)) == seen_ids(0, 1)
    add(run, 2)
    reads = all_of(source)
    assert ids(reads) == seen_ids(2)
    assert not behind(source, SinkCursor(), reads).runs["run-1"].ended
    run.close()
    assert all_of(source) == []
    cursor = behind(source, SinkCursor(), reads)
    assert cursor.runs["run-1"].ended
    resumed = RunDirectory.open(run.path, START, need_bytes=0)
    for reader in (source, source_of(tmp_path, cursor, every=True)):
        assert all_of(reader) == []
        assert not behind(reader, SinkCursor(), reads).runs["run-1"].ended
    add(resumed, 3)
    for reader in (source, source_of(tmp_path, cursor, every=True)):
        found = all_of(reader)
        assert ids(found) == seen_ids(3)
        assert found[-1].place.segment == 2
        assert not behind(reader, cursor, found).runs["run-1"].ended
    resumed.close()


def test_several_runs_each_with_its_own_cursor(tmp_path: Path) -> None:
    first = create(tmp_path, "run-1")
    add(first, 0, 1)
    finish(first)
    first.close()
    second = create(tmp_path, "run-2")
    add(second, 2)
    source = source_of(tmp_path, SinkCursor(), every=True)
    reads = all_of(source)
    assert ids(reads) == seen_ids(0, 1, 2)
    cursor = behind(source, SinkCursor(), reads[:1])
    assert set(cursor.runs) == {"run-1", "run-2"}, "each run that was seen is known"
    assert ids(all_of(source_of(tmp_path, cursor, every=True))) == seen_ids(1, 2)
    second.close()


def test_a_run_that_was_pruned_when_all_of_it_was_sent_is_forgotten(tmp_path: Path) -> None:
    run = create(tmp_path)
    add(run, 0)
    finish(run)
    run.close()
    source = source_of(tmp_path, SinkCursor(), every=True)
    cursor = behind(source, SinkCursor(), all_of(source))
    assert cursor.runs["run-1"].ended
    shutil.rmtree(run.path)
    for reader in (source, source_of(tmp_path, cursor, every=True)):
        assert all_of(reader) == []
        assert not reader.problems
        assert behind(reader, cursor, []).runs == {}


@pytest.mark.parametrize("sent", [0, 1])
def test_a_run_that_was_pruned_under_a_cursor_is_told_and_holds_up_nothing(tmp_path: Path, sent: int) -> None:
    run = create(tmp_path)
    add(run, 0, 1)
    run.close()
    source = source_of(tmp_path, SinkCursor(), every=True, name="siem")
    cursor = behind(source, SinkCursor(), source.read(2, 1 << 20)[:sent])
    shutil.rmtree(run.path)
    other = create(tmp_path, "run-2")
    add(other, 2)
    write_events(tmp_path, [1])
    reader = source_of(tmp_path, cursor, every=True, name="siem")
    reads = all_of(reader)
    assert ids(reads) == [id_of(1), *seen_ids(2)]
    problem = reader.problems["run-1"]
    assert isinstance(problem, CursorError)
    assert "removed before all of its observations were sent" in problem.reason
    assert "--from-now siem" in problem.remedy
    assert "run-1" in behind(reader, cursor, reads).runs, "it is told until somebody has said where to go on"
    other.close()


def test_a_damaged_run_is_told_and_holds_up_no_other(tmp_path: Path) -> None:
    for name, position in (("run-1", 0), ("run-2", 1)):
        run = create(tmp_path, name)
        add(run, position)
        finish(run)
        run.close()
    segment = tmp_path / "run-1" / "observations-0001.jsonl"
    segment.write_bytes(segment.read_bytes()[:-10])
    source = source_of(tmp_path, SinkCursor(), every=True)
    assert ids(all_of(source)) == seen_ids(1)
    assert isinstance(source.problems["run-1"], CorruptError)


# --- the end of it -------------------------------------------------------------------------------------


def test_the_end_is_behind_all_that_is_there(tmp_path: Path) -> None:
    assert end_of(tmp_path, every=True) == SinkCursor()
    write_events(tmp_path, range(5))
    ended = create(tmp_path, "run-1")
    add(ended, 0)
    finish(ended)
    ended.close()
    going_on = create(tmp_path, "run-2")
    add(going_on, 1)
    cursor = end_of(tmp_path, every=True)
    assert {name: kept.ended for name, kept in cursor.runs.items()} == {"run-1": True, "run-2": False}
    source = source_of(tmp_path, cursor, every=True)
    assert all_of(source) == []
    add(going_on, 2)
    write_events(tmp_path, [5])
    assert ids(all_of(source)) == [id_of(5), *seen_ids(2)]
    going_on.close()


def test_run_events_are_read_too(tmp_path: Path) -> None:
    (tmp_path / EVENTS_FILE).write_bytes(
        b'{"schema":"mongosweep.run/1","event_id":"mr_1","kind":"ended","at":"2026-03-01T09:00:00.000Z",'
        b'"run_id":"run-1","state":"complete","severity":"info","severity_number":1}\n'
    )
    (read,) = all_of(source_of(tmp_path, SinkCursor()))
    assert isinstance(read.event, RunEvent)
    assert not isinstance(read.event, Observation)
