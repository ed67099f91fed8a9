"""`--out FILE`: what a command lists, into a file that is there whole or not at all, or onto stdout."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from results.files import StorageError


class OutFile(click.ParamType[str]):
    """A file to be written, or `-`. What could not be written at the end is refused before the work."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path, or a usage error that says what to write."""
        text = str(value)
        if text == "-":
            return text
        name = param.opts[0] if param is not None else "the file"
        if not text or "\0" in text:
            raise click.UsageError(f"{name} {text!r} is no file; name one, or - for standard output", ctx)
        path = Path(text)
        if os.path.isdir(path):  # noqa: PTH112  # a Path raises where a folder cannot be read
            raise click.UsageError(f"{name} {text} is a directory; name a file in it", ctx)
        if not os.path.isdir(path.parent):  # noqa: PTH112
            raise click.UsageError(
                f"{name} {text}: there is no directory {path.parent}; make it, or name another", ctx
            )
        # What is no plain file is written to, everything else is replaced.
        special = os.path.exists(path) and not os.path.isfile(path)  # noqa: PTH110, PTH113
        if not os.access(path if special else path.parent, os.W_OK | (0 if special else os.X_OK)):
            where = path if special else path.parent
            raise click.UsageError(f"{name} {text}: this user may not write to {where}; name another", ctx)
        return text


def form_named_by(out: str | None, forms: Collection[str]) -> str | None:
    """Which of `forms` the ending of a file says, as in `findings.md`; None where it says none."""
    ending = Path(out or "").suffix[1:].lower()
    return ending if ending in forms else None


@contextlib.contextmanager
def opened(
    out: str | None, *, option: str = "--out", patient: bool = False, told: bool = True
) -> Iterator[TextIO]:
    """A stream for text: stdout for None and `-`, else a file that takes the place of `out` when all is
    written, and then is told of on stderr where `told`. What is there and no plain file (a pipe, a device)
    is written to as it is. `option`: what named it. `patient`: a stdout that nobody reads is given up after a
    while, for what has more to do then. Raises `StorageError`; the old file is then still in place."""
    from results.files import FILE_MODE
    from results.text import visible
    from scanner.cli.ending import say
    from scanner.cli.streams import patient_stdout

    if out is None or out == "-":
        if not patient:
            yield sys.stdout
            return
        with patient_stdout() as stdout:
            yield cast("TextIO", stdout)
        return
    path = Path(out)
    plain = os.path.isfile(path) or not os.path.exists(path)  # noqa: PTH110, PTH113  # a Path raises, as above
    try:
        if plain:
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", suffix=".tmp", dir=path.parent)
            os.fchmod(descriptor, FILE_MODE)
        else:
            descriptor, name = os.open(path, os.O_WRONLY), ""
    except OSError as error:
        raise _cannot(path, error, option) from error
    try:
        # A line feed stays one, and what UTF-8 cannot hold is escaped as on stdout.
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:  # noqa: PTH123
            yield cast("TextIO", file)
            file.flush()
            if name:
                os.fsync(file.fileno())
        if name:
            Path(name).replace(path)
    except OSError as error:
        raise _cannot(path, error, option) from error
    finally:
        if name:
            with contextlib.suppress(OSError):
                Path(name).unlink()
    if name and told:
        say(f"wrote {path.resolve().as_uri() if path.suffix == '.html' else visible(str(path))}")


def _cannot(path: Path, error: OSError, option: str) -> StorageError:
    from results.files import StorageError, explain

    room = "make room there, or " if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return StorageError(path, explain(error), f"{room}give another file with {option}")
