"""Letters as files, `NAME.md` and `NAME.txt` in a folder. After a crash it can be seen which are there."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from results.files import REAL, FileSystem, ResultsError, explain, write_whole
from results.notify.way import NotSentError, Said, UnclearError
from results.place import make_directory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from results.notify.letter import Letter

_FIRST, _SECOND, _UNFINISHED = ".md", ".txt", ".tmp"


class FolderWay:
    """Both files are made under other names first. A letter is there when its first file has its name; then
    the second only waits to be renamed."""

    name = "folder"

    def __init__(self, folder: Path, fs: FileSystem = REAL) -> None:
        self.place = str(folder.absolute())
        self._folder = folder
        self._fs = fs

    async def send(self, letter: Letter, handing_over: Callable[[], None]) -> Said:
        """Write both files. Raises `NotSentError` when they cannot be written."""
        first, second = self._paths(letter.message_id)
        try:
            make_directory(self._fs, self._folder)
            self._write(_unfinished(first), letter.markdown)
            self._write(_unfinished(second), letter.plain)
        except ResultsError as error:
            raise NotSentError(f"{error.place}: {error.reason}") from error
        except OSError as error:
            raise NotSentError(f"{self._folder}: {explain(error)}") from error
        handing_over()
        try:
            self._name(first)
            self._name(second)
        except OSError as error:
            ended = UnclearError if first.exists() else NotSentError
            raise ended(f"{self._folder}: {explain(error)}") from error
        return Said(str(second))

    def settle(self, message_id: str) -> bool:
        """True when the letter is there; what is left of one that is not is removed. Raises `OSError`."""
        first, second = self._paths(message_id)
        if first.exists():
            if _unfinished(second).exists():
                self._name(second)
            return True
        for path in (_unfinished(first), _unfinished(second)):
            with contextlib.suppress(FileNotFoundError):
                self._fs.unlink(path)
        return False

    async def close(self) -> None:
        """Nothing is open."""

    def _paths(self, message_id: str) -> tuple[Path, Path]:
        name = message_id.partition("@")[0]
        return self._folder / (name + _FIRST), self._folder / (name + _SECOND)

    def _write(self, path: Path, text: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.unlink(path)
        descriptor = self._fs.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW)
        try:
            write_whole(self._fs, descriptor, text.encode("utf-8", "backslashreplace"))
            self._fs.fsync(descriptor)
        finally:
            self._fs.close(descriptor)

    def _name(self, path: Path) -> None:
        self._fs.rename(_unfinished(path), path)
        self._fs.fsync_dir(self._folder)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}{_UNFINISHED}")
