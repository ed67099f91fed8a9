"""Reads a list as UTF-8 and line by line, under limits; what every source is built on."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, BinaryIO

from targets.errors import ScopeError
from targets.files import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 1024 * 1024  # bytes of a line or record: it may carry a banner; nothing legitimate is longer
MAX_LINES = 20_000_000  # more than a /8 has addresses
BUFFER = 64 * 1024  # bytes read at once

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def buffer(stream: BinaryIO, name: str) -> io.BufferedReader:
    """`stream` with its first BUFFER bytes at hand to `peek`. UTF-16 with a mark, as PowerShell redirects
    output, is given as UTF-8. Raises ScopeError, from each read, when there is none to be had."""
    return io.BufferedReader(_Utf8(stream, name), BUFFER)


class _Utf8(io.RawIOBase):
    """Fills every read but the last, so that what a peek sees does not depend on how a pipe is written."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name
        self._held = bytearray()
        self._decoder: codecs.IncrementalDecoder | None = None
        self._begun = self._ended = False

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]  # typeshed has a wider one
        """As many bytes as there is room for; fewer only at the end."""
        while len(self._held) < len(target) and not self._ended:
            self._held += self._more(len(target))
        count = min(len(self._held), len(target))
        target[:count] = self._held[:count]
        del self._held[:count]
        return count

    def _more(self, size: int) -> bytes:
        try:
            raw = self._stream.read(size)
        except OSError as error:
            reason = f"cannot be read: {error.strerror or error}"
            raise ScopeError(self._name, None, reason, "name a list that can be read") from None
        if not self._begun:
            self._begun = True
            if raw.startswith(_UTF16):
                self._decoder = codecs.getincrementaldecoder("utf-16")()
        self._ended = not raw
        if self._decoder is None:
            return raw
        try:
            return self._decoder.decode(raw, not raw).encode()
        except UnicodeError:
            raise ScopeError(
                self._name, None, "begins as UTF-16 and is none", "save the list as UTF-8"
            ) from None


def read_lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str, bool]]:
    """`(number, text, whole)` of each line that is not blank, without blanks at its ends. Lines end as on any
    system; `whole` is False for a last one without an end."""
    number = 0
    while raw := stream.readline(MAX_LINE + 1):
        if len(raw) > MAX_LINE:
            raise ScopeError(name, number + 1, f"the line is longer than {MAX_LINE:,} bytes", "name a list")
        for text in _text(raw, name, number + 1).removesuffix("\n").split("\n"):
            number += 1
            if number > MAX_LINES:
                raise ScopeError(name, number, f"more than {MAX_LINES:,} lines", "split the list")
            text = text.strip(" \t")
            if text:
                yield number, text, raw.endswith((b"\n", b"\r"))


def _text(raw: bytes, name: str, number: int) -> str:
    try:
        return decode(raw, name)
    except ScopeError as error:
        raise ScopeError(name, number, error.reason, error.remedy) from None
