"""Letters as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from results.files import RealFileSystem
from results.notify.folder import FolderWay
from results.notify.letter import compose
from results.notify.rules import Notice
from results.notify.way import NotSentError, UnclearError
from tests.support.exposures import NOW, exposure

if TYPE_CHECKING:
    from pathlib import Path

    from results.notify.letter import Letter


def letter(owner: str = "web platform") -> Letter:
    """A letter to an owner."""
    notice = Notice(
        kind="warned",
        owner=owner,
        to=(),
        language="fr",
        exposures=(exposure(databases=["\ud800"]),),
        message_id="web-platform.owner.0@example.com",
    )
    return compose(notice, NOW)


def names_in(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def test_one_file_of_each_kind(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "notices"
    said = await FolderWay(folder).send(letter(), lambda: None)
    assert said.text == str(folder / "web-platform.owner.0.txt")
    assert names_in(folder) == [
        "web-platform.owner.0.md",
        "web-platform.owner.0.txt",
    ]
    assert (folder / "web-platform.owner.0.md").read_text(encoding="utf-8") == letter().markdown
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
    assert FolderWay(folder).settle("web-platform.owner.0@example.com")


async def test_a_folder_that_cannot_be_one_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotSentError, match="file"):
        await FolderWay(tmp_path / "file").send(letter(), lambda: None)


async def test_what_was_not_finished_is_tidied_away(tmp_path: Path) -> None:
    class PulledError(Exception):
        """The end of the process, at the moment of the hand-over."""

    def pull() -> None:
        raise PulledError

    way = FolderWay(tmp_path)
    with pytest.raises(PulledError):
        await way.send(letter(), pull)
    assert names_in(tmp_path) == [".web-platform.owner.0.md.tmp", ".web-platform.owner.0.txt.tmp"]
    assert not way.settle(letter().message_id)
    assert names_in(tmp_path) == []


async def test_a_crash_between_the_two_names_is_an_arrival(tmp_path: Path) -> None:
    class OneName(RealFileSystem):
        """Gives one file its name, and no other."""

        def rename(self, source: Path, target: Path) -> None:
            if target.suffix == ".txt":
                raise OSError(5, "Input/output error")
            super().rename(source, target)

    with pytest.raises(UnclearError):
        await FolderWay(tmp_path, OneName()).send(letter(), lambda: None)
    assert FolderWay(tmp_path).settle(letter().message_id)
    assert names_in(tmp_path) == ["web-platform.owner.0.md", "web-platform.owner.0.txt"]
