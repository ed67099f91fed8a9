"""Lines for grep (`-oG`) of nmap and masscan: a host's state, and in a line of its own its ports.

Formats: nmap's output.cc, masscan src/out-grepable.c. masscan puts the time first, nmap the version behind an
open port, where it asked for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from targets.claims import Claim
from targets.grammar import GrammarError, parse_address, parse_port
from targets.sources.moments import moment
from targets.sources.records import finding_of, host_names, said_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from targets.grammar import Span

FORM: Final = re.compile(
    r"(?:Timestamp: ([0-9]+)\t)?Host: (\S+) \(([^)]*)\)\t(Ports|Status|Port|Protocols): ?([^\t]*)"
)
_PORT = re.compile(r"([0-9]+)/([a-z|]+)/([a-z]+)/[^/]*/([^/]*)/[^/]*/(?:([^/]*)/)?(?:, *|\Z)")


class GrepLines:
    """Reads line by line; remembers nothing but a host of nmap's of which the next line may say more."""

    def __init__(self) -> None:
        self._up: tuple[str, Claim] | None = None  # a host that is up, its ports not seen yet
        self._scanned = False  # hosts of this list come with their ports

    def read(self, found: re.Match[str], place: str) -> Iterator[Claim]:
        """The claims of a line that FORM matched. Raises GrammarError."""
        seen, host, name, kind, rest = found.groups()
        if self._up is not None and host != self._up[0]:
            yield self._up[1]
        self._up = None
        span, names = parse_address(host), host_names([name])
        if kind == "Status":
            if rest.strip() == "Up":
                self._up = host, Claim(span, None, place, names)
        elif kind == "Ports":
            self._scanned = True
            yield from _ports(span, rest, place, names, moment(seen))

    def other(self) -> Iterator[Claim]:
        """A line of another kind has come: a host that was up had no ports."""
        if self._up is not None:
            yield self._up[1]
            self._up = None

    def end(self) -> Iterator[Claim]:
        """What is left when the list ends: a host, unless a port scan was stopped behind its name."""
        if self._up is not None and not self._scanned:
            yield self._up[1]


def _ports(span: Span, rest: str, place: str, names: tuple[str, ...], seen: str) -> Iterator[Claim]:
    at = 0
    while at < len(rest):
        entry = _PORT.match(rest, at)
        if entry is None:
            raise GrammarError(f"{rest[at : at + 40]!r} is no port of -oG", "name what -oX wrote")
        number, state, protocol, service, version = entry.groups()
        if state == "open" and protocol == "tcp" and number != "0":
            # without a version the service is only what is usual on that port
            finding = finding_of(service, version) if version else ""
            yield Claim(span, parse_port(number), place, names, said_at(seen, finding))
        at = entry.end()
