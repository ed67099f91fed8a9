"""Lists that arguments, options and settings name: what is opened, waited for, and refused."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

import scanner.setup.list_files
from scanner.errors import RefusedError
from scanner.setup.list_files import list_argument, list_of_option, list_of_setting

if TYPE_CHECKING:
    from pathlib import Path


def test_a_fifo_is_read_and_waited_for_with_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    monkeypatch.setattr(scanner.setup.list_files, "PATIENCE", 0.1)
    with pytest.raises(RefusedError, match="a FIFO into which nobody writes"):
        list_argument(str(fifo))
    with pytest.raises(RefusedError, match=r"^--ports-from: .* is a FIFO into which nobody writes"):
        list_of_option(str(fifo), "--ports-from")
    monkeypatch.setattr(scanner.setup.list_files, "PATIENCE", 60)
    writer = threading.Thread(target=lambda: fifo.write_text("10.20.0.0/24\n", encoding="utf-8"))
    writer.start()
    with list_argument(str(fifo)) as stream:
        assert stream.read() == b"10.20.0.0/24\n"
    writer.join()


def test_a_setting_names_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(RefusedError, match=r"^mongosweep.toml:3: .* is no regular file; write the path of a"):
        list_of_setting(str(tmp_path / "fifo"), "mongosweep.toml:3")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing.txt", "^there is no nothing.txt; write the path of a list, or - to pipe one in$"),
        (".", r"^\. is a directory; write the path of a list, or -"),
        ("a\0", "null"),
        ("\x1b[2J", r"^there is no \S+\[2J;"),
    ],
)
def test_what_is_no_list(name: str, message: str) -> None:
    with pytest.raises(RefusedError, match=message) as caught:
        list_argument(name)
    assert str(caught.value).isprintable()
