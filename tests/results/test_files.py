"""A durable write leaves the old file or the new one, whatever call fails or dies."""

from __future__ import annotations

import errno
import os
from random import Random
from typing import TYPE_CHECKING

import pytest

from results import files
from results.files import (
    REAL,
    CorruptError,
    DirectoryBusyError,
    FileSystem,
    NotARunError,
    StorageError,
    StorageRefusedError,
    read_newest_valid,
    write_durably,
)
from tests.support.faulty_files import (
    DiedError,
    DyingFileSystem,
    FailingFileSystem,
    PowerLossFileSystem,
    SkippingFileSystem,
    Wrapping,
)

if TYPE_CHECKING:
    from pathlib import Path

CALLS = ("open", "write", "fsync", "unlink", "link", "rename", "fsync_dir")


def whole(data: bytes) -> bytes:
    """A parser that knows a torn file when it sees one."""
    if not data.endswith(b"END"):
        raise ValueError("cut off")
    return data


def test_the_new_content_stands_and_the_old_one_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.json"
    write_durably(REAL, path, b"1 END")
    write_durably(REAL, path, b"2 END")
    write_durably(REAL, path, b"3 END")
    assert path.read_bytes() == b"3 END"
    assert (tmp_path / "checkpoint.json.prev").read_bytes() == b"2 END"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["checkpoint.json", "checkpoint.json.prev"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_order_of_calls_is_file_then_name_then_directory(tmp_path: Path) -> None:
    fs = Wrapping()
    write_durably(fs, tmp_path / "x", b"data", keep_previous=False)
    assert [call.method for call in fs.calls] == ["unlink", "open", "write", "fsync", "rename", "fsync_dir"]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("method", CALLS)
def test_a_failing_call_keeps_the_old_file_and_names_place_and_remedy(
    tmp_path: Path, method: str, number: int
) -> None:
    path = tmp_path / "checkpoint.json"
    write_durably(REAL, path, b"old END")
    fs = FailingFileSystem(method, number)
    with pytest.raises(StorageError) as caught:
        write_durably(fs, path, b"new END")
    assert caught.value.place == str(path)
    assert os.strerror(number).lower() in str(caught.value)
    assert caught.value.remedy
    assert caught.value.exit_code == 4
    expected = b"new END" if method == "fsync_dir" else b"old END"
    assert read_newest_valid(path, whole) == expected


def test_a_failed_fsync_is_not_tried_again(tmp_path: Path) -> None:
    fs = FailingFileSystem("fsync", errno.EIO)
    with pytest.raises(StorageError):
        write_durably(fs, tmp_path / "x", b"data")
    assert [call.method for call in fs.calls].count("fsync") == 1


def test_a_leftover_of_a_crash_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.tmp").write_bytes(b"left over")
    write_durably(REAL, tmp_path / "x", b"data")
    assert (tmp_path / "x").read_bytes() == b"data"


def test_every_death_leaves_one_whole_file(tmp_path: Path) -> None:
    for at in range(1, 12):
        for after in (False, True):
            path = tmp_path / f"{at}-{after}"
            write_durably(REAL, path, b"old END")
            try:
                write_durably(DyingFileSystem(at, after=after), path, b"new END")
            except DiedError:
                assert read_newest_valid(path, whole) in (b"old END", b"new END")
                write_durably(REAL, path, b"third END")
            assert read_newest_valid(path, whole) in (b"new END", b"third END")


def _lose_power(tmp_path: Path, random: Random, skip: tuple[str, ...], name: str) -> bytes | None:
    root = tmp_path / name
    root.mkdir()
    model = PowerLossFileSystem(root)
    write_durably(model, root / "x", b"old END")
    broken: FileSystem = SkippingFileSystem(skip, model)
    try:
        write_durably(DyingFileSystem(random.randint(1, 9), broken), root / "x", b"new END" * 50)
        finished = True
    except DiedError:
        finished = False
    model.lose_power(tmp_path / f"{name}-left", random)
    found = read_newest_valid(tmp_path / f"{name}-left" / "x", whole)
    if finished:
        assert found == b"new END" * 50
    return found


def test_power_loss_leaves_the_old_or_the_new_file(tmp_path: Path) -> None:
    random = Random(1)
    found = {_lose_power(tmp_path, random, (), f"r{n}") for n in range(150)}
    assert found == {b"old END", b"new END" * 50}


@pytest.mark.parametrize("skipped", ["fsync", "fsync_dir"])
def test_the_model_catches_a_missing_fsync(tmp_path: Path, skipped: str) -> None:
    random = Random(2)

    def lose_power_often() -> None:
        for n in range(150):
            _lose_power(tmp_path, random, (skipped,), f"r{n}")

    with pytest.raises((AssertionError, CorruptError)):
        lose_power_often()


def test_the_newest_valid_copy_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    previous = tmp_path / "x.prev"
    assert read_newest_valid(path, whole) is None
    previous.write_bytes(b"old END")
    assert read_newest_valid(path, whole) == b"old END"
    path.write_bytes(b"new EN")
    assert read_newest_valid(path, whole) == b"old END"
    path.write_bytes(b"new END")
    assert read_newest_valid(path, whole) == b"new END"
    path.write_bytes(b"")
    previous.write_bytes(b"\0" * 10)
    with pytest.raises(CorruptError, match="no valid copy left"):
        read_newest_valid(path, whole)
    path.unlink()
    path.mkdir()
    with pytest.raises(CorruptError, match="is a directory"):
        read_newest_valid(path, whole)


class _Nibbling(Wrapping):
    """Takes three bytes at a time, and at last none."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def write(self, descriptor: int, data: bytes | memoryview) -> int:
        taken = super().write(descriptor, data[: min(3, self._room)])
        self._room -= taken
        return taken


def test_short_writes_are_continued_and_a_write_of_nothing_is_a_full_disk(tmp_path: Path) -> None:
    write_durably(_Nibbling(100), tmp_path / "x", b"0123456789 END")
    assert (tmp_path / "x").read_bytes() == b"0123456789 END"
    with pytest.raises(StorageError, match="took nothing"):
        write_durably(_Nibbling(5), tmp_path / "x", b"0123456789 END")


def test_every_error_says_how_the_command_ends() -> None:
    codes = {
        StorageRefusedError: 2,
        NotARunError: 2,
        StorageError: 4,
        CorruptError: 4,
        DirectoryBusyError: 5,
    }
    assert {kind: kind("x", "y").exit_code for kind in codes} == codes
    assert str(StorageError("/a", "no", "do")) == "/a: no; do"
    assert str(StorageError("/a", "no")) == "/a: no"
    assert files.explain(OSError("plain")) == "plain"
    assert files.remedy_for(OSError("plain")) == ""
