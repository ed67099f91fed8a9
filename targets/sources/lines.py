"""Reads a list as UTF-8 and line by line, under limits; what every source is built on."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, BinaryIO, Final

from targets.errors import ScopeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from targets.sources.reading import Trouble

MAX_LINE: Final = 1024 * 1024  # characters of a line or record: it may carry a banner, and no more
MAX_PASSED: Final = 16 * MAX_LINE  # of a line that is left out; no list has so long a one
MAX_LINES = 20_000_000  # more than a /8 has addresses
BUFFER = 64 * 1024  # bytes read at once

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_PLAIN = 32  # bytes that must be plainly UTF-16 where no mark says so


def buffer(stream: BinaryIO, name: str) -> io.BufferedReader:
    """`stream` with its first BUFFER bytes at hand to `peek`.

    UTF-16, as PowerShell redirects output, is given as UTF-8: with a mark, and without one where every second
    byte is NUL. What is none of it stands as U+FFFD, which costs its line and no other. Raises ScopeError,
    from each read, when there is none to be had.
    """
    return io.BufferedReader(_Utf8(stream, name), BUFFER)


def _codec_of(head: bytes) -> str:
    """The name of the UTF-16 that a stream begins in, or "" for none."""
    if head.startswith(_UTF16):
        return "utf-16"
    low, high = head[:_PLAIN:2], head[1:_PLAIN:2]
    if low and high and not any(high) and all(low):
        return "utf-16-le"
    return "utf-16-be" if low and high and not any(low) and all(high) else ""


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
        raw = self._read(size)
        if not self._begun:
            self._begun = True
            while len(raw) < _PLAIN and not self._ended:
                raw += self._read(size)
            codec = _codec_of(raw)
            if codec:
                self._decoder = codecs.getincrementaldecoder(codec)("replace")
        return raw if self._decoder is None else self._decoder.decode(raw, self._ended).encode()

    def _read(self, size: int) -> bytes:
        try:
            raw = self._stream.read(size)
        except OSError as error:
            reason = f"cannot be read: {error.strerror or error}"
            raise ScopeError(self._name, None, reason, "name a list that can be read") from None
        self._ended = not raw
        return raw


class Decoder:
    """Bytes as text, piece by piece. What is not UTF-8 stands as U+FFFD, which no address has, and is told
    once: a note in another encoding costs no line."""

    def __init__(self, trouble: Trouble) -> None:
        self._trouble = trouble
        self._rest = b""
        self._told = False

    def text(self, raw: bytes, line: int) -> str:
        """The text of what has come, which begins at a line. `raw` is empty at the end."""
        raw, ended = self._rest + raw, not raw
        try:
            text, used = codecs.utf_8_decode(raw, "strict", ended)
        except UnicodeDecodeError as error:
            if not self._told:
                self._told = True
                place = line + raw.count(b"\n", 0, error.start)
                byte = f"byte 0x{raw[error.start]:02x} is not UTF-8, here first; save the list as UTF-8"
                self._trouble.warn(place, byte)
            text, used = codecs.utf_8_decode(raw, "replace", ended)
        self._rest = raw[used:]
        return text


def read_lines(stream: BinaryIO, trouble: Trouble) -> Iterator[tuple[int, str, bool]]:
    """`(number, text, whole)` of each line that is not blank, without blanks at its ends. Lines end as on any
    system; `whole` is False for a last one without an end. A line that is too long is told and left out.

    Takes a buffer apart at once: a million lines cost 0.3 s, where reading each by itself costs 2 s.
    """
    decoder = Decoder(trouble)
    number = passed = 0  # passed: characters of a line that is left out
    held = ""
    while True:
        raw = stream.read(BUFFER)
        text = held + decoder.text(raw, number + 1)
        back = "\r" if raw and text.endswith("\r") else ""  # the other half of the line's end may follow
        if "\r" in text:
            text = text[: len(text) - len(back)].replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")
        held = lines.pop() + back
        if number + len(lines) > MAX_LINES:
            raise ScopeError(trouble.name, MAX_LINES + 1, f"more than {MAX_LINES:,} lines", "split the list")
        if passed and lines:
            number, passed = number + 1, 0
            del lines[0]
        for line in _text_only(lines, number, trouble) if "\0" in text else lines:
            number += 1
            line = line.strip(" \t\ufeff")
            if line:
                yield number, line, True
        if not raw:
            break
        if passed or len(held) > MAX_LINE:
            if not passed:
                _refuse_long(number + 1, trouble)
            passed += len(held)
            held = ""
            if passed > MAX_PASSED:
                reason = f"the line is longer than {MAX_PASSED:,} characters"
                raise ScopeError(trouble.name, number + 1, reason, "name a list")
    last = "" if passed else held.strip(" \t\ufeff")
    if last:
        yield number + 1, next(iter(_text_only([last], number, trouble))), False


def _text_only(lines: list[str], number: int, trouble: Trouble) -> Iterator[str]:
    """The lines behind a number, with a blank one for each that is no text."""
    for place, line in enumerate(lines, start=number + 1):
        if "\0" in line:
            trouble.skip(place, "holds a NUL character, so it is no text", "name a text file")
            yield ""
        else:
            yield line


def _refuse_long(number: int, trouble: Trouble) -> None:
    reason = f"the line is longer than {MAX_LINE:,} characters"
    if not trouble.usable:
        raise ScopeError(trouble.name, number, reason, "name a list")
    trouble.skip(number, reason, "take it out")
