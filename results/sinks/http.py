"""HTTP as all sinks speak it, by aiohttp: verified TLS, proxies from the environment, no redirects, answers
read up to a bound, and what went wrong in words that hold no secret.

The context here verifies; the one that asks targets does not, and stands in `scanner`, out of reach.
"""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import aiohttp
from msgspec import Struct

from results.certificates import unfit_certificates, unfit_own_certificate
from results.http_connector import HttpConnector
from results.sinks.sink import StoppedError, UnavailableError, in_system_words
from results.text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANSWER_BYTES: Final = 64 * 1024
LONGEST_WAIT: Final = 3600.0
"""Seconds: what the other side asks us to wait is believed up to here."""
TOTAL: Final = 10
"""A request takes at most so many times its timeout, however slowly the other side goes on."""
_SAID: Final = 200  # characters of another's words in ours


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where requests go. `timeout` is in seconds: of a connect, and of silence when all is sent.

    `ca_file` stands in the place of the system's authorities. `certificate` and `key` (PEM; one file may hold
    both) say who we are. Raises `ValueError` for a URL that nothing is sent to, with what to write instead.
    """

    url: str
    ca_file: str = ""
    certificate: str = ""
    key: str = ""
    timeout: float = 30.0
    proxy_from_environment: bool = True
    insecure: bool = False

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            origin = origin_of(self.url)
            (parts.hostname or "").encode("idna")  # as whoever looks it up does: labels of 1 to 63 characters
        except ValueError:
            raise ValueError("the url cannot be read; write one such as https://siem.example.com") from None
        if parts.scheme not in ("https", "http") or not parts.hostname or not _plain(self.url):
            raise ValueError("the url is not one of a server; write one such as https://siem.example.com")
        if parts.username is not None or parts.password is not None:
            raise ValueError(f"the url of {origin} holds a user or password; take them out of it")
        if parts.scheme == "http" and not self.insecure:
            raise ValueError(f"{origin} is not encrypted; write https://, or insecure = true beside it")

    def __repr__(self) -> str:
        return f"Endpoint({self.origin})"

    @property
    def origin(self) -> str:
        """Scheme, host and port: all of the URL that is shown, because the rest may hold a secret."""
        return origin_of(self.url)


class HttpAnswer(NamedTuple):
    """What came back. The names of `headers` are found in any case. `cut`: there was more of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool = False


class HttpClient:
    """Requests to one endpoint, over connections that are kept. `secrets` are taken out of whatever the
    other side says, should it repeat them. `cookies` are given back, which is how a load balancer leads us to
    the same server again. To be used in one event loop."""

    def __init__(self, endpoint: Endpoint, secrets: Sequence[str] = (), *, cookies: bool = False) -> None:
        self.endpoint = endpoint
        self._cookies = cookies
        self._secrets = sorted({each for each in secrets if each}, key=len, reverse=True)
        self._session: aiohttp.ClientSession | None = None
        self._proxy: _Proxy | None = None
        self._answered = False

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """Post once. An answer of any status is an answer.

        Raises `UnavailableError` where none came whole, and `StoppedError` where the certificates do not fit.
        """
        try:
            return await self._posted(self._opened(), url, body, headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            problem = self._problem(error)
        raise problem  # outside of `except`: the library's error may hold the URL and headers, and ends here

    def told(self, text: str) -> str:
        """What the other side said, fit to be shown: short, visible, and without our secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return visible(" ".join(text.split()), _SAID)

    async def close(self) -> None:
        """Close what is open, with TLS's farewell. Safe to repeat."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _posted(
        self, session: aiohttp.ClientSession, url: str, body: bytes, headers: Mapping[str, str]
    ) -> HttpAnswer:
        proxy = self._proxy
        async with session.post(
            url,
            data=body,
            headers=headers,
            allow_redirects=False,
            proxy=proxy.url if proxy else None,
            proxy_headers=proxy.headers if proxy else None,
        ) as answer:
            parts: list[bytes] = []
            room = ANSWER_BYTES + 1
            while room and (part := await answer.content.read(room)):
                parts.append(part)
                room -= len(part)
            whole = b"".join(parts)
            self._answered = True
            return HttpAnswer(answer.status, answer.headers, whole[:ANSWER_BYTES], not room)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._proxy = _proxy_for(self.endpoint)
            timeout = self.endpoint.timeout
            encrypted = self.endpoint.origin.startswith("https:")
            self._session = aiohttp.ClientSession(
                connector=HttpConnector(ssl=_context(self.endpoint) if encrypted else True),
                timeout=aiohttp.ClientTimeout(total=TOTAL * timeout, sock_connect=timeout, sock_read=timeout),
                headers={"User-Agent": "mongosweep", "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.CookieJar(unsafe=True) if self._cookies else aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,  # which would read .netrc, too
            )
        return self._session

    def _problem(self, error: BaseException) -> UnavailableError | StoppedError:
        where = self.endpoint.origin
        if (why := _tls_reason(error)) is not None:
            return _tls_problem(where, *why)
        if isinstance(error, aiohttp.ClientHttpProxyError):
            if error.status == 407:
                return StoppedError("the proxy wants a user and password; write them into HTTPS_PROXY")
            return UnavailableError(f"the proxy does not lead to {where}: it answered {error.status}")
        if isinstance(error, aiohttp.ClientConnectorError):
            through = "the proxy" if isinstance(error, aiohttp.ClientProxyConnectionError) else where
            reason = visible(in_system_words(error.os_error), _SAID)
            return UnavailableError(f"no connection to {through}: {reason}")
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return UnavailableError(f"no connection to {where} within {self.endpoint.timeout:g} seconds")
        if isinstance(error, asyncio.TimeoutError):
            return UnavailableError(f"no answer from {where} in time")
        if isinstance(error, aiohttp.ClientPayloadError):
            return UnavailableError(f"the answer of {where} was cut off")
        if isinstance(error, aiohttp.ClientResponseError):
            return UnavailableError(f"the answer of {where} is not HTTP")
        closed = f"{where} closed the connection before it answered"
        if where.startswith("https:") and not self._answered and not self.endpoint.certificate:
            closed += "; should it want a certificate of ours, name one as certificate"
        return UnavailableError(closed)


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL. Raises `ValueError`."""
    parts = urlsplit(url)
    return visible(f"{parts.scheme}://{_host_and_port(parts)}", _SAID)


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """How many seconds the other side wants us to wait (RFC 9110, 10.2.3), at most `LONGEST_WAIT`.

    A date is taken by the clock of the server that wrote it, where the answer says what that clock showed.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT)
    until = _http_date(text)
    if until is None:
        return None
    since = _http_date(headers.get("Date", "")) or now or datetime.now(UTC)
    return min(max((until - since).total_seconds(), 0.0), LONGEST_WAIT)


def raise_unless_answered(client: HttpClient, answer: HttpAnswer, said: str = "") -> None:
    """Raise what a status means at every receiver: later, or not before a person changed something.

    What is left is for each sink to judge: 2xx, and what may be the fault of what was sent (400, 413, 422…).
    """
    status, where = answer.status, client.endpoint.origin
    words = f"{where} answered {status}" + (f": {client.told(said)}" if said else "")
    if status in (408, 425, 429) or status >= 500:
        raise UnavailableError(words, retry_after(answer.headers), busy=status in (425, 429, 503))
    if 300 <= status < 400:
        raise StoppedError(f"{words}: it leads elsewhere, and that is not followed; write the final url")
    if status in (401, 403):
        raise StoppedError(f"{words}: what we prove ourselves with is not accepted; put it right")
    if status in (404, 405, 501):
        raise StoppedError(f"{words}: nothing takes events at this url; put it right")
    if status == 407:
        raise StoppedError(f"{words}: the proxy wants a user and password; write them into HTTPS_PROXY")


def fit_for_header(what: str, secret: str) -> str:
    """The secret, which is to stand in a header. Raises `ValueError`, without it, where it cannot."""
    if not secret or not _plain(secret):
        raise ValueError(
            f"{what} is empty, or holds blanks, line breaks or other than ASCII; write it as given"
        )
    return secret


def _plain(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _host_and_port(parts: SplitResult) -> str:
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port is None else f"{host}:{parts.port}"


class _Proxy(NamedTuple):
    url: str
    headers: Mapping[str, str]

    def __repr__(self) -> str:
        return "a proxy"


def _proxy_for(endpoint: Endpoint) -> _Proxy | None:
    """The proxy of HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY names the host. Never from .netrc."""
    if not endpoint.proxy_from_environment:
        return None
    target = urlsplit(endpoint.url)
    proxies = urllib.request.getproxies_environment()
    url = proxies.get(target.scheme)
    if not url or urllib.request.proxy_bypass_environment(_host_and_port(target), proxies):  # type: ignore[attr-defined]
        return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        place = f"{parts.scheme}://{_host_and_port(parts)}"
        (parts.hostname or "").encode("idna")
    except ValueError:
        parts, place = urlsplit(""), ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        name = f"{target.scheme.upper()}_PROXY"
        raise StoppedError(f"{name} names no proxy; write one such as http://proxy.example.com:3128")
    if parts.username is None:
        return _Proxy(place, {})
    user, password = unquote(parts.username), unquote(parts.password or "")
    return _Proxy(place, {"Proxy-Authorization": aiohttp.encode_basic_auth(user, password)})


def _context(endpoint: Endpoint) -> ssl.SSLContext:
    """Verifies the server's name and certificate, speaks TLS 1.2 and later, and says who we are."""
    authorities, certificate = endpoint.ca_file, endpoint.certificate
    if authorities and (reason := unfit_certificates(authorities)):
        file = visible(authorities, _SAID)
        raise StoppedError(f"ca_file {file} cannot be used: {reason}; name a file of PEM certificates")
    if certificate and (reason := unfit_own_certificate(certificate, endpoint.key)):
        file = visible(certificate, _SAID)
        raise StoppedError(f"certificate {file} cannot be used: {reason}; name PEM files of it and its key")
    context = ssl.create_default_context(cafile=authorities or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate:
        context.load_cert_chain(certificate, endpoint.key or None)
    return context


_ASKS_FOR_OURS: Final = ("CERTIFICATE_REQUIRED", "ALERT_HANDSHAKE_FAILURE", "ALERT_BAD_CERTIFICATE")
_NOT_OURS: Final = (
    "ALERT_UNKNOWN_CA",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_ACCESS_DENIED",
)
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST")
_TOO_OLD: Final = ("UNSUPPORTED_PROTOCOL", "ALERT_PROTOCOL_VERSION", "VERSION_TOO_LOW")


def _tls_reason(error: BaseException | None) -> tuple[str, bool] | None:
    """Why TLS failed, in OpenSSL's words, and whether it was the certificate; None where it was not TLS."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    for each in (inner, error, error.__cause__ if error else None, error.__context__ if error else None):
        if isinstance(each, ssl.SSLCertVerificationError):
            return each.verify_message or "it does not verify", True
        if isinstance(each, ssl.CertificateError):
            return str(each), True
        if isinstance(each, ssl.SSLError):
            return each.reason or "TLS failed", False
    return None


def _tls_problem(where: str, reason: str, verifying: bool) -> UnavailableError | StoppedError:
    if verifying:
        return StoppedError(
            f"the certificate of {where} does not verify: {visible(reason, _SAID)}; have it renewed, or name "
            "the authority that signed it as ca_file"
        )
    if any(each in reason for each in _ASKS_FOR_OURS):
        return StoppedError(f"{where} does not speak TLS with us, or wants a certificate of ours: {reason}")
    if any(each in reason for each in _NOT_OURS):
        return StoppedError(f"{where} does not accept our certificate: {reason}")
    if any(each in reason for each in _TOO_OLD):
        return StoppedError(f"{where} speaks no TLS 1.2 or later: {reason}")
    if any(each in reason for each in _NO_TLS):
        return UnavailableError(f"what answers at {where} speaks no TLS: {reason}; put the url right")
    return UnavailableError(f"no TLS with {where}: {visible(reason, _SAID)}")
