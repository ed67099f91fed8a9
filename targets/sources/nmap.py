"""nmap's XML (`-oX`): open TCP ports, read as a stream. Entity declarations are refused.

Format: nmap.dtd, shipped with nmap. A host without a port list (`-sn`) is a claim for every port.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, BinaryIO
from xml.parsers import expat

from targets.claims import Claim
from targets.errors import ScopeError
from targets.grammar import GrammarError, parse_address, parse_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 65536


class _Hosts:
    """Collects the claims of one document as its elements go by; holds one host at a time."""

    def __init__(self, name: str) -> None:
        self.ready: deque[Claim] = deque()
        self.root = ""
        self._name = name
        self._hosts = 0
        self._forget()
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        # Without entities there is no expansion bomb and nothing external to fetch.
        self.parser.EntityDeclHandler = self._refuse_entity

    def _forget(self) -> None:
        self._addresses: list[str] = []
        self._open: list[str] = []
        self._port = ""
        self._listed = False
        self._up = False

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.root:
            self.root = tag
            if tag != "nmaprun":
                self.fail(f"is XML of another kind (<{tag[:40]}>)", "name the file that nmap -oX wrote")
        elif tag == "host":
            self._hosts += 1
            self._forget()
        elif tag == "address" and attributes.get("addrtype") in ("ipv4", "ipv6"):
            self._addresses.append(attributes.get("addr", ""))
        elif tag == "status":
            self._up = attributes.get("state") == "up"
        elif tag == "port":
            self._listed = True
            self._port = attributes.get("portid", "") if attributes.get("protocol") == "tcp" else ""
        elif tag == "state" and self._port and attributes.get("state") == "open":
            self._open.append(self._port)

    def _end(self, tag: str) -> None:
        if tag == "port":
            self._port = ""
        if tag != "host" or not (self._open or (self._up and not self._listed)):
            return
        place = f"{self._name} (host {self._hosts})"
        try:
            ports: list[int | None] = [parse_port(port) for port in self._open] or [None]
            for address in self._addresses:
                span = parse_address(address)
                self.ready.extend(Claim(span, port, place) for port in ports)
        except GrammarError as error:
            self.fail(error.reason, error.remedy)

    def _refuse_entity(self, entity: str, *_: object) -> None:
        self.fail(f"declares the entity {entity[:40]!r}, which no scanner does", "name a file of nmap's own")

    def fail(self, reason: str, remedy: str) -> None:
        """Stop the parser with a refusal that names the line."""
        raise ScopeError(self._name, self.parser.CurrentLineNumber, reason, remedy)


def read_nmap(stream: BinaryIO, name: str, warn: Callable[[str], None]) -> Iterator[Claim]:
    """The claims of an nmap report; a report that breaks off gives what it has, after a warning."""
    hosts = _Hosts(name)
    while True:
        chunk = stream.read(CHUNK)
        try:
            hosts.parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            yield from hosts.ready
            broken_off = not chunk and hosts.root
            if not broken_off:
                reason = f"not valid XML: {expat.ErrorString(error.code)}"
                raise ScopeError(name, error.lineno, reason, "name the file that nmap -oX wrote") from None
            warn(f"{name}: the report breaks off at line {error.lineno}; what comes before it is used")
            return
        while hosts.ready:
            yield hosts.ready.popleft()
        if not chunk:
            return
