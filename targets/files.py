"""Reads a small file once, through one descriptor, and gives its text; refuses what proves nothing."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from targets.errors import ScopeError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024
_MISSING = "write the path of an allow-list, or let `mongosweep scope import` write it"


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """The text of a regular UTF-8 file that not everybody can write to. Raises ScopeError.

    What was checked is what is read: the file is opened once, so a swapped symlink changes nothing, and
    without blocking, so that a FIFO is refused instead of being waited for.
    """
    return decode(read_bytes(path, max_bytes), str(path))


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes behind `read_text`, for who needs their digest as well."""
    name = str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise ScopeError(name, None, "there is no such file", _MISSING) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ScopeError(name, None, f"cannot be read: {reason}", "make it readable for this user") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ScopeError(name, None, "is not a regular file", "write its content to a file and name that")
    with os.fdopen(descriptor, "rb") as file:
        if status.st_mode & stat.S_IWOTH:
            raise ScopeError(
                name, None, "can be written by everybody, so it proves nothing", f"run chmod o-w {name}"
            )
        try:
            raw = file.read(max_bytes + 1)
        except OSError as error:  # a network file system that has gone, a disk that fails
            reason = f"cannot be read: {error.strerror or error}"
            raise ScopeError(name, None, reason, "name a file that can be read") from None
    if len(raw) > max_bytes:
        raise ScopeError(name, None, f"is larger than {max_bytes:,} bytes", "split it, or write CIDRs in it")
    return raw


def decode(raw: bytes, name: str) -> str:
    """UTF-8, with or without a byte-order mark, as text with `\\n` line ends. Raises ScopeError."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ScopeError(
            name, line, f"byte 0x{raw[error.start]:02x} is not UTF-8", "save the file as UTF-8"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ScopeError(name, line, "holds a NUL character, so it is no text", "name a text file")
    return text.replace("\r\n", "\n").replace("\r", "\n")
