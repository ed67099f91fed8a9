"""Letters as JSON to one address, signed as Standard Webhooks says.

`webhook-id` is the message's id: it is the same at every attempt, so that a receiver can drop a second copy.
An answer of 429 or 5xx says that it was not taken, and is tried again after a while; no answer says nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from msgspec import Struct

from results.durations import instant
from results.http_connector import HttpConnector
from results.notify.way import NotSentError, Said, UnclearError
from results.text import visible
from results.webhook_signature import signed_headers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from results.notify.letter import Letter

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0  # seconds


class Hook(Struct, frozen=True, kw_only=True):
    """Where letters are posted. `secret` is kept out of every text."""

    url: str
    ca_file: str = ""
    secret: str = ""
    timeout: float = 15.0
    attempts: int = 4

    def __repr__(self) -> str:
        return self.url.partition("?")[0]


class WebhookWay:
    """One address."""

    name = "webhook"

    def __init__(self, hook: Hook, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.place = repr(hook)
        self._hook = hook
        self._pause = pause
        self._session: aiohttp.ClientSession | None = None

    async def send(self, letter: Letter, handing_over: Callable[[], None]) -> Said:
        """Post one letter; redirects are not followed."""
        body = body_of(letter)
        headers = headers_of(letter, body, self._hook.secret)
        for attempt in range(1, self._hook.attempts + 1):
            status, said, wait = await self._post(body, headers, handing_over if attempt == 1 else None)
            if 200 <= status < 300:
                return Said(said)
            if attempt == self._hook.attempts or (status != 429 and status < 500):
                break
            await self._pause(min(wait or _FIRST_PAUSE * 2 ** (attempt - 1), _LONGEST_PAUSE))
        raise NotSentError(said)

    async def _post(
        self, body: bytes, headers: dict[str, str], handing_over: Callable[[], None] | None
    ) -> tuple[int, str, float | None]:
        """One attempt: the status, what was said, and how long the other side wants us to wait."""
        session = self._opened()
        if handing_over is not None:
            handing_over()
        try:
            async with session.post(
                self._hook.url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                wait = answer.headers.get("Retry-After", "")
                seconds = float(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else None
                return answer.status, f"{answer.status} {visible(answer.reason or '', 100)}", seconds
        except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
            raise NotSentError(f"{self._hook!r}: {_short(error)}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnclearError(f"{self._hook!r}: no answer: {_short(error)}") from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = ssl.create_default_context(cafile=self._hook.ca_file or None)
            self._session = aiohttp.ClientSession(
                connector=HttpConnector(ssl=context, force_close=True),
                timeout=aiohttp.ClientTimeout(total=self._hook.timeout),
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def body_of(letter: Letter) -> bytes:
    """The JSON that is posted."""
    return msgspec.json.encode(
        {
            "type": f"mongosweep.{letter.kind}",
            "timestamp": letter.at,
            "data": {
                "message_id": letter.message_id,
                "language": letter.language,
                "subject": letter.subject,
                "text": letter.plain,
                "markdown": letter.markdown,
                **letter.data,
            },
        }
    )


def headers_of(letter: Letter, body: bytes, secret: str) -> dict[str, str]:
    """What is sent beside it, signed where there is a secret."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "mongosweep",
        **signed_headers(letter.message_id, int(instant(letter.at).timestamp()), body, secret),
    }


def _short(error: BaseException) -> str:
    return visible(" ".join(str(error).split()) or type(error).__name__, 200)
