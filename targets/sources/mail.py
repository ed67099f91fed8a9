"""E-mails with reports: one message as it was saved (.eml), or several in an mbox.

What is attached is read by the registry of lists, also out of a zip archive or gzip that holds one small
file; what is written is read as prose. The headers of a mail name no target: they only say whom to answer.
"""

from __future__ import annotations

import contextlib
import email
import email.header
import email.utils
import gzip
import io
import lzma
import re
import zipfile
import zlib
from datetime import UTC
from email.errors import MessageError
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from targets.errors import ScopeError
from targets.grammar import GrammarError, parse_endpoint
from targets.sources.markup import text_of
from targets.sources.moments import utc
from targets.sources.prose import read_prose
from targets.sources.prose_tables import header_in
from targets.sources.reading import Format, Reading, Trouble
from targets.sources.reporters import labels, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import Message

    from targets.claims import Claim

    ReadList = Callable[[BinaryIO, Trouble, Reading], Iterator[Claim]]

MAX_MESSAGE: Final = 16 * 1024 * 1024  # bytes, with what is attached
MAX_UNPACKED: Final = 16 * 1024 * 1024  # bytes of a file that came compressed
_MAX_PARTS: Final = 200
_MAX_DELIMITERS: Final = (
    2000  # lines that begin as one between parts does; the parser makes an object of each
)
_MAX_HEADER: Final = 64 * 1024  # characters of a header that names a file; its parser is quadratic
_MAX_NESTED: Final = 64  # multiparts in a message; the parser's time grows with each that is open
_MAX_MAILS: Final = 4  # mails in mails
_WHAT: Final = "write its addresses one a line, as in 10.1.2.3:27017, or save its attachment and name that"
_KNOWN: Final = frozenset(
    (
        *("from", "to", "cc", "date", "subject", "received", "return-path", "mime-version", "message-id"),
        *("reply-to", "sender", "delivered-to", "content-type", "dkim-signature", "authentication-results"),
    )
)
_HEADER = re.compile(rb"([A-Za-z][A-Za-z0-9-]{0,63}):(?:[ \t]|\r?\n|\Z)")
_MBOX = re.compile(rb"From \S+ .*\d{4}")
_UNTOLD: Final = ("image/", "audio/", "video/", "font/", "text/calendar", "application/pgp-signature")
_SEALED: Final = ("application/pgp-encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime")
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, ValueError)


def looks_like_mail(start: bytes) -> bool:
    """Whether a stream that begins so is a mail: two headers that every mail has, one in its first line, or
    the line that begins a message in an mbox."""
    if start.startswith(b"From "):
        first, _, start = start.partition(b"\n")
        if not _MBOX.match(first):
            return False
    seen: set[str] = set()
    for number, line in enumerate(start.split(b"\n")[:200]):
        found = _HEADER.match(line)
        if found is None and not (number and line[:1] in (b" ", b"\t")):
            break
        if found is not None:
            name = found[1].decode().lower()
            if not number and name not in _KNOWN and not name.startswith(("x-", "arc-")):
                return False
            seen.add(name)
    return len(seen & _KNOWN) >= 2


def read_mail(stream: BinaryIO, trouble: Trouble, reading: Reading, read_list: ReadList) -> Iterator[Claim]:
    """The claims of each message; `read_list` reads what is attached to them.

    Labels say whom a reply goes to: message, reporter, sent, subject. Holds a message at a time. Raises
    ScopeError for one that is too large, and where no message names an endpoint.
    """
    reading.format = Format("e-mail")
    for number, raw in enumerate(_messages(stream, trouble.name), 1):
        name = trouble.name if number == 1 else f"{trouble.name} message {number}"
        yield from _Mail(name, trouble, reading, read_list).claims(raw)
    if not trouble.usable:
        raise ScopeError(trouble.name, None, "is an e-mail in which no address is an endpoint", _WHAT)


def _messages(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """The messages of an mbox, or the only one of what is none."""
    held = bytearray()
    several = blank = False
    while line := stream.readline(MAX_MESSAGE + 1):
        if not held and not several and line.startswith(b"From "):
            several = True
            continue
        if several and blank and line.startswith(b"From ") and _MBOX.match(line):
            yield bytes(held)
            held.clear()
            continue
        held += line
        blank = not line.strip()
        if len(held) > MAX_MESSAGE:
            reason = f"a message is larger than {MAX_MESSAGE // 1024 // 1024} MiB"
            raise ScopeError(name, None, reason, "save its attachment and name that")
    if held:
        yield bytes(held)


class _Part(NamedTuple):
    """A part of a message: its bytes, and what they are called."""

    data: bytes
    kind: str  # "text/csv"
    name: str  # of the file; "" for the text of the message
    charset: str


class _Mail:
    """Reads one message, and the messages inside of it."""

    def __init__(self, name: str, trouble: Trouble, reading: Reading, read_list: ReadList) -> None:
        self._name = name
        self._trouble = trouble
        self._reading = reading
        self._read_list = read_list
        self._mails = 0
        self._parts = 0
        self._room = 2 * MAX_UNPACKED  # bytes that archives of the message may still give
        self._attached: set[object] = set()  # endpoints that a list which is attached names

    def claims(self, raw: bytes) -> Iterator[Claim]:
        """The claims of the lists that are attached, then those of the text that name something else."""
        self._mails += 1
        if (
            self._mails > _MAX_MAILS
            or raw.lower().count(b"multipart/") > _MAX_NESTED
            or (b"multipart/" in raw.lower() and raw.count(b"\n--") > _MAX_DELIMITERS)
        ):
            self._tell("holds too many mails in mails, or parts; save what is inside and name that")
            return
        try:
            message = email.message_from_bytes(raw)
            told = _told_by(message)
            parts = list(self._parts_of(message))
        except (RecursionError, MessageError, LookupError, ValueError, TypeError, AssertionError):
            self._tell("cannot be taken apart; save what is attached to it and name that")
            return
        for part in parts:
            if part.name:
                for claim in self._attachment(part):
                    self._attached.update(((claim.span, claim.port), claim.span))
                    yield _labelled(claim, told)
        subject = dict(told).get("subject", "")
        for part in parts:
            if not part.name:
                text = _decoded(part)
                lines = (text_of(text) if part.kind == "text/html" else text).splitlines()
                name = f"{self._name} (text)"
                for claim in read_prose(lines, name, self._warn, subject, self._attached):
                    known = (claim.span, claim.port) if claim.port is not None else claim.span
                    if known not in self._attached:
                        self._attached.update(((claim.span, claim.port), claim.span))
                        self._trouble.usable = True
                        yield _labelled(claim, told)
                subject = ""

    def _warn(self, text: str) -> None:
        self._trouble.warn(None, text.removeprefix(self._trouble.name).lstrip(": "))

    def _tell(self, text: str) -> None:
        self._trouble.unusable += 1
        self._warn(text)

    def _parts_of(self, message: Message) -> Iterator[_Part]:
        """What a message holds: of several forms of one text the plain one, and all that is attached."""
        self._parts += 1
        if self._parts > _MAX_PARTS:
            return
        for header in ("Content-Type", "Content-Disposition"):
            if any(len(str(value)) > _MAX_HEADER for value in message.get_all(header, ())):
                raise MessageError
        kind = message.get_content_type()
        inside = message.get_payload()
        if isinstance(inside, list):
            inner = [each for each in inside if not isinstance(each, str)]
            if kind == "multipart/alternative":
                plain_first = sorted(inner, key=lambda each: each.get_content_type() != "text/plain")
                inner = [each for each in plain_first if each.get_content_maintype() != "text"] + [
                    each
                    for each in plain_first
                    if each.get_content_maintype() == "text" and _bytes(each).strip()
                ][:1]
            for each in inner:
                yield from self._parts_of(each)
            return
        name = plain(message.get_filename() or message.get_param("name") or "", 100)
        if not name and (message.get_content_disposition() == "attachment" or not kind.startswith("text/")):
            name = "attachment"
        if not name and kind not in ("text/plain", "text/html"):
            name = kind
        yield _Part(_bytes(message), kind, name, message.get_content_charset() or "utf-8")

    def _attachment(self, part: _Part) -> Iterator[Claim]:
        if part.kind.startswith(_UNTOLD) or part.name.lower().endswith((".p7s", ".asc", ".ics", ".vcf")):
            return
        if part.kind in _SEALED:
            self._tell(f"({part.name}) is encrypted or sealed; save the mail as your mail program shows it")
            return
        try:
            data = _unpacked(part.data, min(MAX_UNPACKED, self._room))
            self._room -= len(data) if data is not part.data else 0
        except GrammarError as error:
            self._tell(f"({part.name}) {error}")
            return
        if data.startswith(b"%PDF") or (
            b"\0" in data[:4096] and not data.startswith((b"\xff\xfe", b"\xfe\xff"))
        ):
            self._tell(
                f"({part.name}) is no text ({plain(part.kind, 40)}); save its table as CSV and name that"
            )
        elif looks_like_mail(data[:65536].lstrip()):
            yield from self.claims(data.lstrip())
        elif _is_list(part, data):
            yield from self._list(part, data)
        else:
            yield from self._text(part, data)

    def _list(self, part: _Part, data: bytes) -> Iterator[Claim]:
        """What the registry reads of it; what it cannot use at all may still be a text."""
        name = f"{self._name} ({part.name})"
        heard: list[str] = []
        inner = Trouble(name, heard.append)
        reading = Reading(inner, lambda reading: self._read_list(io.BytesIO(data), inner, reading))
        claims = 0
        refusal = ""
        try:
            for claim in reading:
                if not claims and reading.format is not None and self._reading.format == Format("e-mail"):
                    self._reading.format = Format(
                        f"e-mail with {reading.format.name}", reading.format.version
                    )
                claims += 1
                yield claim
        except ScopeError as error:
            refusal = str(error)
        self._trouble.usable = self._trouble.usable or inner.usable
        if refusal and not claims:
            found = list(self._text(part, data, lambda text: None))
            if found:
                yield from found
                return
        self._trouble.unusable += inner.unusable or bool(refusal)
        for text in (*heard, refusal)[:12]:
            if text:
                self._warn(text)

    def _text(self, part: _Part, data: bytes, warn: Callable[[str], None] | None = None) -> Iterator[Claim]:
        text = _decoded(part._replace(data=data))
        if part.kind == "text/html":
            text = text_of(text)
        for claim in read_prose(text.splitlines(), f"{self._name} ({part.name})", warn or self._warn):
            self._trouble.usable = True
            yield claim


def _is_list(part: _Part, data: bytes) -> bool:
    """Whether the registry is asked first: for what is called a list, or begins as one."""
    if part.kind == "text/html":
        return False
    if part.kind != "text/plain" or part.name.lower().endswith((".csv", ".json", ".jsonl", ".xml", ".tsv")):
        return True
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] in (b"{", b"[", b"<") or start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    head = start[:4096].decode("utf-8", "replace").splitlines()
    lines = [line.strip() for line in head if line.strip() and not line.startswith("#")][:5]
    if lines and (table := header_in(lines[0])) is not None and table.divider in ",;\t":
        return True
    endpoints = 0
    for line in lines:
        with contextlib.suppress(GrammarError):
            parse_endpoint(line)
            endpoints += 1
    return bool(lines) and endpoints == len(lines)


def _unpacked(data: bytes, most: int) -> bytes:
    """The one file of at most so many bytes in a zip archive or gzip; what is neither, as it is. Raises
    GrammarError."""
    remedy = "unpack it and name what is inside"
    try:
        if data.startswith(b"PK\x03\x04"):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                files = [each for each in archive.infolist() if not each.is_dir()]
                if len(files) != 1:
                    raise GrammarError(f"is an archive of {len(files):,} files", remedy)
                if files[0].flag_bits & 1:
                    raise GrammarError("is an encrypted archive", remedy)
                with archive.open(files[0]) as file:
                    data = file.read(most + 1)
        elif data.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(most + 1)
        else:
            return data
    except GrammarError:
        raise
    except _BROKEN:
        raise GrammarError("is a broken archive", "ask for it once more") from None
    if len(data) > most:
        held = "more than its message may" if most < MAX_UNPACKED else f"more than {most // 1024 // 1024} MiB"
        raise GrammarError(f"holds {held}", remedy)
    return data


def _bytes(message: Message) -> bytes:
    data = message.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _decoded(part: _Part) -> str:
    charset = "utf-16" if part.data[:2] in (b"\xff\xfe", b"\xfe\xff") else part.charset
    try:
        return part.data.decode(charset, "replace")
    except (LookupError, ValueError):  # a charset that nobody knows, or that is none of text
        return part.data.decode("utf-8", "replace")


def _told_by(message: Message) -> tuple[tuple[str, str], ...]:
    """What a reply needs of a message's headers."""
    sent = ""
    with contextlib.suppress(ValueError, TypeError, IndexError, OverflowError):
        at = email.utils.parsedate_to_datetime(str(message.get("Date", "")))
        sent = utc(
            (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="seconds")
        )
    return labels(
        message=_header(message, "Message-ID"),
        reporter=_header(message, "Reply-To") or _header(message, "From"),
        sent=sent,
        subject=_header(message, "Subject"),
    )


def _header(message: Message, name: str) -> str:
    value = str(message.get(name, ""))[:2000]
    with contextlib.suppress(LookupError, ValueError, MessageError):
        return str(email.header.make_header(email.header.decode_header(value)))
    return value


def _labelled(claim: Claim, told: tuple[tuple[str, str], ...]) -> Claim:
    """A claim with the labels of its message beside its own."""
    both = dict((*told, *claim.said.labels))
    return claim._replace(said=claim.said._replace(labels=tuple(sorted(both.items()))))
