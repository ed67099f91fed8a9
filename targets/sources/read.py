"""The one way to read claims from any stream: tells the format by its beginning and picks the reader."""

from __future__ import annotations

import codecs
import io
import re
from typing import TYPE_CHECKING, BinaryIO

from targets.errors import ScopeError
from targets.grammar import GrammarError
from targets.sources.columns import header_of, read_csv
from targets.sources.json_stream import read_json
from targets.sources.known import COLUMNS, ENVELOPES, LINES, RECORDS
from targets.sources.lines import MAX_LINE, buffer, read_lines
from targets.sources.mail import looks_like_mail, read_mail
from targets.sources.nmap import read_nmap
from targets.sources.prose import read_prose
from targets.sources.reading import Format, Reading, Trouble
from targets.sources.records import ADDRESS_KEYS, ANY_RECORD
from targets.sources.text import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from targets.claims import Claim

_JSON = re.compile(rb"[{,]|\[\s*(?:[\[\]{\",]|\Z)")  # and not [fd00::1]:27017
# Behind comments, and what Excel says of the character between cells.
_FIRST_LINE = re.compile(r'(?:\s*(?:#[^\n]*|"?(?i:sep)=([^\n])"?\r?)\n)*\s*([^\r\n]*)')
_NOT_TEXT = (
    (b"\x1f\x8b", "is compressed by gzip", "pipe it through `gzip -dc`"),
    (b"PK\x03\x04", "is a zip archive or a spreadsheet", "unpack it, or save it as CSV"),
    (b"\x28\xb5\x2f\xfd", "is compressed by zstd", "pipe it through `zstd -dc`"),
    (b"masscan/1.1", "is masscan's binary output", "turn it with `masscan --readscan FILE -oJ FILE`"),
)


def read_claims(stream: BinaryIO, name: str, warn: Callable[[str], None]) -> Reading:
    """The claims in a plain list, in another program's output, or in an inventory, with what it is.

    `name` is what errors and provenance call the stream; `warn` gets a line when a part cannot be used.
    Holds a line or record at a time, whatever the length of the list. Nothing is read before the first claim
    is asked for; see `Reading` for what is raised then.
    """
    trouble = Trouble(name, warn)
    return Reading(trouble, lambda reading: _read(stream, trouble, reading))


def read_text_of_people(stream: BinaryIO, name: str, warn: Callable[[str], None]) -> Reading:
    """The same of text that people wrote, as it is copied out of a message: what is plainly an endpoint."""

    def read(reading: Reading) -> Iterator[Claim]:
        reading.format = Format("text")
        lines = io.TextIOWrapper(buffer(stream, name), "utf-8", "replace")
        pieces = iter(lambda: lines.readline(MAX_LINE), "")  # a line without end is many
        yield from read_prose(pieces, name, warn)

    return Reading(Trouble(name, warn), read)


def _read(stream: BinaryIO, trouble: Trouble, reading: Reading) -> Iterator[Claim]:
    buffered = buffer(stream, trouble.name)
    head = buffered.peek()
    for magic, reason, remedy in _NOT_TEXT:
        if head.startswith(magic):
            raise ScopeError(trouble.name, None, reason, remedy)
    start = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if looks_like_mail(start):
        yield from read_mail(buffered, trouble, reading, _read)
        return
    if start.startswith(b"<"):
        yield from read_nmap(buffered, trouble, reading)
        return
    if _JSON.match(start):
        yield from _records(buffered, trouble, reading)
        return
    lines = read_lines(buffered, trouble)
    separator, line = _FIRST_LINE.findall(start.decode(errors="replace"))[0]
    if header_of(line, COLUMNS, separator):
        yield from read_csv(lines, trouble, COLUMNS, reading)
    else:
        yield from read_text(lines, trouble, LINES, reading)


def _records(stream: BinaryIO, trouble: Trouble, reading: Reading) -> Iterator[Claim]:
    shape = ANY_RECORD
    name = trouble.name
    nobodys: set[str] | None = None  # the keys of a record with an address that no program's shape fits
    for record in read_json(stream, trouble, ENVELOPES):
        # A list is of one program: the shapes are asked once, and not for each record. ANY_RECORD fits all,
        # so it must not keep what follows from a better one, unless that is of the very same keys.
        if shape is ANY_RECORD or not shape.fits(record):
            keys = set(record.value) if isinstance(record.value, dict) else set[str]()
            if not keys or keys != nobodys:
                shape = next(each for each in RECORDS if each.fits(record))
                is_nobodys = shape is ANY_RECORD and not keys.isdisjoint(ADDRESS_KEYS)
                nobodys = keys if is_nobodys else None
            else:
                shape = ANY_RECORD
        if reading.format is None:
            reading.format = Format(shape.format, shape.version(record))
        try:
            for claim in shape.read(record, name):
                trouble.usable = True  # also where a later part of the record cannot be used
                yield claim
        except GrammarError as error:
            trouble.skip(record.line, error.reason, error.remedy)
        else:
            trouble.usable = True
