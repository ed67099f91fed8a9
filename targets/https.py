"""One file over https, as somebody publishes it; believed by its signature alone (`signatures`)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import aiohttp
from yarl import URL

from targets.http_connector import HttpConnector

MAX_REDIRECTS = 5
DEADLINE = 60.0  # seconds for a file with its redirects


class FetchError(Exception):
    """There is no file: the text says why."""


class NotThereError(FetchError):
    """The server knows no such file (404 or 410)."""


def https_url(text: str) -> URL:
    """An https address without a password in it. Raises FetchError."""
    with contextlib.suppress(ValueError):
        url = URL(text)
        if url.scheme == "https" and url.host and url.user is None and not url.fragment:
            return url
    raise FetchError("it is no https address without a password; write https://HOST/PATH")


def fetch(url: URL, max_bytes: int, deadline: float = DEADLINE) -> bytes:
    """The bytes of a file. Its server's certificate is verified, by the authorities of the system or of
    SSL_CERT_FILE; a redirect is followed to https alone. Raises FetchError."""
    return asyncio.run(_fetch(url, max_bytes, deadline))


async def _fetch(url: URL, max_bytes: int, deadline: float) -> bytes:
    try:
        async with asyncio.timeout(deadline), _session() as session:
            for _ in range(MAX_REDIRECTS + 1):
                found = await _once(session, url, max_bytes)
                if isinstance(found, bytes):
                    return found
                url = found
    except TimeoutError:
        raise FetchError(f"it did not come within {deadline:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise FetchError(f"it cannot be fetched: {str(error)[:300] or type(error).__name__}") from None
    raise FetchError(f"it comes after more than {MAX_REDIRECTS} redirects")


def _session() -> aiohttp.ClientSession:
    """It unpacks nothing, so that a small answer stays small, and knows no password and no cookie."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=HttpConnector(ssl=ssl.create_default_context()),
    )


async def _once(session: aiohttp.ClientSession, url: URL, max_bytes: int) -> URL | bytes:
    headers = {"Accept-Encoding": "identity", "User-Agent": "mongosweep"}
    async with session.get(url, headers=headers, allow_redirects=False) as response:
        if response.status in (301, 302, 303, 307, 308):
            following = url.join(URL(response.headers.get("Location", "")))
            if following.scheme != "https":
                raise FetchError(f"it is redirected to {str(following)[:200]}, which is not https")
            return following
        if response.status in (404, 410):
            raise NotThereError(f"the server answered with status {response.status}")
        if response.status != 200:
            raise FetchError(f"the server answered with status {response.status}")
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise FetchError("the server answered with packed bytes, which nobody asked for")
        raw = bytearray()
        async for chunk in response.content.iter_chunked(65536):
            raw += chunk
            if len(raw) > max_bytes:
                raise FetchError(f"it is larger than {max_bytes:,} bytes")
        return bytes(raw)
