"""RDAP evidence that a public prefix is ours: its registrant is one of our own handles.

Protocol: RFC 9082 (queries), RFC 9083 (answers). Handles are compared, never names: anybody can register a
name like ours. Private, shared and unique-local space has no registrant and cannot be proven so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from yarl import URL

from targets.grammar import GrammarError, Span, format_address, format_span, parse_address

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_BYTES = 1024 * 1024
MAX_REDIRECTS = 3
_HEADERS = {"Accept": "application/rdap+json, application/json", "Accept-Encoding": "identity"}


class RdapError(Exception):
    """No usable answer: the text says why. It proves nothing, in either direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a registry says of the smallest network around some addresses."""

    span: Span
    handle: str
    name: str
    registrants: tuple[str, ...]  # handles
    url: str  # where the answer came from


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Whether addresses are proven ours, and the sentence that says by what."""

    proven: bool
    detail: str
    holding: Holding


class _Entity(msgspec.Struct):
    handle: str = ""
    roles: list[str] = []


class _Network(msgspec.Struct):
    objectClassName: str  # noqa: N815 — RFC 9083's own spelling
    startAddress: str  # noqa: N815 — as above
    endAddress: str  # noqa: N815 — as above
    handle: str = ""
    name: str = ""
    entities: list[_Entity] = []


class Rdap:
    """Asks one RDAP server. The session is the caller's; nothing but `base_url`'s host is contacted.

    `deadline` is in seconds and covers a whole question with its redirects. A redirect is followed only to
    the same scheme and to the same host and port, or to a host of `allowed_hosts`.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        *,
        deadline: float = 10.0,
        max_bytes: int = MAX_BYTES,
        allowed_hosts: Collection[str] = (),
    ) -> None:
        self._session = session
        self._base = URL(base_url)
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._allowed_hosts = frozenset(allowed_hosts)
        if self._base.scheme not in ("http", "https") or not self._base.host:
            raise RdapError(f"{base_url!r} is no address of an RDAP server; write https://rdap.example/")

    async def holding(self, span: Span) -> Holding:
        """The registration of the smallest network that holds `span`. Raises RdapError."""
        text = format_span(span)
        asked = text if "-" not in text else format_address(span.version, span.first)
        url = self._base / "ip" / asked if "/" not in asked else self._base / "ip" / asked.partition("/")[0]
        if "/" in asked:
            url = url / asked.partition("/")[2]
        try:
            async with asyncio.timeout(self._deadline):
                url, raw = await self._fetch(url)
        except TimeoutError:
            raise RdapError(f"{url} did not answer within {self._deadline:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise RdapError(f"{url} cannot be asked: {error or type(error).__name__}") from None
        return _read(raw, str(url))

    async def _fetch(self, url: URL) -> tuple[URL, bytes]:
        for _ in range(MAX_REDIRECTS + 1):
            async with self._session.get(url, headers=_HEADERS, allow_redirects=False) as response:
                if response.status in (301, 302, 303, 307, 308):
                    url = self._follow(url, response.headers.get("Location", ""))
                    continue
                if response.status == 404:
                    raise RdapError(f"{url} knows no registration")
                if response.status == 429:
                    wait = response.headers.get("Retry-After", "some")[:20]
                    raise RdapError(f"{url} asks to wait {wait} s")
                if response.status != 200:
                    raise RdapError(f"{url} answered with status {response.status}")
                return url, await self._body(url, response)
        raise RdapError(f"{url} comes after more than {MAX_REDIRECTS} redirects")

    def _follow(self, url: URL, location: str) -> URL:
        following = url.join(URL(location))
        same_host = (following.host, following.port) == (self._base.host, self._base.port)
        if following.scheme != self._base.scheme or not (same_host or following.host in self._allowed_hosts):
            raise RdapError(f"{url} redirects to {str(following)[:100]}, which is not allowed")
        return following

    async def _body(self, url: URL, response: aiohttp.ClientResponse) -> bytes:
        raw = bytearray()
        async for chunk in response.content.iter_chunked(65536):
            raw += chunk
            if len(raw) > self._max_bytes:
                raise RdapError(f"{url} answered with more than {self._max_bytes:,} bytes")
        return bytes(raw)


def _read(raw: bytes, url: str) -> Holding:
    try:
        network = msgspec.json.decode(raw, type=_Network)
        first, last = parse_address(network.startAddress), parse_address(network.endAddress)
    except (msgspec.DecodeError, GrammarError, RecursionError) as error:
        raise RdapError(f"{url} answered with something else than a network: {error}") from None
    if network.objectClassName != "ip network" or first.version != last.version or last.first < first.first:
        raise RdapError(f"{url} answered with something else than a network")
    return Holding(
        span=Span(first.version, first.first, last.first),
        handle=network.handle,
        name=network.name,
        registrants=tuple(entity.handle for entity in network.entities if "registrant" in entity.roles),
        url=url,
    )


def prove(span: Span, holding: Holding, own_handles: Collection[str]) -> Proof:
    """Whether a registration proves `span` ours: it covers all of it, and its registrant is one of ours."""
    text, network = format_span(span), format_span(holding.span)
    covers = (
        holding.span.version == span.version
        and holding.span.first <= span.first
        and span.last <= holding.span.last
    )
    ours = [handle for handle in holding.registrants if handle in own_handles]
    if not covers:
        detail = f"{text} reaches beyond {network} ({holding.handle})"
    elif not ours:
        holders = ", ".join(holding.registrants) or "nobody"
        detail = f"{network} ({holding.handle}) is registered to {holders}, not to us"
    else:
        detail = f"{text} is inside {network} ({holding.handle}), registered to {ours[0]}"
    return Proof(proven=covers and bool(ours), detail=detail, holding=holding)
