"""The one way to read claims from any stream: tells the format by its beginning and picks the reader."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, BinaryIO

from targets.sources.lines import read_lines
from targets.sources.nmap import read_nmap
from targets.sources.portscan import read_csv, read_json_lines, read_masscan_list
from targets.sources.text import read_plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from targets.claims import Claim

_CSV_HEADER = re.compile(rb'"?(?:[A-Za-z_-]+"?,"?)*(?:ip|saddr)"?(?:,|\r?\n|\Z)')


def read_claims(stream: BinaryIO, name: str, warn: Callable[[str], None]) -> Iterator[Claim]:
    """The claims in a plain list, nmap XML, or output of masscan, naabu or zmap. Raises ScopeError.

    `name` is what errors and provenance call the stream; `warn` gets a line when input breaks off.
    """
    buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(_raw(stream))
    start = buffered.peek(4096)[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"<"):
        yield from read_nmap(buffered, name, warn)
        return
    lines = read_lines(buffered, name)
    if start.startswith((b"{", b"[{", b"[\n", b"[\r", b",")) or start == b"[":
        yield from read_json_lines(lines, name, warn)
    elif start.startswith((b"#masscan", b"open ", b"closed ", b"banner ")):
        yield from read_masscan_list(lines, name)
    elif _CSV_HEADER.match(start):
        yield from read_csv(lines, name)
    else:
        yield from read_plain(lines, name)


def _raw(stream: BinaryIO) -> io.RawIOBase:
    """Any binary stream as the raw one that a buffered reader wants."""

    class Raw(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed has a wider one
            data = stream.read(len(buffer))
            buffer[: len(data)] = data
            return len(data)

    return Raw()
