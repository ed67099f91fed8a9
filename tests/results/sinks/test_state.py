"""What is kept of a sink, over crashes, full disks, other versions and other processes."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING

import pytest

from results.files import CorruptError, DirectoryBusyError, StorageError
from results.sinks.state import (
    SET_ASIDE_FILE,
    STATE_FILE,
    CursorError,
    JournalCursor,
    SinkCursor,
    SinkFolder,
    SinkState,
    set_aside,
)
from tests.support.faulty_files import DiedError, DyingFileSystem, FailingFileSystem, Wrapping

if TYPE_CHECKING:
    from pathlib import Path

    from results.files import FileSystem

CURSOR = SinkCursor(offset=7, last_bytes=6, last_sha256="a" * 64, runs={"run-1": JournalCursor(offset=3)})
STATE = SinkState(sink="siem", kind="splunk", place="https://siem.example.com", cursor=CURSOR, delivered=1)


def folder(output: Path, fs: FileSystem | None = None, name: str = "siem") -> SinkFolder:
    made = SinkFolder(output, name, fs or Wrapping())
    made.path.mkdir(parents=True, exist_ok=True)
    return made


def test_what_is_saved_is_loaded_and_a_sink_that_never_sent_is_at_the_beginning(tmp_path: Path) -> None:
    assert folder(tmp_path).load() == SinkState(sink="siem")
    folder(tmp_path).save(STATE)
    assert folder(tmp_path).load() == STATE


@pytest.mark.parametrize("name", ["", "a/b", "..", "-x", "x" * 65, "a b", "a\n"])
def test_a_name_is_never_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name of a sink"):
        SinkFolder(tmp_path, name)


def test_a_death_at_any_call_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    new = SinkState(sink="siem", delivered=2)
    for at in range(1, 20):
        for after in (False, True):
            output = tmp_path / f"{at}{after}"
            folder(output).save(STATE)
            fs = DyingFileSystem(at, after=after)
            try:
                folder(output, fs).save(new)
            except DiedError:
                assert folder(output).load() in (STATE, new)
            else:
                assert folder(output).load() == new
                return
    raise AssertionError("there is no end of it")


@pytest.mark.parametrize("method", ["write", "fsync", "rename", "fsync_dir"])
def test_a_full_disk_is_an_error_that_says_where_and_leaves_the_old(tmp_path: Path, method: str) -> None:
    folder(tmp_path).save(STATE)
    with pytest.raises(StorageError) as caught:
        folder(tmp_path, FailingFileSystem(method, errno.ENOSPC)).save(SinkState(sink="siem", delivered=2))
    assert STATE_FILE in caught.value.place
    assert "free space" in caught.value.remedy
    assert folder(tmp_path).load().delivered in ({1} if method != "fsync_dir" else {1, 2})


def test_a_damaged_state_gives_way_to_the_one_before_and_both_damaged_to_an_error(tmp_path: Path) -> None:
    here = folder(tmp_path)
    here.save(STATE)
    here.save(SinkState(sink="siem", delivered=2))
    (here.path / STATE_FILE).write_bytes(b"\0" * 100)
    assert here.load() == STATE
    whole = (here.path / f"{STATE_FILE}.prev").read_text()
    (here.path / f"{STATE_FILE}.prev").write_text(whole.replace('"offset": 7', '"offset": -7'))
    with pytest.raises(CorruptError, match="forward --restart siem"):
        here.load()


def test_a_state_of_a_newer_version_or_another_sink_is_refused(tmp_path: Path) -> None:
    here = folder(tmp_path)
    here.save(STATE)
    content = (here.path / STATE_FILE).read_text()
    here.save(STATE)  # so that there is an older one, which must not be taken in its place
    (here.path / STATE_FILE).write_text(content.replace("mongosweep.sink/1", "mongosweep.sink/2"))
    with pytest.raises(CursorError, match="newer version"):
        here.load()
    (here.path / STATE_FILE).write_text(content.replace('"siem"', '"other"'))
    with pytest.raises(CursorError, match="state of the sink other"):
        here.load()


def test_only_one_may_send_to_a_sink_and_the_second_is_told_who_does(tmp_path: Path) -> None:
    lock = SinkFolder(tmp_path, "siem").hold()
    assert SinkFolder(tmp_path, "siem").is_held()
    with pytest.raises(DirectoryBusyError, match=r"another forward sends to siem already \(.*process \d+\)"):
        SinkFolder(tmp_path, "siem").hold()
    SinkFolder(tmp_path, "other").hold().release()
    lock.release()
    assert not SinkFolder(tmp_path, "siem").is_held()


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (b'{"event_id":"a"}', {"event_id": "a"}),
        (b"no json", "no json"),
        (b"\xff\x00", "\\xff\x00"),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_what_is_set_aside_stands_there_with_its_reason(tmp_path: Path, line: bytes, event: object) -> None:
    here = folder(tmp_path)
    here.append([set_aside(line, at="2026-03-01T09:00:00.000Z", event_id="a", reason="too large")])
    here.append([set_aside(b"{}", at="2026-03-01T09:00:00.000Z", event_id="b", reason="refused")])
    first, second = map(json.loads, (here.path / SET_ASIDE_FILE).read_text().splitlines())
    assert first == {
        "at": "2026-03-01T09:00:00.000Z",
        "event_id": "a",
        "reason": "too large",
        "event": event,
    }
    assert second["event_id"] == "b"
    assert (here.path / SET_ASIDE_FILE).stat().st_mode & 0o777 == 0o600


def test_a_torn_line_of_what_was_set_aside_spoils_none_after_it(tmp_path: Path) -> None:
    here = folder(tmp_path)
    record = set_aside(b"{}", at="", event_id="a", reason="refused")
    here.append([record])
    with (here.path / SET_ASIDE_FILE).open("ab") as file:
        file.write(b'{"at":')
    here.append([record])
    lines = (here.path / SET_ASIDE_FILE).read_bytes().split(b"\n")
    assert [json.loads(line)["event_id"] for line in (lines[0], lines[2])] == ["a", "a"]


@pytest.mark.parametrize("method", ["open", "write", "fsync", "fsync_dir"])
def test_what_cannot_be_set_aside_is_an_error(tmp_path: Path, method: str) -> None:
    record = set_aside(b"{}", at="", event_id="a", reason="refused")
    with pytest.raises(StorageError) as caught:
        folder(tmp_path, FailingFileSystem(method, errno.ENOSPC)).append([record])
    assert SET_ASIDE_FILE in caught.value.place
