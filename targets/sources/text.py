"""Lists of text, each line by itself: plain ones, masscan's and nmap's for grep, RustScan's, and screens.

A plain line is an address, CIDR, range or `address:port`; `#` begins a comment. Forms of the others: masscan
src/out-text.c, src/out-grepable.c and src/output.c, nmap's output.cc, RustScan src/main.rs, naabu
pkg/runner/output.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from targets.claims import Claim
from targets.errors import ScopeError
from targets.grammar import GrammarError, parse_address, parse_endpoint, parse_port
from targets.sources.records import host_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from targets.grammar import Span

_MASSCAN_LIST = re.compile(r"(open|closed|up|unknown|banner) ([a-z0-9]+) (\S+) (\S+) [0-9]+(?: |\Z)")
_DISCOVERED = re.compile(r"(?:Discovered (\w+)|Banner on) port ([0-9]+)/(\w+) on ([0-9A-Fa-f:.]+)(?:[: ]|\Z)")
_GREP = re.compile(
    r"(?:Timestamp: [0-9]+\t)?Host: (\S+) \(([^)]*)\)\t(Ports|Status|Port|Protocols): ?([^\t]*)"
)
_GREP_PORT = re.compile(r"([0-9]+)/([a-z|]+)/([a-z]+)/[^/]*/[^/]*/[^/]*/(?:[^/]*/)?(?:, *|\Z)")
_RUSTSCAN = re.compile(r"(\S+) -> \[([0-9,]*)\]\Z")
_NAABU = re.compile(r"(\S+:[0-9]+) \[.*\]\Z")  # who delivers its content, or what serves there
_OTHERS = (
    (re.compile(r"Starting Nmap |Nmap scan report for |Nmap done:"), "nmap's normal output", "nmap -oX"),
    (re.compile(r"Starting masscan |Initiating |rate: "), "masscan's messages", "masscan -oJ"),
    (re.compile(r"TCP \w+\t *\S+\[ *[0-9]+\]\t"), "masscan's -oU", "masscan -oJ or -oL"),
    (re.compile(r"\.----\. \.-\.|Open \S+:[0-9]+\Z|\[~\] "), "RustScan's screen", "rustscan --greppable"),
    (re.compile(r".*\x1b\["), "a screen with colours", "a scanner to a file, without colours"),
)


def read_text(
    lines: Iterable[tuple[int, str, bool]], name: str, warn: Callable[[str], None]
) -> Iterator[Claim]:
    """The claims of a list of text. Raises ScopeError at the first line that is none of one.

    A last line of another program that is torn ends the list with a warning: a scan was stopped.
    """
    reader = _Reader(name)
    for number, line, whole in lines:
        try:
            yield from reader.read(line, f"{name}:{number}")
        except GrammarError as error:
            if not whole and len(line.split()) > 1:
                warn(f"{name}:{number}: the last line is torn; what comes before it is used")
                break
            raise ScopeError(name, number, error.reason, error.remedy) from None
    yield from reader.end()


class _Reader:
    """Reads line by line; remembers nothing but a host of nmap's of which the next line may say more."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._up: tuple[str, Claim] | None = None  # a host that is up, its ports not seen yet
        self._scanned = False  # hosts of this list come with their ports

    def read(self, line: str, place: str) -> Iterator[Claim]:
        """The claims of one line. Raises GrammarError."""
        found = _GREP.match(line)
        if self._up is not None and not (found and found[1] == self._up[0]):
            yield self._up[1]
            self._up = None
        if found:
            yield from self._grep(found, place)
            return
        item = line.partition("#")[0].strip(" \t")
        if not item:
            return
        if " " not in item and "\t" not in item:
            yield Claim(*_endpoint(item), place)
            return
        for span, port in _of_a_program(line, item):
            yield Claim(span, port, place)

    def end(self) -> Iterator[Claim]:
        """What is left when the list ends: a host, unless a port scan was stopped behind its name."""
        if self._up is not None and not self._scanned:
            yield self._up[1]

    def _grep(self, found: re.Match[str], place: str) -> Iterator[Claim]:
        """`-oG`: a host's state, and in the next line its ports if they were scanned."""
        host, name, kind, rest = found.groups()
        span, names = parse_address(host), host_names([name])
        self._up = None
        if kind == "Status":
            if rest.strip() == "Up":
                self._up = host, Claim(span, None, place, names)
        elif kind == "Ports":
            self._scanned = True
            at = 0
            while at < len(rest):
                entry = _GREP_PORT.match(rest, at)
                if entry is None:
                    raise GrammarError(f"{rest[at : at + 40]!r} is no port of -oG", "name what -oX wrote")
                if entry[2] == "open" and entry[3] == "tcp" and entry[1] != "0":
                    yield Claim(span, parse_port(entry[1]), place, names)
                at = entry.end()


def _of_a_program(line: str, item: str) -> Iterator[tuple[Span, int | None]]:
    """The endpoints of a line with blanks, or the error that says whose line it is."""
    found = _MASSCAN_LIST.match(line)
    if found:
        if found[1] == "open" and found[2] == "tcp" and found[3] != "0":
            yield parse_address(found[4]), parse_port(found[3])
        return
    found = _DISCOVERED.match(line)
    if found:
        if found[1] == "open" and found[3] == "tcp" and found[2] != "0":
            yield parse_address(found[4]), parse_port(found[2])
        return
    found = _RUSTSCAN.match(item)
    if found:
        span = parse_address(found[1])
        for port in filter(None, found[2].split(",")):
            yield span, parse_port(port)
        return
    found = _NAABU.match(item)
    if found:
        yield _endpoint(found[1])
        return
    _explain(line, item)


def _endpoint(item: str) -> tuple[Span, int | None]:
    if "," in item or ";" in item:
        raise GrammarError(
            f"{item[:60]!r} has several columns or targets",
            "write one target a line, or a header such as ip,port above the columns",
        )
    return parse_endpoint(item)


def _explain(line: str, item: str) -> NoReturn:
    for form, what, instead in _OTHERS:
        if form.match(line):
            raise GrammarError(f"{line[:40]!r} is {what}, which is for people", f"use {instead}")
    words = item.split()
    if "://" in item:
        parse_endpoint(next(word for word in words if "://" in word))  # a URI is explained there
    if words[0] in ("open", "closed", "up", "unknown", "banner"):
        raise GrammarError(f"{line[:40]!r} is no line of masscan -oL", "correct this line")
    if words[0] in ("Host:", "Timestamp:"):
        raise GrammarError(f"{line[:40]!r} is no line of -oG", "name what nmap -oX or masscan -oJ wrote")
    if len(words) == 2 and words[1].isdigit():
        address = f"[{words[0]}]" if ":" in words[0] else words[0]
        raise GrammarError(f"{item[:60]!r} has a blank before its port", f"write {address}:{words[1]}"[:80])
    if len(words) == 2 and words[1].startswith(("255.", "0.")):
        parse_endpoint("/".join(words))  # a mask is explained there
    raise GrammarError(f"{item[:60]!r} has blanks inside", "write one address, CIDR or range a line")
