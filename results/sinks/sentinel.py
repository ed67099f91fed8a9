"""Microsoft Sentinel: rows to a data collection rule over the Logs Ingestion API, with a token of Microsoft
Entra ID for a client's secret.

Facts: Microsoft, "Logs Ingestion API in Azure Monitor" (an array of at most 1 MiB, answered with 204) and
"OAuth 2.0 client credentials flow". There is no key against repeats: `EventId` tells them.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from results.ledger.tracked import TrackedExposure
from results.sinks.http import Endpoint, HttpAnswer, HttpClient, raise_unless_answered
from results.sinks.sink import Answer, Limits, StoppedError, TooLargeError, UnavailableError, UnfitEventError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from results.events.event import Event
    from results.formats.fields import Sender
    from results.formats.format import Format
    from results.sinks.sink import Item

SCOPE: Final = "https://monitor.azure.com/.default"
API_VERSION: Final = "2023-01-01"
_EARLY: Final = 300.0  # seconds: a token is renewed so long before its end
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,256}")


class SentinelOptions(Struct, frozen=True, kw_only=True):
    """The ingestion endpoint of a data collection rule, its immutable id and stream, and the app registration
    that may publish there (role "Monitoring Metrics Publisher" on the rule)."""

    endpoint: Endpoint
    tenant: str
    client_id: str
    client_secret: str
    rule_id: str
    stream: str = "Custom-Mongosweep_CL"
    authority: str = "https://login.microsoftonline.com"

    def __post_init__(self) -> None:
        if not self.client_secret:
            raise ValueError("the client's secret is empty; write the value that Entra ID showed")
        for name in ("tenant", "client_id", "rule_id", "stream"):
            if not _NAME.fullmatch(getattr(self, name)):
                raise ValueError(f"{name} is empty or no name of Azure's; write it as the portal shows it")

    def __repr__(self) -> str:
        return f"SentinelOptions({self.endpoint!r}, stream={self.stream!r})"


class SentinelSink:
    """One stream of a rule."""

    kind = "sentinel"
    # An array has a comma an event and its brackets: with them it is at most 1 MiB.
    limits = Limits(events=1000, bytes=1024 * 1024 - 1001, event_bytes=1024 * 1024 - 2, in_flight=4)

    def __init__(
        self,
        name: str,
        options: SentinelOptions,
        format: Format,  # noqa: A002
        sender: Sender,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.place = f"{options.endpoint.origin}/{options.stream}"
        self._format = format
        self._sender = sender
        self._client = HttpClient(options.endpoint, [options.client_secret])
        self._tokens = _Tokens(options, clock)
        base = options.endpoint.url.partition("?")[0].rstrip("/")
        self._url = (
            f"{base}/dataCollectionRules/{quote(options.rule_id)}/streams/{quote(options.stream)}"
            f"?api-version={API_VERSION}"
        )

    def render(self, event: Event, line: bytes) -> bytes | None:
        """One row, an object."""
        if isinstance(event, TrackedExposure):
            return None
        document = line if self._format.name == "native" else self._format.document(event, self._sender)
        if document is not None and document[:1] != b"{":
            raise UnfitEventError(f"a row is a JSON object, which {self._format.name} is not")
        return document

    async def send(self, items: Sequence[Item]) -> Answer:
        """One request; a second one with a new token where the first token was not accepted."""
        body = b"[%b]" % b",".join(item.body for item in items)
        token = await self._tokens.current()
        answer = await self._post(body, token)
        if answer.status == 401:
            answer = await self._post(body, await self._tokens.current(refused=token))
        code, message = _error_of(answer)
        said = f"{self.place} answered {answer.status}: {self._told(f'{code}: {message}')}"
        if 200 <= answer.status < 300 and answer.body.strip():  # it answers 204, which has no body
            raise UnavailableError(f"{self.place} answered {answer.status}, but not as the API does")
        if 200 <= answer.status < 300:
            return Answer(f"{self.place} answered {answer.status}")
        if answer.status == 403:
            raise StoppedError(
                f"{said}; give the app the role Monitoring Metrics Publisher on the rule; that takes half "
                "an hour to be known there"
            )
        raise_unless_answered(self._client, answer, self._told(f"{code}: {message}"))
        if answer.status == 413:
            raise TooLargeError(f"{self.place} answered 413: the sending is too large for it")
        if len(items) > 1:
            raise TooLargeError(said)
        return Answer(said, refused={0: said})

    async def close(self) -> None:
        """Close the connections."""
        await self._tokens.close()
        await self._client.close()

    async def _post(self, body: bytes, token: str) -> HttpAnswer:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return await self._client.post(self._url, body, headers)

    def _told(self, text: str) -> str:
        return self._client.told(self._tokens.without(text))


class _Tokens:
    """The token that is in use, asked for once by whoever comes first."""

    def __init__(self, options: SentinelOptions, clock: Callable[[], float]) -> None:
        url = f"{options.authority.rstrip('/')}/{quote(options.tenant)}/oauth2/v2.0/token"
        self._client = HttpClient(replace(options.endpoint, url=url), [options.client_secret])
        self._asked = urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": options.client_id,
                "client_secret": options.client_secret,
                "scope": SCOPE,
            }
        ).encode()
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._until = 0.0

    async def current(self, refused: str = "") -> str:
        """A token that is not `refused`. Raises `StoppedError` where the secret is not accepted."""
        async with self._lock:
            if not self._token or self._token == refused or self._clock() >= self._until:
                self._token, lasts = await self._new()
                self._until = self._clock() + max(lasts - _EARLY, lasts / 2)
            return self._token

    def without(self, text: str) -> str:
        """The text without the token, should it be repeated there."""
        return text.replace(self._token, "***") if self._token else text

    async def close(self) -> None:
        await self._client.close()

    async def _new(self) -> tuple[str, float]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self._client.post(self._client.endpoint.url, self._asked, headers)
        where = self._client.endpoint.origin
        if answer.status in (400, 401, 403):
            said = self._client.told(_refusal_of(answer))
            raise StoppedError(f"{where} gave no token: {said}; put tenant, client_id and the secret right")
        raise_unless_answered(self._client, answer)
        try:
            token = msgspec.json.decode(answer.body, type=_Token)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            token = _Token("", 0)
        if not token.access_token or not all("!" <= each <= "~" for each in token.access_token):
            raise UnavailableError(f"{where} answered {answer.status}, but with no token")
        return token.access_token, float(token.expires_in)


class _Token(Struct):
    access_token: str
    expires_in: int


class _Refusal(Struct):
    error: str = ""
    error_description: str = ""


class _Problem(Struct):
    code: str = ""
    message: str = ""


class _Failure(Struct):
    error: _Problem


def _refusal_of(answer: HttpAnswer) -> str:
    """The code, and the number of Entra ID's own list of them; no more: an answer may hold anything."""
    try:
        told = msgspec.json.decode(answer.body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return str(answer.status)
    words = [re.match(r"[a-z_]{1,40}$", told.error), re.match(r"AADSTS\d{1,9}", told.error_description)]
    return " ".join(word[0] for word in words if word) or str(answer.status)


def _error_of(answer: HttpAnswer) -> tuple[str, str]:
    try:
        error = msgspec.json.decode(answer.body, type=_Failure).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "", ""
    return error.code, error.message
