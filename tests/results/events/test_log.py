"""The log of events: whole lines, added once, whatever befalls its writers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from results.events.line import MAX_EVENT
from results.events.log import EVENTS_FILE, EventLog, read_lines
from results.files import CorruptError, DirectoryBusyError, StorageError, StorageRefusedError

if TYPE_CHECKING:
    from pathlib import Path


def event(number: int, more: str = "") -> tuple[str, bytes]:
    """An event's id, and a line that begins as one."""
    event_id = f"mr_{number:024x}"
    return event_id, f'{{"schema":"mongosweep.run/1","event_id":"{event_id}","more":"{more}"}}\n'.encode()


def test_adds_each_event_once(tmp_path: Path) -> None:
    with EventLog.open(tmp_path) as log:
        assert log.append([event(1), event(2), event(1)]) == 2
    with EventLog.open(tmp_path) as log:
        assert log.ids == {event(1)[0], event(2)[0]}
        assert log.append([event(2), event(3)]) == 1
    assert read_lines(tmp_path)[0] == [event(1)[1], event(2)[1], event(3)[1]]
    assert (tmp_path / EVENTS_FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("torn", [b'{"schema":', event(9)[1][:-1], b"\0" * 5000, b"x" * 3_000_000])
def test_a_torn_tail_is_no_line_and_the_next_writer_cuts_it(tmp_path: Path, torn: bytes) -> None:
    with EventLog.open(tmp_path) as log:
        log.append([event(1)])
    with (tmp_path / EVENTS_FILE).open("ab") as file:
        file.write(torn)
    lines, offset = read_lines(tmp_path)
    assert lines == [event(1)[1]]
    with EventLog.open(tmp_path) as log:
        log.append([event(9)])
    assert read_lines(tmp_path, offset) == ([event(9)[1]], offset + len(event(9)[1]))


def test_what_was_never_a_line_at_all_is_cut_to_nothing(tmp_path: Path) -> None:
    (tmp_path / EVENTS_FILE).write_bytes(b"half a li")
    assert read_lines(tmp_path) == ([], 0)
    with EventLog.open(tmp_path) as log:
        log.append([event(1)])
    assert read_lines(tmp_path)[0] == [event(1)[1]]


def test_reads_in_parts_and_only_whole_lines(tmp_path: Path) -> None:
    events = [event(number, "m" * (7 * number % 1000)) for number in range(300)]
    with EventLog.open(tmp_path) as log:
        log.append(events)
    found, offset = [], 0
    while True:
        lines, offset = read_lines(tmp_path, offset, 1)
        if not lines:
            break
        assert sum(map(len, lines)) <= MAX_EVENT
        found += lines
    assert found == [line for _, line in events]
    assert offset == (tmp_path / EVENTS_FILE).stat().st_size


def test_ids_are_found_across_the_parts_in_which_a_large_log_is_read(tmp_path: Path) -> None:
    events = [event(number, "m" * (number % 9000)) for number in range(1500)]  # several MiB
    with EventLog.open(tmp_path) as log:
        assert log.append(events) == 1500
    with EventLog.open(tmp_path) as log:
        assert log.ids == {event_id for event_id, _ in events}


def test_a_line_that_somebody_put_in_holds_nobody_up(tmp_path: Path) -> None:
    """It is none of ours, however long; what stands behind it is found."""
    (tmp_path / EVENTS_FILE).write_bytes(b"y" * (3 * MAX_EVENT) + b"\n" + event(1)[1] + b"\xff\r\x85\n")
    with EventLog.open(tmp_path) as log:
        assert log.ids == {event(1)[0]}
    found, offset = [], 0
    while (read := read_lines(tmp_path, offset, 1))[0]:
        found += read[0]
        offset = read[1]
    assert event(1)[1] in found
    assert b"".join(found) == (tmp_path / EVENTS_FILE).read_bytes()


def test_one_process_adds_at_a_time(tmp_path: Path) -> None:
    with EventLog.open(tmp_path), pytest.raises(DirectoryBusyError):
        EventLog.open(tmp_path, tries=2)
    EventLog.open(tmp_path, tries=1).close()


def test_no_log_has_no_lines(tmp_path: Path) -> None:
    assert read_lines(tmp_path) == ([], 0)
    assert read_lines(tmp_path / "missing", 7) == ([], 7)


@pytest.mark.parametrize("what", ["directory", "link", "fifo"])
def test_what_is_no_plain_file_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / EVENTS_FILE
    if what == "directory":
        path.mkdir()
    elif what == "link":
        path.symlink_to("elsewhere")
    else:
        os.mkfifo(path)
    with pytest.raises(StorageError, match=EVENTS_FILE):
        EventLog.open(tmp_path)
    with pytest.raises(CorruptError, match=EVENTS_FILE):
        read_lines(tmp_path)
    EventLog.open(tmp_path.parent, tries=1).close()  # nothing stays locked


def test_a_lock_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "events.lock").mkdir()
    with pytest.raises(StorageRefusedError, match=r"events\.lock"):
        EventLog.open(tmp_path)
