"""What is no plain file of a sane size is refused at once, wherever a file of a run should stand."""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import TYPE_CHECKING

import pytest

from results.audit import audit
from results.files import (
    MOST_BYTES,
    CorruptError,
    ResultsError,
    StorageRefusedError,
    UnfitFileError,
    open_to_read,
    read_whole,
)
from results.journal import read_run
from results.lock import is_held
from results.run import RunDirectory
from results.runs import list_runs
from tests.results.examples import START, manifest, observation
from tests.results.runs import create

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUICK = 3.0  # seconds; reading four gigabytes takes longer, a FIFO for ever


def fifo(path: Path) -> None:
    os.mkfifo(path)


def directory(path: Path) -> None:
    path.mkdir()


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def device(path: Path) -> None:
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
        path.open("rb").close()
    except OSError as error:
        pytest.skip(f"this machine makes no device: {error.strerror}")


def unix_socket(path: Path) -> None:
    here = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"/proc/self/fd/{here}/{path.name}")  # a socket's path is short
    finally:
        os.close(here)


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def giant(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 32)


KINDS = [fifo, directory, link_to_a_device, device, unix_socket, loop, giant]
FILES = ["manifest.json", "chain.json", "observations-0001.jsonl", "observations-0002.jsonl"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with a sealed segment and one that a dead process left."""
    from tests.support.lines import line_of

    first = create(tmp_path)
    first.journal().append(line_of(observation("127.0.0.1")))
    first.close()
    second = RunDirectory.open(first.path, START)
    journal = second.journal()
    journal.append(line_of(observation("127.0.0.2")))
    journal._release(journal._current)
    second._lock.release()
    return first.path


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", FILES)
def test_every_reader_of_a_run_refuses_it_quickly(run: Path, name: str, kind: Callable[[Path], None]) -> None:
    (run / name).unlink()
    kind(run / name)
    began = time.monotonic()
    report = audit(run)
    assert [finding.file for finding in report.edited][:1] == [name]
    with pytest.raises(CorruptError) as caught:
        RunDirectory.open(run, START, expect=manifest())
    assert name in str(caught.value)
    assert caught.value.exit_code == 4
    (info,) = list_runs(run.parent)
    assert info.state == ("unreadable" if name == "manifest.json" else "aborted")
    if name != "manifest.json":
        with pytest.raises(ResultsError, match=name):
            list(read_run(run, lambda _: None))
    assert time.monotonic() - began < QUICK


@pytest.mark.parametrize("kind", [fifo, directory, loop], ids=lambda kind: kind.__name__)
def test_a_lock_that_is_none_is_not_waited_for(run: Path, kind: Callable[[Path], None]) -> None:
    (run / "lock").unlink()
    kind(run / "lock")
    with pytest.raises(StorageRefusedError):
        RunDirectory.open(run, START)
    assert not is_held(run)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (fifo, "it is a FIFO"),
        (directory, "it is a directory"),
        (loop, "it is a symbolic link"),
        (unix_socket, "it is a socket"),
        (giant, "4,294,967,296 bytes"),
    ],
    ids=lambda value: getattr(value, "__name__", "says"),
)
def test_the_words_say_what_it_is(tmp_path: Path, kind: Callable[[Path], None], says: str) -> None:
    kind(tmp_path / "x")
    with pytest.raises(UnfitFileError, match=says):
        open_to_read(tmp_path / "x", "segment")


def test_a_small_file_that_grows_meanwhile_is_not_read_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    assert read_whole(tmp_path / "x", "chain.json") == b"12345"
    monkeypatch.setitem(MOST_BYTES, "chain.json", 4)
    monkeypatch.setattr("results.files._unfit", lambda status, most: "")
    with pytest.raises(UnfitFileError, match="it grows") as caught:
        read_whole(tmp_path / "x", "chain.json")
    assert caught.value.errno == errno.EFBIG


def test_a_manifest_that_could_not_be_read_back_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MOST_BYTES, "manifest.json", 100)
    with pytest.raises(StorageRefusedError, match="merge neighbouring entries"):
        create(tmp_path)
    assert not (tmp_path / "run-1").exists()


def test_a_file_that_is_named_may_be_a_link(run: Path) -> None:
    named = run.parent / "latest.jsonl"
    named.symlink_to(run / "observations-0001.jsonl")
    assert len(list(read_run(named))) == 1
    (run.parent / "round.jsonl").symlink_to("round.jsonl")
    with pytest.raises(ResultsError):
        list(read_run(run.parent / "round.jsonl"))
