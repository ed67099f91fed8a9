"""One NetBox, asked page by page over HTTP: its two ways of paging, how long it is waited for, and every way
in which it can refuse or be none.

docs/integrations/rest-api.md of netbox-community/netbox: tokens that begin with `nbt_` are sent as Bearer,
since 4.5, the others as Token; pages go by offset, and since 4.6 also by `start`, where `count` is null; a
page has at most MAX_PAGE_SIZE objects (1000), whatever is asked for.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import aiohttp
import msgspec
from yarl import URL

from targets.errors import ScopeError
from targets.http_connector import HttpConnector

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from typing import Self

PAGE: Final = 1000  # objects asked for at once
AT_ONCE: Final = 4  # requests
MAX_OBJECTS: Final = 20_000_000  # of one kind: more than a /8 has addresses
MAX_BYTES: Final = 32 * 1024 * 1024  # of a page
REQUEST: Final = 120.0  # seconds that one page may take
PAUSE: Final = 1.0  # seconds before the second try; doubles with each
LONGEST_WAIT: Final = 120  # seconds that a NetBox may ask to wait
TRIES: Final = 4
PASSES: Final = 3  # over a list from which objects go while it is read
_BUSY = (429, 500, 502, 503, 504)
_MOVED = (301, 302, 303, 307, 308)
_VERSION = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){1,2}\Z")
_SHOWN = 200  # characters of what a NetBox says


class _BusyError(Exception):
    """What may go better in a while."""

    def __init__(self, reason: str, wait: int | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _RefusedError(Exception):
    """Status 400, which a NetBox gives for a parameter that it does not take."""


class Page(NamedTuple):
    """One answer of a list, checked for its form."""

    records: list[Any]
    total: int | None  # of all objects; None where it pages by `start`
    following: Mapping[str, str] | None  # the parameters of the next page; None for the last


class Netbox:
    """A NetBox, as an async context manager; everything it does is over when `deadline` seconds have passed.

    Only its own scheme, host and port are contacted: of a `next` the numbers are taken and nothing else, and
    no redirect is followed, so that the token goes nowhere else. All errors are ScopeErrors, without the
    token.
    """

    def __init__(
        self, url: str, token: str, *, ca_file: str = "", deadline: float, warn: Callable[[str], None]
    ) -> None:
        self.version = ""  # such as "4.6", once it has answered
        self._token = token
        self._deadline = deadline
        self._end = 0.0
        self._warn = warn
        self._base = _base(url)
        self.name = str(self._base).rstrip("/")
        self._trust = self._trusted(ca_file)
        if not token:
            raise self._error("there is no token", "set MONGOSWEEP_NETBOX_TOKEN, or name a token_file")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise self._error("its token holds blanks or other signs", "copy the token once more, as a whole")
        if self._base.scheme == "http" and self._base.host not in ("localhost", "127.0.0.1", "::1"):
            warn(f"{self.name}: the token is sent to it unencrypted; write https:// where it can")

    async def __aenter__(self) -> Self:
        self._end = asyncio.get_running_loop().time() + self._deadline
        scheme = "Bearer" if self._token.startswith("nbt_") else "Token"
        self._session = aiohttp.ClientSession(
            headers={
                "Authorization": f"{scheme} {self._token}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            connector=HttpConnector(limit=AT_ONCE, ssl=self._trust),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=REQUEST),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def pages(self, path: str, fields: str) -> AsyncIterator[list[dict[str, Any]]]:
        """All objects of a list, such as "ipam/prefixes/", with those fields: dicts with an `id`, each once.
        Raises ScopeError where they are not all there."""
        seen: set[int] = set()
        asked = {"limit": str(PAGE), "fields": fields}
        try:
            page = await self._page(path, {**asked, "start": "0"})
        except _RefusedError:  # releases that know no `start` pass over it, or refuse it
            page = None
        if page is not None and page.following is None:
            self._check_count(path, page, len(page.records))
            yield self._new(path, page.records, seen, last=True)
        elif page is not None and page.total is None:
            async for records in self._by_start(path, asked, page, seen):
                yield records
        else:
            async for records in self._by_offset(path, asked, seen):
                yield records

    async def _by_start(
        self, path: str, asked: Mapping[str, str], page: Page, seen: set[int]
    ) -> AsyncIterator[list[dict[str, Any]]]:
        at = 0
        while True:
            yield self._new(path, page.records, seen, last=page.following is None)
            if page.following is None:
                return
            following = _number(page.following.get("start"))
            if following <= at:
                raise self._error(f"its {path} begin again behind a page", _ODD)
            at = following
            page = await self._sure(path, {**asked, "start": str(at)})

    async def _by_offset(
        self, path: str, asked: Mapping[str, str], seen: set[int]
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """By offset, ordered by id: what is added comes last. What is deleted moves the others up, so that
        one might be passed over: then the list is read again."""
        for _ in range(PASSES):
            at, count = 0, 0
            while True:
                page = await self._sure(path, {**asked, "ordering": "id", "offset": str(at)})
                if page.total is None:
                    raise self._error(f"its {path} do not say how many there are", _ODD)
                if page.total < count:
                    break
                count = page.total
                at += len(page.records)
                yield self._new(path, page.records, seen, last=page.following is None, again=True)
                if page.following is None:
                    self._check_count(path, page, at)
                    return
                if at >= count or not page.records or _number(page.following.get("offset")) != at:
                    raise self._error(f"its {path} go on behind all {count:,} or begin again", _ODD)
        raise self._error(
            f"objects are deleted from its {path} faster than they are read", "import again at a quieter time"
        )

    def _check_count(self, path: str, page: Page, read: int) -> None:
        if page.total is not None and read != page.total:
            raise self._error(f"it has {page.total:,} {path} and gives {read:,}", _ODD)

    def _new(
        self, path: str, records: list[Any], seen: set[int], *, last: bool, again: bool = False
    ) -> list[dict[str, Any]]:
        """The records that have not been seen."""
        found = []
        for record in records:
            number = record.get("id") if isinstance(record, dict) else None
            if not isinstance(number, int):
                raise self._error(f"an object of its {path} has no id", _ODD)
            if number not in seen:
                seen.add(number)
                found.append(record)
        if not found and not last and not again:
            raise self._error(f"a page of its {path} has nothing new, and there are more", _ODD)
        if len(seen) > MAX_OBJECTS:
            raise self._error(f"its {path} do not end after {MAX_OBJECTS:,}", _ODD)
        return found

    async def _sure(self, path: str, asked: Mapping[str, str]) -> Page:
        try:
            return await self._page(path, asked)
        except _RefusedError as refused:
            raise self._error(f"/api/{path} answers with status 400: {refused}", _ODD) from None

    async def _page(self, path: str, asked: Mapping[str, str]) -> Page:
        """One page, tried again while it may get better."""
        loop = asyncio.get_running_loop()
        for attempt in range(TRIES):
            try:
                async with asyncio.timeout_at(self._end):
                    return await self._once(path, asked)
            except TimeoutError:
                limit = self._deadline if loop.time() >= self._end else REQUEST
                what = "is not read to its end" if limit == self._deadline else f"/api/{path} does not answer"
                raise self._error(f"{what} within {limit:g} s", "import again when it is less busy") from None
            except _BusyError as again:
                reason, wait = str(again), again.wait if again.wait is not None else PAUSE * 2**attempt
            except aiohttp.ClientConnectorCertificateError as error:
                raise self._untrusted(error.certificate_error) from None
            except aiohttp.ClientConnectorSSLError as error:
                raise self._untrusted(error) from None
            except aiohttp.ClientConnectorError as error:
                raise self._error(f"cannot be reached: {_said(error)}", "check [netbox] url") from None
            except (aiohttp.ClientError, OSError) as error:  # a connection that broke off
                reason, wait = (
                    f"/api/{path} breaks off: {_said(error) or type(error).__name__}",
                    PAUSE * 2**attempt,
                )
            if wait > LONGEST_WAIT or loop.time() + wait > self._end:
                raise self._error(f"{reason}; it may be asked again in {wait:g} s", "import again later")
            if attempt + 1 < TRIES:
                await asyncio.sleep(wait)
        raise self._error(f"{reason}, {TRIES} times", "import again later, or look into NetBox's log")

    async def _once(self, path: str, asked: Mapping[str, str]) -> Page:
        url = (self._base / "api" / path).with_query(asked)
        async with self._session.get(url, allow_redirects=False) as answer:
            if answer.status in _MOVED:
                raise self._moved(url, answer.headers.get("Location", ""))
            if answer.status in _BUSY:
                after = answer.headers.get("Retry-After", "")
                wait = int(after) if after.isascii() and after.isdigit() and len(after) < 9 else None
                raise _BusyError(f"/api/{path} answers with status {answer.status}", wait)
            raw = await self._body(path, answer)
            is_json = answer.content_type == "application/json"
            if answer.status != 200:
                raise self._refusal(path, answer.status, self._detail(raw) if is_json else "")
            if not is_json:
                what = "a page for people" if answer.content_type == "text/html" else "something else"
                raise self._error(
                    f"/api/{path} answers with {what}, not with JSON",
                    "write NetBox's own address as url; a login page or a proxy may stand there",
                )
            version = answer.headers.get("API-Version", "")
            self.version = version if _VERSION.match(version) else self.version
        return self._read(path, raw)

    async def _body(self, path: str, answer: aiohttp.ClientResponse) -> bytes:
        raw = bytearray()
        async for chunk in answer.content.iter_chunked(65536):
            raw += chunk
            if len(raw) > MAX_BYTES:
                raise self._error(f"/api/{path} answers with more than {MAX_BYTES:,} bytes", _ODD)
        return bytes(raw)

    def _read(self, path: str, raw: bytes) -> Page:
        try:
            found = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError):
            raise self._error(f"/api/{path} answers with JSON that breaks off or is none", _ODD) from None
        records = found.get("results") if isinstance(found, dict) else None
        if not isinstance(records, list):
            raise self._error(f"/api/{path} answers with JSON that is no page of objects", _ODD)
        following, count = found.get("next"), found.get("count")
        if not isinstance(following, str | None) or not isinstance(count, int | None):
            raise self._error(f"/api/{path} answers with JSON that is no page of objects", _ODD)
        try:
            return Page(records, count, None if following is None else dict(URL(following).query))
        except ValueError:
            raise self._error(f"/api/{path} names a next page that is no address", _ODD) from None

    def _refusal(self, path: str, status: int, detail: str) -> Exception:
        said = f": {detail}" if detail else ""
        if status == 400:
            return _RefusedError(detail)
        if status in (401, 403):
            return self._error(
                f"/api/{path} refuses the token (status {status}{said})",
                "check that it is valid and may be used from here, and that its user may view "
                + path.rstrip("/").replace("/", " > ").replace("-", " "),
            )
        if status == 404:
            return self._error(
                f"has no /api/{path} (status 404)", "write NetBox's own address as url, without /api"
            )
        return self._error(f"/api/{path} answers with status {status}{said}", _ODD)

    def _moved(self, url: URL, location: str) -> ScopeError:
        try:
            to = url.join(URL(location))
        except ValueError:
            to, place = url, location[:_SHOWN]
        else:
            place = str(to.origin())[:_SHOWN] if to.host else location[:_SHOWN]
        if "login" in to.path:
            return self._error(
                "asks people to log in", "check the token, and that no proxy stands before /api"
            )
        return self._error(
            f"redirects to {place!r}, which is not followed",
            "write that address as url, if it is your NetBox",
        )

    def _untrusted(self, error: Exception) -> ScopeError:
        return self._error(
            f"its certificate is not trusted: {_said(error)}", "name the authority's certificate as ca_file"
        )

    def _trusted(self, ca_file: str) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=ca_file or None)
        except OSError as error:
            why = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise self._error(
                f"ca_file = {ca_file!r} cannot be used: {why}",
                "name a file of PEM certificates",
            ) from None

    def _detail(self, raw: bytes) -> str:
        """What a refusal says; without the token, should it be told back."""
        text = raw[:4096].decode("utf-8", "replace")
        for secret in (self._token, self._token.removeprefix("nbt_"), self._token.rpartition(".")[2]):
            text = text.replace(secret, "…")
        try:
            found = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return ""
        said = found.get("detail") if isinstance(found, dict) else None
        return repr((said if isinstance(said, str) else str(found))[:_SHOWN])

    def _error(self, reason: str, remedy: str) -> ScopeError:
        return ScopeError(self.name, None, reason, remedy)


_ODD: Final = "check that url is a NetBox and nothing answers in its place"


def _base(url: str) -> URL:
    try:
        base = URL(url)
    except ValueError:
        base = URL()
    remedy = "write it as in https://netbox.example.com"
    if base.user is not None or base.password is not None:
        raise ScopeError("[netbox] url", None, "holds a user or a password", remedy)
    if base.scheme not in ("http", "https") or not base.host or base.query_string or base.fragment:
        raise ScopeError("[netbox] url", None, f"{url[:_SHOWN]!r} is no address of a NetBox", remedy)
    return base.with_path(base.path.rstrip("/").removesuffix("/api").rstrip("/") or "/")


def _number(text: str | None) -> int:
    """A number of a `next`; -1 for none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else -1


def _said(error: Exception) -> str:
    return " ".join(
        str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error).split()
    )[:_SHOWN]
