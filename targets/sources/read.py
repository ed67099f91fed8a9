"""The one way to read claims from any stream: tells the format by its beginning and picks the reader."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, BinaryIO

from targets.errors import ScopeError
from targets.sources.columns import header_of, read_csv
from targets.sources.json_stream import read_json
from targets.sources.lines import buffer, read_lines
from targets.sources.nmap import read_nmap
from targets.sources.records import Place, claims_of
from targets.sources.text import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from targets.claims import Claim

_JSON = re.compile(rb"[{,]|\[\s*(?:[\[\]{\",]|\Z)")  # and not [fd00::1]:27017
_FIRST_LINE = re.compile(rb"(?:\s*#[^\n]*\n)*\s*([^\r\n]*)")  # behind comments
_NOT_TEXT = (
    (b"\x1f\x8b", "is compressed by gzip", "pipe it through `gzip -dc`"),
    (b"PK\x03\x04", "is a zip archive or a spreadsheet", "unpack it, or save it as CSV"),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd", "pipe it through `zstd -dc`"),
    (b"masscan/1.1", "is masscan's binary output", "turn it with `masscan --readscan FILE -oJ FILE`"),
)


def read_claims(stream: BinaryIO, name: str, warn: Callable[[str], None]) -> Iterator[Claim]:
    """The claims in a plain list, or in output of nmap, masscan, naabu and their like. Raises ScopeError.

    `name` is what errors and provenance call the stream; `warn` gets a line when a part cannot be used.
    Holds a line or record at a time, whatever the length of the list.
    """
    buffered = buffer(stream, name)
    head = buffered.peek()
    for magic, reason, remedy in _NOT_TEXT:
        if head.startswith(magic):
            raise ScopeError(name, None, reason, remedy)
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith(b"<"):
        yield from read_nmap(buffered, name, warn)
        return
    if _JSON.match(start):
        for line, record in read_json(buffered, name, warn):
            yield from claims_of(record, Place(name, line))
        return
    first = _FIRST_LINE.match(start)
    lines = read_lines(buffered, name)
    if first is not None and header_of(first[1].decode(errors="replace")):
        yield from read_csv(lines, name)
    else:
        yield from read_text(lines, name, warn)
