"""nmap's XML (`-oX`), which masscan writes too: open TCP ports, read as a stream that may be damaged.

Format: nmap.dtd, shipped with nmap. A host without a list of ports (`-sn`) is a claim for every port.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, NoReturn
from xml.parsers import expat

from targets.claims import Claim
from targets.errors import ScopeError
from targets.grammar import GrammarError, parse_address, parse_port
from targets.sources.lines import BUFFER, MAX_LINE
from targets.sources.moments import moment
from targets.sources.reading import Format
from targets.sources.records import finding_of, host_names, said_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from targets.grammar import Span
    from targets.sources.reading import Reading, Trouble

MAX_TAG = MAX_LINE  # bytes without the end of a tag: the parser begins such a tag again at each buffer
MAX_DEPTH = 64
MAX_WORDS = 1024  # names of tags and attributes; nmap.dtd has 120
MAX_ADDRESSES = 16  # of one host

# What XML 1.0 forbids: control characters, halves of surrogates (here: bytes that are no UTF-8), references
# to such characters, and an ampersand that is none. nmap has written each of them into names of services.
_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCES = re.compile(
    "&(?:(?!(?:amp|lt|gt|quot|apos|#[0-9]{1,8}|#x[0-9A-Fa-f]{1,8});)|#(x?)([0-9A-Fa-f]+);)"
)
_ALLOWED = bytes((9, 10, 13, *range(0x20, 0x80)))
_DOCUMENT = re.compile(rb"(?=<\?xml\s)")
_HOST = re.compile(rb"<host[\s>]")
_LONGEST = 16  # characters of a reference or of the beginning of a tag that are looked for


def read_nmap(stream: BinaryIO, trouble: Trouble, reading: Reading) -> Iterator[Claim]:
    """The claims of nmap reports, one or several behind each other.

    A report that breaks off or is damaged gives what comes before and after, with a warning that names the
    line. Raises ScopeError for XML of another kind, and where damage is all there is.
    """
    text = _Fit(stream)
    reports = _Reports(trouble, reading)
    while piece := text.read():
        for part in _DOCUMENT.split(piece) if b"<?xml" in piece else (piece,):
            reports.feed(part)
            yield from reports.claims()
    reports.finish()
    if text.unfit:
        count = "a character" if text.unfit == 1 else f"{text.unfit:,} characters"
        trouble.warn(text.place, f"{count} that XML forbids, here first; the rest of the report is used")


class _Fit:
    """The text of a stream with a replacement character for whatever XML forbids."""

    def __init__(self, stream: BinaryIO) -> None:
        self.unfit = 0  # how many places
        self.place = 0  # line of the first
        self._first = 0  # where it stands in its piece
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._line = 1
        self._held = ""
        self._ended = False

    def read(self) -> bytes:
        """The next piece, about a buffer long; empty at the end. No reference and no short tag is cut."""
        while not self._ended:
            raw = self._stream.read(BUFFER)
            self._ended = not raw
            text = (self._held + self._decode(raw, self._ended)).replace("\ufeff", "")
            end = len(text)
            if not self._ended:
                begun = max(text.rfind(mark, max(end - _LONGEST, 0)) for mark in "<&")
                end = begun if begun >= 0 else end
            text, self._held = text[:end], text[end:]
            if text:
                fit = text
                # A look at each character takes as long as all the rest; most text is plain.
                if not text.isascii() or text.encode().translate(None, _ALLOWED):
                    fit = _CHARACTERS.sub(self._mend, fit)
                if "&" in fit:
                    fit = _REFERENCES.sub(self._mend, fit)
                self._line += text.count("\n")
                return fit.encode()
        return b""

    def _mend(self, found: re.Match[str]) -> str:
        if found.lastindex and _is_allowed(int(found[2], 16 if found[1] else 10)):
            return found[0]
        # A count of lines for each of a million ampersands would take 10 s.
        if not self.unfit or (self._line <= self.place and found.start() < self._first):
            self._first = found.start()
            self.place = self._line + found.string.count("\n", 0, self._first)
        self.unfit += 1
        return "\ufffd"


def _is_allowed(number: int) -> bool:
    """Whether XML 1.0 has a character of this number."""
    return number in (9, 10, 13) or any(
        low <= number <= high for low, high in ((0x20, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))
    )


class _Reports:
    """Parses one report after the other, and goes on at the next host behind a damaged place."""

    def __init__(self, trouble: Trouble, reading: Reading) -> None:
        self._name = trouble.name
        self._trouble = trouble
        self._reading = reading
        self._line = 1  # of the next bytes
        self._ready: deque[_Host] = deque()
        self._report: _Report | None = None
        self._lost = False  # behind damage, and no host has come yet

    def feed(self, data: bytes) -> None:
        """Take bytes that belong to one report. Raises ScopeError."""
        if _DOCUMENT.match(data):
            self._close()
        at = len(data) if self._report is None and not data.strip() else 0  # nothing may precede <?xml
        while at < len(data):
            if self._lost:
                found = _HOST.search(data, at)
                if found is None:
                    break
                at = found.start()
                self._begin(data, at).parse(b"<nmaprun>")
            report = self._report or self._begin(data, at)
            before = report.fed
            try:
                report.parse(data[at:])
                break
            except expat.ExpatError as error:
                self._lose(report, f"not valid XML: {expat.ErrorString(error.code)}")
                at += max(report.parser.ErrorByteIndex - before, 0) + 1
            except _TooLongError:
                self._lose(report, f"a tag is longer than {MAX_TAG:,} bytes")
                break
        self._line += data.count(b"\n")

    def _begin(self, data: bytes, at: int) -> _Report:
        hosts = self._report.hosts if self._report else 0
        line = self._line + data.count(b"\n", 0, at)
        self._report = _Report(self._trouble, self._reading, self._ready, line, hosts)
        self._lost = False
        return self._report

    def _lose(self, report: _Report, reason: str) -> None:
        if not report.root:
            raise ScopeError(self._name, report.line, reason, "name the file that nmap -oX wrote") from None
        self._lost = True
        self._trouble.skip(report.line, reason, "correct this place, or scan again")

    def _close(self) -> None:
        """The report ends here, or breaks off."""
        report = self._report
        if report is None or self._lost:
            self._report, self._lost = None, False
            return
        try:
            report.parser.Parse(b"", True)
        except expat.ExpatError as error:
            if not report.root:
                self._lose(report, f"not valid XML: {expat.ErrorString(error.code)}")
            text = f"the report breaks off at line {report.line}; what comes before it is used"
            self._trouble.warn(None, text)
        self._report = None

    def claims(self) -> Iterator[Claim]:
        """What has been read and not been given yet."""
        while self._ready:
            host = self._ready.popleft()
            for span in host.spans:
                for port, finding in host.ports.items():
                    yield Claim(span, port, host.place, host.names, said_at(host.seen_at, finding))

    def finish(self) -> None:
        """The stream has ended."""
        self._close()


class _TooLongError(Exception):
    """A tag has no end, and hosts have been read before it."""


class _Host(NamedTuple):
    """One host that is up or has open ports."""

    spans: tuple[Span, ...]
    ports: dict[int | None, str]  # what serves there, where nmap asked; None: every port of the scope
    place: str
    names: tuple[str, ...]
    seen_at: str


class _Report:
    """Collects the hosts of one report as its elements go by; holds one at a time."""

    def __init__(
        self, trouble: Trouble, reading: Reading, ready: deque[_Host], line: int, hosts: int
    ) -> None:
        self.root = ""
        self.fed = 0  # bytes
        self.hosts = hosts
        self._trouble = trouble
        self._name = trouble.name
        self._reading = reading
        self._ready = ready
        self._first_line = line
        self._depth = 0
        self._tagged = 0  # bytes that had been fed when the last tag ended
        self._known: set[str] = set()
        self._forget()
        # Interned names would be kept as long as the parser.
        self.parser = expat.ParserCreate("utf-8", None, None)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        # Without entities there is no expansion bomb and nothing external to fetch; nor are there attributes
        # that every tag would get.
        self.parser.EntityDeclHandler = self._refuse_entity
        self.parser.AttlistDeclHandler = self._refuse_attributes

    @property
    def line(self) -> int:
        """Where the parser is, in the stream."""
        return self._first_line + self.parser.CurrentLineNumber - 1

    def parse(self, data: bytes) -> None:
        """Go on with `data`. Raises ExpatError where it is no XML, ScopeError where it is none of nmap's."""
        self.fed += len(data)
        self.parser.Parse(data, False)
        if self.fed - self._tagged > MAX_TAG:
            if self._trouble.usable:
                raise _TooLongError
            self.fail(f"a tag is longer than {MAX_TAG:,} bytes", "take that host out, or scan again")

    def _forget(self) -> None:
        self._inside = False
        self._addresses: dict[Span, None] = {}
        self._open: dict[int | None, str] = {}
        self._names: tuple[str, ...] = ()
        self._port = ""  # of TCP, as it is written
        self._listed = False
        self._up = False
        self._seen = ""

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._tagged = self.fed
        self._depth += 1
        if tag not in self._known or not self._known.issuperset(attributes) or self._depth > MAX_DEPTH:
            self._learn(tag, attributes)
        if tag == "host":
            self.hosts += 1
            self._forget()
            self._inside = True
            self._seen = attributes.get("endtime") or attributes.get("starttime", "")
        elif self._inside and tag in _OF_HOST:
            try:
                _OF_HOST[tag](self, attributes)
            except GrammarError as error:
                self._trouble.skip(self.line, error.reason, error.remedy)
                self._inside = False

    def _learn(self, tag: str, attributes: dict[str, str]) -> None:
        """A name that has not come before, the root's at first."""
        self._known.add(tag)
        self._known.update(attributes)
        if self._depth > MAX_DEPTH or len(self._known) > MAX_WORDS:
            self.fail("has tags that nmap does not write", "name the file that nmap -oX wrote")
        if self.root:
            return
        self.root = tag
        if tag != "nmaprun":
            self.fail(f"is XML of another kind (<{tag[:40]}>)", "name the file that nmap -oX wrote")
        scanner = attributes.get("scanner", "nmap")
        version = attributes.get("version", "")
        known = scanner if scanner in ("nmap", "masscan") else "nmap"
        self._reading.format = self._reading.format or Format(f"{known} XML", version[:40])

    def _address(self, attributes: dict[str, str]) -> None:
        if attributes.get("addrtype") in ("ipv4", "ipv6"):
            self._addresses[parse_address(attributes.get("addr", ""))] = None
            if len(self._addresses) > MAX_ADDRESSES:
                raise GrammarError(f"a host has more than {MAX_ADDRESSES} addresses", "correct this host")

    def _status(self, attributes: dict[str, str]) -> None:
        self._up = attributes.get("state") == "up"

    def _hostname(self, attributes: dict[str, str]) -> None:
        self._names = host_names([*self._names, attributes.get("name")])

    def _ports(self, _: dict[str, str]) -> None:
        self._listed = True

    def _a_port(self, attributes: dict[str, str]) -> None:
        self._listed = True
        self._port = attributes.get("portid", "") if attributes.get("protocol") == "tcp" else ""

    def _state(self, attributes: dict[str, str]) -> None:
        if self._port and attributes.get("state") == "open":
            self._open[parse_port(self._port)] = ""

    def _service(self, attributes: dict[str, str]) -> None:
        if attributes.get("method") == "probed" and self._port:  # else it is what is usual on that port
            number = parse_port(self._port)
            if number in self._open:
                said = (attributes.get(key) for key in ("name", "product", "version"))
                self._open[number] = finding_of(*said)

    def _end(self, tag: str) -> None:
        self._tagged = self.fed
        self._depth -= 1
        if tag != "host" or not self._inside:
            return
        self._inside = False
        self._trouble.usable = True
        if self._up and not self._listed:
            self._open[None] = ""
        if self._open:
            place, seen = f"{self._name} (host {self.hosts})", moment(self._seen)
            self._ready.append(_Host(tuple(self._addresses), self._open, place, self._names, seen))

    def _refuse_entity(self, entity: str, *_: object) -> None:
        self.fail(f"declares the entity {entity[:40]!r}, which no scanner does", "name a file of nmap's own")

    def _refuse_attributes(self, element: str, *_: object) -> None:
        self.fail(f"declares attributes of <{element[:40]}>", "name a file of nmap's own")

    def fail(self, reason: str, remedy: str) -> NoReturn:
        """Stop the parser with a refusal that names the line."""
        raise ScopeError(self._name, self.line, reason, remedy)


_OF_HOST: Final = {
    "address": _Report._address,
    "status": _Report._status,
    "hostname": _Report._hostname,
    "ports": _Report._ports,
    "extraports": _Report._ports,
    "port": _Report._a_port,
    "state": _Report._state,
    "service": _Report._service,
}
"""What the tags of a host say; those of scripts, routes and systems say nothing of its ports."""
