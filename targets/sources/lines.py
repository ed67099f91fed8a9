"""Reads a stream line by line under limits; what every line-based source is built on."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from targets.errors import ScopeError
from targets.files import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 1024 * 1024  # a scanner's line may carry a banner; nothing legitimate is longer
MAX_LINES = 20_000_000  # more than a /8 has addresses


def read_lines(stream: BinaryIO, name: str) -> Iterator[tuple[int, str, bool]]:
    """`(number, text, whole)` of each line that is not blank; `whole` is False for a torn last one."""
    number = 0
    while raw := stream.readline(MAX_LINE + 1):
        number += 1
        if len(raw) > MAX_LINE:
            raise ScopeError(name, number, f"the line is longer than {MAX_LINE:,} bytes", "name a list")
        if number > MAX_LINES:
            raise ScopeError(name, number, f"more than {MAX_LINES:,} lines", "split the list")
        text = _text(raw, name, number).strip(" \t\r\n")
        if text:
            yield number, text, raw.endswith(b"\n")


def _text(raw: bytes, name: str, number: int) -> str:
    try:
        return decode(raw, name)
    except ScopeError as error:
        raise ScopeError(name, number, error.reason, error.remedy) from None
