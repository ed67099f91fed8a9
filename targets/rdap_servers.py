"""Which RDAP server to ask, by IANA's bootstrap files `ipv4.json` and `ipv6.json` (RFC 9224)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from targets.grammar import GrammarError, Span, parse_span
from targets.rdap import RdapError, server_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from yarl import URL

MAX_SERVICES = 10_000


class _File(msgspec.Struct):
    version: str
    services: list[tuple[list[str], list[str]]]


class RdapServers:
    """The servers of one or more bootstrap files, and one for what they leave out. `missing` says which file
    could not be had."""

    def __init__(
        self, services: Iterable[tuple[Span, URL]] = (), otherwise: URL | None = None, missing: str = ""
    ) -> None:
        # The longest prefix speaks for an address (RFC 9224 5.1), so it comes first.
        self._services = sorted(services, key=lambda service: service[0].size)
        self._otherwise = otherwise
        self._missing = missing

    def of(self, span: Span) -> URL:
        """Whom to ask for the first address of a span. Raises RdapError."""
        for held, url in self._services:
            if held.version == span.version and held.first <= span.first <= held.last:
                return url
        if self._otherwise is None:
            reason = "no bootstrap file names a server for it, and [ownership] rdap names none"
            raise RdapError(self._missing or reason)
        return self._otherwise

    @property
    def hosts(self) -> frozenset[str]:
        """All hosts: registries redirect to each other for space that was transferred."""
        return frozenset(url.host for _, url in self._services if url.host)


def read_bootstrap(raw: bytes, name: str) -> list[tuple[Span, URL]]:
    """The services of a bootstrap file: prefixes with the server's address, https where there is a choice
    (RFC 9224 3). Raises RdapError with the place."""
    try:
        file = msgspec.json.decode(raw, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error)[:200]
        raise RdapError(
            f"{name} is no bootstrap file for RDAP ({reason}); IANA's are ipv4.json, ipv6.json"
        ) from None
    if not file.version.startswith("1.") or len(file.services) > MAX_SERVICES:
        raise RdapError(f"{name} is no bootstrap file of version 1 (RFC 9224)")
    found = []
    for number, (prefixes, urls) in enumerate(file.services, start=1):
        try:
            chosen = next((url for url in urls if url.startswith("https:")), urls[0] if urls else "")
            server = server_url(chosen)
            found += [(parse_span(prefix), server) for prefix in prefixes]
        except (RdapError, GrammarError) as error:
            raise RdapError(f"{name}: service {number}: {error}") from None
    return found
