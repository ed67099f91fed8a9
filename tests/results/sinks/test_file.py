"""One file for a shipper: real readers, rotation by us and by logrotate, crashes, full disks, and what is no
plain file."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import grp
import json
import os
import stat
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from results.files import REAL
from results.formats.registry import format_named
from results.sinks.file import FileOptions, FileSink
from results.sinks.sink import Answer, Item, StoppedError, UnavailableError, UnfitEventError
from tests.support.faulty_files import Wrapping
from tests.support.receivers.installed import installed
from tests.support.receivers.sent import NATIVE, SENDER, change_event, items_of, run_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from results.files import FileSystem
    from results.formats.format import Format


def sink_to(path: Path, format: Format = NATIVE, fs: FileSystem = REAL, **options: Any) -> FileSink:  # noqa: A002
    return FileSink("shipper", FileOptions(path=path, **options), format, SENDER, fs)


def send(sink: FileSink, items: list[Item]) -> Answer:
    return asyncio.run(sink.send(items))


def numbered(first: int, behind: int) -> list[Item]:
    return [Item(str(n), "", b'{"number":%d}\n' % n) for n in range(first, behind)]


def numbers(text: bytes) -> list[int]:
    return [json.loads(line)["number"] for line in text.splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "findings.jsonl"


@contextlib.contextmanager
def following(path: Path, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real `tail -F` from the beginning of the file."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["tail", "-F", "-n", "+1", "-s", "0.02", str(path)], stdout=file, stderr=subprocess.DEVNULL
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def caught_up(output: Path, count: int) -> list[int]:
    """What it copied, once it is so many lines."""
    end = time.monotonic() + 20
    while (data := output.read_bytes()).count(b"\n") < count and time.monotonic() < end:
        time.sleep(0.02)
    return numbers(data)


def test_events_are_lines_that_a_group_may_read(path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    old = os.umask(0o077)
    try:
        sink = sink_to(path, mode=0o640, group=group)
        answer = send(sink, items_of(sink, [change_event(1), run_event()]))
    finally:
        os.umask(old)
    assert answer.said == f"2 lines in {path}"
    assert [json.loads(line)["event_id"] for line in path.read_bytes().splitlines()] == [
        change_event(1).event_id,
        run_event().event_id,
    ]
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) == (0o640, os.getgid())
    path.chmod(0o600)  # somebody's choice stays
    send(sink, items_of(sink, [change_event(2)]))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_another_account_reads_it_through_its_group_and_no_other_does(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):  # a parallel run keeps its folders to itself, too
        if folder.stat().st_mode & 0o055 != 0o055:
            folder.chmod(0o755)
    path = tmp_path / "findings.jsonl"
    send(sink_to(path, group="adm"), numbered(0, 3))
    nobody = [
        "setpriv",
        "--reuid=nobody",
        "--regid=nogroup",
        "--clear-groups",
        "--no-new-privs",
        "cat",
        str(path),
    ]
    assert subprocess.run(nobody, capture_output=True, check=False).stdout == b""
    member = [word.replace("--clear-groups", "--groups=adm") for word in nobody]
    read = subprocess.run(member, capture_output=True, check=False)
    assert numbers(read.stdout) == [0, 1, 2], read.stderr


def test_tail_sees_every_line_once_through_our_own_rotation(path: Path, tmp_path: Path) -> None:
    sink = sink_to(path, rotate_bytes=20_000, keep=3)
    output = tmp_path / "copied"
    with following(path, output):
        for first in range(0, 8000, 100):
            send(sink, numbered(first, first + 100))
            while first % 1000 == 0 and path.stat().st_size and len(caught_up(output, first)) < first:
                pass  # no follower keeps up with files that live for a millisecond
        copied = caught_up(output, 8000)
    assert copied == list(range(8000))
    assert sorted(each.name for each in path.parent.glob("findings*")) == [
        "findings.jsonl",
        "findings.jsonl.1",
        "findings.jsonl.2",
        "findings.jsonl.3",
    ]
    assert all(each.stat().st_size <= 20_000 for each in path.parent.glob("findings*"))
    kept = [path.with_name(f"findings.jsonl.{number}") for number in (3, 2, 1)]
    told = numbers(b"".join(each.read_bytes() for each in [*kept, path]))
    assert told == list(range(told[0], 8000))


def test_none_is_kept_where_none_is_to_be(path: Path) -> None:
    sink = sink_to(path, rotate_bytes=400, keep=0)
    for first in range(0, 100, 10):
        send(sink, numbered(first, first + 10))
    assert [each.name for each in path.parent.glob("findings*")] == [path.name]
    assert path.stat().st_size <= 400


@pytest.mark.parametrize("how", ["create", "copytruncate"])
def test_logrotate_loses_nothing(how: str, path: Path, tmp_path: Path) -> None:
    logrotate = installed("logrotate", "logrotate")
    configuration = tmp_path / "logrotate.conf"
    keyword = "nocreate" if how == "create" else how
    configuration.write_text(f"{path} {{\n rotate 50\n {keyword}\n size 1\n}}\n")
    configuration.chmod(0o644)
    sink = sink_to(path, rotate_bytes=0)
    for first in range(0, 2000, 200):
        send(sink, numbered(first, first + 200))
        subprocess.run([logrotate, "-s", tmp_path / "state", configuration], check=True)
        assert not path.exists() or not path.stat().st_size
    send(sink, numbered(2000, 2200))
    older = [path.with_name(f"{path.name}.{number}") for number in range(10, 0, -1)]
    files = [*older, path]
    assert numbers(b"".join(each.read_bytes() for each in files)) == list(range(2200))
    assert b"\0" not in path.read_bytes()  # no hole where it was cut


class Interrupted(Wrapping):
    """Does `what` once, right after the first write."""

    def __init__(self, what: Any) -> None:
        super().__init__()
        self._what = what

    def after(self, call: Any) -> None:
        if call.method == "write" and self._what is not None:
            what, self._what = self._what, None
            what()


@pytest.mark.parametrize("how", ["renamed", "replaced", "cut", "removed"])
def test_a_file_that_is_taken_away_during_a_sending_gets_it_again(how: str, path: Path) -> None:
    send(sink_to(path), numbered(0, 5))

    def taken_away() -> None:
        if how in ("renamed", "replaced"):
            path.rename(path.with_suffix(".old"))
            if how == "replaced":
                path.touch()
        elif how == "cut":
            os.truncate(path, 0)
        else:
            path.unlink()

    send(sink_to(path, fs=Interrupted(taken_away)), numbered(5, 8))
    assert numbers(path.read_bytes()) == [5, 6, 7]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("cut", [1, 7, 12, 13, 14, 25])
def test_a_torn_line_is_completed_when_its_event_comes_again(cut: int, path: Path) -> None:
    send(sink_to(path), numbered(0, 2))
    whole = b"".join(item.body for item in numbered(2, 5))
    with path.open("ab") as file:
        file.write(whole[:cut])  # a crash in the middle of the write
    send(sink_to(path), numbered(2, 5))
    told = numbers(path.read_bytes())
    assert told[:2] == [0, 1]
    assert sorted(set(told)) == list(range(5))
    assert len(told) == 5 + cut // 13  # twice is only what was whole


def test_a_torn_line_whose_event_does_not_come_is_ended(path: Path) -> None:
    path.write_bytes(b'{"number":1}\n{"other')
    send(sink_to(path), numbered(2, 4))
    assert path.read_bytes() == b'{"number":1}\n{"other\n{"number":2}\n{"number":3}\n'


class Full(Wrapping):
    """A disk that has room for so many bytes."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = super().write(descriptor, data[: self.room])
        self.room -= written
        return written


def test_a_full_disk_takes_what_is_whole_and_completes_the_rest_later(path: Path) -> None:
    disk = Full(14 * 3 + 5)
    sink = sink_to(path, fs=disk)
    answer = send(sink, numbered(10, 16))
    assert (answer.again, answer.said) == (
        frozenset({3, 4, 5}),
        f"3 lines in {path}, then: no space left on device",
    )
    with pytest.raises(UnavailableError, match="no space left on device"):
        send(sink, numbered(13, 16))
    disk.room = 1000
    assert send(sink, numbered(13, 16)).again == frozenset()
    assert numbers(path.read_bytes()) == list(range(10, 16))


def test_nothing_is_said_to_be_taken_that_is_not_durable(path: Path) -> None:
    class Broken(Wrapping):
        def fsync(self, descriptor: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(UnavailableError, match="input/output error"):
        send(sink_to(path, fs=Broken()), numbered(0, 1))
    watched = Wrapping()
    send(sink_to(path, fs=watched), numbered(0, 1))
    methods = [call.method for call in watched.calls]
    assert methods[methods.index("write") :] == ["write", "fsync"]


def _symlink(path: Path) -> None:
    target = path.with_name("target")
    target.write_text("untouched")
    path.symlink_to(target)


def _hard_link(path: Path) -> None:
    target = path.with_name("target")
    target.write_text("untouched")
    path.hardlink_to(target)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_symlink, "it is a symbolic link, which is not followed"),
        (_hard_link, "that file has another name, too"),
        (os.mkfifo, "no plain file|no such device"),
        (Path.mkdir, "is a directory"),
        (
            lambda path: path.parent.chmod(0o755) or path.parent.rename(path.parent.with_name("gone")),
            "no such file",
        ),
    ],
)
def test_what_is_no_plain_file_stops_the_sink(make: Any, reason: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "findings.jsonl"
    make(path)
    with pytest.raises(StoppedError, match=f"{path}: .*({reason}).*give "):
        send(sink_to(path), numbered(0, 1))
    if (target := path.with_name("target")).exists():
        assert target.read_text() == "untouched"


def test_a_group_that_is_none_stops_the_sink(path: Path) -> None:
    with pytest.raises(StoppedError, match="there is no group 'nobodys-group' on this machine"):
        send(sink_to(path, group="nobodys-group"), numbered(0, 1))
    assert path.read_bytes() == b""


def test_a_lock_that_somebody_holds_is_not_waited_for_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("results.sinks.file._LOCK_LOOKS", 2)
    send(sink_to(path), numbered(0, 1))
    with path.open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_SH)
        with pytest.raises(UnavailableError, match="another process holds its lock"):
            send(sink_to(path), numbered(1, 2))


def test_a_format_with_a_head_begins_each_file_with_it(path: Path) -> None:
    csv = format_named("csv")
    sink = sink_to(path, csv, rotate_bytes=400)
    for number in range(3):
        send(sink, items_of(sink, [change_event(number)]))
    for each in path.parent.glob("findings*"):
        assert each.read_bytes().startswith(csv.head(SENDER))


def test_a_document_of_more_lines_is_not_fit() -> None:
    lines = NATIVE._replace(name="lines", document=lambda *_: b"a\nb")
    with pytest.raises(UnfitEventError):
        sink_to(Path("x"), lines).render(run_event(), b"")


@pytest.mark.parametrize(("name", "beside"), [("events.jsonl", "events.lock"), ("a.jsonl", "manifest.json")])
def test_what_events_are_read_from_is_not_written_to(name: str, beside: str, tmp_path: Path) -> None:
    (tmp_path / beside).touch()
    with pytest.raises(StoppedError, match="belongs to the results that events are read from"):
        send(sink_to(tmp_path / name), numbered(0, 3))
    assert not (tmp_path / name).exists()
