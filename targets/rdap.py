"""Asks an RDAP server for the registration of an address or prefix, and reads what it says.

Protocol: RFC 7480 (HTTP), RFC 9082 (queries), RFC 9083 (answers). Whatever a server answers ends as a
`Holding` or as an `RdapError` that says why there is none: nothing that it sends is believed unread.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from yarl import URL

from targets.grammar import GrammarError, Span, format_address, format_span, parse_address
from targets.http_connector import HttpConnector

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

MAX_BYTES = 1024 * 1024
MAX_REDIRECTS = 3
INTERVAL = 1.0  # seconds between two questions to one server: registries ask for moderation
LONGEST_WAIT = (
    60.0  # seconds that a server may make us wait (Retry-After); what asks for more is not waited for
)
TRIES = 3  # of a question that a server puts off
DEADLINE = 15.0  # seconds for a question with its redirects, waiting left out
MOST_ENTITIES = 100
_MOST_TEXT = 200
_HEADERS = {
    "Accept": "application/rdap+json, application/json",
    "Accept-Encoding": "identity",
    "User-Agent": "mongosweep",
}


class RdapError(Exception):
    """No usable answer: the text says why. It proves nothing, in either direction."""


class NoRegistrationError(RdapError):
    """The registry answered that it knows none (404)."""


class _PutOff(Exception):  # noqa: N818 - no error: it is asked again
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A person or organisation of a registration."""

    handle: str
    name: str  # as it calls itself: proves nothing
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a registry says of the smallest network around some addresses. Times are RFC 3339, "" where it
    says none; `sha256` is of the answer's bytes, `url` where they came from."""

    span: Span
    handle: str
    name: str
    kind: str = ""  # such as "ALLOCATED PA"
    entities: tuple[Entity, ...] = ()
    registered: str = ""
    changed: str = ""
    url: str
    sha256: str = ""
    etag: str = ""

    @property
    def registrants(self) -> tuple[str, ...]:
        """Handles of those it is registered to."""
        return tuple(entity.handle for entity in self.entities if "registrant" in entity.roles)


def open_session() -> aiohttp.ClientSession:
    """A session for `Rdap`: it unpacks nothing, so that a small answer stays small, and knows no password."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=HttpConnector(),
    )


def server_url(text: str) -> URL:
    """The address of an RDAP server. Raises RdapError."""
    with contextlib.suppress(ValueError):
        url = URL(text)
        if url.scheme in ("http", "https") and url.host:
            return url
    raise RdapError(f"{text!r} is no address of an RDAP server; write https://rdap.example/")


class Rdap:
    """Asks RDAP servers, each at most once in `interval` seconds. The session is the caller's
    (`open_session`).

    A redirect is followed only to the same scheme, and to the same host and port or to a host of
    `allowed_hosts`. `sleep` and `monotonic` are those of the caller's clock.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        allowed_hosts: Collection[str] = (),
        deadline: float = DEADLINE,
        max_bytes: int = MAX_BYTES,
        interval: float = INTERVAL,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._allowed_hosts = frozenset(allowed_hosts)
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._interval = interval
        self._sleep = sleep
        self._monotonic = monotonic
        self._next: dict[tuple[str | None, int | None], float] = {}

    async def holding(self, base: URL, span: Span, etag: str = "") -> Holding | None:
        """The registration of the smallest network that holds `span`, or its first address where it is no
        prefix; None where it is still the one with this `etag`. Raises RdapError."""
        text = format_span(span)
        address, slash, length = text.partition("/")
        if "-" in text:
            address, slash = format_address(span.version, span.first), ""
        url = base / "ip" / address
        found = await self.get(url / length if slash else url, etag)
        if found is None:
            return None
        holding = read_network(found[1], str(found[0]), found[2])
        if holding.span.version != span.version or not (
            holding.span.first <= span.first <= holding.span.last
        ):
            held = format_span(holding.span)
            raise RdapError(f"{found[0]} answered with {held}, which does not hold {address}")
        return holding

    async def get(self, url: URL, etag: str = "") -> tuple[URL, bytes, str] | None:
        """Where an answer came from, its bytes and its entity tag; None for one that is not modified. Raises
        RdapError."""
        for attempt in range(1, TRIES + 1):
            try:
                return await self._get(url, etag)
            except _PutOff as later:
                if later.seconds > LONGEST_WAIT or attempt == TRIES:
                    raise RdapError(f"{url} asks to wait {later.seconds:.0f} s") from None
                await self._sleep(later.seconds)
        raise AssertionError("the last try returns or raises")

    async def _get(self, url: URL, etag: str) -> tuple[URL, bytes, str] | None:
        began = url
        try:
            for _ in range(MAX_REDIRECTS + 1):
                await self._pace(url)
                async with asyncio.timeout(self._deadline):
                    found = await self._once(url, began, etag)
                if not isinstance(found, URL):
                    return found
                url = found
        except TimeoutError:
            raise RdapError(f"{url} did not answer within {self._deadline:g} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise RdapError(f"{url} cannot be asked: {str(error)[:200] or type(error).__name__}") from None
        raise RdapError(f"{url} comes after more than {MAX_REDIRECTS} redirects")

    async def _pace(self, url: URL) -> None:
        """Wait until the server of `url` may be asked."""
        place = (url.host, url.port)
        wait = self._next.get(place, 0.0) - self._monotonic()
        if wait > 0:
            await self._sleep(wait)
        self._next[place] = self._monotonic() + self._interval

    async def _once(self, url: URL, began: URL, etag: str) -> URL | tuple[URL, bytes, str] | None:
        headers = {**_HEADERS, "If-None-Match": etag} if etag else _HEADERS
        async with self._session.get(url, headers=headers, allow_redirects=False) as response:
            status = response.status
            if status in (301, 302, 303, 307, 308):
                return self._follow(url, began, response.headers.get("Location", ""))
            if status == 304 and etag:
                return None
            if status == 404:
                raise NoRegistrationError(f"{url} knows no registration")
            if status in (429, 503) and "Retry-After" in response.headers:
                raise _PutOff(_seconds(response.headers["Retry-After"]))
            if status != 200:
                raise RdapError(f"{url} answered with status {status}")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise RdapError(f"{url} answered with packed bytes, which nobody asked for")
            return url, await self._body(url, response), response.headers.get("ETag", "")[:_MOST_TEXT]

    def _follow(self, url: URL, began: URL, location: str) -> URL:
        following = url.join(URL(location))
        same_host = (following.host, following.port) == (began.host, began.port)
        if following.scheme != began.scheme or not (same_host or following.host in self._allowed_hosts):
            raise RdapError(f"{url} redirects to {str(following)[:100]}, which is not allowed")
        return following

    async def _body(self, url: URL, response: aiohttp.ClientResponse) -> bytes:
        raw = bytearray()
        async for chunk in response.content.iter_chunked(65536):
            raw += chunk
            if len(raw) > self._max_bytes:
                raise RdapError(f"{url} answered with more than {self._max_bytes:,} bytes")
        return bytes(raw)


def _seconds(text: str) -> float:
    """Of a Retry-After (RFC 9110 10.2.3): seconds, or a date; more than we wait for what is neither."""
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max((parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return LONGEST_WAIT + 1


class _Entity(msgspec.Struct):
    handle: str | None = None
    roles: list[str] | None = None
    vcardArray: Any = None  # noqa: N815 — RFC 9083's own spelling


class _Event(msgspec.Struct):
    eventAction: str = ""  # noqa: N815 — as above
    eventDate: str = ""  # noqa: N815 — as above


class _Network(msgspec.Struct):
    objectClassName: str  # noqa: N815 — as above
    startAddress: str  # noqa: N815 — as above
    endAddress: str  # noqa: N815 — as above
    handle: str = ""
    name: str = ""
    type: str = ""
    entities: list[_Entity] = []
    events: list[_Event] = []


def read_network(raw: bytes, url: str, etag: str = "") -> Holding:
    """An answer of class "ip network" (RFC 9083 5.4). Raises RdapError for anything else.

    Only the network's own entities count: the role of one inside another is its role towards that one.
    """
    try:
        network = msgspec.json.decode(raw, type=_Network)
        first, last = parse_address(network.startAddress), parse_address(network.endAddress)
    except (msgspec.MsgspecError, UnicodeDecodeError, GrammarError, RecursionError) as error:
        raise RdapError(f"{url} answered with something else than a network: {str(error)[:200]}") from None
    if network.objectClassName != "ip network" or first.version != last.version or last.first < first.first:
        raise RdapError(f"{url} answered with something else than a network")
    return Holding(
        span=Span(first.version, first.first, last.first),
        handle=network.handle[:_MOST_TEXT],
        name=network.name[:_MOST_TEXT],
        kind=network.type[:_MOST_TEXT],
        entities=tuple(
            Entity(
                handle=(entity.handle or "")[:_MOST_TEXT],
                name=_full_name(entity.vcardArray),
                roles=tuple(role[:_MOST_TEXT] for role in (entity.roles or [])[:20]),
            )
            for entity in network.entities[:MOST_ENTITIES]
        ),
        registered=_date_of(network.events, "registration"),
        changed=_date_of(network.events, "last changed"),
        url=url,
        sha256=hashlib.sha256(raw).hexdigest(),
        etag=etag,
    )


def _full_name(vcard: Any) -> str:
    """The `fn` of a jCard (RFC 7095): ["vcard", [["fn", {}, "text", "Example Corp"], …]]; "" without one."""
    with contextlib.suppress(LookupError, TypeError):
        for line in vcard[1][:100]:
            if line[0] == "fn" and isinstance(line[3], str):
                return line[3][:_MOST_TEXT]
    return ""


def _date_of(events: list[_Event], action: str) -> str:
    """When something happened to a registration (RFC 9083 4.5), in UTC; "" where that is no date."""
    for event in events:
        if event.eventAction == action:
            with contextlib.suppress(ValueError, OverflowError):
                moment = datetime.fromisoformat(event.eventDate)
                if moment.tzinfo is not None:
                    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return ""
