"""Endpoints in text that people or abuse desks write: lines of keys and values, tables, and sentences.

Only what is plainly an endpoint becomes a claim: `10.1.2.3:27017`, an address with a port in words, a value
under a key or in a column that is known, an address alone on its line, or one that "host", "server" or the
like introduces. Version numbers, networks, mail headers and signatures are not. Every other address is told.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from targets.claims import Claim, Said
from targets.grammar import GrammarError, format_span, parse_address, parse_endpoint, parse_port
from targets.sources.moments import utc
from targets.sources.prose_tables import Table, header_in, row_of
from targets.sources.prose_words import LONGEST, is_quoted, meaning, readable
from targets.sources.reading import TOLD
from targets.sources.records import host_names
from targets.sources.reporters import is_tcp, labels, mongodb, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from targets.grammar import Span
    from targets.sources.prose_words import Meaning

MAX_CLAIMS: Final = 20_000  # of one text; each takes 0.2 ms, and whoever has more has a list
MAX_LINES: Final = 200_000
_QUAD: Final = r"(?:\d{1,3}\.){3}\d{1,3}"
_ADDRESS = re.compile(
    rf"(?:(?<=://)|(?<=[^\w.\-/@:])|\A)(?P<four>{_QUAD})(?::(?P<four_port>\d{{1,20}})(?!\w)|(?![\w@]|[.:/-]\w))"
    r"|\[(?P<six>[0-9A-Fa-f:.]{2,45})\](?::(?P<six_port>\d{1,20})(?!\w))?"
    r"|(?<![\w:.\[])(?P<bare>(?:[0-9A-Fa-f]{1,4})?(?::[0-9A-Fa-f]{0,5}){2,8})(?![\w:])",
    re.ASCII,
)
_NAME_AFTER = re.compile(r"\s*\(([\w.-]{1,253})\)")
_PORT_AFTER = re.compile(
    r"[\s,;(]*(?:(?:on|at|auf|sur|via|with|mit|and|und|an)\s+)?(?:the\s+|dem\s+|le\s+)?"
    r"(?:(?P<kind>tcp|udp)[\s/-]*)?ports?\b[\s:=#]*(?:(?P<kind_behind>tcp|udp)[\s/-]*)?"
    r"(?P<ports>\d{1,20}(?:\s*(?:,|and|und|et|&)\s*\d{1,20})*)(?:\s*/\s*(?P<slash>tcp|udp))?",
    re.IGNORECASE,
)
_CELLS_AFTER = re.compile(
    r"(?:\s+|\s*[,;|]\s*)(?P<ports>\d{1,20})(?:/(?P<slash>tcp|udp))?(?=\s|[,;|.]|\Z)", re.IGNORECASE
)
_PORT_BEFORE = re.compile(
    r"(?:\bports?\b[\s:#]*(?P<ports>\d{1,20})(?:/(?P<slash>tcp|udp))?|\b(?P<other>\d{1,5})/(?P<kind>tcp|udp))\)?\s*"
    r"(?:is\s+|was\s+)?(?:open\s+|reachable\s+|offen\s+)?(?:on|of|at|auf|von|sur|de|der)\s+"
    r"(?:(?:the|your|our|host|server|system|machine|ip|address|ip-address|adresse)\s+){0,4}\Z",
    re.IGNORECASE,
)
_INTRODUCED = re.compile(
    r"\b(?:hosts?|servers?|systems?|machines?|ips?|address(?:es)?|adressen?|ip-adressen?|targets?|servern?|rechner|"
    r"serveurs?|at|on|auf|sur|unter|under)\s*[:=#\"'(]*\s*\Z",
    re.IGNORECASE,
)
_OURS_NOT = re.compile(
    r"\b(?:from|von|de|by|via|scanners?|scan\s+source|reporter|relay|client|attacker)\s*:?\s+"
    r"(?:(?:the|our|a|an|host|ip|address|server|scanner|scanning|probe|system)\s+){0,3}\Z|"
    r"\b(?:our|my|unser\w{0,2})\s+(?:\w+\s+){0,2}(?:(?:at|on|is|host|auf|:)\s+)?\Z|"
    r"\A\s*(?:scanner|scan(?:ning)? (?:ip|source|host|address)|reporter|reported|sender|probe|contact|our |"
    r"unsere?)[\w -]{0,30}[:=]",
    re.IGNORECASE,
)
_ALONE = re.compile(r"[\s\-*•·,;.()\[\]\"'&|\d]*(?:(?:and|und|et)[\s,]*)?", re.IGNORECASE)
_FIELD = re.compile(r"\s{0,16}(?:[-*•]\s*)?([^\W\d][\w ./()'’-]{0,40}?)\s*[:=]\s*(\S.*)\Z")
_HEADER = re.compile(
    r"(?:received|return-path|delivered-to|from|to|cc|bcc|sender|reply-to|sent|von|an|gesendet|envoyé|message-id|"
    r"in-reply-to|references|dkim-\w+|arc-[\w-]+|authentication-results|list-[\w-]+|x-[\w-]+|user-agent|"
    r"reported-from)\s*:",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"\s*(?:-{2,}.*(?:original|forwarded|weitergeleitete|ursprüngliche|transféré).*-{2,}|"
    r"begin forwarded message:)|.{0,200}\b(?:wrote|schrieb|a écrit)\s?:\Z",
    re.IGNORECASE,
)
_RELEASE = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]")  # of MongoDB, and not the 0.2 of a format
_NUMBERS = re.compile(r"\d{1,20}")


def read_prose(
    lines: Iterable[str],
    name: str,
    warn: Callable[[str], None],
    subject: str = "",
    known: Container[object] = (),
) -> list[Claim]:
    """The endpoints that a text names, each once, in its order; places are `name:line`.

    `warn` gets a line for an address or port that is not taken. An address without a port is a claim for
    every port of the scope, unless the text names a port of it elsewhere. `subject` is read before the lines;
    spans that are `known` already are not told. Raises nothing: a text may say anything.
    """
    reader = _Prose(name, warn)
    for number, line in enumerate(itertools.chain((subject,), lines)):
        reader.read(number, line)
        if reader.seen >= MAX_CLAIMS or number >= MAX_LINES:
            what = f"{MAX_CLAIMS:,} addresses" if reader.seen >= MAX_CLAIMS else f"{MAX_LINES:,} lines"
            reader.tell(number, f"more than {what}; the rest is not read, so save it as a list")
            break
    reader.flush()
    reader.tell_unread(known)
    if reader.told > TOLD:
        warn(f"{name}: {reader.told:,} places in all are not read as endpoints")
    with_port = {claim.span for claim in reader.found if claim.port is not None}
    return list(
        {
            (claim.span, claim.port): claim
            for claim in reversed(reader.found)
            if claim.port is not None or claim.span not in with_port
        }.values()
    )[::-1]


class _Fields:
    """What lines of keys and values have told of one endpoint or of several that share a port."""

    def __init__(self) -> None:
        self.addresses: list[tuple[Span, int]] = []  # and the lines that name them
        self.ports: list[int] = []
        self.told: dict[Meaning, str] = {}
        self.tcp = True

    def is_next(self, means: Meaning) -> bool:
        """Whether a key of this meaning begins the next endpoint."""
        if not self.addresses:
            return False
        if means == "address":
            return bool(self.ports or self.told)
        return means in self.told


class _Found(NamedTuple):
    span: Span
    ports: tuple[int | None, ...]
    names: tuple[str, ...] = ()


class _Prose:
    """Reads line by line; remembers the table or the fields that it is in."""

    def __init__(self, name: str, warn: Callable[[str], None]) -> None:
        self.found: list[Claim] = []
        self.told = 0
        self.seen = 0  # addresses, whatever became of them
        self._name = name
        self._warn = warn
        self._table: Table | None = None
        self._fields = _Fields()
        self._mongodb = False  # the text has named it
        self._signed = False  # behind a signature
        self._headers = False  # in a header of a mail, which goes on in lines that begin with a blank
        self._unread: dict[Span, int] = {}  # addresses that are no endpoints where they stand, and where

    def tell(self, number: int, text: str) -> None:
        """Tell what is not taken."""
        self.told += 1
        if self.told <= TOLD:
            self._warn(f"{self._place(number)}: {text}")

    def tell_unread(self, known: Container[object]) -> None:
        """Tell the addresses that are endpoints nowhere in the text, and not known otherwise."""
        found = {claim.span for claim in self.found}
        for span, number in self._unread.items():
            if span not in found and span not in known:
                address = format_span(span)
                example = f"[{address}]:27017" if span.version == 6 else f"{address}:27017"
                self.tell(number, f"{address} is not read as an endpoint; write {example} if it is one")

    def read(self, number: int, raw: str) -> None:
        """Take a line."""
        if len(raw) > LONGEST:
            self.tell(number, f"a line of {len(raw):,} characters is read as far as {LONGEST:,}")
        line = readable(raw.rstrip("\r\n"))
        if self._passed_over(raw, line):
            return
        self._mongodb = self._mongodb or "mongo" in line.lower()
        try:
            if not self._in_table(number, line):
                known = self._in_fields(number, line)
                if not known:
                    self._in_sentence(number, line)
        except GrammarError as error:
            self.tell(number, str(error))

    def flush(self) -> None:
        """The fields so far are all that is said of their endpoint."""
        fields, self._fields = self._fields, _Fields()
        if not fields.tcp or not is_tcp(fields.told.get("protocol")):
            return
        for span, number in fields.addresses:
            self._add(number, _Found(span, tuple(fields.ports) or (None,)), fields.told)

    def _passed_over(self, raw: str, line: str) -> bool:
        """Whether a line is part of a signature or of a mail's headers."""
        if line.rstrip() == "--":
            self._signed = True
        elif self._signed and (is_quoted(raw) or _FORWARDED.match(line)):
            self._signed = False
        if _HEADER.match(line):
            self._headers = True
            return True
        self._headers = self._headers and line[:1] in (" ", "\t") and not line.isspace()
        return self._signed or self._headers

    def _in_table(self, number: int, line: str) -> bool:
        header = header_in(line)
        if header is not None:
            self.flush()
            self._table = header
            return True
        if self._table is None:
            return False
        row = row_of(line, self._table)
        if row is None or (row and not _ADDRESS.match(row.get("address", "").strip("[] "))):
            self._table = None
            return False
        self.seen += bool(row)
        if row and is_tcp(row.get("protocol")):
            at = parse_endpoint(row["address"])
            port = row.get("port", "").lower().removesuffix("/tcp").removeprefix("tcp/")
            if not port.endswith("/udp"):
                self._add(number, _Found(at[0], (parse_port(port) if port else at[1],)), row)
        return True

    def _in_fields(self, number: int, line: str) -> bool:
        """Whether a line was a key that is known, and its value."""
        found = _FIELD.match(line)
        means = meaning(found[1]) if found else None
        if found is None or means is None:
            if not line.strip() and self._fields.addresses and self._fields.ports:
                self.flush()
            return False
        value = found[2]
        if means == "address":
            places = list(self._places(number, value, sure=True))
            if not places:
                return False
            if self._fields.is_next(means):
                self.flush()
            for place in places:
                if place.ports == (None,):
                    self._fields.addresses.append((place.span, number))
                else:
                    self._add(number, place, {})
            return True
        if means == "port":
            if "udp" in value.lower():
                self._fields.tcp = False
            for text in _NUMBERS.findall(value)[:64]:
                self._fields.ports.append(parse_port(text))
            return True
        if self._fields.is_next(means):
            self.flush()
        self._fields.told[means] = value
        return False  # its value may name an endpoint too

    def _in_sentence(self, number: int, line: str) -> None:
        for place in self._places(number, line, sure=False):
            self._add(number, place, {})

    def _places(self, number: int, line: str, *, sure: bool) -> Iterator[_Found]:
        """The endpoints in a line; `sure` where a key says that they are some."""
        for match in _ADDRESS.finditer(line):
            self.seen += 1
            text = match["four"] or match["six"] or match["bare"]
            before, after = line[: match.start()][-80:], line[match.end() :][:300]
            try:
                span = parse_address(text)
            except GrammarError:
                if "::" in text and text[-5:].isdigit():
                    parse_endpoint(text)  # IPv6 with a port and without brackets is explained there
                continue  # a time, a version of four parts
            if _OURS_NOT.search(before):
                continue
            if match["bare"] and not sure:
                parse_endpoint(text)  # where a port may hide in it, that is told
            port = match["four_port"] or match["six_port"]
            name = _NAME_AFTER.match(after)
            after = after[name.end() :] if name else after
            names = host_names([name[1]]) if name else ()
            if port is not None:
                if not after.lower().startswith("/udp"):
                    yield _Found(span, (parse_port(port),), names)
                continue
            ports = self._ports_beside(line, before, after)
            if ports is None:
                continue
            if ports or sure or self._is_plain(line, before):
                yield _Found(span, ports or (None,), names)
            else:
                self._unread.setdefault(span, number)

    def _ports_beside(self, line: str, before: str, after: str) -> tuple[int, ...] | None:
        """The ports that words beside an address tell; None for one of UDP."""
        found = _PORT_AFTER.match(after) or _PORT_BEFORE.search(before)
        if found is None and not before.strip(" \t-*•|\"'"):
            found = _CELLS_AFTER.match(after)
        if found is None:
            return ()
        groups = found.groupdict()
        if "udp" in {str(groups.get(key)).lower() for key in ("kind", "kind_behind", "slash")}:
            return None
        return tuple(parse_port(text) for text in _NUMBERS.findall(groups["ports"] or groups["other"]))

    def _is_plain(self, line: str, before: str) -> bool:
        """Whether an address without a port stands alone, or is introduced as that of a machine."""
        if _INTRODUCED.search(before):
            return True
        return len(line) < 1000 and _ALONE.fullmatch(_ADDRESS.sub(",", line)) is not None

    def _add(self, number: int, place: _Found, told: Mapping[Meaning, str]) -> None:
        listed = told.get("databases")
        databases = (
            None if listed is None else [each for each in re.split(r"\s*[|,;]\s*", listed[:4096]) if each]
        )
        version = told.get("version", "").strip(" \"'")
        version = version if _RELEASE.match(version) else ""
        finding = mongodb("open" if databases else "", version, databases) if self._mongodb else ""
        said = Said(
            kind="address",
            seen_at=_time(told.get("time", "")),
            finding=finding,
            labels=labels(asn=told.get("asn"), report=told.get("report"), service=told.get("service")),
        )
        names = (*place.names, *host_names([plain(told.get("name"), 253)]))
        for port in place.ports:
            self.found.append(Claim(place.span, port, self._place(number), names, said))

    def _place(self, number: int) -> str:
        return f"{self._name}:{number}" if number else f"{self._name}, subject"


def _time(text: str) -> str:
    """A time as programs write it; what people write otherwise is not guessed."""
    return utc(text.strip(" \"'"))
